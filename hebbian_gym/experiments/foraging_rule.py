"""Which rule evolves in static foragers, for three read-outs, and where nothing changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from ..palette import BLUE, ORANGE
from . import Outcome, Settings
from .common import in_parallel, require_matplotlib
from .static_foragers import DELTA, TERM_LABELS, TERMS, Budget, Place, Static, Stream, evolved_and_best, run_mean, seeds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BUDGETS = {"quick": Budget(2, 100, 50, 3, 500, 20), "full": Budget(5, 60, 50, 3, 1000, 40)}
_STEADY = Place(distance=0.0, same_values=True)
CONDITIONS: dict[str, tuple[str, Place, bool]] = {
    "linear": ("raw", Place(), False),
    "tanh": ("tanh", Place(), False),
    "step": ("step", Place(), False),
    "linear, nothing changes": ("raw", _STEADY, True),
}
ALIGNED = 0.9  # the least cosine with the delta rule that counts as it
VANISHED = 0.1  # the most of the linear condition's effective rate that counts as none


def rule(settings: Settings) -> Outcome:
    """Evolve rules for three read-outs, and where nothing changes and W(0) evolves, too."""
    budget = BUDGETS[settings.budget]
    numbers = tuple(seeds(Stream.RULE, settings.seed, count=budget.runs).tolist())
    jobs = [
        Static(place, budget, numbers, settings.seed, read_out, birth) for read_out, place, birth in CONDITIONS.values()
    ]
    results = in_parallel(evolved_and_best, jobs, settings)
    conditions = {
        name: {"read_out": job.read_out, **asdict(job.place), "evolved_birth": job.evolved_birth,
               "runs": runs, "delta_rule": best}
        for name, job, (runs, best) in zip(CONDITIONS, jobs, results, strict=True)
    }  # fmt: skip
    data: dict[str, Any] = {"budget": asdict(budget), "terms": list(TERMS), "conditions": conditions}
    data["test"] = _judge_rules(conditions)
    return Outcome(data, draw(data), _rule_summary(data, budget))


def _judge_rules(conditions: dict[str, Any]) -> dict[str, Any]:
    """The two acceptance tests: a linear read-out's rule is the delta rule; where nothing changes, learning goes."""
    linear, steady = conditions["linear"], conditions["linear, nothing changes"]
    cosines = [run["cosine"] for run in linear["runs"]]
    left = abs(run_mean(steady, "effective_rate")) / max(abs(run_mean(linear, "effective_rate")), 1e-9)
    return {
        "cosines": cosines,
        "delta_rule_held": min(cosines) > ALIGNED,
        "rate_left": left,
        "no_learning_held": left < VANISHED,
    }


def _rule_summary(data: dict[str, Any], budget: Budget) -> list[str]:
    test, lines = data["test"], [budget.words()]
    for name, condition in data["conditions"].items():
        means = {number: run_mean(condition, number) for number in ("cosine", "eta", "effective_rate", "error")}
        lines.append(
            f"{name}: cosine with the delta rule {means['cosine']:.2f}, eta {means['eta']:.3f}, effective rate "
            f"{means['effective_rate']:.3f}, error {means['error']:.3f} (without learning "
            f"{run_mean(condition, 'error_without_learning'):.3f}, best delta rule "
            f"{condition['delta_rule']['simulated_error']:.3f})"
        )
    said = {True: "held", False: "did not hold"}
    lines.append(
        f"A-T4 (every linear run's cosine above {ALIGNED}) {said[test['delta_rule_held']]}: the least is "
        f"{min(test['cosines']):.2f}"
    )
    lines.append(
        f"A-T5 (where nothing changes and W(0) evolves, the effective rate is below {VANISHED} of the linear "
        f"condition's) {said[test['no_learning_held']]}: it is {test['rate_left']:.3f} of it"
    )
    return lines


def draw(data: dict[str, Any]) -> Figure:
    """The evolved rule of each condition as bars."""
    figure = require_matplotlib()(figsize=(11, 6.8), layout="constrained")
    axes = figure.subplots(2, 2, sharex=True, sharey=True).ravel()
    for ax, (name, condition) in zip(axes, data["conditions"].items(), strict=True):
        plot_rule(ax, condition, data["terms"], name)
    for ax in axes[::2]:
        ax.set_ylabel("coefficient * eta (1/step)", fontsize=11)
    for ax in axes[2:]:
        ax.set_xlabel("term of the rule (x: food, y: read-out, R: reward)", fontsize=11)
    axes[0].legend(frameon=False, fontsize=11, loc="lower right")
    return figure


def plot_rule(ax: Axes, condition: dict[str, Any], terms: Sequence[str], title: str) -> None:
    """Products eta * theta: a bar for each term, a dot for each run; the delta rule with the best rate as outlines."""
    products = np.array([[run["eta"] * value for value in run["theta"]] for run in condition["runs"]])
    where = np.arange(len(terms))
    ax.bar(where, products.mean(0), color=BLUE, width=0.7, label="evolved (mean; dots: runs)")
    for run in products:
        ax.plot(where, run, "o", color="black", markersize=3)
    if not condition["evolved_birth"]:
        rate = condition["delta_rule"]["simulated_rate"]
        ax.bar(where, rate * DELTA, width=0.9, fill=False, edgecolor=ORANGE, linewidth=2, label="delta rule, best rate")
    ax.axhline(0, color="0.6", linewidth=0.8)
    ax.set_xticks(where, [TERM_LABELS[term] for term in terms], fontsize=11)
    same = "" if condition["evolved_birth"] else f" (cosine with the delta rule {run_mean(condition, 'cosine'):.2f})"
    ax.set_title(title + same, fontsize=11)
    ax.spines[["top", "right"]].set_visible(False)
