"""Policy gradients with parameter-based exploration: a mean that steps uphill, and a sigma of every gene."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .checks import check_positive
from .mirrored import in_pairs, shape_pairs
from .separable import SeparableStrategy, sum_noise_and_squares
from .shaping import SHAPINGS, check_shaping
from .steps import make_step

RADIUS = 30  # length of the first sigma in learning rates of ClipUp: Toklu et al. (2020) take 15 times the max speed


class PGPE(SeparableStrategy):
    """Policy gradients with parameter-based exploration, Sehnke et al. (2010), with symmetric sampling.

    In the form of Toklu, Liskowski & Srivastava (2020, arXiv 2008.02387): the mean follows ClipUp, the sigma of every
    gene the gradient of the expected fitness, by a bounded part of itself in each generation.

    A pair that lost one of its two candidates (its fitness not finite) is dropped.

    Args:
        mean: where to start, shape (genes,).
        population_size: candidates of a generation, even.
        sigma: standard deviation of the noise at the start, one for all genes or of shape (genes,).
        seed: all randomness derives from it.
        learning_rate: of the mean's step. With "clipup", where it is the step's length, by default a 30th of the length
            of ``sigma``: the paper's max speed is a 15th of it, and twice the learning rate.
        optimizer: "clipup", "adam" or "sgd"; see :mod:`~hebbian_gym.optimizers.steps`.
        max_speed: of "clipup", the greatest length of a step; by default twice the learning rate.
        sigma_learning_rate: of sigma. The default is the paper's 0.1, made for ranks from -0.5 to 0.5, times their
            standard deviation 0.29, because our ranks have unit variance.
        max_change: the greatest part of itself that a sigma gains or loses in a generation.
        shaping: "rank", "zscore" or "raw", as in :class:`~hebbian_gym.optimizers.OpenAIES`. With "raw" sigma's steps
            grow with the scale of fitness, too.

    Raises:
        ValueError: for an odd population, a sigma, learning rate or max_speed that is not positive, a max_change that
            is not between 0 and 1, a negative seed, an unknown optimizer or shaping, or a missing learning rate.
    """

    SETTINGS = (
        "population_size", "optimizer", "learning_rate", "max_speed", "sigma_learning_rate", "max_change", "shaping",
    )  # fmt: skip

    def __init__(
        self,
        mean: ArrayLike,
        population_size: int = 200,
        sigma: ArrayLike = 0.1,
        seed: int = 0,
        *,
        learning_rate: float | None = None,
        optimizer: str = "clipup",
        max_speed: float | None = None,
        sigma_learning_rate: float = 0.03,
        max_change: float = 0.2,
        shaping: str = "rank",
    ) -> None:
        super().__init__(mean, population_size, sigma, seed)
        check_shaping(shaping)
        if not 0 < max_change < 1:
            raise ValueError(f"max_change must be between 0 and 1, so that sigma stays positive, not {max_change}")
        self._step = make_step(optimizer, self._mean.size, max_speed)
        if learning_rate is None:
            if optimizer != "clipup":
                raise ValueError(f'give a learning_rate: there is a default for "clipup", none for {optimizer!r}')
            learning_rate = float(np.linalg.norm(self._sigma)) / RADIUS
        check_positive(learning_rate=learning_rate, sigma_learning_rate=sigma_learning_rate)
        self.optimizer, self.learning_rate, self.max_speed = optimizer, learning_rate, max_speed
        self.sigma_learning_rate, self.max_change, self.shaping = sigma_learning_rate, max_change, shaping

    def tell(self, fitness: ArrayLike) -> dict[str, float]:
        pairs, shaped = shape_pairs(in_pairs(fitness, self.population_size), SHAPINGS[self.shaping])
        gradient, growth = sum_noise_and_squares(self.ask(), pairs, shaped)
        # With the step sizes alpha sigma^2 of Sehnke et al., whose baseline is in the shaped fitness F:
        # F (x - mean) = F sigma noise for the mean; F ((x - mean)^2 - sigma^2) / sigma for sigma, relative to which it
        # is F (noise^2 - 1).
        gradient *= self._sigma / np.float32(shaped.size)
        growth *= np.float32(self.sigma_learning_rate / shaped.size)
        np.clip(growth, -self.max_change, self.max_change, out=growth)
        mean = self._mean + self._step(gradient, self.learning_rate, self.generation + 1)
        return self._move(mean, self._sigma * (1 + growth), gradient, shaped.size)

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {f"moment_{i}": moment.copy() for i, moment in enumerate(self._step.moments)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._step.moments = [np.array(state[f"moment_{i}"], np.float32) for i in range(len(self._step.moments))]
