"""What optimisers check: what they are made with, the fitness that they are told, the states that they load."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..architecture import Array


def check_seed(seed: int) -> None:
    """Refuse a negative one, which numpy has no numbers for."""
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, not {seed}")


def check_positive(**numbers: float) -> None:
    """Refuse numbers, given by name, that are not positive and finite."""
    if not all(0 < number < np.inf for number in numbers.values()):
        names, values = (" and ".join(map(str, each)) for each in (numbers, numbers.values()))
        raise ValueError(f"{names} must be positive, not {values}")


def start_from(genome: ArrayLike, name: str = "mean") -> Array:
    """A first genome as float32 of shape (genes,), a copy.

    Args:
        genome: where to start.
        name: of the argument, for the error.

    Raises:
        ValueError: if it has another shape, no gene, or a gene that is not finite.
    """
    start = np.array(genome, dtype=np.float32)
    if start.ndim != 1 or not start.size or not np.isfinite(start).all():
        raise ValueError(f"{name} must be finite numbers of shape (genes,), at least one, not {genome!r}")
    return start


def told_fitness(fitness: ArrayLike, candidates: int) -> np.ndarray:
    """The fitness that was told, float64 of shape (candidates,), a copy.

    Raises:
        ValueError: if there is not one for each candidate.
    """
    told = np.array(fitness, dtype=np.float64)
    if told.shape != (candidates,):
        raise ValueError(f"{candidates} candidates need as many fitnesses, not shape {told.shape}")
    return told


def told_and_finite(fitness: ArrayLike, candidates: int) -> tuple[np.ndarray, np.ndarray]:
    """The same for those that drop single candidates, and whether each is finite, both of shape (candidates,).

    Raises:
        ValueError: if there is not one for each candidate, or none is finite.
    """
    told = told_fitness(fitness, candidates)
    finite = np.isfinite(told)
    if not finite.any():
        raise ValueError("no candidate of this generation has a finite fitness: there is nothing to select")
    return told, finite


def non_finite(**arrays: Array) -> dict[str, float]:
    """A reason to stop for each array, given by name, with a number that is not finite."""
    return {f"non_finite_{name}": float("nan") for name, array in arrays.items() if not np.isfinite(array).all()}


def check_settings(state: dict[str, Any], settings: dict[str, Any]) -> None:
    """Refuse the saved state of an optimiser with other settings, and name those that differ.

    Args:
        state: with its "settings", by name.
        settings: this optimiser's, by name.

    Raises:
        ValueError: if they differ.
    """
    saved = state.get("settings")
    if saved == settings:
        return
    saved = saved if isinstance(saved, dict) else {}
    pairs = {name: (saved.get(name, "missing"), settings.get(name, "missing")) for name in settings | saved}
    told = ", ".join(f"{name} {theirs}, not {ours}" for name, (theirs, ours) in pairs.items() if theirs != ours)
    raise ValueError(
        f"the saved optimizer was made with other settings: {told}. To go on with others, begin a new run with the "
        "genome of this one's policy.npz (on the command line: train --start)"
    )


def check_saved(state: dict[str, Any], mean: Array, settings: dict[str, Any]) -> None:
    """Refuse the saved state of an optimiser of other genes or settings.

    Args:
        state: with its "mean" and "settings".
        mean: this optimiser's.
        settings: this optimiser's, by name.

    Raises:
        ValueError: for these.
    """
    if np.shape(state["mean"]) != mean.shape:
        raise ValueError(f"the saved mean has shape {np.shape(state['mean'])}, this optimiser's {mean.shape}")
    check_settings(state, settings)
