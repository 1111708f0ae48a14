"""Closed tracks: their curve, and what ground sensors read of it, painted once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from ..checks import is_number

Points = Sequence[Sequence[float]] | np.ndarray

ARENA = 250.0  # units, height and width
WIDTH = 2.75  # units, of the line
PIXEL = 0.25  # units, between the maps' nodes: 1000 pixels across the arena, as in the authors' program
REACH = 10.0  # units: distances are known up to here
PATCH = 1.0  # units: a ground sensor looks at so much on all four sides
SAMPLES = 9  # across its patch; at the maps' nodes, for 2 * PATCH = (SAMPLES - 1) * PIXEL
ERROR_SD, PREDICTOR_SD = 0.4, 2.0  # units, of the Gaussians that weight the samples
MOST_POINTS = 10_000


class Track(NamedTuple):
    """A painted track. Maps are float32 of shape (1001, 1001), their node [i, j] lies at y = i / 4, x = j / 4 units.

    Attributes:
        points: the line's centre, a closed polygon, float64 of shape (points, 2), units.
        length: of the line, units.
        width: of the line, units.
        distance: to the line's centre, units, at most ``REACH``.
        error: what an error sensor reads at a place.
        predictor: what a predictor reads there.
    """

    points: np.ndarray
    length: float
    width: float
    distance: np.ndarray
    error: np.ndarray
    predictor: np.ndarray


def bean(points: int = 2000) -> np.ndarray:
    """Our own track, float64 of shape (points, 2): counter-clockwise from its leftmost side, without corners.

    The reference's track is a picture that we do not copy; this curve is our choice.
    """
    phi = np.pi + np.linspace(0.0, 2.0 * np.pi, points, endpoint=False)
    radius = 80.0 + 22.0 * np.cos(2.0 * phi) + 12.0 * np.sin(3.0 * phi)
    return 125.0 + radius[:, None] * np.stack([np.cos(phi), np.sin(phi)], axis=1)


def make_track(points: Points | None = None, width: float = WIDTH) -> Track:
    """Check and paint a track. Of each track the maps exist once in a process, for the latest eight.

    Args:
        points: corners of a closed polygon, of shape (points, 2), units; :func:`bean` by default.
        width: of the line, units.

    Raises:
        ValueError: for points that are not a closed curve inside the arena, or an impossible width.
    """
    corners = bean() if points is None else _checked(points)
    if not is_number(width) or not 0.0 < width < ARENA:
        raise ValueError(f"track_width must be a number of units between 0 and {ARENA:g}, not {width!r}")
    width = float(width)
    if corners.min() < width / 2.0 or corners.max() > ARENA - width / 2.0:
        raise ValueError(
            f"the track leaves the arena: with a line {width:g} wide, x and y must stay between {width / 2:g} and "
            f"{ARENA - width / 2:g}, not {corners.min():g} and {corners.max():g}"
        )
    return _painted(corners.tobytes(), width)


def _checked(points: Points) -> np.ndarray:
    """The corners as float64 of shape (points, 2), no two neighbours equal; or ValueError."""
    try:
        corners = np.array(points, dtype=np.float64)
    except (TypeError, ValueError):
        corners = np.full(1, np.nan)
    if corners.ndim != 2 or corners.shape[1] != 2 or not np.all(np.isfinite(corners)):
        raise ValueError(f"a track is finite numbers of shape (points, 2), not {points!r:.100}")
    corners = corners[np.any(corners != np.roll(corners, -1, axis=0), axis=1)]
    if not 3 <= len(corners) <= MOST_POINTS:
        raise ValueError(f"a track has 3 to {MOST_POINTS:,} different points, not {len(corners):,}")
    if (crossing := _crossing(corners)) >= 0:
        x, y = corners[crossing]
        raise ValueError(f"the track crosses or touches itself after the point ({x:g}, {y:g})")
    return corners


@njit(cache=True)
def _turn(a, b, c):  # type: ignore[no-untyped-def]
    """Positive where the way from a by b to c turns left, negative where right."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


@njit(cache=True)
def _apart(a, b, c, d):  # type: ignore[no-untyped-def]
    """Whether the boxes around the segments a-b and c-d are disjoint."""
    for axis in range(2):
        if max(a[axis], b[axis]) < min(c[axis], d[axis]) or max(c[axis], d[axis]) < min(a[axis], b[axis]):
            return True
    return False


