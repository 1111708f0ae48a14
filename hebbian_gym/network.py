"""Act, then learn: one plastic network on one core, in numba, without torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .architecture import SQUASHES, Architecture, Array
from .rules import Formula, Rule

CONTRACT = {"contract"}  # fused multiply-add; no other liberty with the order of operations


# tanh as a ratio of polynomials (Eigen's coefficients): within 3e-7 of tanh, and unlike libm's it vectorises
_ODD = np.array([4.89352455891786e-03, 6.37261928875436e-04, 1.48572235717979e-05, 5.12229709037114e-08,
                 -8.60467152213735e-11, 2.00018790482477e-13, -2.76076847742355e-16], np.float32)  # fmt: skip
_EVEN = np.array([4.89352518554385e-03, 2.26843463243900e-03, 1.18534705686654e-04, 1.19825839466702e-06], np.float32)
_FLAT = np.float32(7.99881172180175781)  # from here on it is 1, exactly


@njit(inline="always", fastmath=CONTRACT)
def _tanh(x):  # type: ignore[no-untyped-def]
    x = min(max(x, -_FLAT), _FLAT)
    s, a, b = x * x, _ODD, _EVEN
    odd = x * (a[0] + s * (a[1] + s * (a[2] + s * (a[3] + s * (a[4] + s * (a[5] + s * a[6]))))))
    return odd / (b[0] + s * (b[1] + s * (b[2] + s * b[3])))


@njit(inline="always", fastmath=CONTRACT)
def _propagate(pre, w, post):  # type: ignore[no-untyped-def]
    """``post = pre @ w``, four inputs at a time, so that the sums are read and written a quarter as often."""
    post[:] = 0
    fours = len(pre) - len(pre) % 4
    for i in range(0, fours, 4):
        x0, x1, x2, x3 = pre[i], pre[i + 1], pre[i + 2], pre[i + 3]
        w0, w1, w2, w3 = w[i], w[i + 1], w[i + 2], w[i + 3]
        for j in range(len(post)):
            post[j] = post[j] + x0 * w0[j] + x1 * w1[j] + x2 * w2[j] + x3 * w3[j]
    for i in range(fours, len(pre)):
        x = pre[i]
        for j in range(len(post)):
            post[j] += x * w[i, j]


@njit(cache=True, fastmath=CONTRACT)
def _act(  # type: ignore[no-untyped-def]
    sizes, weights, activity, raw, squashes, squashed, scaling, learn_from_squashed
):
    """Propagate the first layer of ``activity`` (all layers, flat) and scale the last one into an action.

    The last layer's weighted sums stay in ``raw``, its outputs in ``squashed``. Rounding, or a bound on one side only,
    must not take the action out of its bounds.
    """
    first, start = 0, 0
    for layer in range(len(sizes) - 1):
        n, m = sizes[layer], sizes[layer + 1]
        post = activity[start + n : start + n + m]
        _propagate(activity[start : start + n], weights[first : first + n * m].reshape(n, m), post)
        if layer < len(sizes) - 2:
            for j in range(m):
                post[j] = _tanh(post[j])
        else:
            raw[:] = post
        first += n * m
        start += n
    offset, scale, low, high = scaling[0], scaling[1], scaling[2], scaling[3]
    action = np.empty_like(raw)
    for j in range(len(raw)):
        if squashes[j] == 0:
            squashed[j] = _tanh(raw[j])
        elif squashes[j] == 1:
            squashed[j] = np.float32(1) / (np.float32(1) + np.exp(-raw[j]))
        else:
            squashed[j] = raw[j]
        action[j] = min(max(offset[j] + scale[j] * squashed[j], low[j]), high[j])
    if learn_from_squashed:
        activity[-len(raw) :] = squashed
    return action


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
        self._scaling = np.stack(architecture.action_scaling())
        self._learn_from_squashed = architecture.learn_from == "squashed"
        self._flat = np.zeros(architecture.synapses, np.float32)
        neurons = sum(architecture.sizes)
        self._activity = np.zeros(neurons, np.float32)
        self._history = np.zeros((architecture.average_over, neurons), np.float32)
        self._raw = np.zeros(architecture.sizes[-1], np.float32)
        self._squashed = np.zeros(architecture.sizes[-1], np.float32)
        self._age = 0
        self.genome = genome

    @property
    def weights(self) -> list[Array]:
        """Views of the present lifetime's weights, one of shape (inputs, outputs) for each layer."""
        ends = np.cumsum([n * m for n, m in self.architecture.layers])
        parts = np.split(self._flat, ends[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, self.architecture.layers, strict=True)]

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
            index = int(observation) - self.architecture.first_observation
            if not 0 <= index < inputs:
                raise ValueError(
                    f"{observation} is none of {inputs} observations from {self.architecture.first_observation} on"
                )
            self._activity[:inputs] = 0
            self._activity[index] = 1
        else:
            flat = np.asarray(observation).ravel()
            if flat.size != inputs:
                raise ValueError(f"this network observes {inputs} numbers, not shape {np.shape(observation)}")
            self._activity[:inputs] = flat
        action = _act(
            self._sizes, self._flat, self._activity, self._raw,
            self._squashes, self._squashed, self._scaling, self._learn_from_squashed,
        )  # fmt: skip
        if self._learn is not None:
            self._update()
        self._age += 1
        if self.architecture.discrete_actions:
            return int(np.argmax(self._raw)) + self.architecture.first_action
        return action.reshape(self.architecture.action_shape) if self.architecture.action_shape else action

    def _update(self) -> None:
        activity, window = self._activity, self.architecture.average_over
        if window > 1:
            self._history[self._age % window] = activity
            activity = self._history[: self._age + 1].mean(axis=0)  # fewer while the lifetime is younger than that
        if self.learning and (self._age + 1) % self.architecture.update_every == 0:
            self._learn(self._sizes, self._flat, self._coefficients, activity, self.architecture.normalize)
