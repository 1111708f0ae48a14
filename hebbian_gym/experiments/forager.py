"""Moving foragers: a plastic sensory read-out that learns what food is worth, and an evolved motor network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import comb
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from hebbian_gym.envs.foraging import ForagingVectorEnv

from ..architecture import Architecture
from ..batch import Lifetimes, act_batch, learn_batch
from ..optimizers.genetic import GeneticAlgorithm
from ..vector import run_episodes
from . import Outcome, Settings
from .common import BLUE, GREEN, GREY, ORANGE, in_parallel, require_matplotlib
from .foraging import (
    DELTA,
    HELD_OUT,
    INGREDIENTS,
    RULE,
    TERM_LABELS,
    TERMS,
    Array,
    Budget,
    cosine,
    evolve_together,
    seeds,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ETA = len(TERMS)  # index of the learning rate in a genome
RULE_GENES = ETA + 1
HIDDEN, ACTIONS = 8, 2
MOTOR_SCALE = 3.0  # weights of the motor network are so many times their genes: turning in time takes large ones
FIRST_SD = 0.1  # of the first generation's motor genes
SENSED = 3  # angle, nearness and speed go to the motor network (the forager's energy does not), and a constant 1
WITH_POST = np.array([term.endswith(("pre_post", "post", "post_only")) for term in TERMS])


@dataclass(frozen=True)
class Interface:
    """What the motor network is told of the nearest food's value.

    Attributes:
        read_out: how the sensory neurons are squashed.
        units: how many there are.
        regulariser: what a unit of sum |theta| costs, in fitness.
    """

    read_out: str
    units: int = 1
    regulariser: float = 0.0

    @property
    def sensory(self) -> Architecture:
        """The plastic part. Weights at birth are given by the curriculum."""
        bound = (np.inf if self.read_out == "raw" else 1.0,) * self.units
        low = (-np.inf if self.read_out == "raw" else 0.0 if self.read_out == "step" else -1.0,) * self.units
        return Architecture(
            (INGREDIENTS, self.units), RULE, (self.read_out,) * self.units, low, bound, sharing="network",
            modulation="reward", initial_weights="zeros", normalize="l2",
        )  # fmt: skip

    @property
    def motor_shapes(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Of the motor network's two layers."""
        return (self.units + SENSED + 1, HIDDEN), (HIDDEN, ACTIONS)

    @property
    def genes(self) -> int:
        return RULE_GENES + sum(n * m for n, m in self.motor_shapes)


@dataclass(frozen=True)
class Arena:
    """An environment: settings of Foraging-v0."""

    transition_probability: float = 0.01
    switch_at: int | None = None
    noise: float = 0.3
    eat_radius: float = 0.2
    max_speed: float = 0.5

    def make(self, agents: int, steps: int) -> Remembered:
        """An environment of so many agents, each in an arena of its own."""
        return Remembered(ForagingVectorEnv(agents, steps, ingredients=INGREDIENTS, **asdict(self)))


