"""Does a modulatory signal help networks whose every synapse has a Hebbian rule of its own to track values?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space

from ..architecture import Architecture, random_genome
from ..optimizers.openai_es import OpenAIES
from ..palette import BLUE, GREEN, GREY, ORANGE
from . import Outcome, Settings
from .common import in_parallel, require_matplotlib
from .static_foragers import (
    INGREDIENTS,
    Array,
    Budget,
    Place,
    Stream,
    best_rate,
    errors,
    evolve_together,
    idle_error,
    life_seeds,
    seeds,
    valuer,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HIDDEN = 8
NORMALIZE = "l2"
BUDGETS = {"quick": Budget(1, 50, 40, 3, 300, 20), "full": Budget(3, 80, 40, 3, 500, 40)}
START, SIGMA, RATE = 0.3, 0.1, 0.05  # half-width of the first coefficients; of the strategy
LOST = 1e6  # the error of a candidate whose estimates are not finite


@dataclass(frozen=True)
class Condition:
    """A kind of network.

    Attributes:
        modulation: of the architecture.
        told: the network also sees the last food and what it was told of it.
        linear: instead of the network a linear neuron with one reward-modulated rule.
    """

    modulation: str
    told: bool = False
    linear: bool = False

    @property
    def architecture(self) -> Architecture:
        if self.linear:
            return valuer()
        inputs = 2 * INGREDIENTS + 1 if self.told else INGREDIENTS
        return Architecture(
            (inputs, HIDDEN, 2 if self.modulation == "output" else 1), "ABCD", ("raw",), (-np.inf,), (np.inf,),
            modulation=self.modulation, normalize=NORMALIZE,
        )  # fmt: skip


CONDITIONS = {
    "none": Condition("none"),
    "output": Condition("output"),
    "reward": Condition("reward"),
    "none, told": Condition("none", told=True),
    "output, told": Condition("output", told=True),
    "reward-modulated rule": Condition("reward", linear=True),
}


class Told(VectorWrapper):
    """An environment of valuation that also shows the last food and what was told of it; zeros at the start."""

    def __init__(self, env: VectorEnv[Array, Array, Array]) -> None:
        super().__init__(env)
        self.single_observation_space = Box(-np.inf, np.inf, (2 * INGREDIENTS + 1,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)
        self._food = np.zeros((env.num_envs, INGREDIENTS), np.float32)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Start new lives."""
        self._food, infos = self.env.reset(seed=seed, options=options)
        return np.pad(self._food, ((0, 0), (0, INGREDIENTS + 1))), infos

    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """Judge the estimates and show the next foods, and these."""
        food, rewards, terminated, truncated, infos = self.env.step(actions)
        seen = np.concatenate([food, self._food, infos["modulator"][:, None]], axis=1, dtype=np.float32)
        self._food = food
        return seen, rewards, terminated, truncated, infos


@dataclass(frozen=True)
class Runs:
    """Evolutions of one condition.

    Attributes:
        condition: that one.
        budget: how much.
        numbers: the runs' seeds.
        seed: the experiment's, from which the lives derive that evolution never saw.
    """

    condition: Condition
    budget: Budget
    numbers: tuple[int, ...]
    seed: int


def evolve(runs: Runs) -> list[dict[str, Any]]:
    """Evolve by OpenAI's strategy; for each run the mean genome's error in training and on lives never seen."""
    budget, architecture = runs.budget, runs.condition.architecture
    strategies = [
        OpenAIES(random_genome(architecture, seed, START), budget.population, SIGMA, RATE, seed, optimizer="adam")
        for seed in runs.numbers
    ]
    env = _make(runs.condition, len(strategies) * budget.population * budget.lives, budget.steps)
    curves: list[Array] = []

    def fitness(genomes: Array, lives: Array, _: int) -> Array:
        found = np.nan_to_num(errors(architecture, genomes, env, lives), nan=LOST, posinf=LOST)
        curves.append(np.median(found.reshape(len(strategies), -1), axis=1))
        return -found

    evolve_together(strategies, runs.numbers, budget, fitness)
    env = _make(runs.condition, len(strategies) * budget.held_out, budget.steps, noise_free=True)
    held_out = life_seeds(Stream.HELD_OUT, runs.seed, count=budget.held_out)
    found = errors(architecture, np.stack([strategy.mean for strategy in strategies]), env, held_out)
    found = np.nan_to_num(found, nan=LOST, posinf=LOST)
    training = np.array(curves).T.tolist()
    return [{"error": float(error), "training": curve} for error, curve in zip(found, training, strict=True)]


def _make(condition: Condition, agents: int, steps: int, noise_free: bool = False) -> VectorEnv[Any, Any, Any]:
    env = Place().make(agents, steps, noise_free)
    return Told(env) if condition.told else env


