"""Act, then learn: one plastic network on one core, in numba, without torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .architecture import SQUASHES, Architecture, Array
from .rules import Formula, Rule

CONTRACT = {"contract"}  # fused multiply-add; no other liberty with the order of operations


@njit(cache=True, fastmath=CONTRACT)
def _forward(sizes, weights, activity, raw):  # type: ignore[no-untyped-def]
    """Propagate the first layer of ``activity`` (all layers, flat); the last stays a sum, copied to ``raw``."""
    first, start = 0, 0
    for layer in range(len(sizes) - 1):
        n, m = sizes[layer], sizes[layer + 1]
        w = weights[first : first + n * m].reshape(n, m)
        pre, post = activity[start : start + n], activity[start + n : start + n + m]
        post[:] = 0
        for i in range(n):
            x = pre[i]
            for j in range(m):
                post[j] += x * w[i, j]
        if layer < len(sizes) - 2:
            for j in range(m):
                post[j] = np.tanh(post[j])
        else:
            raw[:] = post
        first += n * m
        start += n


@njit(cache=True)
def _squash(squashes, raw, squashed):  # type: ignore[no-untyped-def]
    for j in range(len(raw)):
        if squashes[j] == 0:
            squashed[j] = np.tanh(raw[j])
        elif squashes[j] == 1:
            squashed[j] = np.float32(1) / (np.float32(1) + np.exp(-raw[j]))
        else:
            squashed[j] = raw[j]


_LEARN = """
def learn(sizes, weights, coefficients, activity, normalize):
    first, start = 0, 0
    for layer in range(len(sizes) - 1):
        n, m = sizes[layer], sizes[layer + 1]
        size = n * m
        w = weights[first : first + size].reshape(n, m)
        c = coefficients[{k} * first : {k} * (first + size)].reshape({k}, n, m)
        {unpack}
        pre, post = activity[start : start + n], activity[start + n : start + n + m]
        for i in range(n):
            x = pre[i]
            for j in range(m):
                w[i, j] += delta(x, post[j], w[i, j]{arguments})
        if normalize:
            largest = np.max(np.abs(w))
            if largest > 0:
                w /= largest
        first += size
        start += n
"""


def compile_learning(delta: Formula, coefficients: int) -> Any:
    """The numba function that updates all weights of a network by one rule.

    It is written out for the rule's number of coefficients, so that each is an array of its own (structure of arrays)
    and the compiler can vectorise the formula over a neuron's outgoing synapses.
    """
    names = [f"c{k}" for k in range(coefficients)]
    source = _LEARN.format(
        k=coefficients,
        unpack="; ".join(f"{name} = c[{k}]" for k, name in enumerate(names)) or "pass",
        arguments="".join(f", {name}[i, j]" for name in names),
    )
    namespace: dict[str, Any] = {"np": np, "delta": njit(delta, inline="always", fastmath=CONTRACT)}
    exec(source, namespace)
    return njit(namespace["learn"], fastmath=CONTRACT)


_COMPILED: dict[Formula, Any] = {}


def _learning(rule: Rule) -> Any:
    if rule.delta is None:
        return None
    if rule.delta not in _COMPILED:
        _COMPILED[rule.delta] = compile_learning(rule.delta, len(rule.coefficients))
    return _COMPILED[rule.delta]


class PlasticNetwork:
    """One lifetime at a time of a network that acts, then learns.

    Args:
        architecture: its layers, rule and options.
        genome: float32 of shape (architecture.genome_size,).

    Attributes:
        weights: one float32 array of shape (inputs, outputs) for each layer: the state of the present lifetime.
        learning: set to False to freeze the weights.
    """

    def __init__(self, architecture: Architecture, genome: Array) -> None:
        self.architecture = architecture
        self.learning = True
        self._learn = _learning(architecture.plasticity)
        self._sizes = np.array(architecture.sizes, dtype=np.int64)
        self._squashes = np.array([SQUASHES.index(name) for name in architecture.outputs])
        self._offset, self._scale = architecture.action_scaling()
        self._flat = np.zeros(architecture.synapses, np.float32)
        self.weights = []
        first = 0
        for n, m in architecture.layers:
            self.weights.append(self._flat[first : first + n * m].reshape(n, m))
            first += n * m
        neurons = sum(architecture.sizes)
        self._activity = np.zeros(neurons, np.float32)
        self._history = np.zeros((architecture.average_over, neurons), np.float32)
        self._raw = np.zeros(architecture.sizes[-1], np.float32)
        self._squashed = np.zeros(architecture.sizes[-1], np.float32)
        self._age = 0
        self.genome = genome

    @property
    def genome(self) -> Array:
        return self._genome

    @genome.setter
    def genome(self, genome: Array) -> None:
        self._genome = self.architecture.check_genome(genome)
        self._coefficients = self._genome[: self.architecture.coefficient_genes]

    def reset(self, rng: np.random.Generator | int) -> None:
        """Be born: draw the weights from ``rng`` (or a generator of that seed)."""
        generator = np.random.default_rng(rng)
        for layer, weights in zip(self.weights, self.architecture.birth(generator, self._genome), strict=True):
            layer[:] = weights
        self._age = 0

    @property
    def state(self) -> tuple[Array, int, Array]:
        """A copy of the lifetime: all weights (synapses,), its age in steps, recent activities (window, neurons)."""
        return self._flat.copy(), self._age, self._history.copy()

    @state.setter
    def state(self, state: tuple[Array, int, Array]) -> None:
        self._flat[:], self._age, self._history[:] = state

    def act(self, observation: Any) -> Any:
        """The action for an observation; then learn from this very pass.

        Args:
            observation: any shape that flattens to (inputs,), or an integer for discrete observations.

        Returns:
            float32 of shape (outputs,) within the action bounds, or the index of the largest output.
        """
        inputs = self.architecture.sizes[0]
        if self.architecture.discrete_observations:
            self._activity[:inputs] = 0
            self._activity[observation] = 1
        else:
            self._activity[:inputs] = np.ravel(observation)
        _forward(self._sizes, self._flat, self._activity, self._raw)
        _squash(self._squashes, self._raw, self._squashed)
        if self.architecture.learn_from == "squashed":
            self._activity[-len(self._squashed) :] = self._squashed
        if self._learn is not None:
            self._update()
        self._age += 1
        if self.architecture.discrete_actions:
            return int(np.argmax(self._raw))
        return self._offset + self._scale * self._squashed

    def _update(self) -> None:
        activity, window = self._activity, self.architecture.average_over
        if window > 1:
            self._history[self._age % window] = activity
            activity = self._history[: self._age + 1].mean(axis=0)  # fewer while the lifetime is younger than that
        if self.learning and (self._age + 1) % self.architecture.update_every == 0:
            self._learn(self._sizes, self._flat, self._coefficients, activity, self.architecture.normalize)
