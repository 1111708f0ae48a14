"""Settings of whole runs, as data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from gymnasium.envs.registration import EnvSpec

from .architecture import Array, architecture_for, random_genome
from .encoder import Conv
from .evaluation import Individual
from .optimizers import Optimizer, get_optimizer, make_optimizer
from .registration import find_spec
from .task import Task

ANT_BODIES = ("AntUndamaged-v0", "AntDamagedRightFront-v0")  # those that evolution sees
UNSEEN_ANT = "AntDamagedLeftFront-v0"
RANDOM_ANT = "AntDamagedRandom-v0"
CAR = "CarRacingPreprocessed-v0"


@dataclass(frozen=True)
class Preset:
    """What ``hebbian-gym train --preset`` runs.

    Attributes:
        about: one line.
        envs: bodies of the task.
        generations: how many, unless told otherwise.
        architecture: options of :meth:`~hebbian_gym.Architecture.for_spaces`.
        genome_scale: coefficients start in U(-scale, scale).
        task: options of :class:`~hebbian_gym.Task`.
        optimizer: its options.
        algorithm: the optimiser's name, see :func:`~hebbian_gym.optimizers.get_optimizer`.
        env_kwargs: arguments of the environments beside their own.
    """

    about: str
    envs: tuple[str, ...]
    generations: int
    architecture: dict[str, Any] = field(default_factory=dict)
    genome_scale: float = 1.0
    task: dict[str, Any] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    algorithm: str = "openai-es"
    env_kwargs: dict[str, Any] = field(default_factory=dict)

    @property
    def specs(self) -> list[EnvSpec]:
        """Of the environments, with their arguments."""
        return [replace(spec, kwargs={**spec.kwargs, **self.env_kwargs}) for spec in map(find_spec, self.envs)]

    def make(self, seed: int = 0, start: Array | None = None, **optimizer: Any) -> tuple[Individual, Optimizer, Task]:
        """The starting policy, optimiser and task.

        Args:
            seed: all randomness derives from it.
            start: a genome to begin with, instead of a random one.
            optimizer: overrides options of that name.

        Raises:
            ValueError: if the preset leaves the environment open, or the genome is that of another network.
        """
        if not self.envs:
            raise ValueError("this preset is for an environment of your own: name one with --env")
        architecture, _ = architecture_for(self.specs[0], **self.architecture)
        random = random_genome(architecture, seed, self.genome_scale)
        genome = random if start is None else architecture.check_genome(start)
        chosen = make_optimizer(self.algorithm, genome, seed, **{**self.optimizer, **optimizer})
        return Individual(architecture, genome), chosen, Task(self.specs, seed=seed, **self.task)

    def evolved_by(self, algorithm: str | None, population_size: int | None, options: dict[str, Any]) -> Preset:
        """The same by another optimiser, for which only the population is taken over; or by this one, options changed.

        Raises:
            ValueError: for an unknown optimiser, or an option that is none of its own.
        """
        for name in {"seed", "genome", "mean"} & options.keys():
            raise ValueError(f"{name} is no option of an optimizer here: the run has it")
        size = {"population_size": self.optimizer["population_size"] if population_size is None else population_size}
        algorithm = algorithm or self.algorithm
        get_optimizer(algorithm)
        kept = self.optimizer if algorithm == self.algorithm else {}
        return replace(self, algorithm=algorithm, optimizer={**kept, **size, **options})


_OURS: dict[str, Any] = {
    "population_size": 200,
    "sigma": 0.1,
    "shaping": "zscore",  # by ranks the car stays with driving straight for a hundred generations
    "learning_rate": 0.1,
    "learning_rate_decay": 0.995,
    "learning_rate_floor": 0.02,
    "sigma_floor": 0.03,
}
_PAPER = {"population_size": 500, "sigma": 0.1, "learning_rate": 0.2}
_PAPER_CAR = {**_PAPER, "population_size": 200}
_PAPER_EYE: dict[str, Any] = {
    "encoder": (Conv(6, kernel=3, pool=2), Conv(8, kernel=5, stride=2, pool=2))
}  # to 648 features
_PAPER_DRIVER: dict[str, Any] = {**_PAPER_EYE, "learn_from": "raw", "normalize": "max"}

_PAPER_WALKER = Preset(
    about="Najarro & Risi (2020): SGD, ranks, population 500, each candidate its own births",
    envs=ANT_BODIES,
    generations=300,
    task={"early_stop": True, "births": "candidate"},
    optimizer=_PAPER,
)

PRESETS: dict[str, Preset] = {
    "ant-hebbian": replace(_PAPER_WALKER, about="the best setting that we know for the ant, which is the paper's"),
    "ant-hebbian-paper": _PAPER_WALKER,
    "ant-hebbian-quick": Preset(
        about="for fewer env-steps: 200 candidates, pairs share births, z-scores, smaller first genome and steps",
        envs=ANT_BODIES,
        generations=300,
        genome_scale=0.5,
        task={"early_stop": True, "births": "pair"},
        optimizer=_OURS,
    ),
    "ant-hebbian-randomised": Preset(
        about="one leg keeps a random fraction, another in each lifetime: does that prepare for damage never seen?",
        envs=(RANDOM_ANT,),
        generations=300,
        genome_scale=0.5,
        task={"early_stop": True, "births": "pair"},
        optimizer=_OURS,
    ),
    "ant-hebbian-attractor": Preset(
        about="layers divided by their largest weight, an update every 10 steps: condition D of attractor networks",
        envs=ANT_BODIES,
        generations=300,
        architecture={"normalize": "max", "update_every": 10},  # of HAN's four that learned fastest in 15 generations
        genome_scale=0.5,
        task={"early_stop": True, "births": "pair"},
        optimizer=_OURS,
    ),
    "hebbian": Preset(
        about="any environment of your own: name it with --env",
        envs=(),
        generations=100,
        genome_scale=0.5,
        # What does well on small genomes, where the paper's large steps by ranks do not; see docs/optimizers.md
        optimizer={
            "population_size": 100,
            "sigma": 0.1,
            "learning_rate": 0.1,
            "optimizer": "adam",
            "shaping": "zscore",
        },
    ),
    "ant-static": Preset(
        about="the paper's baseline, fixed weights, by ranks and the paper's larger steps",
        envs=ANT_BODIES,
        generations=300,
        architecture={"rule": "static", "initial_weights": "evolved"},
        task={"early_stop": True, "births": "pair"},
        # By z-scores and smaller steps all of them come to crawl on their bellies until early stop ends that.
        optimizer={**_OURS, "shaping": "rank", "learning_rate": 0.2, "learning_rate_floor": 0.0},
    ),
    "car-hebbian": Preset(
        about="the setting of our longest run on the car, from pixels: z-scores, pairs share births, smaller steps",
        envs=(CAR,),
        generations=1000,
        architecture=_PAPER_DRIVER,
        genome_scale=0.3,
        task={"early_stop": True, "births": "pair"},
        optimizer=_OURS,
    ),
    "car-hebbian-paper": Preset(
        about="Najarro & Risi (2020) on the car: SGD, population 200, each candidate its own births",
        envs=(CAR,),
        generations=300,
        architecture=_PAPER_DRIVER,
        task={"early_stop": True, "births": "candidate"},
        optimizer=_PAPER_CAR,
    ),
    "car-static": Preset(
        about="the paper's baseline on the car, fixed weights: the encoder and the strategy of car-hebbian",
        envs=(CAR,),
        generations=300,
        architecture={**_PAPER_EYE, "rule": "static", "initial_weights": "evolved"},
        task={"early_stop": True, "births": "pair"},
        optimizer=_OURS,
    ),
}


def get_preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        ValueError: if there is none.
    """
    if name not in PRESETS:
        raise ValueError(f"unknown preset {name!r}: choose from {', '.join(PRESETS)}")
    return PRESETS[name]