def modulation(settings: Settings) -> Outcome:
    """Evolve all conditions with the same budget and seeds."""
    budget = BUDGETS[settings.budget]
    numbers = tuple(seeds(Stream.MODULATION, settings.seed, count=budget.runs).tolist())
    jobs = [Runs(condition, budget, numbers, settings.seed) for condition in CONDITIONS.values()]
    results = in_parallel(evolve, jobs, settings)
    conditions = {
        name: {**asdict(condition), "genes": condition.architecture.genome_size, "runs": runs}
        for (name, condition), runs in zip(CONDITIONS.items(), results, strict=True)
    }
    data = {
        "budget": asdict(budget), "place": asdict(Place()), "conditions": conditions,
        "constant_guess": idle_error(Place().distance), "noise": Place().noise,
        "delta_rule": best_rate(Place(), budget, settings.seed),
    }  # fmt: skip
    return Outcome(data, draw(data), _summary(data, budget))


def _errors(condition: dict[str, Any]) -> list[float]:
    return [run["error"] for run in condition["runs"]]


def _summary(data: dict[str, Any], budget: Budget) -> list[str]:
    lines = [budget.words()]
    for name, condition in data["conditions"].items():
        found = _errors(condition)
        spread = f"{min(found):.3f} to {max(found):.3f}"
        lines.append(f"{name} ({condition['genes']} genes): error {np.mean(found):.3f}, {spread}")
    best_rule = data["delta_rule"]["simulated_error"]
    lines.append(f"always saying 0: {data['constant_guess']:.3f}; best delta rule: {best_rule:.3f}")
    best = max(_errors(data["conditions"]["reward"])) < min(_errors(data["conditions"]["none"]))
    lines.append(
        "the reward as modulator helps the Hebbian network: "
        + ("every run with it is better than every run without" if best else "not shown, the runs overlap")
    )
    return lines


# Names on the axis, and colours
_LABELS = {
    "none": "none", "output": "own output", "reward": "reward", "none, told": "none,\nreward seen",
    "output, told": "own output,\nreward seen", "reward-modulated rule": "reward,\nlinear neuron",
}  # fmt: skip
_COLOURS = {"none": GREY, "output": ORANGE, "reward": BLUE}


def draw(data: dict[str, Any]) -> Figure:
    """Errors on lives never seen, and how they fell in evolution."""
    drawn = require_matplotlib()(figsize=(12, 5), layout="constrained")
    left, right = drawn.subplots(1, 2, width_ratios=(1.25, 1))
    plot_errors(left, data)
    plot_training(right, data)
    return drawn


def plot_errors(ax: Axes, data: dict[str, Any]) -> None:
    """A dot for each run."""
    names = list(data["conditions"])
    for x, name in enumerate(names):
        condition = data["conditions"][name]
        found = _errors(condition)
        ax.bar(x, np.mean(found), width=0.65, color=_colour(condition), alpha=0.6)
        ax.plot(np.full(len(found), x), found, "o", color="black", markersize=4)
    ax.axhline(data["constant_guess"], color="black", linestyle="--", linewidth=1, label="always saying 0")
    best = data["delta_rule"]["simulated_error"]
    ax.axhline(best, color="black", linestyle=":", linewidth=1.5, label="delta rule, best rate")
    ax.set_xticks(range(len(names)), [_LABELS[name] for name in names], fontsize=9)
    ax.set_xlabel("what modulates plasticity")
    ax.set_ylabel("squared error, lives never seen (value²)")
    ax.set_ylim(0, 1.45 * data["constant_guess"])
    ax.legend(frameon=False, loc="upper right")
    ax.spines[["top", "right"]].set_visible(False)


def _colour(condition: dict[str, Any]) -> str:
    return GREEN if condition["linear"] else _COLOURS[condition["modulation"]]


def plot_training(ax: Axes, data: dict[str, Any]) -> None:
    """The population's median error over the generations, averaged over runs, less the noise's share."""
    for name, condition in data["conditions"].items():
        curve = np.mean([run["training"] for run in condition["runs"]], axis=0) - data["noise"] ** 2
        style = "--" if condition["told"] else "-"
        ax.plot(np.arange(1, len(curve) + 1), curve, style, color=_colour(condition),
                label=_LABELS[name].replace("\n", " "))  # fmt: skip
    ax.set_ylim(0, 2.2 * data["constant_guess"])
    ax.set_xlabel("generation")
    ax.set_ylabel("median squared error less the noise's variance,\ntraining lives (value²)")
    ax.legend(frameon=False, fontsize=9, loc="upper right", title="what modulates plasticity")
    ax.spines[["top", "right"]].set_visible(False)
