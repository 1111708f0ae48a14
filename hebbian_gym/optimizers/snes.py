"""The separable natural evolution strategy: a mean and, for every gene, a sigma that adapts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..architecture import Array
from .base import MirroredPopulation
from .mirrored import (
    check_population_size,
    check_positive,
    check_saved,
    check_seed,
    in_pairs,
    non_finite,
    shape_pairs,
    start_from,
    start_spread,
    sum_noise_and_squares,
)
from .shaping import utilities


class SNES:
    """Separable natural evolution strategy of Schaul, Glasmachers & Schmidhuber (2011).

    As algorithm 6 of Wierstra et al. (2014), "Natural Evolution Strategies" (JMLR 15), has it, but for one thing: the
    candidates come in mirrored pairs, the utilities are over all of them. The two of a pair are then born alike and
    meet the same luck, which their difference, all that the mean learns from, does not contain. The price: sigma learns
    from half as many independent directions.

    A pair that lost one of its two candidates (its fitness not finite) is dropped; the utilities are of those left.

    Args:
        mean: where to start, shape (genes,).
        population_size: candidates of a generation, even; by default the paper's ``4 + floor(3 ln genes)``, one more
            where that is odd.
        sigma: standard deviation of the noise at the start, one for all genes or of shape (genes,).
        seed: all randomness derives from it.
        learning_rate: of the mean, the paper's eta_mu.
        sigma_learning_rate: the paper's eta_sigma; by default its ``(3 + ln genes) / (5 sqrt(genes))``.

    Raises:
        ValueError: for an odd population, a sigma or learning rate that is not positive, or a negative seed.
    """

    def __init__(
        self,
        mean: ArrayLike,
        population_size: int | None = None,
        sigma: ArrayLike = 0.1,
        seed: int = 0,
        *,
        learning_rate: float = 1.0,
        sigma_learning_rate: float | None = None,
    ) -> None:
        self._mean = start_from(mean)
        genes = self._mean.size
        if population_size is None:
            population_size = 4 + int(3 * np.log(genes))
            population_size += population_size % 2
        if sigma_learning_rate is None:
            sigma_learning_rate = float((3 + np.log(genes)) / (5 * np.sqrt(genes)))
        check_population_size(population_size)
        check_positive(learning_rate=learning_rate, sigma_learning_rate=sigma_learning_rate)
        check_seed(seed)
        self._sigma = start_spread(sigma, genes)
        self.population_size, self.seed, self.generation = population_size, seed, 0
        self.learning_rate, self.sigma_learning_rate = learning_rate, sigma_learning_rate

    @property
    def mean(self) -> Array:
        return self._mean

    @property
    def sigma(self) -> Array:
        """Of this generation, float32 of shape (genes,)."""
        return self._sigma

    def ask(self) -> MirroredPopulation:
        return MirroredPopulation(self._mean, self._sigma, (self.seed, self.generation), self.population_size)

    def tell(self, fitness: ArrayLike) -> dict[str, float]:
        pairs, shaped = shape_pairs(in_pairs(fitness, self.population_size), utilities)
        gradient, sigma_gradient = sum_noise_and_squares(self.ask(), pairs, shaped)
        # New arrays, both from the old sigma: populations hold on to the old ones.
        self._mean = self._mean + np.float32(self.learning_rate) * self._sigma * gradient
        self._sigma = self._sigma * np.exp(np.float32(self.sigma_learning_rate / 2) * sigma_gradient)
        self.generation += 1
        return {
            "optimizer/sigma": float(self._sigma.mean()),
            "optimizer/gradient_norm": float(np.linalg.norm(gradient)),
            "optimizer/mean_square": float(np.square(self._mean).mean()),
            "optimizer/lost": float(self.population_size - shaped.size),
        }

    def stop(self) -> dict[str, float]:
        return non_finite(mean=self._mean, sigma=self._sigma)

    def state_dict(self) -> dict[str, Any]:
        return {
            "mean": self._mean,
            "sigma": self._sigma,
            "generation": self.generation,
            "seed": self.seed,
            "settings": self._settings,
        }

    @property
    def _settings(self) -> list[Any]:
        return ["snes", self.population_size, self.learning_rate, self.sigma_learning_rate]

    def load_state_dict(self, state: dict[str, Any]) -> None:
        check_saved(state, self._mean, self._settings)
        self._mean, self._sigma = (np.array(state[name], dtype=np.float32) for name in ("mean", "sigma"))
        self.generation, self.seed = int(state["generation"]), int(state["seed"])
