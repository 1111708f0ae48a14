"""Figures of the line follower's experiments, drawn from their data alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..palette import BLACK, BLUE, GREEN, ORANGE, PINK, RED, SKY
from .line_following_lives import REFLEX, TRACKS, WATCHED, WHICH, Data

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLES: dict[str, dict[str, Any]] = {
    "BP": {"color": BLACK, "marker": "o"},
    "LOC": {"color": ORANGE, "marker": "s"},
    "SaR": {"color": BLUE, "marker": "x", "linestyle": "--"},
    "SaR-min": {"color": SKY, "marker": "D"},
    "PaM": {"color": RED, "marker": "^"},
    "PaM-trend": {"color": PINK, "marker": "v", "linestyle": "--"},
    "R = 1": {"color": GREEN, "marker": "P"},
    REFLEX: {"color": "0.5", "marker": "*"},
}


# Axes


def _finish(ax: Axes, title: str, xlabel: str, ylabel: str) -> None:
    ax.set_title(title, fontsize=13)
    ax.set_xlabel(xlabel, fontsize=12)
    ax.set_ylabel(ylabel, fontsize=12)
    ax.tick_params(labelsize=11)
    ax.spines[["top", "right"]].set_visible(False)


def _rules_over_rates(ax: Axes, data: Data, track: str, key: str, failed: float = math.nan) -> None:
    """Median and quartiles of each rule over the learning rate, rules a little beside each other, the reflex apart."""
    rates = np.array(data["rates"])
    rules = data["tracks"][track]["rules"]
    for number, (rule, result) in enumerate(rules.items()):
        values = [[failed if value is None else value for value in same] for same in result[key]]
        low, middle, high = np.quantile(values, (0.25, 0.5, 0.75), axis=1, method="nearest")
        x = np.array([rates[0] / 10]) if rule == REFLEX else rates * 10 ** (0.06 * (number - len(rules) / 2))
        size = 16 if rule == REFLEX else 7
        bars = (middle - low, high - middle)
        ax.errorbar(x, middle, bars, **STYLES[rule], label=rule, markersize=size, linewidth=1.3, capsize=2)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xticks([rates[0] / 10, *rates], ["none", *(f"{rate:g}" for rate in rates)])
    ax.minorticks_off()


def plot_success(ax: Axes, data: Data, track: str = "bean") -> None:
    """Steps to success against the learning rate, failures in a row of their own above.

    Args:
        ax: to draw into.
        data: of :func:`~.line_following.success`.
        track: "bean" or "bent".
    """
    failed = 1.7 * data["limit"]
    _rules_over_rates(ax, data, track, "steps", failed)
    ax.axhspan(1.25 * data["limit"], 2.3 * data["limit"], color="0.93", zorder=0)
    ticks = [tick for tick in (200, 500, 1000, 2000, 5000) if tick <= data["limit"]]
    ax.set_yticks([*ticks, failed], [*(f"{tick:,}" for tick in ticks), "failed"])
    ax.set_ylim(170, 2.3 * data["limit"])
    _finish(ax, f"{track}: median and quartiles of {data['seeds']} seeds", "learning rate", "steps to success")


def plot_integral(ax: Axes, data: Data, track: str = "bean") -> None:
    """The integral of abs(E) against the learning rate.

    Args:
        ax: to draw into.
        data: of :func:`~.line_following.success`.
        track: "bean" or "bent".
    """
    _rules_over_rates(ax, data, track, "integral")
    title = f"{track}: error in the first {data['horizon']:,} steps"
    _finish(ax, title, "learning rate", "integral of |E| over time (units)")


def plot_error(ax: Axes, data: Data, track: str = "bean", which: str = "best") -> None:
    """The moving mean of abs(E) over time, mean and 10% to 90% of the seeds.

    Args:
        ax: to draw into.
        data: of :func:`~.line_following.error`.
        track: "bean" or "bent".
        which: rates: "best", each rule's own, or "common".
    """
    for rule, result in data["tracks"][track]["rules"].items():
        curve, style = result[which], {k: v for k, v in STYLES[rule].items() if k != "marker"}
        ax.plot(data["steps"], curve["mean"], **style, linewidth=2, label=rule)
        ax.fill_between(data["steps"], curve["low"], curve["high"], color=style["color"], alpha=0.12, linewidth=0)
    ax.set_yscale("symlog", linthresh=1e-4, linscale=0.5)
    ax.set_ylim(0, 10)
    rates = "each rule's best rate" if which == "best" else f"rate {data['common_rate']:g} for all"
    _finish(ax, f"{track}: {rates}", "step (30 ms)", f"|E|, mean of {data['window']} steps (units/s)")


def plot_distances(ax: Axes, data: Data, rule: str, track: str = "bean") -> None:
    """How far the weights of each layer are from their start, mean of the seeds.

    Args:
        ax: to draw into.
        data: of :func:`~.line_following.weights`.
        rule: "BP", "SaR" or "PaM".
        track: "bean" or "bent".
    """
    from matplotlib import colormaps

    result = data["tracks"][track]["rules"][rule]
    layers = np.transpose(result["distances"])
    for number, distances in enumerate(layers):
        boosted = " (boosted)" if number == 0 else ""
        colour = RED if number == 0 else colormaps["viridis"]((number - 1) / len(layers))
        style = "--" if number == 0 else "-"
        ax.plot(data["steps"], distances, style, color=colour, linewidth=2, label=f"layer {number + 1}{boosted}")
    ax.set_yscale("log")
    _finish(ax, f"{track}: {rule}, rate {result['rate']:g}", "step (30 ms)", "distance of weights from birth")


def plot_ratio(ax: Axes, data: Data, track: str = "bean") -> None:
    """The error carried back to the first layer by that in the last, geometric mean over lives.

    Drawn where a quarter of the lives or more had an error.

    Args:
        ax: to draw into.
        data: of :func:`~.line_following.weights`.
        track: "bean" or "bent".
    """
    for rule, result in data["tracks"][track]["rules"].items():
        known = [(step, ratio) for step, ratio in zip(data["steps"], result["ratio"], strict=True) if ratio is not None]
        style = STYLES[rule] | {"label": f"{rule}, rate {result['rate']:g}"}
        ax.plot(*np.transpose(known), **style, linewidth=1.5, markersize=6)
    ax.set_yscale("log")
    ax.set_ylim(top=1e5)  # room for the legend
    ax.legend(frameon=False, fontsize=11, loc="upper right")
    _finish(ax, f"{track}: error carried back", "step (30 ms)", "mean |delta|, first / last layer")


def plot_spread(ax: Axes, data: Data, track: str = "bean") -> None:
    """How unequally far layers 2 to 11 go, against the learning rate: median and quartiles.

    Args:
        ax: to draw into.
        data: of :func:`~.line_following.weights`.
        track: "bean" or "bent".
    """
    for rule, result in data["tracks"][track]["rules"].items():
        low, middle, high = np.quantile(result["spread"]["unboosted_layers"], (0.25, 0.5, 0.75), axis=1)
        bars = (middle - low, high - middle)
        ax.errorbar(data["rates"], middle, bars, **STYLES[rule], label=rule, markersize=7, linewidth=1.5, capsize=2)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xticks(data["rates"], [f"{rate:g}" for rate in data["rates"]])
    ax.minorticks_off()
    ax.set_ylim(1, 1e4)  # the same on both tracks, with room for the legend
    ax.legend(frameon=False, fontsize=11, loc="upper left")
    _finish(
        ax, f"{track}: spread of layers 2 to 11", "learning rate", "largest / smallest distance\n(median, quartiles)"
    )


# Whole figures


def draw_success(figure: Figure, data: Data) -> None:
    """Steps to success and the integral of abs(E), on both tracks."""
    axes = figure.subplots(len(TRACKS), 2, sharex=True)
    for row, track in zip(axes, TRACKS, strict=True):
        plot_success(row[0], data, track)
        plot_integral(row[1], data, track)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=12)


def draw_error(figure: Figure, data: Data) -> None:
    """The error over time at both choices of rates, on both tracks."""
    from matplotlib.patches import Patch

    axes = figure.subplots(len(TRACKS), len(WHICH), sharex=True, sharey=True)
    for row, track in zip(axes, TRACKS, strict=True):
        for ax, which in zip(row, WHICH, strict=True):
            plot_error(ax, data, track, which)
            ax.label_outer()
    handles, labels = axes[0, 1].get_legend_handles_labels()
    handles.append(Patch(color="0.5", alpha=0.3, linewidth=0))
    labels.append("10% to 90% of the seeds")
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=12)


def draw_weights(figure: Figure, data: Data) -> None:
    """Distances and the ratio on the bent track, spreads on both."""
    above, below = np.ravel(np.array(figure.subfigures(2, 1, height_ratios=(5, 4)), dtype=object))
    axes = above.subplots(1, len(WATCHED), sharey=True)
    for ax, rule in zip(axes, WATCHED, strict=True):
        plot_distances(ax, data, rule, "bent")
        ax.label_outer()
    handles, labels = axes[0].get_legend_handles_labels()
    above.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False, fontsize=12)
    axes = below.subplots(1, 3)
    plot_ratio(axes[0], data, "bent")
    for ax, track in zip(axes[1:], TRACKS, strict=True):
        plot_spread(ax, data, track)
