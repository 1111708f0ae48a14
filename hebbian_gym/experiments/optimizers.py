"""Which optimiser to take: all of them on the same tasks, with the same number of environment steps."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..architecture import architecture_for, random_genome
from ..evaluation import Individual
from ..evaluator import SerialEvaluator
from ..optimizers import make_optimizer
from ..optimizers.cma_es import FULL_UP_TO
from ..presets import ANT_BODIES
from ..task import Task
from ..training import Run, train
from . import Outcome, Settings
from .common import in_parallel, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIGMA = 0.1  # where all begin that have one
CONTENDERS: dict[str, tuple[str, dict[str, Any]]] = {
    "OpenAI-ES, ranks, SGD": ("openai-es", {"sigma": SIGMA, "learning_rate": 0.2}),
    "OpenAI-ES, z-scores, SGD": ("openai-es", {"sigma": SIGMA, "learning_rate": 0.2, "shaping": "zscore"}),
    "OpenAI-ES, z-scores, Adam": (
        "openai-es",
        {"sigma": SIGMA, "learning_rate": 0.1, "shaping": "zscore", "optimizer": "adam"},
    ),
    "PGPE": ("pgpe", {"sigma": SIGMA}),
    "SNES": ("snes", {"sigma": SIGMA}),
    "CMA-ES, separable": ("cma-es", {"sigma": SIGMA, "covariance": "separable"}),
    "CMA-ES, full": ("cma-es", {"sigma": SIGMA, "covariance": "full"}),
    "genetic": ("genetic", {"mutation_sd": SIGMA}),
}
COLOURS = ("#7f7f7f", "#1f77b4", "#17becf", "#2ca02c", "#9467bd", "#d62728", "#ff9896", "#ff7f0e")
RESAMPLINGS = 2_000  # of the seeds, for a confidence band


@dataclass(frozen=True)
class Contest:
    """A task, and how much each contender may take of it.

    Attributes:
        envs: bodies.
        hidden: layers of the Hebbian network, all synapses with rule ABCD.
        env_steps: the budget of a run.
        seeds: runs of each contender.
        population: of a generation.
        every: generations between held-out evaluations of the mean genome.
        episodes: of one of them, on each body.
        early_stop: of the task.
    """

    envs: tuple[str, ...]
    hidden: tuple[int, ...]
    env_steps: int
    seeds: int
    population: int = 40
    every: int = 1
    episodes: int = 10
    early_stop: bool = False


CONTROL = {
    "quick": {
        "CartPole-v1": Contest(("CartPole-v1",), (8,), 60_000, 3),
        "Acrobot-v1": Contest(("Acrobot-v1",), (8,), 60_000, 3),
    },
    "full": {
        "CartPole-v1": Contest(("CartPole-v1",), (8,), 150_000, 10),
        "Acrobot-v1": Contest(("Acrobot-v1",), (8,), 150_000, 10),
    },
}
ANT = {
    "quick": {"ant": Contest(ANT_BODIES, (128, 64), 300_000, 1, 40, 2, 2, early_stop=True)},
    "full": {"ant": Contest(ANT_BODIES, (128, 64), 3_000_000, 1, 100, 2, 5, early_stop=True)},
}


@dataclass(frozen=True)
class Entry:
    """One run of one contender."""

    contest: Contest
    contender: str
    seed: int


def run(entry: Entry) -> dict[str, list[float]]:
    """Evolve until the budget is spent.

    Returns:
        Environment steps and held-out score of the mean genome, at each held-out evaluation.
    """
    contest = entry.contest
    algorithm, options = CONTENDERS[entry.contender]
    architecture, _ = architecture_for(contest.envs[0], hidden=contest.hidden)
    genome = random_genome(architecture, entry.seed, 0.5)
    optimizer = make_optimizer(algorithm, genome, entry.seed, population_size=contest.population, **options)
    task = Task(contest.envs, early_stop=contest.early_stop, seed=entry.seed)
    curve: dict[str, list[float]] = {"env_steps": [], "score": []}

    def follow(run: Run) -> dict[str, str] | None:
        if "held_out/fitness" in run.metrics:
            curve["env_steps"].append(run.env_steps)
            curve["score"].append(run.metrics["held_out/fitness"])
        return {"stop": "the budget is spent"} if run.env_steps >= contest.env_steps else None

    with SerialEvaluator(architecture) as evaluator:
        train(
            Individual(architecture, genome), optimizer, task, 1_000_000, evaluator=evaluator, callbacks=[follow],
            held_out_every=contest.every, held_out_episodes=contest.episodes,
        )  # fmt: skip
    return curve


def control(settings: Settings) -> Outcome:
    """On two cheap tasks, many seeds."""
    return _compare(CONTROL[settings.budget], settings)


def ant(settings: Settings) -> Outcome:
    """On the ant."""
    return _compare(ANT[settings.budget], settings)


def _compare(contests: dict[str, Contest], settings: Settings) -> Outcome:
    entries = {
        name: [
            Entry(contest, contender, 1000 * settings.seed + seed)
            for contender in _fitting(contest)
            for seed in range(contest.seeds)
        ]
        for name, contest in contests.items()
    }
    begin = time.perf_counter()
    curves = iter(in_parallel(run, [entry for each in entries.values() for entry in each], settings))
    data: dict[str, Any] = {"contenders": CONTENDERS, "seconds": 0.0, "contests": {}}
    for name, each in entries.items():
        runs: dict[str, list[Any]] = {}
        for entry in each:
            runs.setdefault(entry.contender, []).append({"seed": entry.seed, **next(curves)})
        data["contests"][name] = {"settings": asdict(contests[name]), "runs": runs}
    data["seconds"] = time.perf_counter() - begin
    return Outcome(data, figure(data), summary(data))


def _fitting(contest: Contest) -> list[str]:
    """Those that fit into memory on this contest."""
    architecture, _ = architecture_for(contest.envs[0], hidden=contest.hidden)
    large = architecture.genome_size > FULL_UP_TO
    return [name for name, (_, options) in CONTENDERS.items() if not (large and options.get("covariance") == "full")]


def at(curve: dict[str, list[float]], steps: np.ndarray) -> np.ndarray:
    """The latest held-out score at each number of steps, shape (steps,); NaN before the first."""
    latest = np.searchsorted(curve["env_steps"], steps, side="right") - 1
    return np.where(latest >= 0, np.array(curve["score"])[np.maximum(latest, 0)], np.nan)


def band(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the 95% bootstrap interval of the mean over seeds, each of shape (points,), of values (seeds, points)."""
    drawn = np.random.default_rng(0).integers(len(values), size=(RESAMPLINGS, len(values)))
    low, high = np.percentile(values[drawn].mean(axis=1), [2.5, 97.5], axis=0)
    return low, high