class Remembered:
    """Foraging-v0 that keeps its last infos, since a forager learns from what it ate, which observations do not tell.

    It also keeps the rewards of the present lives.
    """

    def __init__(self, env: Any) -> None:
        self.num_envs, self._env = env.num_envs, env
        self.infos: dict[str, Any] = {}
        self.rewards: list[Array] = []

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Start new lives."""
        observations, self.infos = self._env.reset(seed=seed, options=options)
        self.rewards = []
        return observations, self.infos

    def step(self, actions: Array) -> tuple[Any, ...]:
        """Move and eat."""
        *others, self.infos = self._env.step(actions)
        self.rewards.append(others[1])
        return (*others, self.infos)


class Foragers:
    """n foragers, each of a genome of its own: theta, eta, then the motor network's weights.

    In a step the sensory neurons value the nearest food, y = g(W.x), and the motor network, static, of tanh neurons,
    takes [y, angle, nearness, speed, 1] to [turn, acceleration]. After a meal x the sensory neurons learn by the
    reward-modulated rule from x, y = g(W.x) and what they are told.

    Args:
        interface: of all.
        genomes: shape (n, genes).
        env: that they live in.
        ignorance: c, from 0 to 1: weights at birth are (1 - c) W_env + c noise from N(0, 1 / ingredients), divided by
            their norm.
    """

    def __init__(self, interface: Interface, genomes: Array, env: Remembered, ignorance: float) -> None:
        self._sensory, self._env, self._ignorance = interface.sensory, env, ignorance
        genes = torch.from_numpy(np.ascontiguousarray(genomes, np.float32))
        self._rules, motor = genes[:, :RULE_GENES].contiguous(), genes[:, RULE_GENES:]
        self._motor, start = [], 0
        for n, m in interface.motor_shapes:
            self._motor.append(MOTOR_SCALE * motor[:, start : start + n * m].reshape(-1, n, m))
            start += n * m
        self._weights = torch.zeros(0)

    def reset(self, rngs: Sequence[int]) -> None:
        """Be born, each from a seed of its own."""
        values, units = self._env.infos["ingredient_values"], self._sensory.sizes[-1]
        noise = [np.random.default_rng(seed).standard_normal((INGREDIENTS, units)) for seed in rngs]
        known, unknown = 1 - self._ignorance, self._ignorance / np.sqrt(INGREDIENTS)
        weights = known * values[:, :, None] + unknown * np.stack(noise)
        weights /= np.linalg.norm(weights, axis=1, keepdims=True)
        self._weights = torch.from_numpy(weights.astype(np.float32))

    @torch.inference_mode()
    def act(self, observations: Array) -> Array:
        """Turn and acceleration, shape (n, 2)."""
        seen = torch.from_numpy(observations)
        value, _ = self._value(self._rules, seen[:, :INGREDIENTS], self._weights)
        sensed = seen[:, INGREDIENTS : INGREDIENTS + SENSED]
        activity = torch.cat([value, sensed, torch.ones(len(seen), 1)], 1)
        for layer in self._motor:
            activity = torch.tanh(torch.einsum("ni,nij->nj", activity, layer))
        return activity.numpy()

    @torch.inference_mode()
    def learn(self, modulators: Array) -> None:
        """Learn, those who ate."""
        ate = np.flatnonzero(~np.isnan(modulators))
        if not len(ate):
            return
        who = torch.from_numpy(ate)
        meals = torch.from_numpy(self._env.infos["eaten_ingredients"][ate])
        rules = self._rules[who]
        _, tasted = self._value(rules, meals, self._weights[who])
        learned = learn_batch(self._sensory, rules, tasted, torch.from_numpy(modulators[ate]))
        self._weights[who] = learned.weights[0]

    def _value(self, rules: Tensor, foods: Tensor, weights: Tensor) -> tuple[Tensor, Lifetimes]:
        return act_batch(self._sensory, rules, foods, Lifetimes((weights,)))


def scores(interface: Interface, genomes: Array, env: Remembered, resets: Array, ignorance: float) -> Array:
    """Sum of the values eaten in a life: mean over each genome's lives; as :func:`.foraging.errors`."""
    lives = resets.shape[-1]
    foragers = Foragers(interface, np.repeat(genomes, lives, axis=0), env, ignorance)
    every = np.broadcast_to(resets, (len(genomes), lives)).ravel().tolist()
    score = run_episodes(env, foragers, every, every).score  # type: ignore[arg-type]  # it has all that is used
    mean = score.reshape(len(genomes), lives).mean(axis=1)
    return np.where(np.isfinite(mean), mean, np.nan)


# Evolution


@dataclass(frozen=True)
class Moving:
    """Evolutions of moving foragers, one for each seed.

    Attributes:
        interface: between sensory and motor part.
        arena: where.
        budget: how much.
        seeds: of the runs.
        ignorance: c at the end; it rises from 0 in the first half of the generations.
        plastic: whether eta evolves; if not it is 0.
    """

    interface: Interface
    arena: Arena
    budget: Budget
    seeds: tuple[int, ...]
    ignorance: float = 1.0
    plastic: bool = True


