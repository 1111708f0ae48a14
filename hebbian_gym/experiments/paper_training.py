"""Evolutions of Najarro & Risi (2020): versions of the rule on the car, and co-evolved births: figures 8 and 9."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np

from ..architecture import Array, random_genome
from ..evaluator import SerialEvaluator
from ..optimizers import make_optimizer
from ..optimizers.base import Copies, Population
from ..palette import BLUE, GREEN, GREY, ORANGE, RED, SKY
from ..presets import PRESETS
from ..task import HELD_OUT
from . import Outcome, Settings
from .common import in_parallel, require_matplotlib
from .paper_lives import Data

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SOLVED = 800.0  # the car: what section 6.4 calls a good performance
LAST = 5  # generations: fitness at the end is their mean
COLOURS = (RED, BLUE, GREEN, ORANGE, SKY, GREY)


@dataclass(frozen=True)
class Budget:
    """How much evolves.

    Attributes:
        runs: of each condition, with seeds of their own.
        population: of a generation.
        generations: at most.
        env_steps: of a run, after which no generation begins; None for no limit.
        lives: held-out lifetimes on each body, in the end.
    """

    runs: int
    population: int
    generations: int
    env_steps: int | None
    lives: int


@dataclass(frozen=True)
class Evolution:
    """A run: what a worker is told.

    Attributes:
        preset: where all settings are from that are not named here.
        budget: gives population and generations.
        seed: of everything.
        changes: to the preset's architecture.
        fixed_encoder: the encoder's kernels are drawn and do not evolve, the same ones for all runs of a seed.
    """

    preset: str
    budget: Budget
    seed: int
    changes: dict[str, Any] = field(default_factory=dict)
    fixed_encoder: bool = False


@dataclass(frozen=True)
class Completed:
    """Candidates with genes that do not evolve.

    Attributes:
        others: candidates of the genes that do.
        fixed: float32 of shape (fixed genes,).
        at: where in the genome they are.
    """

    others: Population
    fixed: Array
    at: int

    def __len__(self) -> int:
        return len(self.others)

    def pair(self, index: int) -> int:
        return self.others.pair(index)

    def __getitem__(self, index: int) -> Array:
        genes = self.others[index]
        return np.concatenate([genes[: self.at], self.fixed, genes[self.at :]])


def evolve(job: Evolution) -> Data:
    """A run.

    Returns:
        For each generation the ``env_steps`` so far and the population's mean ``fitness``; the mean genome's score in
        the end on ``held_out`` births and resets, without early stop; ``seconds`` of processor time.
    """
    begin, budget = time.process_time(), job.budget
    preset = PRESETS[job.preset].evolved_by(None, budget.population, {})
    preset = replace(preset, architecture={**preset.architecture, **job.changes})
    policy, optimizer, task = preset.make(job.seed)
    architecture, at, fixed = policy.architecture, policy.architecture.coefficient_genes, np.zeros(0, np.float32)
    if job.fixed_encoder:
        fixed = random_genome(replace(architecture, rule="static", initial_weights="zeros"), job.seed)  # no other genes
        genes = np.delete(policy.genome, np.s_[at : at + len(fixed)])
        optimizer = make_optimizer(preset.algorithm, genes, job.seed, **preset.optimizer)
    env_steps: list[int] = [0]
    fitness: list[float] = []
    with SerialEvaluator(architecture) as evaluator:
        while optimizer.generation < budget.generations and env_steps[-1] < (budget.env_steps or np.inf):
            result = evaluator.evaluate(Completed(optimizer.ask(), fixed, at), task, optimizer.generation)
            optimizer.tell(result.fitness)
            fitness.append(float(np.nanmean(result.fitness)))
            env_steps.append(env_steps[-1] + int(result.steps.sum()))
        copies = Completed(Copies(optimizer.mean, budget.lives), fixed, at)
        scores = evaluator.evaluate(copies, replace(task, early_stop=False), stream=HELD_OUT).score
    return {
        "seed": job.seed, "env_steps": env_steps[1:], "fitness": fitness, "held_out": float(np.nanmean(scores)),
        "seconds": time.process_time() - begin,
    }  # fmt: skip


def _evolve_all(conditions: dict[str, tuple[str, dict[str, Any]]], budgets: dict[str, Budget], settings: Settings,
                fixed_encoder: bool = False) -> Data:  # fmt: skip
    """All runs of all conditions, each a preset and what is changed in its architecture."""
    budget = budgets[settings.budget]
    jobs = [
        Evolution(preset, budget, 1000 * settings.seed + number, changes, fixed_encoder)
        for preset, changes in conditions.values()
        for number in range(budget.runs)
    ]
    found = iter(in_parallel(evolve, jobs, settings))
    runs = {name: [next(found) for _ in range(budget.runs)] for name in conditions}
    bodies = {name: PRESETS[preset].envs for name, (preset, _) in conditions.items()}
    full = budgets["full"]
    episodes = full.runs * full.generations * full.population
    most = sum(episodes * int(gym.spec(env).max_episode_steps or 0) for envs in bodies.values() for env in envs)
    return {"budget": asdict(budget), "full": asdict(full), "full_env_steps": most, "runs": runs}


def _tell_budget(data: Data, preset: str, population: int) -> list[str]:
    """What was spent, and what the paper's would take; population: the paper's."""
    budget, full = data["budget"], data["full"]
    runs = [run for each in data["runs"].values() for run in each]
    steps, seconds = sum(run["env_steps"][-1] for run in runs), sum(run["seconds"] for run in runs)
    limit = f", no generation begun after {budget['env_steps']:,} env-steps" if budget["env_steps"] else ""
    seeds = ", ".join(str(seed) for seed in sorted({run["seed"] for run in runs}))
    lines = [
        f"{budget['runs']} run(s) each, seeds {seeds}; at most {budget['generations']} generations of "
        f"{budget['population']} candidates{limit}; {steps:,} env-steps in all",
        f"optimiser: that of the preset {preset} (OpenAI-ES by z-scores), not the paper's (by ranks)",
    ]
    if budget != full:
        hours = data["full_env_steps"] / (steps / seconds) / 3600
        lines.append(
            f"this is not the paper's budget: three runs each, a population of {population}; its text names no number "
            f"of generations. --budget full takes {full['generations']}: up to {data['full_env_steps']:,} env-steps, "
            f"{hours:,.0f} hours of one core at the pace of these runs"
        )
    return lines


def final(run: Data) -> float:
    """The population mean at the end of a run."""
    return float(np.mean(run["fitness"][-LAST:]))


def _tell_ends(runs: Data) -> list[str]:
    """Where the runs of each condition ended."""
    lines = []
    for name, each in runs.items():
        ends, held_out = [f"{final(run):.0f}" for run in each], [f"{run['held_out']:.0f}" for run in each]
        generations = [str(len(run["fitness"])) for run in each]
        lines.append(
            f"{name}: population mean {', '.join(ends)} at the end ({', '.join(generations)} generations; mean of the "
            f"last {LAST}); mean genome {', '.join(held_out)} on held-out births, without early stop"
        )
    return lines


def draw(runs: Data, unit: str) -> Figure:
    """All training curves in one picture."""
    figure = require_matplotlib()(figsize=(7, 4.8), layout="constrained")
    ax = figure.subplots()
    plot_runs(ax, runs)
    ax.set_ylabel(f"population mean ({unit}, with early stop)")
    return figure


def plot_runs(ax: Axes, runs: Data) -> None:
    """Population means by generation: each condition's mean while all its runs go on; thin lines are runs."""
    for colour, (name, each) in zip(COLOURS, runs.items(), strict=False):
        common = min(len(run["fitness"]) for run in each)
        mean = np.mean([run["fitness"][:common] for run in each], axis=0)
        label = f"{name} (mean; thin: runs)" if len(each) > 1 else name
        ax.plot(np.arange(1, common + 1), mean, color=colour, linewidth=2, label=label)
        if len(each) > 1:
            for run in each:
                ax.plot(np.arange(1, len(run["fitness"]) + 1), run["fitness"], color=colour, linewidth=0.7, alpha=0.6)
    ax.set_xlabel("generation")
    ax.locator_params(axis="x", integer=True)
    ax.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)


