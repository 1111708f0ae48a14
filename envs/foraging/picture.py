"""An arena from above."""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiled import HEADING, X, Y

SIZE = 400  # pixels, height and width
FOOD_RADIUS, AGENT_RADIUS, NOSE = 4, 8, 16  # pixels
GROUND, AGENT = (255, 255, 255), (30, 30, 30)  # red, green, blue
BAD, NEUTRAL, GOOD = (200, 30, 30), (205, 205, 205), (30, 70, 220)

Array = np.ndarray[Any, Any]


def paint(body: Array, places: Array, values: Array, arena: float) -> Array:
    """All foods, blue if good and red if bad, and the agent, whose nose points where it is heading.

    Args:
        body: x, y (units) and heading (degrees) of the agent.
        places: x and y of all foods, shape (2, foods).
        values: of all foods, shape (foods,); from 1 on, and from -1 on, colours are full.
        arena: width and height (units).

    Returns:
        uint8 of shape (400, 400, 3); y points up, and what leaves at an edge comes in opposite.
    """
    picture = np.full((SIZE, SIZE, 3), GROUND, np.uint8)
    scale = SIZE / arena
    strength = np.clip(np.abs(values), 0.0, 1.0)[:, np.newaxis]
    full = np.where(values[:, np.newaxis] >= 0.0, GOOD, BAD)
    _discs(picture, scale * places.T, FOOD_RADIUS, NEUTRAL + strength * (full - np.array(NEUTRAL)))
    centre, angle = scale * body[[X, Y]], np.radians(body[HEADING])
    nose = np.arange(NOSE)[:, np.newaxis] * np.array([np.cos(angle), np.sin(angle)])
    _discs(picture, centre + nose, 1, np.full((NOSE, 3), AGENT))
    _discs(picture, centre[np.newaxis], AGENT_RADIUS, np.array([AGENT]))
    return picture[::-1].copy()


def _discs(picture: Array, centres: Array, radius: int, colours: Array) -> None:
    """Paint discs.

    Args:
        picture: shape (height, width, 3), y upwards; changed.
        centres: x and y (pixels), shape (discs, 2).
        radius: in pixels.
        colours: shape (discs, 3).
    """
    across = np.arange(-radius, radius + 1)
    y, x = np.nonzero(across[:, np.newaxis] ** 2 + across**2 <= radius**2)
    columns = (np.floor(centres[:, :1]).astype(int) + across[x]) % SIZE
    rows = (np.floor(centres[:, 1:]).astype(int) + across[y]) % SIZE
    picture[rows, columns] = np.rint(colours).astype(np.uint8)[:, np.newaxis]
