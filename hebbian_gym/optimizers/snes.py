"""The separable natural evolution strategy: a mean and, for every gene, a sigma that adapts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .checks import check_positive, start_from
from .mirrored import in_pairs, shape_pairs
from .separable import SeparableStrategy, sum_noise_and_squares
from .shaping import utilities


class SNES(SeparableStrategy):
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

    SETTINGS = ("population_size", "learning_rate", "sigma_learning_rate")

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
        genes = start_from(mean).size
        if population_size is None:
            population_size = 4 + int(3 * np.log(genes))
            population_size += population_size % 2
        if sigma_learning_rate is None:
            sigma_learning_rate = float((3 + np.log(genes)) / (5 * np.sqrt(genes)))
        super().__init__(mean, population_size, sigma, seed)
        check_positive(learning_rate=learning_rate, sigma_learning_rate=sigma_learning_rate)
        self.learning_rate, self.sigma_learning_rate = learning_rate, sigma_learning_rate

    def tell(self, fitness: ArrayLike) -> dict[str, float]:
        pairs, shaped = shape_pairs(in_pairs(fitness, self.population_size), utilities)
        gradient, sigma_gradient = sum_noise_and_squares(self.ask(), pairs, shaped)
        mean = self._mean + np.float32(self.learning_rate) * self._sigma * gradient
        sigma = self._sigma * np.exp(np.float32(self.sigma_learning_rate / 2) * sigma_gradient)  # both from the old one
        return self._move(mean, sigma, gradient, shaped.size)
