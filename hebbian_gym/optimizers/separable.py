"""What the strategies share in which every gene has a sigma of its own that adapts."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ..architecture import Array
from .base import MirroredPopulation
from .checks import check_saved, check_seed, non_finite, start_from
from .mirrored import check_population_size


class SeparableStrategy:
    """A mean and the sigma of every gene, from which mirrored pairs are drawn: all but ``tell``.

    Attributes:
        SETTINGS: names of the attributes that a saved state must have been made with.

    Args:
        mean: where to start, shape (genes,).
        population_size: candidates of a generation, even.
        sigma: standard deviation of the noise at the start, one for all genes or of shape (genes,).
        seed: all randomness derives from it.

    Raises:
        ValueError: for an odd population, a mean that is not finite, a sigma that is not positive, or a negative seed.
    """

    SETTINGS: ClassVar[tuple[str, ...]]

    def __init__(self, mean: ArrayLike, population_size: int, sigma: ArrayLike, seed: int) -> None:
        check_population_size(population_size)
        check_seed(seed)
        self._mean = start_from(mean)
        self._sigma = start_spread(sigma, self._mean.size)
        self.population_size, self.seed, self.generation = population_size, seed, 0

    @property
    def mean(self) -> Array:
        return self._mean

    @property
    def sigma(self) -> Array:
        """Of this generation, float32 of shape (genes,)."""
        return self._sigma

    @property
    def _settings(self) -> dict[str, Any]:
        return {"algorithm": type(self).__name__, **{name: getattr(self, name) for name in self.SETTINGS}}

    def ask(self) -> MirroredPopulation:
        return MirroredPopulation(self._mean, self._sigma, (self.seed, self.generation), self.population_size)

    def _move(self, mean: Array, sigma: Array, gradient: Array, told: int) -> dict[str, float]:
        """To the next generation, from the fitness of so many candidates; the metrics of this one, and its new mean's.

        Mean and sigma are new arrays: populations hold on to the old ones.
        """
        sampled_with = float(self._sigma.mean())
        self._mean, self._sigma = mean, sigma
        self.generation += 1
        return {
            "optimizer/sigma": sampled_with,
            "optimizer/gradient_norm": float(np.linalg.norm(gradient)),
            "optimizer/mean_square": float(np.square(mean).mean()),
            "optimizer/lost": float(self.population_size - told),
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

    def load_state_dict(self, state: dict[str, Any]) -> None:
        check_saved(state, self._mean, self._settings)
        self._mean, self._sigma = (np.array(state[name], dtype=np.float32) for name in ("mean", "sigma"))
        self.generation, self.seed = int(state["generation"]), int(state["seed"])


def start_spread(sigma: ArrayLike, genes: int) -> Array:
    """A first sigma of every gene as float32 of shape (genes,), from one number or from one for each gene.

    Raises:
        ValueError: if it has another shape, or is not positive and finite.
    """
    spread = np.array(sigma, dtype=np.float32)
    if spread.shape not in ((), (genes,)) or not ((spread > 0) & (spread < np.inf)).all():
        raise ValueError(f"sigma must be positive, a number or one for each of {genes} genes, not {sigma!r}")
    return np.full(genes, spread, np.float32)


def sum_noise_and_squares(population: MirroredPopulation, pairs: np.ndarray, shaped: np.ndarray) -> tuple[Array, Array]:
    """``sum_i F_i noise_i`` and ``sum_i F_i (noise_i^2 - 1)`` over the candidates i of some pairs, each (genes,).

    The two of a pair have opposite noise with the same squares. F sums to zero, so that the -1 adds nothing.

    Args:
        population: whose noise it is.
        pairs: numbers of pairs, shape (n,).
        shaped: shaped fitness F of these pairs, of zero sum, shape (n, 2).
    """
    total, squares = np.zeros_like(population.mean), np.zeros_like(population.mean)
    for pair, (plus, minus) in zip(pairs, shaped, strict=True):
        noise = population.noise(int(pair))
        square = np.square(noise)
        square *= np.float32(plus + minus)
        noise *= np.float32(plus - minus)
        squares += square
        total += noise
    return total, squares
