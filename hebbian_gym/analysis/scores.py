"""Pictures of scores over many lifetimes: bodies and rules side by side, and a map of damages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..palette import SERIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

WIDTH = 0.8  # of a group of bars


def plot_scores(
    ax: Axes,
    scores: Mapping[str, Mapping[str, Sequence[float]]],
    published: Mapping[str, Mapping[str, tuple[float, float]]],
    dots: bool = False,
    whose: str = "Najarro & Risi (2020), theirs",
) -> None:
    """Means over lifetimes with standard deviations, a bar for each rule; published ones beside them, as diamonds.

    Args:
        ax: to draw into.
        scores: rule to task to scores.
        published: the same, to another author's mean and standard deviation, where there is one.
        dots: draw every lifetime, too.
        whose: the published ones are, for the legend.
    """
    tasks = list(next(iter(scores.values())))
    width, labelled = WIDTH / len(scores), False
    for number, (rule, by_task) in enumerate(scores.items()):
        x = np.arange(len(tasks)) + (number - (len(scores) - 1) / 2) * width
        mean = [float(np.mean(by_task[task])) for task in tasks]
        sd = [float(np.std(by_task[task])) for task in tasks]
        color = SERIES[number % len(SERIES)]
        ax.bar(x, mean, 0.9 * width, yerr=sd, capsize=4, color=color, alpha=0.75, label=rule)
        if dots:
            _plot_dots(ax, x, [by_task[task] for task in tasks], width)
        if known := published.get(rule, {}):
            at = [x[index] + 0.25 * width for index, task in enumerate(tasks) if task in known]
            theirs = np.array([known[task] for task in tasks if task in known])
            label = None if labelled else whose
            ax.errorbar(
                at, theirs[:, 0], theirs[:, 1], fmt="D", color="black", markerfacecolor="white", capsize=2, label=label
            )
            labelled = True
    ax.axhline(0, color="0.6", linewidth=0.8)
    ax.set_xticks(range(len(tasks)), tasks)
    ax.spines[["top", "right"]].set_visible(False)


def _plot_dots(ax: Axes, x: Any, scores: Sequence[Sequence[float]], width: float) -> None:
    """Every score, spread over the bar's width in the order of the lifetimes."""
    for centre, found in zip(x, scores, strict=True):
        places = centre + 0.6 * width * (np.arange(len(found)) / max(len(found) - 1, 1) - 0.5)
        ax.plot(places, found, ".", color="0.25", markersize=4)


def plot_damages(ax: Axes, means: Any, legs: Sequence[str], fractions: Sequence[float], bound: float) -> AxesImage:
    """Mean scores for each damaged leg and what is left of it, as a heat map with its numbers.

    Args:
        ax: to draw into.
        means: shape (legs, fractions).
        legs: a row each.
        fractions: a column each.
        bound: score at the end of the colours, which begin at 0: what is lost below it is white.

    Returns:
        The image, for a colour bar.
    """
    means = np.asarray(means)
    image = ax.imshow(means, cmap="Purples", vmin=0, vmax=bound, aspect="auto")
    for row, column in np.ndindex(means.shape):
        value = means[row, column]
        ax.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=10,
                color="white" if value > 0.5 * bound else "black")  # fmt: skip
    turned = 45 if len(fractions) > 6 else 0  # else they touch each other
    ax.set_xticks(range(len(fractions)), [f"{fraction:g}" for fraction in fractions], rotation=turned)
    ax.set_yticks(range(len(legs)), [leg.replace("_", " ") for leg in legs])
    ax.set_xlabel("fraction of the lower leg that is left")
    return image