# Figure 8: versions of the rule. The paper's text names the first and the last of its five, and fixed weights beside
# them; those between are our choice of restrictions.

VERSIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "A": ("car-hebbian", {"rule": "A"}),
    "AD": ("car-hebbian", {"rule": "AD"}),
    "ABC": ("car-hebbian", {"rule": "ABC"}),
    "ABCD": ("car-hebbian", {"rule": "ABCD_without_eta"}),
    "ABCD + eta": ("car-hebbian", {"rule": "ABCD"}),
    "fixed weights": ("car-static", {}),
}
VERSION_BUDGETS = {"quick": Budget(1, 100, 40, 400_000, 5), "full": Budget(3, 200, 300, None, 100)}


def versions(settings: Settings) -> Outcome:
    """Figure 8: versions of the rule on the car, behind an encoder of random kernels that do not evolve."""
    require_matplotlib()
    data = _evolve_all(VERSIONS, VERSION_BUDGETS, settings, fixed_encoder=True)
    runs = data["runs"]
    summary = _tell_budget(data, "car-hebbian", 200) + _tell_ends(runs) + judge_versions(runs, settings.quick)
    return Outcome(data, draw(runs, "score"), summary)


def judge_versions(runs: Data, quick: bool) -> list[str]:
    """What the paper says of the versions, and whether it is so here."""
    solved = {name: all(run["held_out"] >= SOLVED for run in each) for name, each in runs.items()}
    unsolved = [name for name, is_solved in solved.items() if not is_solved and name != "A"]
    if any(run["held_out"] >= SOLVED for run in runs["A"]):
        verdict = "does not hold here: A solves it, too"
    elif not unsolved:
        verdict = "holds here"
    elif quick:
        verdict = f"cannot be told at this budget, at which {', '.join(unsolved)} do not reach that either"
    else:
        verdict = f"does not hold here for {', '.join(unsolved)}"
    ends = {name: float(np.mean([final(run) for run in each])) for name, each in runs.items()}
    order = sorted(ends, key=lambda name: -ends[name])
    return [
        f"the paper's (all solve the task but A alone; here {SOLVED:.0f} or more by every run's mean genome) {verdict}",
        f"order by the last population mean: {', '.join(order)}; A is {'' if order[-1] == 'A' else 'not '}the last"
        + (", and with one run each neighbours may be so by chance" if len(runs["A"]) == 1 else ""),
    ]


