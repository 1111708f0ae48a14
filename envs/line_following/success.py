"""When a robot has learned."""

from __future__ import annotations

import numpy as np


class Success:
    """Whether the error has stayed small for long enough, as in the authors' program.

    Args:
        threshold: that the sum of abs(E) over the window must stay below.
        window: steps.
        hold: in how many steps in a row it must.

    Attributes:
        step: how many steps had passed before the first of those steps; -1 until they are complete.
    """

    def __init__(self, threshold: float, window: int, hold: int) -> None:
        self._threshold, self._hold = threshold, hold
        self._latest = np.empty(window)
        self.reset()

    def reset(self) -> None:
        """Begin an episode."""
        self._latest[:] = 0.0
        self._steps = self._held = 0
        self.step = -1

    def count(self, error: float) -> None:
        """Take note of abs(E) after a step: infinity where the line is lost."""
        self._latest[self._steps % len(self._latest)] = error
        self._steps += 1
        small = self._steps > len(self._latest) and self._latest.sum() < self._threshold
        self._held = self._held + 1 if small else 0
        if self.step < 0 and self._held >= self._hold:
            self.step = self._steps - self._hold
