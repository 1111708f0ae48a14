"""Optimisers by name: ours, and those that other packages offer."""

from __future__ import annotations

import importlib
import inspect
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

    Another package offers one under the entry-point group ``hebbian_gym.optimizers``; ours cannot be replaced. One of
    your own is "module:Class", whose module is imported.

    Returns:
        What makes it: called with the starting genome, shape (genes,), then ``population_size``, ``seed`` and its own
        options by keyword.

    Raises:
        ValueError: if there is none.
        ImportError: if its module cannot be imported.
    """
    if name in OPTIMIZERS:
        module, made = OPTIMIZERS[name].split(":")
        factory: Callable[..., Optimizer] = getattr(importlib.import_module(f".{module}", __package__), made)
        return factory
    found = entry_points(group=GROUP, name=name)
    if found:
        loaded: Callable[..., Optimizer] = next(iter(found)).load()
        return loaded
    module, colon, made = name.partition(":")
    if not colon:
        raise ValueError(
            f"unknown optimizer {name!r}: choose from {', '.join(optimizer_names())}, or give your own as module:Class"
        )
    imported = importlib.import_module(module)
    if not hasattr(imported, made):
        raise ValueError(f"there is no {made} in the module {module}")
    own: Callable[..., Optimizer] = getattr(imported, made)
    return own


def optimizer_options(name: str) -> dict[str, Any]:
    """What an optimiser of that name can be made with beside genome, population_size and seed, with the defaults."""
    parameters = [*inspect.signature(get_optimizer(name)).parameters.values()]
    return {
        each.name: None if each.default is each.empty else each.default
        for each in parameters[1:]  # the first is the genome, whatever it is called
        if each.name not in ("population_size", "seed") and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    }


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
        known = ", ".join(["population_size", *optimizer_options(name)])
        raise ValueError(f"the optimizer {name} could not be made: {error}; its options are {known}") from error
