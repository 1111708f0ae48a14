"""OpenAI's evolution strategy, as the paper uses it, and with Adam."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..architecture import Array
from .base import MirroredPopulation

ADAM_BETAS, ADAM_EPSILON = (0.9, 0.999), 1e-8  # Kingma & Ba (2015)


class OpenAIES:
    """Evolution strategy of Salimans et al. (2017, arXiv 1703.03864), algorithm 2, in Najarro & Risi's version.

    Mirrored pairs; a penalty of ``weight_decay * mean(genome^2)`` off the fitness; fitness shaped to zero mean and unit
    variance; learning rate and sigma that fall geometrically to a floor.

    Args:
        mean: where to start, shape (genes,).
        population_size: candidates of a generation, even.
        sigma: standard deviation of the noise.
        learning_rate: of the step.
        seed: all randomness derives from it.
        optimizer: "sgd" (the paper) or "adam".
        weight_decay: weight of the penalty.
        shaping: "rank" (the paper), which outliers cannot upset; or "zscore", which lets a rare candidate that is far
            better than all others count for as much.
        learning_rate_decay, learning_rate_floor, sigma_decay, sigma_floor: the schedules, per generation.

    Raises:
        ValueError: for an odd population, a sigma or learning rate that is not positive, or an unknown optimizer or
            shaping.
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
        learning_rate_decay: float = 0.995,
        learning_rate_floor: float = 0.001,
        sigma_decay: float = 0.999,
        sigma_floor: float = 0.01,
    ) -> None:
        if population_size < 2 or population_size % 2:
            raise ValueError(f"population_size must be even, for mirrored pairs, not {population_size}")
        if not (0 < sigma < np.inf and 0 < learning_rate < np.inf):
            raise ValueError(f"sigma and learning_rate must be positive, not {sigma} and {learning_rate}")
        if optimizer not in ("sgd", "adam"):
            raise ValueError(f'optimizer must be "sgd" or "adam", not {optimizer!r}')
        if shaping not in SHAPINGS:
            raise ValueError(f"shaping must be one of {', '.join(SHAPINGS)}, not {shaping!r}")
        self._mean = np.array(mean, dtype=np.float32)
        if self._mean.ndim != 1 or not self._mean.size or not np.isfinite(self._mean).all():
            raise ValueError(f"mean must be finite numbers of shape (genes,), at least one, not {mean!r}")
        self.population_size, self.seed, self.generation = population_size, seed, 0
        self.optimizer, self.weight_decay, self.shaping = optimizer, weight_decay, shaping
        self._sigma = (sigma, sigma_decay, sigma_floor)
        self._learning_rate = (learning_rate, learning_rate_decay, learning_rate_floor)
        self._moments = [np.zeros_like(self._mean) for _ in ADAM_BETAS] if optimizer == "adam" else []

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
        told = np.array(fitness, dtype=np.float64)
        if told.shape != (self.population_size,):
            raise ValueError(f"{self.population_size} candidates need as many fitnesses, not shape {told.shape}")
        population = self.ask()
        penalized = told - self.weight_decay * _mean_squares(population)
        pairs = penalized.reshape(-1, 2)
        complete = np.isfinite(pairs).all(axis=1)  # a pair that lost one of its two is dropped
        if not complete.any():
            raise ValueError("no mirrored pair of this generation has two finite fitnesses: nothing to learn from")
        shaped = SHAPINGS[self.shaping](pairs[complete].ravel()).reshape(-1, 2)
        gradient = np.zeros_like(self._mean)
        for pair, (plus, minus) in zip(np.flatnonzero(complete), shaped, strict=True):
            noise = population.noise(int(pair))
            noise *= np.float32((plus - minus) / (shaped.size * population.sigma))  # 1 / (n sigma) sum_i F_i eps_i
            gradient += noise
        metrics = {
            "optimizer/sigma": population.sigma,
            "optimizer/learning_rate": self.learning_rate,
            "optimizer/gradient_norm": float(np.linalg.norm(gradient)),
        }
        self._step(gradient)
        self.generation += 1
        return metrics | {"optimizer/mean_square": float(np.square(self._mean).mean())}

    def _step(self, gradient: Array) -> None:
        rate = np.float32(self.learning_rate)
        if self.optimizer == "adam":
            time = self.generation + 1
            for moment, beta, power in zip(self._moments, ADAM_BETAS, (1, 2), strict=True):
                moment *= np.float32(beta)
                moment += np.float32(1 - beta) * gradient**power
            first, second = (m / np.float32(1 - b**time) for m, b in zip(self._moments, ADAM_BETAS, strict=True))
            gradient = first / (np.sqrt(second) + np.float32(ADAM_EPSILON))
        self._mean = self._mean + rate * gradient  # a new array: populations hold on to the old one

    def stop(self) -> dict[str, float]:
        return {} if np.isfinite(self._mean).all() else {"non_finite_mean": float("nan")}

    def state_dict(self) -> dict[str, Any]:
        moments = {f"moment_{i}": moment.copy() for i, moment in enumerate(self._moments)}
        return {
            "mean": self._mean,
            "generation": self.generation,
            "seed": self.seed,
            "settings": self._settings,
            **moments,
        }

    @property
    def _settings(self) -> list[Any]:
        sizes = [self.population_size, self.optimizer, self.weight_decay]
        shaping = [] if self.shaping == "rank" else [self.shaping]  # older files know no other
        return [*sizes, *self._sigma, *self._learning_rate, *shaping]

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if np.shape(state["mean"]) != self._mean.shape:
            raise ValueError(f"the saved mean has shape {np.shape(state['mean'])}, this optimiser's {self._mean.shape}")
        if state.get("settings", self._settings) != self._settings:
            raise ValueError(
                f"the saved optimizer was made with other settings: {state['settings']}, not {self._settings}"
            )
        self._mean = np.array(state["mean"], dtype=np.float32)
        self.generation, self.seed = int(state["generation"]), int(state["seed"])
        self._moments = [np.array(state[f"moment_{i}"], np.float32) for i in range(len(self._moments))]


def shape_by_rank(fitness: np.ndarray) -> np.ndarray:
    """Centred ranks brought to zero mean and unit variance, shape (n,); ties share their mean rank."""
    _, inverse, counts = np.unique(fitness, return_inverse=True, return_counts=True)
    return shape_by_zscore((np.cumsum(counts) - (counts + 1) / 2)[inverse])


def shape_by_zscore(fitness: np.ndarray) -> np.ndarray:
    """Fitness brought to zero mean and unit variance, shape (n,)."""
    centred = fitness - fitness.mean()
    spread = centred.std()
    return centred / spread if spread > 0 else centred


SHAPINGS = {"rank": shape_by_rank, "zscore": shape_by_zscore}


def _decayed(generation: int, start: float, decay: float, floor: float) -> float:
    return max(floor, start * decay**generation)


def _mean_squares(population: MirroredPopulation) -> np.ndarray:
    """Mean squared gene of each candidate, shape (candidates,): mean((m +- s e)^2), pair by pair."""
    mean, sigma, genes = population.mean, population.sigma, population.mean.size
    squares = np.empty((len(population) // 2, 2))
    for pair in range(len(squares)):
        noise = population.noise(pair)
        cross, own = 2 * sigma * float(mean @ noise), sigma**2 * float(noise @ noise)
        squares[pair] = float(mean @ mean) + own + cross, float(mean @ mean) + own - cross
    return squares.ravel() / genes
