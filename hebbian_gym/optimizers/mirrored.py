"""What the strategies with mirrored pairs share: checks of what they are given, sums over the noise of the pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..architecture import Array
from .saved import check_settings


def check_population_size(population_size: int) -> None:
    """Refuse one that is not made of pairs."""
    if population_size < 2 or population_size % 2:
        raise ValueError(f"population_size must be even, for mirrored pairs, not {population_size}")


def check_seed(seed: int) -> None:
    """Refuse a negative one, which numpy has no numbers for."""
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, not {seed}")


def check_positive(**numbers: float) -> None:
    """Refuse numbers, given by name, that are not positive and finite."""
    if not all(0 < number < np.inf for number in numbers.values()):
        names, values = (" and ".join(map(str, each)) for each in (numbers, numbers.values()))
        raise ValueError(f"{names} must be positive, not {values}")


def start_from(mean: ArrayLike) -> Array:
    """A first mean as float32 of shape (genes,).

    Raises:
        ValueError: if it has another shape, no gene, or a gene that is not finite.
    """
    start = np.array(mean, dtype=np.float32)
    if start.ndim != 1 or not start.size or not np.isfinite(start).all():
        raise ValueError(f"mean must be finite numbers of shape (genes,), at least one, not {mean!r}")
    return start


def in_pairs(fitness: ArrayLike, population_size: int) -> np.ndarray:
    """The fitness that was told, float64 of shape (pairs, 2).

    Raises:
        ValueError: if there is not one for each candidate.
    """
    told = np.array(fitness, dtype=np.float64)
    if told.shape != (population_size,):
        raise ValueError(f"{population_size} candidates need as many fitnesses, not shape {told.shape}")
    return told.reshape(-1, 2)


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


def non_finite(**arrays: Array) -> dict[str, float]:
    """A reason to stop for each array, given by name, with a number that is not finite."""
    return {f"non_finite_{name}": float("nan") for name, array in arrays.items() if not np.isfinite(array).all()}


def check_saved(state: dict[str, Any], mean: Array, settings: dict[str, Any]) -> None:
    """Refuse a saved state of an optimiser of other genes or settings.

    Args:
        state: with the values of its settings.
        mean: this optimiser's.
        settings: this optimiser's, by name.

    Raises:
        ValueError: for these.
    """
    if np.shape(state["mean"]) != mean.shape:
        raise ValueError(f"the saved mean has shape {np.shape(state['mean'])}, this optimiser's {mean.shape}")
    check_settings(state.get("settings"), settings)
