"""Act, then learn: one plastic network on one core, in numba, without torch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from .architecture import NORMALIZATIONS, SQUASHES, Architecture, Array
from .encoder import encode, look, make_stages
from .learning import compile_learning
from .numerics import VECTORISED, propagate, tanh
from .spaces import action_scaling


@njit(cache=True, **VECTORISED)
def _act(  # type: ignore[no-untyped-def]
    sizes, weights, activity, raw, squashes, squashed, scaling, learn_from_squashed
):
    """Propagate the first layer of ``activity`` (all layers, flat) and scale the last one into an action.

    The last layer's weighted sums stay in ``raw``, its outputs in ``squashed``; one beyond the action's is no part of
    it. Rounding, or a bound on one side only, must not take the action out of its bounds.
    """
    first, start = 0, 0
    for layer in range(len(sizes) - 1):
        n, m = sizes[layer], sizes[layer + 1]
        post = activity[start + n : start + n + m]
        propagate(activity[start : start + n], weights[first : first + n * m].reshape(n, m), post)
        if layer < len(sizes) - 2:
            for j in range(m):
                post[j] = tanh(post[j])
        else:
            raw[:] = post
        first += n * m
        start += n
    offset, scale, low, high = scaling[0], scaling[1], scaling[2], scaling[3]
    action = np.empty(len(offset), raw.dtype)
    for j in range(len(raw)):
        if squashes[j] == 0:
            squashed[j] = tanh(raw[j])
        elif squashes[j] == 1:
            squashed[j] = np.float32(1) / (np.float32(1) + np.exp(-raw[j]))
        elif squashes[j] == 2:
            squashed[j] = raw[j]
        else:
            squashed[j] = np.float32(1) if raw[j] > 0 else np.float32(0)
    for j in range(len(action)):
        action[j] = min(max(offset[j] + scale[j] * squashed[j], low[j]), high[j])
    if learn_from_squashed:
        activity[-len(raw) :] = squashed
    return action


def _learning(architecture: Architecture) -> Any:
    """The update of all weights, None for weights that do not change."""
    rule = architecture.plasticity
    if rule.delta is None:
        return None
    modulator = "argument" if rule.modulated else "factor" if architecture.modulation != "none" else ""
    return compile_learning(rule.delta, len(rule.coefficients), architecture.sharing, modulator)


class PlasticNetwork:
    """One lifetime at a time of a network that acts, then learns.

    With ``modulation="reward"`` it learns in :meth:`learn`, else in :meth:`act`.

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
        self._learn = _learning(architecture)
        self._awaits = architecture.modulation == "reward"
        self._remembers = architecture.average_over > 1 or self._awaits
        self._action_size = architecture.action_size
        self._normalize = NORMALIZATIONS.index(architecture.normalize)
        self._sizes = np.array(architecture.sizes, dtype=np.int64)
        self._squashes = np.array([SQUASHES.index(name) for name in architecture.squashes])
        self._scaling = np.stack(action_scaling(architecture))
        self._learn_from_squashed = architecture.learn_from == "squashed"
        self._flat = np.zeros(architecture.synapses, np.float32)
        neurons = sum(architecture.sizes)
        self._activity = np.zeros(neurons, np.float32)
        self._history = np.zeros((architecture.average_over, neurons), np.float32)
        self._raw = np.zeros(architecture.sizes[-1], np.float32)
        self._squashed = np.zeros(architecture.sizes[-1], np.float32)
        self._age = 0
        self._scale = np.float32(architecture.observation_scale)
        self._stages = make_stages(architecture.observation_shape, architecture.encoder) if architecture.encoder else ()
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
        end = self.architecture.coefficient_genes
        self._coefficients = self._genome[:end]
        self._kernels = self._genome[end : end + self.architecture.encoder_genes]

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
        """The action for an observation; then learn from this very pass, or keep it for :meth:`learn`.

        Args:
            observation: any shape that flattens to (inputs,); or an integer for discrete observations; or with an
                encoder a picture of shape (channels, height, width).

        Returns:
            float32 of shape (action_size,) within the action bounds, or the index of the largest output.

        Raises:
            ValueError: for an observation of another shape, or with NaN.
        """
        self._observe(observation)
        action = _act(
            self._sizes, self._flat, self._activity, self._raw,
            self._squashes, self._squashed, self._scaling, self._learn_from_squashed,
        )  # fmt: skip
        self._age += 1
        if self._learn is not None:
            if self._remembers:
                self._history[(self._age - 1) % len(self._history)] = self._activity
            if not self._awaits:
                self._update(float(self._squashed[-1]) if self.architecture.modulation == "output" else 1.0)
        if self.architecture.discrete_actions:
            return int(np.argmax(self._raw[: self._action_size])) + self.architecture.first_action
        return action.reshape(self.architecture.action_shape) if self.architecture.action_shape else action

    def learn(self, modulator: float | None) -> None:
        """The update of a network with ``modulation="reward"``, from the activities of the last act.

        Any other network has learned in :meth:`act`: there this does nothing, so that a loop can always call it.

        Args:
            modulator: the signal that came of the action, such as the reward; None or NaN for no update.
        """
        if self._awaits and self._learn is not None and modulator is not None and self._age:
            signal = float(modulator)
            if not math.isnan(signal):
                self._update(signal)

    def _observe(self, observation: Any) -> None:
        """Fill the first layer's activity."""
        architecture, inputs = self.architecture, self.architecture.sizes[0]
        if architecture.discrete_observations:
            index = int(observation) - architecture.first_observation
            if not 0 <= index < inputs:
                raise ValueError(
                    f"{observation} is none of {inputs} observations from {architecture.first_observation} on"
                )
            self._activity[:inputs] = 0
            self._activity[index] = 1
        elif architecture.encoder:
            picture = np.asarray(observation)
            if picture.shape != architecture.observation_shape:
                raise ValueError(
                    f"this network observes pictures of shape {architecture.observation_shape} (channels, height, "
                    f"width), not {picture.shape}"
                )
            if picture.dtype != np.uint8:
                picture = picture.astype(np.float32, copy=False)
            look(picture, self._scale, self._stages[0])
            encode(self._stages, self._kernels, self._activity[:inputs])
        else:
            flat = np.asarray(observation).ravel()
            if flat.size != inputs:
                raise ValueError(f"this network observes {inputs} numbers, not shape {np.shape(observation)}")
            self._activity[:inputs] = flat
            if architecture.observation_scale != 1:
                self._activity[:inputs] *= self._scale
        features = self._activity[:inputs]
        if math.isnan(features.dot(features)):  # the largest of several NaN outputs would be an action like any other
            cause = ""
            if not np.isfinite(self._flat).all():
                cause = (
                    f". This network's weights are no finite numbers after {self._age} steps, so its action may have "
                    f"been none: rule {self.architecture.rule} lets them grow; try smaller coefficients, or normalize="
                )
            raise ValueError(f"the environment returned an observation that is not a number (NaN){cause}")

    def _update(self, modulator: float) -> None:
        architecture, activity = self.architecture, self._activity
        if self.learning and self._age % architecture.update_every == 0:
            if self._remembers:
                recent = self._history[: self._age]  # fewer than the window while the lifetime is younger
                activity = recent.mean(axis=0) if len(recent) > 1 else recent[0]
            self._learn(self._sizes, self._flat, self._coefficients, activity, self._normalize, modulator)
