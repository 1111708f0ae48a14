"""Optimisers by name: ours, and those that other packages offer."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

from numpy.typing import ArrayLike

from .base import Optimizer

GROUP = "hebbian_gym.optimizers"  # of entry points: NAME = "package.module:Factory"
OPTIMIZERS: dict[str, str] = {
    "openai-es": "openai_es:OpenAIES",
    "pgpe": "pgpe:PGPE",
    "snes": "snes:SNES",
    "cma-es": "cma_es:CMAES",
    "genetic": "genetic:GeneticAlgorithm",
}


def optimizer_names() -> list[str]:
    """Every name that :func:`get_optimizer` knows, ours first."""
    return list(dict.fromkeys([*OPTIMIZERS, *sorted(entry_points(group=GROUP).names)]))


def get_optimizer(name: str) -> Callable[..., Optimizer]:
    """The optimiser of that name.

    Another package offers one under the entry-point group ``hebbian_gym.optimizers``; ours cannot be replaced.

    Returns:
        What makes it: called with the starting genome, shape (genes,), then ``population_size``, ``seed`` and its own
        options by keyword.

    Raises:
        ValueError: if there is none.
    """
    if name in OPTIMIZERS:
        module, made = OPTIMIZERS[name].split(":")
        factory: Callable[..., Optimizer] = getattr(importlib.import_module(f".{module}", __package__), made)
        return factory
    found = entry_points(group=GROUP, name=name)
    if not found:
        raise ValueError(f"unknown optimizer {name!r}: choose from {', '.join(optimizer_names())}")
    loaded: Callable[..., Optimizer] = next(iter(found)).load()
    return loaded


def make_optimizer(name: str, genome: ArrayLike, seed: int = 0, **options: Any) -> Optimizer:
    """An optimiser by name.

    Args:
        name: see :func:`get_optimizer`.
        genome: where to start, shape (genes,).
        seed: all its randomness derives from it.
        options: ``population_size`` and its own.

    Raises:
        ValueError: for an unknown name, or an option that it does not have or refuses.
    """
    factory = get_optimizer(name)
    try:
        return factory(genome, seed=seed, **options)
    except TypeError as error:
        raise ValueError(f"the optimizer {name} could not be made: {error}") from error
