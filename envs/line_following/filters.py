"""What stands between the robot's sensors and a network: a bank of filters, and a cue from the road ahead."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from numba import njit

from ..checks import check_count, is_number
from . import robot

DECAYED = 40.0  # an impulse response that has shrunk by exp(-40) is over


def resonators(filters: int, slowest: float, fastest: float, quality: float) -> tuple[np.ndarray, np.ndarray]:
    """Second-order resonators with poles exp(-e +- jw), of frequencies spaced evenly.

    For a frequency f (cycles/step): e = 2 pi f / (2 quality) and w = sqrt((2 pi f)^2 - e^2).

    Args:
        filters: how many.
        slowest: steps in a cycle of the first.
        fastest: steps in a cycle of the last.
        quality: above 0.5, where they oscillate.

    Returns:
        float64 of shape (filters, 3): a, b and c of ``y[n] = x[n] + a y[n-1] + b y[n-2]``, output c y[n], where c
        makes the largest absolute value of the response to a step of 1 be 1. And of shape (filters, 2): the sums of
        the negative and of the positive part of the output's response to an impulse of 1.
    """
    omega = 2.0 * np.pi * np.linspace(1.0 / slowest, 1.0 / fastest, filters)
    coefficients, sums = np.empty((filters, 3)), np.empty((filters, 2))
    for k, e in enumerate(omega / (2.0 * quality)):
        w = np.sqrt(omega[k] ** 2 - e**2)
        n = np.arange(math.ceil(DECAYED / e))
        impulse = np.exp(-e * n) * np.sin((n + 1) * w) / np.sin(w)
        impulse /= (peak := np.abs(np.cumsum(impulse)).max())
        coefficients[k] = 2.0 * np.exp(-e) * np.cos(w), -np.exp(-2.0 * e), 1.0 / peak
        sums[k] = np.minimum(impulse, 0.0).sum(), np.maximum(impulse, 0.0).sum()
    return coefficients, sums


@njit(cache=True, error_model="numpy")
def _filter(inputs, coefficients, states, outputs):  # type: ignore[no-untyped-def]
    """One step of every resonator over every input.

    Args:
        inputs: of shape (inputs,).
        coefficients: of :func:`resonators`, shape (filters, 3).
        states: y[n-1] and y[n-2], float64 of shape (2, filters, inputs); moved on.
        outputs: of shape (filters * inputs,), filter by filter; written.
    """
    n = len(inputs)
    for k in range(len(coefficients)):
        a, b, c = coefficients[k]
        y1, y2, out = states[0, k], states[1, k], outputs[k * n : (k + 1) * n]
        for i in range(n):
            y = inputs[i] + a * y1[i] + b * y2[i]
            y2[i] = y1[i]
            y1[i] = y
            out[i] = c * y


class ResonatorBank(gym.ObservationWrapper[np.ndarray, Any, np.ndarray], RecordConstructorArgs):
    """Filters each predictor by several resonators, so that a network sees traces of what has been.

    The first ``predictors`` numbers of an observation are filtered. What follows them (E; with :class:`RoadBend`, G
    and E) stays at the end, unfiltered. The new observation is float32 of shape (filters x predictors + the others,):
    all predictors by the slowest filter, then all by the next, and so on, then the others. Filters start from zero at
    each reset. By default they are those of the authors' simulation: 144 predictors become 720 numbers.

    Args:
        env: its observations are a Box of shape (at least predictors,), bounded for the predictors.
        predictors: how many numbers are filtered.
        filters: resonators for each of them.
        slowest: steps in a cycle of the slowest resonator.
        fastest: of the fastest; the frequencies between are spaced evenly.
        quality: of all, above 0.5.

    Attributes:
        coefficients: see :func:`resonators`.

    Raises:
        ValueError: for impossible numbers or another observation space.
    """

    def __init__(
        self,
        env: gym.Env[np.ndarray, Any],
        predictors: int = robot.PREDICTORS,
        filters: int = 5,
        slowest: float = 10.0,
        fastest: float = 3.0,
        quality: float = 0.51,
    ) -> None:
        RecordConstructorArgs.__init__(
            self, predictors=predictors, filters=filters, slowest=slowest, fastest=fastest, quality=quality
        )
        gym.ObservationWrapper.__init__(self, env)
        check_count(1, predictors=predictors, filters=filters)
        if not is_number(slowest) or not is_number(fastest) or not 2.0 < fastest <= slowest:
            raise ValueError(
                f"a cycle must take more than 2 steps, and that of the slowest resonator no fewer than that of the "
                f"fastest, not {slowest!r} and {fastest!r}"
            )
        if not is_number(quality) or not quality > 0.5:
            raise ValueError(f"quality must be above 0.5, where resonators oscillate, not {quality!r}")
        predictors, filters = int(predictors), int(filters)
        low, high = _bounds(env, predictors)
        self.coefficients, sums = resonators(filters, float(slowest), float(fastest), float(quality))
        self._states = np.zeros((2, filters, predictors))
        self._predictors, self._filtered = predictors, filters * predictors
        self.observation_space = spaces.Box(*_filtered_bounds(low, high, predictors, sums), dtype=np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Reset the environment and the filters."""
        self._states[:] = 0.0
        return super().reset(seed=seed, options=options)

    def observation(self, observation: np.ndarray) -> np.ndarray:
        """One step of every filter."""
        filtered = np.empty(self.observation_space.shape or (), np.float32)
        _filter(observation[: self._predictors], self.coefficients, self._states, filtered[: self._filtered])
        filtered[self._filtered :] = observation[self._predictors :]
        return filtered


