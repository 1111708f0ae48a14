"""Which rules evolve in moving foragers, with several interfaces between what learns and what moves."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from ..palette import BLUE, GREEN, GREY, ORANGE
from . import Outcome, Settings
from .common import in_parallel, require_matplotlib
from .moving_foragers import ETA, RULE_GENES, Arena, Interface, Moving, evolve_moving, held_out_scores
from .static_foragers import DELTA, TERM_LABELS, TERMS, WITH_POST, Array, Budget, Stream, cosine, seeds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BUDGETS = {"quick": Budget(4, 80, 50, 3, 300, 10), "full": Budget(10, 200, 50, 4, 300, 20)}
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
    budget = BUDGETS[settings.budget]
    numbers = tuple(seeds(Stream.MOVING, settings.seed, count=budget.runs).tolist())
    jobs = [Moving(interface, Arena(), budget, numbers, settings.seed) for interface in INTERFACES.values()]
    results = in_parallel(evolve_and_dissect, jobs, settings)
    conditions = {
        name: {**asdict(interface), **result}
        for (name, interface), result in zip(INTERFACES.items(), results, strict=True)
    }
    data = {"budget": asdict(budget), "arena": asdict(Arena()), "terms": list(TERMS), "conditions": conditions}
    far, near = (conditions[name]["diversity"] for name in (UNCONSTRAINED, BOTTLENECK))
    data["test"] = {"unconstrained": far, "bottleneck": near, "held": bool(far > near)}
    return Outcome(data, draw(data), _moving_summary(data, budget))


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
    distances, keep = [], np.isin(TERMS, list(WITH_POST))
    for i, first in enumerate(theta):
        for second in theta[:i]:
            images = [second, np.where(keep, second, -second)] if mirrored else [second]
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


def draw(data: dict[str, Any]) -> Figure:
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
