"""Closed-loop learning: a network that learns from the error of a reflex, so that the reflex has less and less to do.

Daryanavard & Porr's learners: "Closed-loop deep learning" (doi 10.1162/neco_a_01317), Sign-and-Relevance (SaR, arXiv
2110.07292) and Prime-and-Modulate (PaM, arXiv 2309.03825), in one implementation. Nothing here is evolved and nothing
rewarded: an error E, which a fixed reflex acts upon as well, changes the weights of an ordinary network by products of
what E becomes when it is carried back through the network. numpy and numba, no torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .closed_loop_rules import FUNCTIONS, ClosedLoopRule, get_closed_loop_rule
from .numerics import VECTORISED, propagate

Array = NDArray[np.float64]

TREND_CLIP = 1.0  # our choice: by no more than e does the trend slow learning down or speed it up


@njit(cache=True, **VECTORISED)
def _forward(sizes, weights, activity, boost):  # type: ignore[no-untyped-def]
    """Propagate the first layer of ``activity`` (all layers, flat): f(z) = 1 / (1 + exp(-z)) - 0.5."""
    first, start = 0, 0
    for layer in range(len(sizes) - 1):
        n, m = sizes[layer], sizes[layer + 1]
        post = activity[start + n : start + n + m]
        propagate(activity[start : start + n], weights[first : first + n * m].reshape(n, m), post)
        scale = 1.0 / boost if layer == 0 else 1.0
        for j in range(m):
            post[j] = 1.0 / (1.0 + np.exp(-scale * post[j])) - 0.5
        first += n * m
        start += n


@njit(inline="always")
def _sign(x, of_zero):  # type: ignore[no-untyped-def]
    return 1.0 if x > 0.0 else -1.0 if x < 0.0 else of_zero


@njit(cache=True, **VECTORISED)
def _carry_back(sizes, weights, activity, error, of_zero, signals):  # type: ignore[no-untyped-def]
    """Carry E back through the network as it is.

    Args:
        sizes: of the layers, inputs first.
        weights: all, flat.
        activity: of all layers, flat.
        error: E.
        of_zero: the sign of 0.
        signals: float64 of shape (3 or more, neurons without the inputs): delta, local delta and the sign that
            travels by itself; written.
    """
    first, start, layers = len(weights), len(activity) - sizes[0], len(sizes)
    back, local, signs = signals[0], signals[1], signals[2]
    for layer in range(layers - 1, 0, -1):
        m = sizes[layer]
        start -= m
        for j in range(start, start + m):
            f = activity[sizes[0] + j]
            slope = (0.5 + f) * (0.5 - f)
            if layer == layers - 1:
                b, w_sum, s = error, 1.0, error
            else:
                b, w_sum, s = 0.0, 0.0, 0.0
                n = sizes[layer + 1]
                row = weights[first + (j - start) * n : first + (j - start + 1) * n]
                for k in range(n):
                    w = row[k]
                    b += w * back[start + m + k]
                    w_sum += w
                    s += w * signs[start + m + k]
            back[j] = slope * b
            local[j] = slope * error * w_sum
            signs[j] = _sign(s, of_zero)
        first -= sizes[layer - 1] * m


@njit(cache=True, **VECTORISED)
def _multiply(signals, buses, of_zero, per_layer, factors):  # type: ignore[no-untyped-def]
    """The product of all buses at each neuron.

    Args:
        signals: of shape (6, neurons): see :func:`_carry_back`, then error, relevance and trend.
        buses: int64 of shape (buses, 2): indices of a signal's row and of a function.
        of_zero: the sign of 0.
        per_layer: whether the sign of "backward" is the one that travelled by itself.
        factors: of shape (neurons,); written.
    """
    factors[:] = 1.0
    for row, function in buses:
        for j in range(len(factors)):
            x = signals[row, j]
            if function == 1:
                x = abs(x)
            elif function == 2:
                x = signals[2, j] if per_layer and row == 0 else _sign(x, of_zero)
            factors[j] *= x


@njit(cache=True, **VECTORISED)
def _change(sizes, weights, activity, factors, eta, boost):  # type: ignore[no-untyped-def]
    """dw_ij = eta * x_i * factor_j, in the first layer times its boost."""
    first, start, out = 0, 0, 0
    for layer in range(len(sizes) - 1):
        n, m = sizes[layer], sizes[layer + 1]
        w = weights[first : first + n * m].reshape(n, m)
        rate = eta * boost if layer == 0 else eta
        for i in range(n):
            x = rate * activity[start + i]
            for j in range(m):
                w[i, j] += x * factors[out + j]
        first += n * m
        start += n
        out += m


class ClosedLoopNetwork:
    """A network without biases that steers, and learns from the error E of a reflex while it does.

    An agent for :func:`hebbian_gym.run_episode`. By default it is the one of the authors' simulated line follower:
    720 inputs, ten layers of 10 neurons, two outputs, weights drawn from U(0, 1), f(z) = 1 / (1 + exp(-z)) - 0.5.

    In each step E is carried back through the network as the previous step left it, the weights change with the
    previous inputs, and then the present inputs make the steering, ``gain`` x (the outputs weighted by
    ``output_weights``). In the first step of a lifetime the present inputs stand for the previous ones.

    A quirk of the authors' program: weighted sums in the first layer are divided by ``first_layer_boost``, changes of
    its weights multiplied by it. With 1, "BP" follows minus the gradient of -E x (sum of the outputs); with another
    boost the changes in the first layer are boost^2 times that.

    Args:
        rule: one of ``CLOSED_LOOP_RULES`` by name, or a :class:`ClosedLoopRule`.
        learning_rate: None for the rule's own.
        inputs: how many.
        hidden: neurons in each hidden layer.
        output_weights: for each output, what it adds to the steering.
        gain: of the steering, units/s.
        first_layer_boost: 1000 in the authors' program, 1 for an ordinary network.

    Attributes:
        rule, learning_rate, first_layer_boost: as above.
        sizes: of all layers, inputs first.
        readout: ``gain`` x ``output_weights``, of shape (outputs,).
        learning: set to False to freeze the weights.

    Raises:
        ValueError: for an unknown rule or impossible numbers.

    Example:
        >>> network = ClosedLoopNetwork("BP", inputs=3, hidden=(4,))
        >>> network.reset(0)
        >>> network.act([0.1, 0.0, 0.2, 1.5]).shape  # three inputs, then E
        (1,)
        >>> [layer.shape for layer in network.weights]
        [(3, 4), (4, 2)]
    """

    def __init__(
        self,
        rule: str | ClosedLoopRule = "BP",
        learning_rate: float | None = None,
        *,
        inputs: int = 720,
        hidden: Sequence[int] = (10,) * 10,
        output_weights: Sequence[float] = (1.0, 2.0),
        gain: float = 5.0,
        first_layer_boost: float = 1000.0,
    ) -> None:
        self.rule = get_closed_loop_rule(rule)
        self.learning_rate = self.rule.learning_rate if learning_rate is None else float(learning_rate)
        self.sizes = (inputs, *hidden, len(output_weights))
        self.learning = True
        if not all(isinstance(size, int) and size >= 1 for size in self.sizes):
            raise ValueError(f"layers need 1 neuron or more each, not {self.sizes}")
        if not (math.isfinite(self.learning_rate) and math.isfinite(gain) and np.all(np.isfinite(output_weights))):
            raise ValueError("learning_rate, gain and output_weights must be finite numbers")
        if not 0.0 < first_layer_boost < math.inf:
            raise ValueError(f"first_layer_boost must be a number above 0, not {first_layer_boost!r}")
        self.readout = gain * np.array(output_weights, np.float64)
        self.first_layer_boost = float(first_layer_boost)
        self._sizes = np.array(self.sizes)
        self._buses = np.array([(_ROWS[bus.signal], FUNCTIONS.index(bus.function)) for bus in self.rule.buses])
        self._of_zero, self._per_layer = float(self.rule.sign_of_zero), self.rule.sign_mode == "per_layer"
        neurons = sum(self.sizes[1:])
        self._activity = np.zeros(inputs + neurons)
        self._signals, self._factors = np.zeros((len(_ROWS) + 1, neurons)), np.zeros(neurons)
        self._flat = np.zeros(sum(n * m for n, m in zip(self.sizes, self.sizes[1:], strict=False)))
        self.reset(0)

    def reset(self, rng: np.random.Generator | int) -> None:
        """Be born: draw the weights from U(0, 1), by ``rng`` or a generator of that seed."""
        np.random.default_rng(rng).random(out=self._flat)
        self._born = self._flat.copy()
        self._activity[:], self._signals[:] = 0.0, 0.0
        self._error = math.nan  # there has been none yet

    @property
    def weights(self) -> list[Array]:
        """Views of the weights, one of shape (inputs, outputs) for each layer."""
        return self._layers(self._flat)

    def _layers(self, flat: Array) -> list[Array]:
        shapes = list(zip(self.sizes, self.sizes[1:], strict=False))
        parts = np.split(flat, np.cumsum([n * m for n, m in shapes])[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]

    @property
    def deltas(self) -> list[Array]:
        """The error that was carried back in the latest step, delta_j, one view of shape (neurons,) for each layer."""
        return np.split(self._signals[0], np.cumsum(self.sizes[1:])[:-1])

    def distances(self) -> Array:
        """How far the weights have come since birth: the Euclidean distance for each layer, of shape (layers,)."""
        return np.array([np.linalg.norm(layer) for layer in self._layers(self._flat - self._born)])

    def act(self, observation: Any) -> NDArray[np.float32]:
        """Learn from E, then steer.

        Args:
            observation: the inputs, then E; or the inputs, the relevance R, then E.

        Returns:
            The steering, float32 of shape (1,).

        Raises:
            ValueError: for another length, or numbers that are not finite.
            FloatingPointError: when the weights have become too large to steer.
        """
        numbers = np.asarray(observation)
        inputs, extra = self.sizes[0], numbers.size - self.sizes[0]
        if numbers.ndim != 1 or extra not in (1, 2):
            raise ValueError(
                f"this network observes {inputs} inputs, a relevance if its rule takes one, and the error, "
                f"not shape {numbers.shape}"
            )
        if extra == 1 and self.rule.takes_relevance:
            raise ValueError(
                f"rule {self.rule.name} takes a relevance, between the inputs and the error: wrap the environment in "
                "RoadBend, or add a number of your own"
            )
        relevance = float(numbers[-2]) if extra == 2 else 1.0
        return np.array([self.step(numbers[:inputs], float(numbers[-1]), relevance)], np.float32)

    def step(self, inputs: Any, error: float, relevance: float = 1.0) -> float:
        """What :meth:`act` does, of numbers told apart.

        Args:
            inputs: of shape (inputs,).
            error: E.
            relevance: R, for rules that take one.

        Returns:
            The steering.

        Raises:
            ValueError: see :meth:`act`.
            FloatingPointError: see :meth:`act`.
        """
        if not (math.isfinite(error) and math.isfinite(relevance) and np.isfinite(inputs).all()):
            raise ValueError(f"inputs, error ({error}) and relevance ({relevance}) must be finite numbers")
        first = math.isnan(self._error)
        if first:
            self._forward(inputs)
        if self.learning:
            self._learn(error, relevance, 0.0 if first else 0.5 * (self._error - error))
        self._error = error
        self._forward(inputs)
        steering = float(self.readout @ self._activity[-len(self.readout) :])
        if not math.isfinite(steering):
            raise FloatingPointError("the weights have become too large: choose a smaller learning rate")
        return steering

    def _forward(self, inputs: Any) -> None:
        self._activity[: self.sizes[0]] = inputs
        _forward(self._sizes, self._flat, self._activity, self.first_layer_boost)

    def _learn(self, error: float, relevance: float, trend: float) -> None:
        """Change the weights by the previous pass."""
        signals = self._signals
        _carry_back(self._sizes, self._flat, self._activity, error, self._of_zero, signals)
        signals[_ROWS["error"]] = error
        signals[_ROWS["relevance"]] = relevance
        signals[_ROWS["trend"]] = math.exp(min(max(error * trend, -TREND_CLIP), TREND_CLIP))
        _multiply(signals, self._buses, self._of_zero, self._per_layer, self._factors)
        _change(self._sizes, self._flat, self._activity, self._factors, self.learning_rate, self.first_layer_boost)


# Rows of a network's signals. Row 2 is the sign that travels by itself.
_ROWS = {"backward": 0, "local": 1, "error": 3, "relevance": 4, "trend": 5}