def _bounds(env: gym.Env[Any, Any], predictors: int) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds of a flat observation, or ValueError."""
    space = env.observation_space
    if not isinstance(space, spaces.Box) or len(space.shape) != 1 or space.shape[0] < predictors:
        raise ValueError(f"filters need observations of {predictors} or more numbers in a row, not {space}")
    low, high = space.low.astype(np.float64), space.high.astype(np.float64)
    if not np.all(np.isfinite([low[:predictors], high[:predictors]])):
        raise ValueError(f"predictors must be bounded, so that what the filters make of them is; not {space}")
    return low, high


def _filtered_bounds(
    low: np.ndarray, high: np.ndarray, predictors: int, sums: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds after the filters, float32 and rounded outwards; those of what is not filtered stay."""
    least, most = np.minimum(low[:predictors], 0.0), np.maximum(high[:predictors], 0.0)  # before the reset all was 0
    lowest, highest = np.outer(sums[:, 1], least), np.outer(sums[:, 1], most)
    lowest += np.outer(sums[:, 0], most)
    highest += np.outer(sums[:, 0], least)
    slack = 1e-6 * (highest - lowest)
    lows = np.concatenate([(lowest - slack).ravel(), low[predictors:]])
    highs = np.concatenate([(highest + slack).ravel(), high[predictors:]])
    return lows.astype(np.float32), highs.astype(np.float32)


class RoadBend(gym.ObservationWrapper[np.ndarray, Any, np.ndarray], RecordConstructorArgs):
    """Tells how much the road ahead bends: puts a number G before the last one of an observation.

    G = abs(i - k) + 1, where i and k are the indices of the sensors that see the line best in the two nearest rows of
    predictors: 1 to 48. It is the relevance by which Prime-and-Modulate learning (arXiv 2309.03825) sets how fast is
    learned. Of sensors that see the same the first counts; so where a row sees no line, its index is 0.

    Wrap the environment in it before :class:`ResonatorBank`, since it looks at what is not filtered.

    Args:
        env: :class:`LineFollowingEnv`, or another whose observation begins with two rows of 48 predictors.
    """

    def __init__(self, env: gym.Env[np.ndarray, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        gym.ObservationWrapper.__init__(self, env)
        low, high = _bounds(env, robot.PREDICTORS)
        across = len(robot.PREDICTOR_Y)
        self.observation_space = spaces.Box(
            np.insert(low, -1, 1.0).astype(np.float32), np.insert(high, -1, across).astype(np.float32), dtype=np.float32
        )
        self._rows = slice(0, across), slice(across, 2 * across)

    def observation(self, observation: np.ndarray) -> np.ndarray:
        """Insert G."""
        nearest, next_ = (int(observation[row].argmax()) for row in self._rows)
        told = np.empty(len(observation) + 1, np.float32)
        told[:-2] = observation[:-1]
        told[-2] = abs(next_ - nearest) + 1
        told[-1] = observation[-1]
        return told
