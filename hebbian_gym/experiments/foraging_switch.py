"""Moving foragers, plastic or not, when all values are reversed in mid-life."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..palette import BLUE, GREY, ORANGE
from . import Outcome, Settings
from .common import in_parallel, require_matplotlib, sign_test
from .moving_foragers import Arena, Interface, Moving, evolve_moving, held_out_scores
from .static_foragers import Budget, Stream, seeds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BUDGETS = {"quick": Budget(8, 120, 50, 3, 300, 20), "full": Budget(20, 200, 50, 4, 300, 40)}
CHUNK = 5  # runs that evolve side by side
SIGNIFICANT = 0.05


def switch(settings: Settings) -> Outcome:
    """Evolve foragers that are born knowing values that are reversed in mid-life: plastic ones, and with eta = 0."""
    budget = BUDGETS[settings.budget]
    numbers = seeds(Stream.SWITCH, settings.seed, count=budget.runs).tolist()
    arena = Arena(transition_probability=0.0, switch_at=budget.steps // 2)
    chunks = [tuple(numbers[start : start + CHUNK]) for start in range(0, len(numbers), CHUNK)]
    jobs = [
        Moving(Interface("raw"), arena, replace(budget, runs=len(chunk)), chunk, settings.seed, 0.0, plastic)
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
    return Outcome(data, draw(data), _switch_summary(data, budget))


def evolve_and_test(job: Moving) -> dict[str, Any]:
    """What evolved, its scores in lives never seen, and their course."""
    evolved = evolve_moving(job)
    found, course = held_out_scores(job, np.array(evolved["genomes"], np.float32))
    return {**evolved, "scores": found.tolist(), "course": course.tolist()}


def _paired(plastic: Sequence[float], static: Sequence[float]) -> dict[str, Any]:
    """One-sided sign test: how likely so many pairs would favour plasticity if either were as likely."""
    gains = np.array(plastic) - np.array(static)
    n, better, worse = len(gains), int((gains > 0).sum()), int((gains < 0).sum())
    p = sign_test(worse, better, one_sided=True)
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


def draw(data: dict[str, Any]) -> Figure:
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
