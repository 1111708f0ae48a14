"""Pictures of what disturbances do to a lifetime: curves over its steps, and scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..palette import BLUE, PINK, RED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DISTURBED, UNDISTURBED, WHEN = RED, BLUE, PINK


def moving_mean(values: Any, window: int) -> np.ndarray:
    """Means over the last ``window`` values along the last axis, or over as many as there were; of the same shape."""
    values = np.asarray(values, np.float64)
    sums = np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)], axis=-1)
    ends = np.arange(1, values.shape[-1] + 1)
    begins = np.maximum(ends - window, 0)
    return (sums[..., ends] - sums[..., begins]) / (ends - begins)


def plot_curves(ax: Axes, curves: Mapping[str, Mapping[str, Sequence[float]]], first: int = 0) -> None:
    """Means over lifetimes and, as bands, standard deviations: of a disturbed and an undisturbed agent.

    Args:
        ax: to draw into.
        curves: by their names in the legend, the disturbed one first: "mean" and "sd", one number for each step.
        first: the first step's number.
    """
    for (name, curve), color in zip(curves.items(), (DISTURBED, UNDISTURBED), strict=True):
        mean, sd = np.asarray(curve["mean"]), np.asarray(curve["sd"])
        steps = first + np.arange(len(mean))
        ax.fill_between(steps, mean - sd, mean + sd, color=color, alpha=0.15, linewidth=0)
        ax.plot(steps, mean, color=color, linewidth=1.6, label=name)
    ax.fill_between([], [], color="0.5", alpha=0.3, linewidth=0, label="bands: sd")
    ax.set_xlabel("step")
    ax.spines[["top", "right"]].set_visible(False)


def mark(ax: Axes, start: float, stop: float | None = None, label: str = "") -> None:
    """Show when a disturbance happens: a band from ``start`` to ``stop``, or a line."""
    if stop is None:
        ax.axvline(start, color=WHEN, linewidth=1.5, label=label)
    else:
        ax.axvspan(start, stop, color=WHEN, alpha=0.25, linewidth=0, label=label)


def plot_frozen(ax: Axes, after: Sequence[int], scores: Any, length: int) -> None:
    """Scores of agents that learn for some steps only (Najarro & Risi 2020, figure 3 left).

    Args:
        ax: to draw into, moments of freezing evenly spaced.
        after: updates until freezing.
        scores: shape (len(after), lifetimes).
        length: of a lifetime (steps); what is frozen then or later is drawn as never frozen, a line.
    """
    found = np.asarray(scores, np.float64)
    mean, sd = found.mean(axis=1), found.std(axis=1)
    early = [index for index, updates in enumerate(after) if updates < length]
    ax.errorbar(early, mean[early], sd[early], fmt="o-", color=DISTURBED, capsize=3, label="frozen")
    for index in range(len(after)):
        if index not in early:
            ax.axhspan(mean[index] - sd[index], mean[index] + sd[index], color=UNDISTURBED, alpha=0.15, linewidth=0)
            ax.axhline(mean[index], color=UNDISTURBED, label="never frozen")
    ax.set_xticks(early, [str(after[index]) for index in early])
    ax.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    ax.set_xlabel("steps of learning before the weights are frozen")
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)


def plot_sums(ax: Axes, rewards: Mapping[str, Sequence[float]], colors: Sequence[str]) -> None:
    """The sum of the rewards so far, of one lifetime or several (Najarro & Risi 2020, figure 1 below)."""
    for (name, series), color in zip(rewards.items(), colors, strict=False):
        ax.plot(np.arange(len(series) + 1), np.concatenate([[0.0], np.cumsum(series)]), color=color, label=name)
    ax.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    ax.set_xlabel("step")
    ax.spines[["top", "right"]].set_visible(False)