@njit(cache=True)
def _crossing(points):  # type: ignore[no-untyped-def]
    """The first side of the polygon that meets another one (neighbours: that turns back upon it), or -1."""
    n = len(points)
    for i in range(n):
        a, b, after = points[i], points[(i + 1) % n], points[(i + 2) % n]
        back = (b[0] - a[0]) * (after[0] - b[0]) + (b[1] - a[1]) * (after[1] - b[1]) < 0.0
        if back and _turn(a, b, after) == 0.0:
            return i
        for k in range(i + 2, n - (i == 0)):
            c, d = points[k], points[(k + 1) % n]
            if _apart(a, b, c, d):
                continue
            if _turn(a, b, c) * _turn(a, b, d) <= 0.0 and _turn(c, d, a) * _turn(c, d, b) <= 0.0:
                return i
    return -1


@lru_cache(maxsize=8)
def _painted(corners: bytes, width: float) -> Track:
    """The track with all its maps, of corners as bytes."""
    points = np.frombuffer(corners, dtype=np.float64).reshape(-1, 2)
    length = float(np.linalg.norm(points - np.roll(points, 1, axis=0), axis=1).sum())
    distance = _distances(points, round(ARENA / PIXEL) + 1, PIXEL, REACH + width)
    ink = np.clip((width / 2.0 - distance) / PIXEL + 0.5, 0.0, 1.0)  # the black share of a pixel, nearly
    error, predictor = (sensor_value(1.0 - _blurred(ink, sd)).astype(np.float32) for sd in (ERROR_SD, PREDICTOR_SD))
    maps = (np.minimum(distance, REACH).astype(np.float32), error, predictor)
    for array in (points, *maps):
        array.setflags(write=False)  # several environments look at them
    return Track(points, length, width, *maps)


def sensor_value(grey: Any) -> Any:
    """What a ground sensor tells of a grey level, 0 black to 1 white: a logistic function, from 0.5 to 0.731."""
    return 1.0 / (1.0 + np.exp(-grey))


def sample_weights(sd: float) -> tuple[np.ndarray, np.ndarray]:
    """Offsets (units) of a sensor's samples along one axis, and their Gaussian weights, each of shape (9,)."""
    offsets = np.linspace(-PATCH, PATCH, SAMPLES)
    weights = np.exp(-np.square(offsets / sd) / 2.0)
    return offsets, weights / weights.sum()


def _blurred(ink: np.ndarray, sd: float) -> np.ndarray:
    """The weighted mean of 9 x 9 samples around each node; exactly 0 where there is no ink."""
    weights = sample_weights(sd)[1]
    for axis in range(2):
        padded = np.pad(ink, [(SAMPLES // 2 * (axis == k),) * 2 for k in range(2)])
        moved = (np.take(padded, range(k, k + len(ink)), axis) for k in range(SAMPLES))
        ink = sum(weight * part for weight, part in zip(weights, moved, strict=True))
    return np.minimum(ink, 1.0)


@njit(cache=True)
def _distances(points, nodes, pixel, reach):  # type: ignore[no-untyped-def]
    """The distance (units) of each node of a square map to a closed polygon, at most ``reach``."""
    field = np.full((nodes, nodes), reach**2)
    for k in range(len(points)):
        (ax, ay), (bx, by) = points[k - 1], points[k]
        dx, dy = bx - ax, by - ay
        along = 1.0 / (dx * dx + dy * dy)
        left, right = max(0, int((min(ax, bx) - reach) / pixel)), int((max(ax, bx) + reach) / pixel) + 1
        low, high = max(0, int((min(ay, by) - reach) / pixel)), int((max(ay, by) + reach) / pixel) + 1
        for i in range(low, min(high, nodes - 1) + 1):
            for j in range(left, min(right, nodes - 1) + 1):
                x, y = j * pixel - ax, i * pixel - ay
                t = min(max((x * dx + y * dy) * along, 0.0), 1.0)
                field[i, j] = min(field[i, j], (x - t * dx) ** 2 + (y - t * dy) ** 2)
    return np.sqrt(field)
