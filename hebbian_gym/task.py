"""What a candidate is judged by, and the seeds of its lifetimes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec

from .architecture import Array
from .optimizers.base import Population
from .registration import find_spec, importable
from .rollout import Episode

BIRTHS = ("candidate", "pair", "generation")
AGGREGATES: dict[str, Callable[[Array], Any]] = {"mean": np.mean, "min": np.min}
TRAINING, HELD_OUT, EVALUATION = range(3)  # streams of seeds that never meet


@dataclass(frozen=True)
class Task:
    """What a candidate is judged by.

    Attributes:
        envs: bodies, each an ID ("AntUndamaged-v0"), an EnvSpec or an environment, of which only the spec is taken;
            every candidate lives on all of them.
        episodes: lifetimes on each body.
        aggregate: "mean" or "min" over all its lifetimes' scores.
        early_stop: make the environments with ``early_stop=True`` (they must know that argument).
        births: whose births and resets a candidate shares: "candidate" (its own), "pair" (those of its mirrored twin)
            or "generation" (those of everyone: common random numbers).
        seed: all of them derive from it.

    Raises:
        ValueError: for an unknown aggregate or births, no body at all, or one that cannot be made again from a file.
    """

    envs: Sequence[str | EnvSpec | gym.Env[Any, Any]]
    episodes: int = 1
    aggregate: str = "mean"
    early_stop: bool = False
    births: str = "pair"
    seed: int = 0

    def __post_init__(self) -> None:
        envs = [self.envs] if isinstance(self.envs, str | EnvSpec | gym.Env) else list(self.envs)
        for env in envs:
            if not isinstance(env, str | EnvSpec | gym.Env):
                raise ValueError(f"envs must be IDs, EnvSpecs or environments that gymnasium.make made, not {env!r}")
        object.__setattr__(self, "envs", tuple(_written(importable(find_spec(env))) for env in envs))
        if self.seed < 0:
            raise ValueError(f"seed must be 0 or more, not {self.seed}")
        if not self.envs or self.episodes < 1:
            raise ValueError("a task needs at least one environment and one episode")
        if self.aggregate not in AGGREGATES:
            raise ValueError(f"aggregate must be one of {tuple(AGGREGATES)}, not {self.aggregate!r}")
        if self.births not in BIRTHS:
            raise ValueError(f"births must be one of {BIRTHS}, not {self.births!r}")

    @property
    def specs(self) -> tuple[EnvSpec, ...]:
        return tuple(env for env in self.envs if isinstance(env, EnvSpec))

    def seeds(self, population: Population, generation: int, stream: int, index: int) -> np.ndarray:
        """Seeds of resets and births of a candidate, uint32 of shape (bodies, episodes, 2)."""
        shared = {"candidate": index, "pair": population.pair(index), "generation": 0}[self.births]
        sequence = np.random.SeedSequence((self.seed, stream, generation, shared))
        return sequence.generate_state(len(self.envs) * self.episodes * 2).reshape(len(self.envs), self.episodes, 2)

    def fitness(self, episodes: Sequence[Sequence[Episode]]) -> float:
        """Of a candidate, from its episodes on each body."""
        return float(AGGREGATES[self.aggregate](np.array([[e.score for e in body] for body in episodes])))

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        envs = [spec.to_json() for spec in self.specs]
        return {"envs": envs} | {
            name: getattr(self, name) for name in ("episodes", "aggregate", "early_stop", "births", "seed")
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Task:
        """From :meth:`to_json`."""
        return cls(**{**data, "envs": [EnvSpec.from_json(spec) for spec in data["envs"]]})


def _written(spec: EnvSpec) -> EnvSpec:
    """The same, if files and worker processes can have it."""
    try:
        spec.to_json()
    except TypeError as error:
        raise ValueError(
            f"the spec of {spec.id} cannot be written ({error}): give it plain arguments (lists, no arrays), and put "
            "wrappers around functions into a class that you register"
        ) from error
    return spec


def lifetime_seeds(seed: int, count: int = 1, stream: int = EVALUATION) -> list[tuple[int, int]]:
    """Seeds of the resets and births that :func:`~hebbian_gym.evaluate` gives to its first lifetimes.

    The two of a lifetime are different, as they should be: an environment and a network that are made from one number
    draw the same random numbers.
    """
    sequences = (np.random.SeedSequence((seed, stream, 0, index)) for index in range(count))
    return [(int(reset), int(birth)) for reset, birth in (sequence.generate_state(2) for sequence in sequences)]