def first_generation(interface: Interface, population: int, seed: int) -> GeneticAlgorithm:
    """A genetic algorithm as for static foragers; motor networks begin as mutants of :func:`chaser`."""
    low, high = np.full(interface.genes, -np.inf), np.full(interface.genes, np.inf)
    low[:ETA], high[:ETA], low[ETA], high[ETA] = -1.0, 1.0, 0.0, 1.0
    rng = np.random.default_rng(seed)
    first = np.tile(chaser(interface), (population, 1)) + FIRST_SD * rng.standard_normal((population, interface.genes))
    first[:, :ETA] = rng.uniform(-0.5, 0.5, (population, ETA))
    first[:, ETA] = rng.uniform(0, 0.25, population)
    return GeneticAlgorithm(first, population, 0.1, seed, low=low, high=high)


def chaser(interface: Interface) -> Array:
    """A genome that goes for the nearest food, good or bad, and learns nothing: turn to it, gently accelerate."""
    genome = np.zeros(interface.genes)
    inputs, angle, constant = interface.units + SENSED + 1, interface.units, interface.units + SENSED
    first, second = np.zeros((inputs, HIDDEN)), np.zeros((HIDDEN, ACTIONS))
    first[angle, 0], second[0, 0] = 1.0, 1.0
    first[constant, 1], second[1, 1] = 1.0, 0.1
    genome[RULE_GENES:] = np.concatenate([first.ravel(), second.ravel()])
    return genome


def evolve_moving(job: Moving) -> dict[str, Any]:
    """Evolve; the runs' genomes and how the population's best score rose."""
    interface, budget = job.interface, job.budget
    algorithms = [first_generation(interface, budget.population, seed) for seed in job.seeds]
    env = job.arena.make(len(algorithms) * budget.population * budget.lives, budget.steps)
    curves: list[Array] = []

    def fitness(genomes: Array, lives: Array, generation: int) -> Array:
        ignorance = job.ignorance * min(1.0, 2 * generation / budget.generations)
        found = scores(interface, _as_told(job, genomes), env, lives, ignorance)
        curves.append(np.median(found.reshape(len(algorithms), -1), axis=1))
        return found - interface.regulariser * np.abs(genomes[:, :ETA]).sum(axis=1)

    evolve_together(algorithms, job.seeds, budget, fitness)
    genomes = _as_told(job, np.stack([algorithm.mean for algorithm in algorithms]))
    return {"genomes": genomes.tolist(), "training": np.array(curves).T.tolist()}


def _as_told(job: Moving, genomes: Array) -> Array:
    """Genomes; without plasticity with eta = 0."""
    told = genomes.copy()
    if not job.plastic:
        told[:, ETA] = 0.0
    return told


def held_out_scores(job: Moving, genomes: Array) -> tuple[Array, Array]:
    """Scores in lives that evolution never saw, and how they come about.

    Returns:
        Scores of the genomes, shape (n,); and the mean value eaten in each step of a life, shape (steps,).
    """
    env = job.arena.make(len(genomes) * job.budget.held_out, job.budget.steps)
    lives = seeds(0, HELD_OUT, count=job.budget.held_out)
    found = scores(job.interface, genomes, env, lives, job.ignorance)
    return found, np.array(env.rewards).mean(axis=1)


# A switch in mid-life

SWITCH_BUDGETS = {"quick": Budget(8, 120, 50, 3, 300, 20), "full": Budget(20, 200, 50, 4, 300, 40)}
CHUNK = 5  # runs that evolve side by side
SIGNIFICANT = 0.05