# Figure 9: births

BIRTHS: dict[str, tuple[str, dict[str, Any]]] = {
    "random initial weights": ("ant-hebbian-quick", {}),
    "co-evolved initial weights": ("ant-hebbian-quick", {"initial_weights": "evolved"}),
}
BIRTH_BUDGETS = {"quick": Budget(2, 40, 24, 1_500_000, 5), "full": Budget(3, 500, 300, None, 100)}


def births(settings: Settings) -> Outcome:
    """Figure 9: the ant, born with random weights, or with weights that evolve beside the rules."""
    require_matplotlib()
    data = _evolve_all(BIRTHS, BIRTH_BUDGETS, settings)
    runs = data["runs"]
    summary = [*_tell_budget(data, "ant-hebbian-quick", 500), *_tell_ends(runs), judge_births(runs, settings.quick)]
    return Outcome(data, draw(runs, "progress units"), summary)


def judge_births(runs: Data, quick: bool) -> str:
    """What the paper says of co-evolved births, and whether it is so here."""
    drawn, evolved = ([final(run) for run in each] for each in runs.values())
    chance = f"(by chance in 1 of {math.comb(len(drawn) + len(evolved), len(drawn))} such comparisons)"
    if min(evolved) > max(drawn):
        verdict = f"does not hold here: all runs with co-evolved ones end above all others {chance}"
    elif min(drawn) > max(evolved):
        verdict = f"holds here: all runs with co-evolved ones end below all others {chance}"
    else:
        verdict = "holds here: the ends of the runs overlap"
    return f"the paper's (co-evolved initial weights do not train faster) {verdict}" + (
        ", as far as this budget can tell" if quick else ""
    )
