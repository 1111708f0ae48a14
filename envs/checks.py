"""What environments make sure of: their arguments, and the actions they are given."""

from __future__ import annotations

from math import inf, isfinite
from numbers import Integral, Real
from typing import Any

import numpy as np

FLOAT = np.dtype(np.float64)


def is_number(number: object) -> bool:
    """Whether it is a finite number, Python's or numpy's; True and False are none."""
    try:
        return isinstance(number, Real) and not isinstance(number, bool) and isfinite(number)
    except OverflowError:  # a whole number that no float reaches
        return False


def is_whole(number: object) -> bool:
    """Whether it is a whole number by its type, Python's or numpy's; True and False are none."""
    return isinstance(number, Integral) and not isinstance(number, bool)


def check_number(low: float, high: float, **numbers: float) -> None:
    """Refuse what is not a finite number from ``low`` to ``high``."""
    for name, number in numbers.items():
        # As a float, because numpy's float32 would have the bounds rounded to float32
        if not is_number(number) or not low <= float(number) <= high:
            limits = f"from {low:g} to {high:g}" if high < inf else "above 0" if low else "0 or more"
            raise ValueError(f"{name} must be a number {limits}, not {number!r}")


def check_count(least: int, **counts: int) -> None:
    """Refuse what is not a whole number, ``least`` or more."""
    for name, count in counts.items():
        if not is_whole(count) or count < least:
            raise ValueError(f"{name} must be a whole number, {least} or more, not {count!r}")


def check_choice(name: str, choice: str | None, choices: tuple[str | None, ...]) -> None:
    """Refuse what is none of ``choices``, two or more."""
    if choice not in choices:
        *others, last = ("None" if known is None else f'"{known}"' for known in choices)
        raise ValueError(f"{name} must be {', '.join(others)} or {last}, not {choice!r}")


def checked_action(action: Any, shape: tuple[int, ...] | None, takes: str, finite: bool = True) -> np.ndarray:
    """The action as a new float64 array in C order, or ValueError.

    Args:
        action: whatever a step was given.
        shape: that it must have.
        takes: how the refusal begins: "the ant takes 8 finite numbers".
        finite: whether all of its numbers must be.
    """
    try:
        checked = np.asarray(action).astype(FLOAT, "C", "same_kind")
        wrong = checked.shape != shape
    except (TypeError, ValueError):
        wrong = True
    if finite and not wrong:
        for number in checked.tolist():  # a few: faster than numpy's isfinite, and than all()
            if not isfinite(number):
                wrong = True
    if wrong:
        raise ValueError(f"{takes}, not {action!r}")
    return checked
