"""Experiments by command: each makes a figure and the data behind it.

An experiment is a function ``run(settings)`` that returns an :class:`Outcome`; the table below names them all.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BUDGETS = ("quick", "full")
CARDS_SEED = 1  # lifetimes of the cards, and by default of evaluate()


@dataclass(frozen=True)
class Settings:
    """How an experiment is run.

    Attributes:
        budget: "quick", minutes on two cores, or "full", as much as the paper's where that is known.
        workers: processes.
        seed: all randomness derives from it.
        progress: called with the fraction that is done, 0 to 1.
    """

    budget: str = "quick"
    workers: int = 1
    seed: int = 0
    progress: Callable[[float], None] = lambda done: None

    def __post_init__(self) -> None:
        if self.budget not in BUDGETS:
            raise ValueError(f"budget must be one of {', '.join(BUDGETS)}, not {self.budget!r}")
        if self.workers < 1 or self.seed < 0:
            raise ValueError(f"workers must be 1 or more and seed 0 or more, not {self.workers} and {self.seed}")

    @property
    def quick(self) -> bool:
        return self.budget == "quick"


@dataclass(frozen=True)
class Outcome:
    """What came of an experiment.

    Attributes:
        data: plain data behind the figure, written as JSON.
        figure: drawn from ``data`` alone.
        summary: sentences with the figures that matter.
    """

    data: dict[str, Any]
    figure: Figure
    summary: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Experiment:
    """An entry of the table.

    Attributes:
        about: one line.
        entry: "module:function" within this package.
        seed: unless told otherwise.
    """

    about: str
    entry: str
    seed: int = 0

    def run(self, settings: Settings) -> Outcome:
        """Run it."""
        module, function = self.entry.split(":")
        outcome: Outcome = getattr(importlib.import_module(f".{module}", __name__), function)(settings)
        return outcome


EXPERIMENTS: dict[str, Experiment] = {
    "line-following-success": Experiment(
        "steps to success on the line, and the error until then, of every closed-loop rule", "line_following:success"
    ),
    "line-following-error": Experiment("the line follower's error over a lifetime", "line_following:error"),
    "line-following-weights": Experiment(
        "how far each layer's weights go on the line, and what is left of the error carried back",
        "line_following:weights",
    ),
    "foraging-learning-rate": Experiment(
        "the learning rate that evolves in static foragers, beside the best one", "foraging_rate:learning_rate"
    ),
    "foraging-rule": Experiment("the rule that evolves in static foragers, for three read-outs", "foraging_rule:rule"),
    "foraging-moving": Experiment(
        "moving foragers' rules, with several interfaces between what learns and what moves",
        "foraging_moving:moving",
    ),
    "foraging-switch": Experiment(
        "moving foragers, plastic or not, when all values are reversed", "foraging_switch:switch"
    ),
    "optimizers": Experiment("all optimisers on two cheap tasks, equal environment steps", "optimizers:control"),
    "optimizers-ant": Experiment("all optimisers on the ant, equal environment steps", "optimizers:ant"),
    "modulation": Experiment(
        "Hebbian networks that track values, with and without a modulator", "modulation:modulation"
    ),
    "table1": Experiment(
        "distances on the three bodies and on all damages, by ready-evolved rules (Najarro & Risi)",
        "paper_table:table",
        CARDS_SEED,
    ),
    "carracing": Experiment(
        "scores on random tracks, by ready-evolved rules (Najarro & Risi)", "paper_table:car", CARDS_SEED
    ),
    "fig1": Experiment("the ant's weights at three moments, above its distance", "paper_lifetimes:weights_of_the_ant"),
    "fig3": Experiment(
        "updates frozen after some steps; outputs forced for a hundred steps", "paper_lifetimes:efficiency"
    ),
    "fig4": Experiment(
        "a third of the weights zeroed: what becomes of them, and of the speed", "paper_lifetimes:resilience"
    ),
    "fig5": Experiment(
        "weights in their first three principal components, evolved and random rules", "paper_weights:attractors"
    ),
    "fig6": Experiment(
        "newborn weights, and the car's later on, above its score", "paper_lifetimes:weights_of_the_car"
    ),
    "fig7": Experiment(
        "training curves of all ready-evolved rules, from their cards (Najarro & Risi)", "paper_shipped:training"
    ),
    "fig8": Experiment("versions of the rule on the car, behind random fixed kernels", "paper_training:versions"),
    "fig9": Experiment("the ant with random and with co-evolved initial weights", "paper_training:births"),
    "fig10": Experiment("distributions of the evolved coefficients", "paper_weights:coefficients"),
    "init": Experiment(
        "ready-evolved ants whose initial weights are drawn from N(0, 0.1) and others", "paper_shipped:initial_weights"
    ),
    "scaling": Experiment(
        "how much faster a generation is on up to 1,000 cores, predicted; and measured here", "scaling:scaling"
    ),
}


def find_experiment(name: str) -> Experiment:
    """The experiment of that name.

    Raises:
        ValueError: if there is none.
    """
    if name not in EXPERIMENTS:
        raise ValueError(f"unknown experiment {name!r}: choose from {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name]


def reproduce(name: str, out: Path, settings: Settings) -> Outcome:
    """Run an experiment and write ``out/NAME.json`` and ``out/NAME.png``.

    Raises:
        ValueError: if there is none of that name.
    """
    experiment = find_experiment(name)
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=out):  # a folder that cannot be written to is to be told now, not hours later
        pass
    outcome = experiment.run(settings)
    outcome.figure.savefig(out / f"{name}.png", dpi=150)
    about = {"experiment": name, "budget": settings.budget, "seed": settings.seed, "summary": outcome.summary}
    text = json.dumps({**about, "data": outcome.data}, indent=1, allow_nan=False)
    (out / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    return outcome
