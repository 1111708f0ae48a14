"""What the strategies with mirrored pairs share: fitness by pairs, sums over the noise of the pairs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from ..architecture import Array
from .checks import told_fitness


def check_population_size(population_size: int) -> None:
    """Refuse one that is not made of pairs."""
    if population_size < 2 or population_size % 2:
        raise ValueError(f"population_size must be even, 2 or more, for mirrored pairs, not {population_size}")


def in_pairs(fitness: ArrayLike, population_size: int) -> np.ndarray:
    """The fitness that was told, float64 of shape (pairs, 2).

    Raises:
        ValueError: if there is not one for each candidate.
    """
    return told_fitness(fitness, population_size).reshape(-1, 2)


def shape_pairs(pairs: np.ndarray, shaping: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Drop the pairs that lost one of their two, and shape the fitness of the others as if there were no more.

    Args:
        pairs: fitness of shape (pairs, 2), not finite where a candidate was lost.
        shaping: from the fitness of n candidates, shape (n,), to what it counts for, of the same shape.

    Returns:
        The numbers of the pairs that are left, shape (left,), and their shaped fitness, shape (left, 2).

    Raises:
        ValueError: if no pair is left.
    """
    left = np.flatnonzero(np.isfinite(pairs).all(axis=1))
    if not left.size:
        raise ValueError("no mirrored pair of this generation has two finite fitnesses: nothing to learn from")
    return left, shaping(pairs[left].ravel()).reshape(-1, 2)


def keep_first(noise: Callable[[int], Array], pairs: int) -> Callable[[int], Array]:
    """The same noise, of which the arrays of the first few pairs are drawn only once."""
    kept: dict[int, Array] = {}

    def drawn(pair: int) -> Array:
        if pair >= pairs:
            return noise(pair)
        if pair not in kept:
            kept[pair] = noise(pair)
        return kept[pair]

    return drawn


def sum_noise(noise: Callable[[int], Array], genes: int, pairs: np.ndarray, weights: np.ndarray) -> Array:
    """``sum_p weights_p noise_p`` over some pairs, float32 of shape (genes,), one pair at a time.

    Args:
        noise: of a pair, shape (genes,).
        genes: how many.
        pairs: numbers of pairs, shape (n,).
        weights: of these pairs, shape (n,).
    """
    total, scaled = np.zeros(genes, np.float32), np.empty(genes, np.float32)
    for pair, weight in zip(pairs, weights, strict=True):
        total += np.multiply(noise(int(pair)), np.float32(weight), out=scaled)
    return total
