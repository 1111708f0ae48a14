"""Pictures of weights and of the coefficients that change them: maps, paths, distributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..palette import BLUE, SERIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase
    from matplotlib.image import AxesImage

SPAN = 2.5  # root mean squares at the ends of the colours


def plot_layer(ax: Axes, weights: Any, scale: float) -> AxesImage:
    """The weights of a layer as a picture (Najarro & Risi 2020, figures 1, 4 and 6), white at 0, red above, blue below.

    A row is an input, a column is a neuron.

    Args:
        ax: to draw into.
        weights: shape (inputs, outputs).
        scale: that weights are divided by; the colours end at 2.5 times it.

    Returns:
        The image, for a colour bar.
    """
    layer = np.asarray(weights) / (scale or 1.0)
    inputs, outputs = layer.shape
    image = ax.imshow(layer, cmap="RdBu_r", vmin=-SPAN, vmax=SPAN, aspect="auto")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_xlabel(f"{outputs} neurons")
    ax.set_ylabel(f"{inputs} inputs")
    return image


def moment(title: str, weights: Sequence[Any], scale: Sequence[float] | None = None) -> dict[str, Any]:
    """What :func:`draw_moments` draws, as plain data: weights to three digits, and a scale for each layer.

    Args:
        title: of the moment.
        weights: shape (inputs, outputs) for each layer.
        scale: of each layer; by default its root mean square.
    """
    layers = [[[float(f"{weight:.3g}") for weight in row] for row in layer.tolist()] for layer in weights]
    return {"title": title, "weights": layers, "scale": scale or rms(weights)}


def rms(weights: Sequence[Any]) -> list[float]:
    """The root mean square of each layer."""
    return [float(np.sqrt(np.mean(np.square(layer, dtype=np.float64)))) for layer in weights]


def draw_moments(figure: FigureBase, moments: Sequence[Mapping[str, Any]]) -> None:
    """Networks side by side, every layer of each, with one colour bar.

    Args:
        figure: or part of one.
        moments: each with a "title"; "weights", of shape (inputs, outputs) for each layer; and "scale" for each layer.
    """
    widths = [0.7 + sum(_width(layer) for layer in moment["weights"]) for moment in moments]
    widths[-1] += 1.0  # for the colour bar
    panels = np.ravel(np.array(figure.subfigures(1, len(moments), width_ratios=widths), dtype=object))
    for panel, moment in zip(panels, moments, strict=True):
        layers = moment["weights"]
        axes = panel.subplots(1, len(layers), width_ratios=[_width(layer) for layer in layers], squeeze=False)[0]
        panel.suptitle(moment["title"], fontsize=12)
        for number, (ax, layer, scale) in enumerate(zip(axes, layers, moment["scale"], strict=True), 1):
            image = plot_layer(ax, layer, scale)
            ax.set_title(f"layer {number}\nrms {short(scale)}", fontsize=10)
    bar = figure.colorbar(image, ax=list(axes), extend="both", aspect=30, fraction=0.1)
    bar.set_label("weight / rms of its layer")


def short(value: float) -> str:
    """A number with two digits, or all before the point if they are more."""
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:.2g}"


def _width(layer: Any) -> float:
    return 0.5 + float(np.sqrt(np.shape(layer)[1] / 64))


def plot_path(ax: Any, coordinates: Any, label: str = "", color: str = BLUE) -> None:
    """The path of the weights through their first three components (Najarro & Risi 2020, figure 5), a star at birth.

    Args:
        ax: with three dimensions.
        coordinates: shape (n, 3), in the order of time.
        label: for the legend.
        color: of all.
    """
    x, y, z = np.asarray(coordinates).T
    ax.plot(x, y, z, color=color, linewidth=0.7, alpha=0.5)
    ax.plot(x, y, z, ".", color=color, markersize=2.5, label=label)
    ax.plot(x[:1], y[:1], z[:1], "*", color=color, markersize=14, markeredgecolor="black")


def label_components(ax: Any, shares: Sequence[float]) -> None:
    """Name the axes of components, with each one's share of the variance."""
    for number, (axis, share) in enumerate(zip((ax.xaxis, ax.yaxis, ax.zaxis), shares, strict=True), 1):
        axis.set_label_text(f"component {number} ({100 * share:.0f}%)")
        axis.set_major_formatter(lambda value, _: f"{value / 1000:g}k" if abs(value) >= 1000 else f"{value:g}")
    ax.locator_params(nbins=4)


def plot_coefficients(ax: Axes, distributions: Mapping[str, Mapping[str, Any]]) -> None:
    """How the coefficients of a rule are distributed (Najarro & Risi 2020, figure 10), and normal curves beside them.

    Args:
        ax: to draw into.
        distributions: for each coefficient "edges" and "density" of a histogram, "mean" and "sd".
    """
    for number, (name, told) in enumerate(distributions.items()):
        color = SERIES[number % len(SERIES)]
        edges = np.asarray(told["edges"])
        ax.stairs(told["density"], edges, color=color, linewidth=1.5, label=name)
        x = np.linspace(edges[0], edges[-1], 200)
        normal = np.exp(-0.5 * ((x - told["mean"]) / told["sd"]) ** 2) / (told["sd"] * np.sqrt(2 * np.pi))
        dotted = "normal curves of the\nsame mean and sd" if number == len(distributions) - 1 else None
        ax.plot(x, normal, ":", color="black", linewidth=0.9, label=dotted)
    ax.set_xlabel("coefficient")
    ax.set_ylabel("density of synapses")
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
