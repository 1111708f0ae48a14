"""What fitness is turned into before a step: shapings of the fitness of n candidates, all of zero mean."""

from __future__ import annotations

import numpy as np


def shape_by_rank(fitness: np.ndarray) -> np.ndarray:
    """Centred ranks brought to zero mean and unit variance, shape (n,); ties share their mean rank."""
    _, inverse, counts = np.unique(fitness, return_inverse=True, return_counts=True)
    return shape_by_zscore((np.cumsum(counts) - (counts + 1) / 2)[inverse])


def shape_by_zscore(fitness: np.ndarray) -> np.ndarray:
    """Fitness brought to zero mean and unit variance, shape (n,)."""
    centred = shape_raw(fitness)
    spread = centred.std()
    return centred / spread if spread > 0 else centred


def shape_raw(fitness: np.ndarray) -> np.ndarray:
    """Fitness brought to zero mean, shape (n,). Its scale stays: twice the fitness is twice the gradient."""
    return fitness - fitness.mean()


SHAPINGS = {"rank": shape_by_rank, "zscore": shape_by_zscore, "raw": shape_raw}


def utilities(fitness: np.ndarray) -> np.ndarray:
    """Of natural evolution strategies: by rank, of zero sum, the worse half alike. Ties share their mean utility.

    Wierstra et al. (2014), "Natural Evolution Strategies", section 3.1.

    Returns:
        Shape (n,).
    """
    n = len(fitness)
    by_rank = np.maximum(0, np.log(n / 2 + 1) - np.log(np.arange(n, 0, -1)))  # of the worst first
    by_rank = by_rank / by_rank.sum() - 1 / n
    _, inverse, counts = np.unique(fitness, return_inverse=True, return_counts=True)
    tied = np.repeat(np.arange(len(counts)), counts)
    return (np.bincount(tied, weights=by_rank) / counts)[inverse]


def check_shaping(shaping: str) -> None:
    """Refuse an unknown one.

    Raises:
        ValueError: if there is none of this name.
    """
    if shaping not in SHAPINGS:
        raise ValueError(f"shaping must be one of {', '.join(SHAPINGS)}, not {shaping!r}")
