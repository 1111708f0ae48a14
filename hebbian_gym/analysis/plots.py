"""One function per figure, each drawing into the axes it is given."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import numpy as np

from ..architecture import Array
from ..logs import read_rows
from ..palette import BLUE, RED, SKY
from .lifetime import Lifetime
from .responses import mark, moving_mean
from .weights import draw_moments, moment

try:
    import matplotlib
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ImportError as error:  # pragma: no cover
    raise ImportError('plots need matplotlib: pip install "hebbian-gym[plots]"') from error


def read_log(path: str | Path) -> dict[str, np.ndarray]:
    """The columns of a run's ``log.csv`` that are numbers, float64 of shape (generations,), NaN where empty."""
    rows, columns = read_rows(path), {}
    for name in rows[0] if rows else ():
        with contextlib.suppress(ValueError):  # words, such as why a run was stopped
            columns[name] = np.array([float(row[name]) if row[name] else np.nan for row in rows])
    return columns


def plot_training(ax: Axes, log: dict[str, np.ndarray], unit: str = "distance (progress units)") -> None:
    """The curve of a run (paper, figure 7): the population's mean and best fitness, the mean genome on held-out births.

    Args:
        ax: to draw into.
        log: from :func:`read_log`.
        unit: of the fitness.
    """
    generation = log["generation"] + 1
    ax.plot(generation, log["fitness/max"], color=SKY, linewidth=1, label="best candidate")
    ax.plot(generation, log["fitness/mean"], color=BLUE, linewidth=2, label="population mean")
    if "held_out/fitness" in log:
        known = np.isfinite(log["held_out/fitness"])
        ax.plot(generation[known], log["held_out/fitness"][known], "o-", color=RED, label="mean genome, held out")
    ax.set(xlabel="generation", ylabel=unit)
    ax.locator_params(axis="x", integer=True)
    ax.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)


def lifetime_figure(life: Lifetime, title: str = "") -> Figure:
    """A lifetime (paper, figure 1): weights of each layer at its recorded steps, above the reward."""
    if not life.weights:
        raise ValueError("the lifetime was recorded without weights: record it with weights_at=(-1, ...)")
    figure = Figure(figsize=(1 + 3.4 * len(life.weights), 6.8), layout="constrained")
    above, below = np.ravel(np.array(figure.subfigures(2, 1, height_ratios=(3, 1.9)), dtype=object))
    lived = {letter: step + 1 for letter, step in zip(ascii_uppercase, sorted(life.weights), strict=False)}
    titles = {
        letter: f"{letter}: after {steps} steps" if steps else f"{letter}: at birth" for letter, steps in lived.items()
    }
    draw_moments(above, [moment(titles[letter], life.weights[steps - 1]) for letter, steps in lived.items()])
    ax = below.subplots()
    plot_rewards(ax, life.rewards)
    for letter, steps in lived.items():
        mark(ax, steps)
        ax.annotate(letter, (steps, 1.02), xycoords=("data", "axes fraction"), ha="center")
    below.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    figure.suptitle(title, fontsize=11)
    return figure


def plot_rewards(ax: Axes, rewards: Sequence[float], window: int = 20) -> None:
    """The reward over a lifetime, and its mean over the last ``window`` steps."""
    steps = np.arange(1, len(rewards) + 1)
    ax.plot(steps, rewards, color=SKY, linewidth=0.6, label="of a step")
    ax.plot(steps, moving_mean(rewards, window), color=BLUE, linewidth=1.6, label=f"mean of the last {window} steps")
    ax.set(xlabel="step", ylabel="reward")
    ax.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    ax.spines[["top", "right"]].set_visible(False)


def colour(values: Array, largest: float) -> np.ndarray:
    """Values as colours, uint8 with a last axis of 3 more: blue negative, white zero, red positive."""
    scaled = 0.5 + 0.5 * values / largest if largest > 0 else np.full_like(values, 0.5)
    colours: Any = matplotlib.colormaps["RdBu_r"](scaled)
    return (255 * colours[..., :3]).astype(np.uint8)
