"""One function per figure, each drawing into the axes it is given."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..architecture import Array
from .lifetime import Lifetime

try:
    import matplotlib
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ImportError as error:  # pragma: no cover
    raise ImportError('plots need matplotlib: pip install "hebbian-gym[plots]"') from error

INK, BEST, HELD_OUT = "#1f4e79", "#9db8d2", "#c8553d"


def read_log(path: str | Path) -> dict[str, np.ndarray]:
    """The columns of a run's ``log.csv`` that are numbers, float64 of shape (generations,), NaN where empty."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = {}
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
    ax.plot(generation, log["fitness/max"], color=BEST, linewidth=1, label="best candidate")
    ax.plot(generation, log["fitness/mean"], color=INK, linewidth=2, label="population mean")
    if "held_out/fitness" in log:
        known = np.isfinite(log["held_out/fitness"])
        ax.plot(generation[known], log["held_out/fitness"][known], "o-", color=HELD_OUT, label="mean genome, held out")
    ax.set(xlabel="generation", ylabel=unit)
    ax.locator_params(axis="x", integer=True)
    ax.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)


def plot_weights(axes: Sequence[Axes], weights: Sequence[Array], largest: Sequence[float] | None = None) -> None:
    """The weights of every layer as a picture (paper, figures 1 and 6), its longer side upwards.

    Args:
        axes: one for each layer.
        weights: (inputs, outputs) for each layer.
        largest: absolute weight at the ends of each layer's greys; by default exceeded by 2% of its weights.
    """
    for number, (ax, layer) in enumerate(zip(axes, weights, strict=True)):
        bound = float(np.quantile(np.abs(layer), 0.98)) if largest is None else largest[number]
        picture = layer.T if layer.shape[0] <= layer.shape[1] else layer
        ax.imshow(picture, cmap="gray", vmin=-bound, vmax=bound, aspect="auto", interpolation="nearest")
        ax.set(xticks=[], yticks=[])


def lifetime_figure(life: Lifetime, title: str = "") -> Figure:
    """A lifetime (paper, figure 1): weights of each layer at its recorded steps, above the reward.

    Each picture has its own grey scale (dark negative, light positive); its largest absolute weight stands below it.
    """
    if not life.weights:
        raise ValueError("the lifetime was recorded without weights: record it with weights_at=(-1, ...)")
    steps, layers = sorted(life.weights), len(next(iter(life.weights.values())))
    figure = Figure(figsize=(3.2 * len(steps), 5.6), layout="constrained")
    above, below = np.ravel(np.array(figure.subfigures(2, 1, height_ratios=(3, 1.6)), dtype=object))
    panels = np.ravel(np.array(above.subfigures(1, len(steps)), dtype=object))
    for number, (step, panel) in enumerate(zip(steps, panels, strict=True)):
        widths = [min(layer.shape) for layer in life.weights[step]]
        axes = panel.subplots(1, layers, width_ratios=np.sqrt(widths), squeeze=False)[0]
        plot_weights(axes, life.weights[step])
        panel.suptitle(f"{chr(65 + number)}: {'at birth' if step < 0 else f'after step {step + 1}'}", fontsize=10)
        for ax, layer in zip(axes, life.weights[step], strict=True):
            ax.set_xlabel(f"{layer.shape[0]} x {layer.shape[1]}\nmax {_short(float(np.abs(layer).max()))}", fontsize=7)
    ax = below.subplots()
    plot_rewards(ax, life.rewards)
    for number, step in enumerate(steps):
        ax.axvline(max(step, 0), color=HELD_OUT, linewidth=1)
        ax.annotate(
            chr(65 + number), (max(step, 0), 1.0), xycoords=("data", "axes fraction"), color=HELD_OUT, fontsize=8
        )
    figure.suptitle(title, fontsize=11)
    return figure


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def plot_rewards(ax: Axes, rewards: Sequence[float], window: int = 20) -> None:
    """The reward over a lifetime, and its running mean over ``window`` steps."""
    ax.plot(rewards, color=BEST, linewidth=0.6)
    if len(rewards) >= window:
        smooth = np.convolve(rewards, np.full(window, 1 / window), mode="valid")
        ax.plot(np.arange(window - 1, len(rewards)), smooth, color=INK, linewidth=1.6)
    ax.set(xlabel="step", ylabel="reward")
    ax.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    ax.spines[["top", "right"]].set_visible(False)


def colour(values: Array, largest: float) -> np.ndarray:
    """Values as colours, uint8 with a last axis of 3 more: blue negative, white zero, red positive."""
    scaled = 0.5 + 0.5 * values / largest if largest > 0 else np.full_like(values, 0.5)
    colours: Any = matplotlib.colormaps["RdBu_r"](scaled)
    return (255 * colours[..., :3]).astype(np.uint8)