def summary(data: dict[str, Any]) -> list[str]:
    """Where each contender ended, best first."""
    lines = []
    for name, contest in data["contests"].items():
        settings = contest["settings"]
        ends = {
            contender: np.array([at(run, np.array([settings["env_steps"]]))[0] for run in runs])
            for contender, runs in contest["runs"].items()
        }
        lines.append(
            f"{name}: held-out score of the mean genome after {settings['env_steps']:,} environment steps, "
            f"population {settings['population']}, {settings['seeds']} seed{'s' * (settings['seeds'] > 1)}:"
        )
        for contender, end in sorted(ends.items(), key=lambda item: -float(np.nanmean(item[1]))):
            spread = f" ({np.nanmin(end):.0f} to {np.nanmax(end):.0f})" if len(end) > 1 else ""
            lines.append(f"    {contender}: {np.nanmean(end):.0f}{spread}")
    return lines


def figure(data: dict[str, Any]) -> Figure:
    """Curves of all contenders, a panel for each task."""
    contests = data["contests"]
    drawn = require_matplotlib()(figsize=(6.4 * len(contests) + 2, 4.8), layout="constrained")
    axes = drawn.subplots(1, len(contests), squeeze=False)[0]
    for ax, (name, contest) in zip(axes, contests.items(), strict=True):
        plot_contest(ax, contest)
        ax.set_title(name)
    handles, labels = axes[0].get_legend_handles_labels()
    if len(contests) > 1:  # a large network has fewer contenders
        handles, labels = max((ax.get_legend_handles_labels() for ax in axes), key=lambda found: len(found[1]))
    drawn.legend(handles, labels, loc="outside right center", frameon=False)
    return drawn


def plot_contest(ax: Axes, contest: dict[str, Any]) -> None:
    """The mean over seeds against environment steps, with its 95% interval where there are several seeds."""
    budget = contest["settings"]["env_steps"]
    unit, size = ("millions", 1e6) if budget >= 1e6 else ("thousands", 1e3)
    steps = np.linspace(0, budget, 201)
    for contender, runs in contest["runs"].items():
        scores = np.array([at(run, steps) for run in runs])
        known = np.isfinite(scores).all(axis=0)
        colour = COLOURS[list(CONTENDERS).index(contender)]
        ax.plot(steps[known] / size, scores[:, known].mean(axis=0), color=colour, linewidth=1.8, label=contender)
        if len(runs) > 1:
            ax.fill_between(steps[known] / size, *band(scores[:, known]), color=colour, alpha=0.15, linewidth=0)
    ax.set_xlabel(f"environment steps ({unit})")
    ax.set_ylabel("score of the mean genome, held-out births")
    ax.spines[["top", "right"]].set_visible(False)