def switch(settings: Settings) -> Outcome:
    """Evolve foragers that are born knowing values that are reversed in mid-life: plastic ones, and with eta = 0."""
    budget = SWITCH_BUDGETS[settings.budget]
    numbers = seeds(settings.seed, 4, count=budget.runs).tolist()
    arena = Arena(transition_probability=0.0, switch_at=budget.steps // 2)
    chunks = [tuple(numbers[start : start + CHUNK]) for start in range(0, len(numbers), CHUNK)]
    jobs = [
        Moving(Interface("raw"), arena, replace(budget, runs=len(chunk)), chunk, 0.0, plastic)
        for plastic in (True, False)
        for chunk in chunks
    ]
    results = in_parallel(evolve_and_test, jobs, settings)
    plastic, static = results[: len(chunks)], results[len(chunks) :]
    data: dict[str, Any] = {"budget": asdict(budget), "arena": asdict(arena), "interface": asdict(Interface("raw"))}
    for name, parts in (("plastic", plastic), ("static", static)):
        data[name] = {
            "scores": [score for part in parts for score in part["scores"]],
            "genomes": [genome for part in parts for genome in part["genomes"]],
            "training": [curve for part in parts for curve in part["training"]],
            "course": np.average([part["course"] for part in parts], 0, [len(c) for c in chunks]).tolist(),
        }
    data["test"] = _paired(data["plastic"]["scores"], data["static"]["scores"])
    return Outcome(data, switch_figure(data), _switch_summary(data, budget))


def evolve_and_test(job: Moving) -> dict[str, Any]:
    """What evolved, its scores in lives never seen, and their course."""
    evolved = evolve_moving(job)
    found, course = held_out_scores(job, np.array(evolved["genomes"], np.float32))
    return {**evolved, "scores": found.tolist(), "course": course.tolist()}


def _paired(plastic: Sequence[float], static: Sequence[float]) -> dict[str, Any]:
    """Exact one-sided sign test: how likely so many pairs would favour plasticity if either were as likely."""
    gains = np.array(plastic) - np.array(static)
    n, better = len(gains), int((gains > 0).sum())
    p = sum(comb(n, k) for k in range(better, n + 1)) / 2**n
    return {
        "pairs": n, "better": better, "p": p, "mean_gain": float(gains.mean()), "sd_gain": float(gains.std(ddof=1)),
        "held": p < SIGNIFICANT,
    }  # fmt: skip


def _switch_summary(data: dict[str, Any], budget: Budget) -> list[str]:
    test = data["test"]
    return [
        budget.words(),
        f"value eaten in a life: plastic {np.mean(data['plastic']['scores']):.2f}, eta = 0 "
        f"{np.mean(data['static']['scores']):.2f}; the gain is {test['mean_gain']:.2f} +- {test['sd_gain']:.2f} "
        f"(sd over {test['pairs']} pairs)",
        f"A-T7 (plastic beats eta = 0) {'held' if test['held'] else 'did not hold'}: better in {test['better']} of "
        f"{test['pairs']} pairs, p = {test['p']:.2g} (one-sided sign test)"
        + ("" if test["pairs"] >= 20 else "; the test is over 20 pairs, so this is only a look"),
    ]


def switch_figure(data: dict[str, Any]) -> Figure:
    """Pairs of scores, and the course of a life."""
    figure = require_matplotlib()(figsize=(11, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.6))
    plot_pairs(left, data)
    plot_course(right, data)
    return figure


def plot_pairs(ax: Axes, data: dict[str, Any]) -> None:
    """A line for each seed, from without to with plasticity."""
    for static, plastic in zip(data["static"]["scores"], data["plastic"]["scores"], strict=True):
        ax.plot([0, 1], [static, plastic], "o-", color=GREY, markersize=5, linewidth=0.8)
    means = [np.mean(data[name]["scores"]) for name in ("static", "plastic")]
    ax.hlines(means, [-0.2, 0.8], [0.2, 1.2], color=ORANGE, linewidth=3, zorder=3, label="mean")
    ax.set_xticks([0, 1], ["eta = 0", "plastic"], fontsize=12)
    ax.set_xlim(-0.5, 1.5)
    ax.set_ylabel("value eaten in a life never seen")
    ax.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    ax.legend(frameon=False, loc="upper left")
    ax.spines[["top", "right"]].set_visible(False)


def plot_course(ax: Axes, data: dict[str, Any], windows: int = 20) -> None:
    """The mean value eaten in a step over a life, in windows."""
    for name, label, colour in (("plastic", "plastic", BLUE), ("static", "eta = 0", ORANGE)):
        parts = np.array_split(np.array(data[name]["course"]), windows)
        ends = np.cumsum([len(part) for part in parts])
        middles = ends - [len(part) / 2 for part in parts]
        ax.plot(middles, [part.mean() for part in parts], "o-", color=colour, label=label)
    ax.axvline(data["arena"]["switch_at"], color="black", linestyle="--", linewidth=1, label="all values are reversed")
    ax.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    ax.set(xlabel="step of a life", ylabel="mean value eaten in a step")
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)


