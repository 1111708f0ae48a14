"""The robot: two wheels, two sensors for the error, and three rows of sensors that see what is coming."""

from __future__ import annotations

import numpy as np
from numba import njit

from .track import PIXEL

WHEEL_BASE = 5.2  # units
MAX_WHEEL_SPEED = 100.0  # units / s
LENGTH, BREADTH = 20.0, 10.0  # units, of the body
PERIOD, SUBSTEPS = 0.03, 3  # s, of a control step; and how many times in it the robot moves
ERROR_X, ERROR_Y = 10.0, 5.0  # units in the robot's frame: error sensors at (10, 5) on the left and (10, -5)
PREDICTOR_X = np.array([11.0, 12.0, 13.0])  # units ahead: nearest row first
PREDICTOR_Y = 0.25 * (np.arange(47, -48, -2) / 2.0)  # units to the left: leftmost first, 5.875 to -5.875
PREDICTORS = len(PREDICTOR_X) * len(PREDICTOR_Y)
WHITE = 0.731059  # what predictors are counted from, in the authors' rounding of a sensor's 1 / (1 + exp(-1))


@njit(cache=True)
def lookup(field, x, y):  # type: ignore[no-untyped-def]
    """A map's value at a place (units), linear between its nodes; beyond its rim that of the rim."""
    last = len(field) - 1.0
    u, v = min(max(x / PIXEL, 0.0), last), min(max(y / PIXEL, 0.0), last)
    j, i = min(int(u), len(field) - 2), min(int(v), len(field) - 2)
    u, v = u - j, v - i
    below = field[i, j] + u * (field[i, j + 1] - field[i, j])  # in this form, equal neighbours give exactly their value
    above = field[i + 1, j] + u * (field[i + 1, j + 1] - field[i + 1, j])
    return below + v * (above - below)


@njit(cache=True)
def move(pose, left, right, arena):  # type: ignore[no-untyped-def]
    """Drive for one control step with these wheel speeds (units / s); the arena's walls hold the robot's centre back.

    Args:
        pose: x, y (units) and heading (rad, counter-clockwise from +x), float64 of shape (3,); changed.
        left: of the left wheel.
        right: of the right wheel.
        arena: units, height and width.
    """
    dt = PERIOD / SUBSTEPS
    way, angle = 0.5 * (left + right) * dt, (right - left) / WHEEL_BASE * dt
    for _ in range(SUBSTEPS):
        middle = pose[2] + 0.5 * angle
        pose[0] = min(max(pose[0] + way * np.cos(middle), 0.0), arena)
        pose[1] = min(max(pose[1] + way * np.sin(middle), 0.0), arena)
        pose[2] += angle
    pose[2] -= 2.0 * np.pi * np.floor(pose[2] / (2.0 * np.pi) + 0.5)  # to [-pi, pi)


@njit(cache=True)
def sense(pose, distance, error, predictor, predictors):  # type: ignore[no-untyped-def]
    """Read all sensors.

    Args:
        pose: as in :func:`move`.
        distance: a track's maps, with ``error`` and ``predictor``.
        error: see there.
        predictor: see there.
        predictors: what the predictors tell, of shape (144,), row by row; written.

    Returns:
        Left minus right error sensor, and the distance (units) from the point between the two to the line's centre.
    """
    x, y, cos, sin = pose[0], pose[1], np.cos(pose[2]), np.sin(pose[2])
    k = 0
    for ahead in PREDICTOR_X:
        for aside in PREDICTOR_Y:
            value = lookup(predictor, x + ahead * cos - aside * sin, y + ahead * sin + aside * cos)
            predictors[k] = max(0.0, WHITE - value)
            k += 1
    x, y = x + ERROR_X * cos, y + ERROR_X * sin
    left = lookup(error, x - ERROR_Y * sin, y + ERROR_Y * cos)
    right = lookup(error, x + ERROR_Y * sin, y - ERROR_Y * cos)
    return left - right, lookup(distance, x, y)
