"""Trained methods side by side, drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..comparison import Comparison, episode_deviation, interval, means
from ..curves import UNITS, plot_curves
from ..palette import SERIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_comparison(figure: Figure, comparison: Comparison) -> None:
    """Final scores; and below, if curves are known, the way there against env-steps and against wall time.

    Args:
        figure: empty, to draw into.
        comparison: from :func:`~hebbian_gym.comparison.compare`.
    """
    curves = comparison.curves()
    if not curves:
        plot_comparison(figure.subplots(), comparison)
        return
    upper, *lower = figure.subplot_mosaic([["final", "final"], list(UNITS)]).values()
    plot_comparison(upper, comparison)
    colours = {name: SERIES[number % len(SERIES)] for number, name in enumerate(comparison.methods())}
    for ax, against in zip(lower, UNITS, strict=True):
        plot_curves(ax, curves, comparison.seen_names(), against, colours, comparison.unit)


def plot_comparison(ax: Axes, comparison: Comparison) -> None:
    """For each body and method the mean over its training seeds.

    Of several seeds each is a dot, and a bar with caps is the mean's 95% interval; of one seed a thin bar is the
    standard deviation of its episodes.

    Args:
        ax: to draw into.
        comparison: from :func:`~hebbian_gym.comparison.compare`.
    """
    methods = comparison.methods()
    width = 0.8 / len(methods)
    for number, (name, runs) in enumerate(methods.items()):
        x = np.arange(len(comparison.bodies)) + (number - (len(methods) - 1) / 2) * width
        colour = SERIES[number % len(SERIES)]
        scores = np.array([means(runs, body) for body in comparison.bodies])  # (bodies, training seeds)
        several = len(runs) > 1
        halves = [interval(row) if several else episode_deviation(runs, body)
                  for row, body in zip(scores, comparison.bodies, strict=True)]  # fmt: skip
        ax.errorbar(
            x, scores.mean(axis=1), halves, fmt="_", color=colour, markersize=16, markeredgewidth=2, label=name,
            capsize=4 if several else 0, elinewidth=1.5 if several else 0.8,
        )  # fmt: skip
        if several:
            places = np.repeat(x + 0.22 * width, len(runs))
            ax.plot(places, scores.ravel(), "o", color=colour, markersize=4, alpha=0.7)
    labels = [f"{body}\n({'seen' if body in comparison.seen else 'unseen'})" for body in comparison.bodies]
    ax.set_xticks(range(len(labels)), labels, fontsize=8)
    ax.set_xlim(-0.6, len(labels) - 0.4)
    ax.set_ylabel(comparison.unit)
    ax.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    ax.spines[["top", "right"]].set_visible(False)
    seeds = {min(len(runs), 2) for runs in methods.values()}
    capped = "bar with caps: mean over training seeds (dots) and its 95% interval"
    thin = "thin bar: mean and sd over the episodes of the one training seed"
    told = "\n".join([capped] * (2 in seeds) + [thin] * (1 in seeds))
    ax.legend(
        frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=min(len(methods), 5), title=told,
        title_fontsize=9,
    )  # fmt: skip