# Interfaces between what learns and what moves

MOVING_BUDGETS = {"quick": Budget(4, 80, 50, 3, 300, 10), "full": Budget(10, 200, 50, 4, 300, 20)}
INTERFACES = {
    "4 units": Interface("raw", 4),
    "4 units, regularised": Interface("raw", 4, 0.1),
    "linear": Interface("raw"),
    "tanh": Interface("tanh"),
    "one bit": Interface("step"),
}
BOTTLENECK, UNCONSTRAINED = "one bit", "4 units"


def moving(settings: Settings) -> Outcome:
    """Evolve both parts with several interfaces between them; compare the rules, and swap them between runs."""
    budget = MOVING_BUDGETS[settings.budget]
    numbers = tuple(seeds(settings.seed, 3, count=budget.runs).tolist())
    jobs = [Moving(interface, Arena(), budget, numbers) for interface in INTERFACES.values()]
    results = in_parallel(evolve_and_dissect, jobs, settings)
    conditions = {
        name: {**asdict(interface), **result}
        for (name, interface), result in zip(INTERFACES.items(), results, strict=True)
    }
    data = {"budget": asdict(budget), "arena": asdict(Arena()), "terms": list(TERMS), "conditions": conditions}
    far, near = (conditions[name]["diversity"] for name in (UNCONSTRAINED, BOTTLENECK))
    data["test"] = {"unconstrained": far, "bottleneck": near, "held": bool(far > near)}
    return Outcome(data, moving_figure(data), _moving_summary(data, budget))


def evolve_and_dissect(job: Moving) -> dict[str, Any]:
    """What evolved; its scores whole, with other rules, and with those of the other runs; how far the rules differ."""
    evolved = evolve_moving(job)
    genomes = np.array(evolved["genomes"], np.float32)
    n, theta = len(genomes), genomes[:, :ETA]
    frozen, delta, swapped = genomes.copy(), genomes.copy(), np.repeat(genomes, n, axis=0)
    frozen[:, ETA] = 0.0
    delta[:, :ETA] = DELTA
    swapped[:, :RULE_GENES] = np.tile(genomes[:, :RULE_GENES], (n, 1))
    found, _ = held_out_scores(job, np.concatenate([frozen, delta, swapped]))
    exchanged = found[2 * n :].reshape(n, n)  # [motor, rule]
    own, others = np.diag(exchanged), exchanged[~np.eye(n, dtype=bool)]
    distances = pairwise_distances(theta, job.interface.read_out != "step")
    return {
        **evolved,
        "theta": theta.tolist(),
        "eta": genomes[:, ETA].tolist(),
        "scores": own.tolist(),
        "scores_without_learning": found[:n].tolist(),
        "scores_with_delta_rule": found[n : 2 * n].tolist(),
        "scores_swapped": others.tolist(),
        "kept": float(others.mean() / own.mean()) if own.mean() > 0 else None,
        "distances": distances,
        "diversity": float(np.mean(distances)),
    }


def pairwise_distances(theta: Array, mirrored: bool) -> list[float]:
    """1 - cosine between all pairs of rules.

    Args:
        theta: shape (runs, terms).
        mirrored: whether a rule counts as its mirror image. An odd read-out whose weights all change sign is y with the
            opposite sign, which the motor network's first layer can undo; that rule is this one with the opposite sign
            in all terms without y.
    """
    distances = []
    for i, first in enumerate(theta):
        for second in theta[:i]:
            images = [second, np.where(WITH_POST, second, -second)] if mirrored else [second]
            distances.append(1 - max(cosine(first, image) for image in images))
    return distances


def _moving_summary(data: dict[str, Any], budget: Budget) -> list[str]:
    lines, test = [budget.words()], data["test"]
    for name, condition in data["conditions"].items():
        kept = "-" if condition["kept"] is None else f"{100 * condition['kept']:.0f} %"
        lines.append(
            f"{name}: score {np.mean(condition['scores']):.2f}, with eta = 0 "
            f"{np.mean(condition['scores_without_learning']):.2f}, theta of the delta rule "
            f"{np.mean(condition['scores_with_delta_rule']):.2f}; with another run's rule "
            f"{np.mean(condition['scores_swapped']):.2f} ({kept} kept); diversity of rules {condition['diversity']:.2f}"
        )
    lines.append(
        f"A-T6 (rules are more diverse with 4 units than with one bit) {'held' if test['held'] else 'did not hold'}: "
        f"{test['unconstrained']:.2f} against {test['bottleneck']:.2f}"
        + ("" if budget.runs >= 10 else "; the test is over 10 runs, so this is only a look")
    )
    return lines


