"""Measurements as a table, and the machine they were taken on."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE
from rich.table import Table

from ..machine import machine
from .measurement import Measurement


def as_table(measurements: Sequence[Measurement]) -> Table:
    """The measurements, what they are of and the machine they were taken on, for a rich console."""
    legend = [f"{m.name}: {m.what}" for m in measurements]
    table = Table(box=SIMPLE, caption="\n".join([*legend, "", machine()]), caption_justify="left", pad_edge=False)
    for name in ("benchmark", "ours", "peer", "unit", "ratio", "target", "met"):
        table.add_column(name, justify="right" if name in _NUMBERS else "left", no_wrap=True)
    for m in measurements:
        target = "" if m.target is None else f"{_SIGNS[m.better]} {_figure(m.target)}"
        target = f"ours {target}" if m.target_of == "ours" else target
        table.add_row(m.name, _figure(m.ours), _figure(m.peer), m.unit, f"{m.ratio:.3f}", target, _yes_or_no(m.met))
        if m.stretch is not None:
            reached = m.ratio <= m.stretch if m.better == "lower" else m.ratio >= m.stretch
            table.add_row("", "", "", "", "stretch", f"{_SIGNS[m.better]} {m.stretch:.3g}", _yes_or_no(reached))
        if m.floor is not None:
            table.add_row("  simulation", _figure(m.floor), "", m.unit)
        if m.memory_mb is not None:
            limit = "" if m.memory_target_mb is None else f"<= {m.memory_target_mb:g} MiB"
            table.add_row("  memory", _figure(m.memory_mb), "", "MiB", "", limit)
    return table


_NUMBERS = ("ours", "peer", "ratio")
_SIGNS = {"lower": "<=", "higher": ">="}


def _figure(value: float) -> str:
    if value >= 100_000:
        return f"{value / 1e6:.3g} M"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _yes_or_no(answer: bool | None) -> str:
    return {True: "yes", False: "no", None: ""}[answer]
