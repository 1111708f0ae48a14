"""What every optimiser asks of a saved state: that it was made with the same settings."""

from __future__ import annotations

from typing import Any


def check_settings(saved: Any, ours: dict[str, Any]) -> None:
    """Refuse the state of an optimiser with other settings.

    Args:
        saved: the values of its settings, a list.
        ours: this optimiser's, by name.

    Raises:
        ValueError: if they differ.
    """
    own = list(ours.values())
    if saved == own:
        return
    told = f"{saved}, not {own}"
    if isinstance(saved, list) and len(saved) == len(own):
        pairs = zip(ours, own, saved, strict=True)
        told = ", ".join(f"{name} {theirs}, not {value}" for name, value, theirs in pairs if theirs != value)
    raise ValueError(
        f"the saved optimizer was made with other settings: {told}. To go on with others, begin a new run with the "
        "genome of this one's policy.npz (on the command line: train --start)"
    )