def moving_figure(data: dict[str, Any]) -> Figure:
    """Scores, distances between rules, and the rules."""
    figure = require_matplotlib()(figsize=(12, 8.4), layout="constrained")
    left, right = np.ravel(np.array(figure.subfigures(1, 2, width_ratios=(1.35, 1)), dtype=object))
    above, below = left.subplots(2, 1)
    plot_scores(above, data)
    plot_distances(below, data)
    plot_rules(right.subplots(), data)
    return figure


def plot_scores(ax: Axes, data: dict[str, Any]) -> None:
    """Scores of each condition: whole, ablated, with another run's rule; a dot for each run."""
    kinds = {
        "scores": ("as evolved", BLUE), "scores_swapped": ("another run's rule", GREEN),
        "scores_with_delta_rule": ("theta of the delta rule", ORANGE), "scores_without_learning": ("eta = 0", GREY),
    }  # fmt: skip
    where = np.arange(len(data["conditions"]))
    for number, (kind, (label, colour)) in enumerate(kinds.items()):
        x = where + 0.2 * (number - 1.5)
        found = [condition[kind] for condition in data["conditions"].values()]
        ax.bar(x, [np.mean(each) for each in found], 0.18, color=colour, label=label)
        if len(found[0]) == data["budget"]["runs"]:
            for at, each in zip(x, found, strict=True):
                ax.plot(np.full(len(each), at), each, "o", color="black", markersize=2)
    ax.axhline(0, color="0.6", linewidth=0.8)
    _name_conditions(ax, data)
    ax.set_ylabel("value eaten in a life never seen")
    ax.legend(frameon=False, fontsize=9, ncols=4, loc="lower left", bbox_to_anchor=(-0.08, 1.0), columnspacing=1.0)


def plot_distances(ax: Axes, data: dict[str, Any]) -> None:
    """Distances between the rules of all pairs of runs, and their mean."""
    rng = np.random.default_rng(0)
    for x, condition in enumerate(data["conditions"].values()):
        found = condition["distances"]
        ax.plot(x + rng.uniform(-0.15, 0.15, len(found)), found, "o", color=BLUE, markersize=4, alpha=0.6)
        ax.plot(x, np.mean(found), "_", color="black", markersize=40, markeredgewidth=3)
    _name_conditions(ax, data)
    ax.set_ylabel("distance of two runs' rules\n(1 - cosine; bar: mean)")
    ax.set_ylim(0, None)


def _name_conditions(ax: Axes, data: dict[str, Any]) -> None:
    names = [name.replace(", ", ",\n") for name in data["conditions"]]
    ax.set_xticks(range(len(names)), names, fontsize=10)
    ax.set_xlabel("what the motor network is told of a food's value")
    ax.spines[["top", "right"]].set_visible(False)


def plot_rules(ax: Axes, data: dict[str, Any]) -> None:
    """Theta of every run, in colours."""
    conditions = data["conditions"]
    rules = np.concatenate([condition["theta"] for condition in conditions.values()])
    picture = ax.imshow(rules, cmap="PuOr", vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
    runs = data["budget"]["runs"]
    for number in range(1, len(conditions)):
        ax.axhline(number * runs - 0.5, color="black", linewidth=1.5)
    ax.set_xticks(range(len(data["terms"])), [TERM_LABELS[term] for term in data["terms"]], fontsize=10, rotation=45)
    middles = [number * runs + runs / 2 - 0.5 for number in range(len(conditions))]
    ax.set_yticks(middles, [name.replace(", ", ",\n") for name in conditions], fontsize=10)
    ax.set_xlabel("term of the rule (x: food, y: read-out, R: reward)")
    ax.figure.colorbar(picture, ax=ax, label="coefficient (a row for each run)", shrink=0.6)
