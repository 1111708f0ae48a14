"""How well a training did in its course."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .logs import read_rows
from .palette import SERIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# What a training spends: its name on an axis, and how much of it is one unit there
UNITS = {"env_steps": ("env-steps (millions)", 1e6), "wall_seconds": ("wall time (hours)", 3600.0)}


@dataclass(frozen=True)
class Curve:
    """Held-out scores in the course of a training; arrays have shape (points,).

    Attributes:
        env_steps: steps of the world so far.
        wall_seconds: so far.
        scores: name of a body to the mean score on it. Those of an evolution are with its task's early stop and
            on its own bodies.
    """

    env_steps: np.ndarray
    wall_seconds: np.ndarray
    scores: dict[str, np.ndarray]

    def at(self, budget: float, against: str = "env_steps") -> dict[str, float]:
        """The last scores within a budget of "env_steps" or "wall_seconds"; NaN before the first."""
        within = getattr(self, against) <= budget
        found = {}
        for body, scores in self.scores.items():
            known = scores[within & np.isfinite(scores)]
            found[body] = float(known[-1]) if known.size else math.nan
        return found


def read_curve(run_dir: str | Path) -> Curve:
    """The curve of a run, evolved or of a baseline, from its ``log.csv``.

    Raises:
        ValueError: if the log is empty.
    """
    rows = read_rows(Path(run_dir) / "log.csv")
    if not rows:
        raise ValueError(f"the log of {run_dir} is empty")
    names = [name for name in rows[0] if name.startswith(("time/", "held_out/"))]
    columns = {name: np.array([float(row[name] or "nan") for row in rows]) for name in names}
    if "time/wall_seconds" not in columns:  # an evolution's log has the seconds of each generation
        columns["time/wall_seconds"] = columns["time/seconds"].cumsum()
    scores = {name[9:]: column for name, column in columns.items() if name.startswith("held_out/")}
    summaries = ("fitness", "best", "lost")  # of an evolution, over its bodies
    bodies = {name: column for name, column in scores.items() if name not in summaries}
    return Curve(columns["time/env_steps"], columns["time/wall_seconds"], bodies)


def plot_curves(
    ax: Axes,
    curves: Mapping[str, Sequence[Curve]],
    bodies: Sequence[str],
    against: str = "env_steps",
    colours: Mapping[str, str] | None = None,
    unit: str = "score",
) -> None:
    """Held-out scores, the mean over bodies, against what was spent: a line for each training seed.

    Args:
        ax: to draw into.
        curves: method to the curves of its training seeds; those that do not know all the bodies are left out.
        bodies: names such as "AntUndamaged".
        against: "env_steps" or "wall_seconds".
        colours: of methods.
        unit: of the scores.
    """
    from matplotlib.ticker import LogLocator, NullFormatter  # an extra, which whoever has axes has

    colours = colours or dict(zip(curves, cycle(SERIES), strict=False))
    for name, seeds in curves.items():
        label = name
        for curve in (each for each in seeds if set(bodies) <= each.scores.keys()):
            scores = np.mean([curve.scores[body] for body in bodies], axis=0)
            known = np.isfinite(scores)
            ax.plot(
                getattr(curve, against)[known] / UNITS[against][1], scores[known], ".-", linewidth=1, markersize=3,
                color=colours[name], label=label,
            )  # fmt: skip
            label = ""  # once in the legend
    ax.set(xlabel=UNITS[against][0], ylabel=f"{unit}\nheld out, seen bodies", xscale="log")
    first, last = ax.get_xlim()
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if last < 1000 * first else (1,)))  # what there is room for
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.spines[["top", "right"]].set_visible(False)
