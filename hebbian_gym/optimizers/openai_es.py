"""OpenAI's evolution strategy, as the paper uses it, and with Adam or ClipUp."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..architecture import Array
from .base import MirroredPopulation
from .checks import check_positive, check_saved, check_seed, non_finite, start_from
from .mirrored import check_population_size, in_pairs, keep_first, shape_pairs, sum_noise
from .shaping import SHAPINGS, check_shaping
from .steps import make_step

KEPT_BYTES = 24 * 2**20  # of noise, which is needed twice; the rest is drawn twice


class OpenAIES:
    """Evolution strategy of Salimans et al. (2017, arXiv 1703.03864), algorithm 2, in Najarro & Risi's version.

    Mirrored pairs; a penalty of ``weight_decay * mean(genome^2)`` off the fitness; fitness shaped to zero mean and unit
    variance; learning rate and sigma that fall geometrically to a floor.

    A pair that lost one of its two candidates (its fitness not finite) is dropped, and the step is that of the pairs
    which are left: their sum over their number. Where losses do not depend on fitness, its expectation is the step of
    all pairs: exactly by raw fitness, but for O(1 / candidates) by zscores and ranks, which are of those left.

    Args:
        mean: where to start, shape (genes,).
        population_size: candidates of a generation, even.
        sigma: standard deviation of the noise.
        learning_rate: of the step; with "clipup" its length.
        seed: all randomness derives from it.
        optimizer: "sgd" (the paper), "adam" or "clipup"; see :mod:`~hebbian_gym.optimizers.steps`.
        weight_decay: weight of the penalty.
        shaping: "rank" (the paper), which outliers cannot upset; "zscore", which lets a rare candidate that is far
            better than all others count for as much; or "raw" (algorithm 1 of Salimans et al.), where a step of "sgd"
            grows with the scale of fitness, so that the learning rate must fit it.
        max_speed: of "clipup", the greatest length of a step; by default twice the learning rate of the generation.
        learning_rate_decay, learning_rate_floor, sigma_decay, sigma_floor: the schedules, per generation. A floor
            above the start is lowered to it.

    Raises:
        ValueError: for an odd population, a sigma, learning rate or max_speed that is not positive, a negative seed, or
            an unknown optimizer or shaping.
    """

    def __init__(
        self,
        mean: ArrayLike,
        population_size: int = 200,
        sigma: float = 0.1,
        learning_rate: float = 0.2,
        seed: int = 0,
        *,
        optimizer: str = "sgd",
        weight_decay: float = 0.01,
        shaping: str = "rank",
        max_speed: float | None = None,
        learning_rate_decay: float = 0.995,
        learning_rate_floor: float = 0.001,
        sigma_decay: float = 0.999,
        sigma_floor: float = 0.01,
    ) -> None:
        check_population_size(population_size)
        check_positive(sigma=sigma, learning_rate=learning_rate)
        check_seed(seed)
        check_shaping(shaping)
        self._mean = start_from(mean)
        self._step = make_step(optimizer, self._mean.size, max_speed)
        self.population_size, self.seed, self.generation = population_size, seed, 0
        self.optimizer, self.weight_decay, self.shaping, self.max_speed = optimizer, weight_decay, shaping, max_speed
        self._sigma = (sigma, sigma_decay, sigma_floor)
        self._learning_rate = (learning_rate, learning_rate_decay, learning_rate_floor)

    @property
    def mean(self) -> Array:
        return self._mean

    @property
    def sigma(self) -> float:
        """Of this generation."""
        return _decayed(self.generation, *self._sigma)

    @property
    def learning_rate(self) -> float:
        """Of this generation."""
        return _decayed(self.generation, *self._learning_rate)

    def ask(self) -> MirroredPopulation:
        return MirroredPopulation(self._mean, self.sigma, (self.seed, self.generation), self.population_size)

    def tell(self, fitness: ArrayLike) -> dict[str, float]:
        told, population = in_pairs(fitness, self.population_size), self.ask()
        noise = keep_first(population.noise, KEPT_BYTES // self._mean.nbytes)
        penalized = told - self.weight_decay * _mean_squares(population, self.sigma, noise)
        pairs, shaped = shape_pairs(penalized, SHAPINGS[self.shaping])
        weights = (shaped[:, 0] - shaped[:, 1]) / (shaped.size * self.sigma)
        gradient = sum_noise(noise, self._mean.size, pairs, weights)  # 1 / (n sigma) sum_i F_i eps_i
        metrics = {
            "optimizer/sigma": self.sigma,
            "optimizer/learning_rate": self.learning_rate,
            "optimizer/gradient_norm": float(np.linalg.norm(gradient)),
            "optimizer/lost": float(told.size - shaped.size),
        }
        change = self._step(gradient, self.learning_rate, self.generation + 1)
        self._mean = self._mean + change  # a new array: populations hold on to the old one
        self.generation += 1
        return metrics | {"optimizer/mean_square": float(np.square(self._mean).mean())}

    def stop(self) -> dict[str, float]:
        return non_finite(mean=self._mean)

    def state_dict(self) -> dict[str, Any]:
        moments = {f"moment_{i}": moment.copy() for i, moment in enumerate(self._step.moments)}
        return {
            "mean": self._mean,
            "generation": self.generation,
            "seed": self.seed,
            "settings": self._settings,
            **moments,
        }

    @property
    def _settings(self) -> dict[str, Any]:
        names = ("population_size", "optimizer", "weight_decay", "shaping", "max_speed")
        scheduled = [f"{what}{part}" for what in ("sigma", "learning_rate") for part in ("", "_decay", "_floor")]
        schedules = dict(zip(scheduled, (*self._sigma, *self._learning_rate), strict=True))
        return {"algorithm": type(self).__name__, **{name: getattr(self, name) for name in names}, **schedules}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        check_saved(state, self._mean, self._settings)
        self._step.moments = [np.array(state[f"moment_{i}"], np.float32) for i in range(len(self._step.moments))]
        self._mean = np.array(state["mean"], dtype=np.float32)
        self.generation, self.seed = int(state["generation"]), int(state["seed"])


def _decayed(generation: int, start: float, decay: float, floor: float) -> float:
    return max(min(floor, start), start * decay**generation)


def _mean_squares(population: MirroredPopulation, sigma: float, noise: Callable[[int], Array]) -> np.ndarray:
    """Mean squared gene of each candidate, shape (pairs, 2): mean((m +- s e)^2), pair by pair."""
    mean, squares = population.mean, np.empty((len(population) // 2, 2))
    for pair in range(len(squares)):
        drawn = noise(pair)
        cross, own = 2 * sigma * float(mean @ drawn), sigma**2 * float(drawn @ drawn)
        squares[pair] = float(mean @ mean) + own + cross, float(mean @ mean) + own - cross
    return squares / mean.size
