"""Which learning rate evolves in static foragers, beside the best one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..palette import BLUE, GREY, RED
from . import Outcome, Settings
from .common import in_parallel, require_matplotlib
from .static_foragers import (
    Array,
    Budget,
    Place,
    Static,
    Stream,
    analytic_error,
    analytic_rate,
    evolved_and_best,
    idle_error,
    run_mean,
    seeds,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TOLERANCE = 1.1  # A rule counts as good as the best learning rate if its error is at most so many times that one's.
SWEEPS: dict[str, tuple[float, ...]] = {
    "distance": (0.125, 0.25, 0.5, 1.0),
    "noise": (0.1, 0.3, 1.0, 2.0),
    "transition_probability": (0.001, 0.01, 0.05, 0.1),
}
BUDGETS = {"quick": Budget(1, 120, 50, 3, 500, 20), "full": Budget(3, 300, 50, 3, 1000, 40)}


def learning_rate(settings: Settings) -> Outcome:
    """Evolve rule and rate at several distances, noises and transition probabilities; beside the best rate."""
    budget = BUDGETS[settings.budget]
    places = list(dict.fromkeys(_place(knob, value) for knob, values in SWEEPS.items() for value in values))
    numbers = tuple(seeds(Stream.LEARNING_RATE, settings.seed, count=budget.runs).tolist())
    jobs = [Static(place, budget, numbers, settings.seed) for place in places]
    results = in_parallel(evolved_and_best, jobs, settings)
    points = [{**asdict(place), **best, "runs": runs} for place, (runs, best) in zip(places, results, strict=True)]
    data = {"budget": asdict(budget), "sweeps": {k: list(v) for k, v in SWEEPS.items()}, "points": points}
    data["test"] = _judge_rates(data)
    return Outcome(data, draw(data), _rate_summary(data, budget))


def _place(knob: str, value: float) -> Place:
    """The base environment with one setting changed."""
    return replace(Place(), **{knob: value})  # type: ignore[arg-type]  # no knob is the bool


def _along(data: dict[str, Any], knob: str) -> list[dict[str, Any]]:
    """The points of a sweep."""
    base = asdict(Place())
    others = [name for name in data["sweeps"] if name != knob]
    points = [p for p in data["points"] if all(p[name] == base[name] for name in others)]
    return sorted(points, key=lambda point: point[knob])


def _judge_rates(data: dict[str, Any]) -> dict[str, Any]:
    """The acceptance test: errors within 1.1 of the best rate's at every point, and rates in its order."""
    ratios = [run_mean(point, "error") / point["error_at_analytic_rate"] for point in data["points"]]
    orders = {}
    for knob in data["sweeps"]:
        points = _along(data, knob)
        wanted = np.argsort([point["analytic_rate"] for point in points]).tolist()
        orders[knob] = np.argsort([run_mean(point, "effective_rate") for point in points]).tolist() == wanted
    within = [bool(ratio <= TOLERANCE) for ratio in ratios]
    return {"ratios": ratios, "within": within, "same_order": orders, "held": all(within) and all(orders.values())}


def _rate_summary(data: dict[str, Any], budget: Budget) -> list[str]:
    test = data["test"]
    outcome = "held" if test["held"] else "did not hold"
    return [
        budget.words(),
        f"error of the evolved rule / error of the delta rule at the analytic eta*, same lives: "
        f"{min(test['ratios']):.2f} to {max(test['ratios']):.2f}; at most {TOLERANCE} at {sum(test['within'])} of "
        f"{len(test['within'])} points",
        "effective rates in the order of eta*: "
        + ", ".join(
            f"{knob.replace('_', ' ')}: {'yes' if same else 'no'}" for knob, same in test["same_order"].items()
        ),
        f"acceptance test A-T3 {outcome}",
    ]


_LABELS = {
    "distance": "distance of the two states",
    "noise": "noise of the reward (sd)",
    "transition_probability": "flips per step (probability)",
}


def draw(data: dict[str, Any]) -> Figure:
    """Rates above, errors below, for each sweep."""
    figure = require_matplotlib()(figsize=(11, 6.6), layout="constrained")
    axes = figure.subplots(2, len(data["sweeps"]), sharey="row", squeeze=False)
    for column, knob in enumerate(data["sweeps"]):
        plot_rates(axes[0, column], data, knob)
        plot_errors(axes[1, column], data, knob)
    axes[0, 0].set_ylabel("learning rate (1/step)")
    axes[0, 0].set_ylim(0, 0.2)
    axes[1, 0].set_ylabel("squared error (value²)")
    axes[0, 0].legend(frameon=False, fontsize=10, loc="upper left")
    axes[1, 0].legend(frameon=False, fontsize=10, loc="upper left")
    return figure


def _fine(data: dict[str, Any], knob: str) -> tuple[Array, list[tuple[float, float, float]]]:
    """Values along a sweep for smooth curves, and the knobs at each."""
    low, high = min(data["sweeps"][knob]), max(data["sweeps"][knob])
    values = np.geomspace(low, high, 60)
    return values, [_place(knob, float(value)).knobs for value in values]


def plot_rates(ax: Axes, data: dict[str, Any], knob: str) -> None:
    """Effective rates of evolved rules over the analytic curve."""
    values, knobs = _fine(data, knob)
    points = _along(data, knob)
    where = [point[knob] for point in points]
    ax.plot(values, [analytic_rate(*k) for k in knobs], color=GREY, linewidth=2, label="best rate, analytic")
    ax.plot(where, [p["simulated_rate"] for p in points], "s", color="none", markeredgecolor="black",
            markersize=9, label="best rate in these lives")  # fmt: skip
    _plot_runs(ax, points, knob, "effective_rate", "evolved, effective rate")
    _tidy(ax, data, knob)


def plot_errors(ax: Axes, data: dict[str, Any], knob: str) -> None:
    """Errors of evolved rules beside the delta rule's at the best rate."""
    values, knobs = _fine(data, knob)
    points = _along(data, knob)
    where = [point[knob] for point in points]
    rates = [analytic_rate(*k) for k in knobs]
    analytic = [analytic_error(r, *k) if r else idle_error(k[0]) for r, k in zip(rates, knobs, strict=True)]
    ax.plot(values, analytic, color=GREY, linewidth=2, label="delta rule, analytic steady state")
    ax.plot(where, [p["error_at_analytic_rate"] for p in points], "D", color="none", markeredgecolor=RED,
            markersize=9, label="delta rule at that rate, these lives")  # fmt: skip
    _plot_runs(ax, points, knob, "error", "evolved")
    ax.set_yscale("log")
    _tidy(ax, data, knob)


def _plot_runs(ax: Axes, points: Sequence[dict[str, Any]], knob: str, name: str, label: str) -> None:
    """Means of a number that each run of a point has, and if there are several runs their standard deviations."""
    found = np.array([[run[name] for run in point["runs"]] for point in points])
    several = found.shape[1] > 1
    ax.errorbar(
        [point[knob] for point in points], found.mean(1), found.std(1, ddof=1) if several else None,
        fmt="o", color=BLUE, capsize=4, markersize=7, label=f"{label} (mean and sd)" if several else label,
    )  # fmt: skip


def _tidy(ax: Axes, data: dict[str, Any], knob: str) -> None:
    values = data["sweeps"][knob]
    ax.set_xscale("log")
    ax.set_xticks(values, [f"{value:g}" for value in values])
    ax.set_xticks([], minor=True)
    ax.set_xlabel(_LABELS[knob], fontsize=11)
    ax.spines[["top", "right"]].set_visible(False)
