"""The picture of CarRacing, straight to the asked-for size.

The track is painted once, at the reset, onto maps of several resolutions; a frame is a look at one of them through a
window that turns with the car, with the car and the indicators painted on top. Work per frame does not grow with the
number of polygons.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pygame
from gymnasium.envs.box2d import car_dynamics
from gymnasium.envs.box2d.car_dynamics import SIZE, WHEEL_R, WHEEL_W, Car
from gymnasium.envs.box2d.car_racing import GRASS_DIM, PLAYFIELD, SCALE, WINDOW_H, WINDOW_W, ZOOM
from numba import njit

from . import raster
from .raster import Texels

EDGE = 2  # texels of black around the playing field on each map, because a look continues the outermost ones
MAP_DETAIL = 1.45  # texels of the finest map for the width of a pixel in full zoom (geometric mean of both sides)
LEVELS = 5  # maps, each half as fine as the one before: the first second zooms out to an 18th
HULL = (car_dynamics.HULL_POLY1, car_dynamics.HULL_POLY2, car_dynamics.HULL_POLY3, car_dynamics.HULL_POLY4)
HULL_COLOUR = (204, 0, 0)
INDICATORS = 8  # the bar, the speed, four wheels, the steering wheel, the gyroscope
INDICATOR_COLOURS = (
    (0, 0, 0), (255, 255, 255), (0, 0, 255), (0, 0, 255), (51, 0, 255), (51, 0, 255), (0, 255, 0), (255, 0, 0),
)  # fmt: skip
TEXT_CENTRE, TEXT_SIZE = (60, 750), 42  # of the window
WHEELS = 4
MOST_CORNERS = 8
UNSEEN = 1e-4  # an indicator of this or less is not drawn


def shown(colours: Any) -> np.ndarray:
    """Colours as Gymnasium's picture ends up showing them: pygame's smoothscale takes two levels off."""
    return np.maximum(np.asarray(colours).astype(np.int64) - 2, 0)


def padded(polygons: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Polygons as one array, shape (n, MOST_CORNERS, 2), and how many corners each has."""
    together = np.zeros((len(polygons), MOST_CORNERS, 2))
    for row, polygon in zip(together, polygons, strict=True):
        row[: len(polygon)] = polygon
    return together, np.array([len(polygon) for polygon in polygons])


class Map:
    """The playing field at one resolution.

    Attributes:
        scale: texels per unit of length.
        texels: square; x grows with the column, y with the row.
    """

    def __init__(self, scale: float) -> None:
        side = math.ceil(2 * PLAYFIELD * scale) + 2 * EDGE
        self.scale = scale
        self.texels, self._meadow = np.zeros((side, side), np.uint64), np.zeros((side, side), np.uint64)
        self._free = np.zeros((side, side), np.uint16)
        self._road = padded([])

    def place(self, points: np.ndarray) -> np.ndarray:
        """Points of the world in texels."""
        return (points + PLAYFIELD) * self.scale + EDGE

    def sow(self, background: Texels, grass: Texels) -> None:
        """Colour the meadow: the field and the squares of lighter grass on it."""
        self._meadow[:] = 0
        self._free[:] = raster.WHOLE
        corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])
        field = PLAYFIELD * (2 * corners - 1)
        squares = [GRASS_DIM * (corners + np.array((x, y))) for x in range(-20, 20, 2) for y in range(-20, 20, 2)]
        polygons, counts = padded([field, *squares])
        colours = np.full(len(polygons), grass)
        colours[0] = background
        raster.paint(self._meadow, self._free, np.zeros_like(self._meadow), self.place(polygons), counts, colours)
        self.texels[:] = self._meadow
        self._free[:] = raster.WHOLE
        self._road = padded([])

    def build(self, polygons: np.ndarray, corners: np.ndarray, colours: Texels) -> None:
        """Lay a road on the meadow."""
        raster.clear(self.texels, self._free, self._meadow, *self._road)  # cheaper than a new meadow
        self._road = self.place(polygons), corners
        raster.paint(self.texels, self._free, self._meadow, *self._road, colours)

    def recolour(self, which: np.ndarray, old: Texels, new: Texels) -> None:
        """Give polygons of the road with these numbers other colours."""
        polygons, corners = self._road
        raster.recolour(self.texels, polygons[which], corners[which], old, new)


class Painter:
    """Paints what the car sees.

    Args:
        width, height: of the picture, pixels.
        indicators: whether the bar with score, speed, wheels, steering and gyroscope is drawn.
    """

    def __init__(self, width: int, height: int, indicators: bool) -> None:
        self.width, self.height = width, height
        pixel = math.sqrt(WINDOW_W / width * WINDOW_H / height)  # of the window, per pixel of ours
        finest = MAP_DETAIL * ZOOM * SCALE / pixel
        self.maps = [Map(finest / 2**level) for level in range(LEVELS)]
        self.picture = np.zeros((height, width), np.uint64)
        self._behind, self._free = np.zeros_like(self.picture), np.zeros(self.picture.shape, np.uint16)
        self._meadow_colours: list[list[int]] = []
        self._indicators = indicators
        hull, corners = padded(HULL)
        shapes = 2 * WHEELS + len(HULL) + (INDICATORS if indicators else 0)
        self._polygons = np.zeros((shapes, MOST_CORNERS, 2))
        self._corners = np.full(shapes, 4)
        self._corners[2 * WHEELS : 2 * WHEELS + len(HULL)] = corners
        self._hull = hull * SIZE
        colours = [car_dynamics.WHEEL_COLOR, car_dynamics.WHEEL_WHITE] * WHEELS + [HULL_COLOUR] * len(HULL)
        self._colours = raster.pack(shown([*colours, *INDICATOR_COLOURS][:shapes]))

    def new_track(self, road: Sequence[tuple[Any, Any]], background: Any, grass: Any) -> None:
        """Paint the maps of a track.

        Args:
            road: (corners, colour) of each polygon, the first undermost.
            background: colour of the meadow.
            grass: of the squares on it.
        """
        meadow = [shown(background).tolist(), shown(grass).tolist()]
        polygons, corners = padded([polygon for polygon, _ in road])
        self._road_colours = raster.pack(shown([colour for _, colour in road]))
        for each in self.maps:
            if meadow != self._meadow_colours:
                each.sow(*raster.pack(np.array(meadow)))
            each.build(polygons, corners, self._road_colours)
        self._meadow_colours = meadow

    def recolour(self, which: np.ndarray, colours: np.ndarray) -> None:
        """Give the polygons of the road with these numbers these colours."""
        new = raster.pack(shown(colours))
        for each in self.maps:
            each.recolour(which, self._road_colours[which], new)
        self._road_colours[which] = new

    def paint(self, car: Car, time: float, score: float) -> Texels:
        """The picture, packed, shape (height, width); the same array each time.

        Args:
            car: as it stands.
            time: since the reset, s: in the first second the camera comes down.
            score: to be printed.
        """
        zoom = 0.1 * SCALE * max(1 - time, 0) + ZOOM * SCALE * min(time, 1)
        hull = car.hull
        position, angle = hull.position, hull.angle
        self._look(position[0], position[1], angle, zoom)
        wheels = np.array([(*w.position, w.angle, w.phase) for w in car.wheels])
        _place_car(self._polygons, self._hull, wheels, position[0], position[1], angle)
        parts = 2 * WHEELS + len(HULL)
        _to_picture(
            self._polygons[:parts], position[0], position[1], angle, zoom, self.width / WINDOW_W, self.height / WINDOW_H
        )
        if self._indicators:
            velocity = hull.linearVelocity
            values = (
                math.sqrt(velocity[0] ** 2 + velocity[1] ** 2),
                *[wheel.omega for wheel in car.wheels],
                car.wheels[0].joint.angle,
                hull.angularVelocity,
            )
            _place_indicators(self._polygons[parts:], values, self.width / WINDOW_W, self.height / WINDOW_H)
        self._behind[:] = self.picture
        self._free[:] = raster.WHOLE
        raster.paint(self.picture, self._free, self._behind, self._polygons, self._corners, self._colours)
        if self._indicators:
            region, digits = _score(f"{score:04.0f}", self.width, self.height)
            self.picture[region] = digits
        return self.picture

    def _look(self, x: float, y: float, angle: float, zoom: float) -> None:
        """The ground, from the map whose texels suit the zoom."""
        level = round(math.log2(ZOOM * SCALE / zoom))
        ground = self.maps[min(max(level, 0), LEVELS - 1)]
        scale, cosine, sine = ground.scale, math.cos(angle), math.sin(angle)
        right, down = WINDOW_W / self.width / zoom * scale, -WINDOW_H / self.height / zoom * scale
        # the middle of the first pixel, from the car, in texels, before turning
        first_x, first_y = (0.5 - self.width / 2) * right, (0.5 - self.height * 3 / 4) * down
        left, top = ground.place(np.array((x, y))).tolist()
        raster.look(
            ground.texels,
            left + cosine * first_x - sine * first_y - 0.5,
            top + sine * first_x + cosine * first_y - 0.5,
            cosine * right, sine * right, -sine * down, cosine * down,
            self.picture,
        )  # fmt: skip


@cache
def _score(text: str, width: int, height: int) -> tuple[tuple[slice, slice], Texels]:
    """Where a score is printed in a picture of this size, and the pixels there."""
    letters, box = _letters(text)
    rows, columns = _averages(WINDOW_H, height), _averages(WINDOW_W, width)
    pixels = np.rint(rows[:, box.top : box.bottom] @ letters @ columns[:, box.left : box.right].T)
    region = slice(math.floor(box.top * height / WINDOW_H), height), slice(0, math.ceil(box.right * width / WINDOW_W))
    return region, raster.pack(shown(np.repeat(pixels[region][..., None], 3, axis=2)))


def _letters(text: str) -> tuple[np.ndarray, pygame.Rect]:
    """A score as Gymnasium prints it: brightness, shape (height, width), and where in its window, which cuts it."""
    if not pygame.font.get_init():
        pygame.font.init()
    surface = pygame.font.Font(pygame.font.get_default_font(), TEXT_SIZE).render(text, True, (255,) * 3, (0,) * 3)
    box = surface.get_rect()
    box.center = TEXT_CENTRE
    left = max(-box.left, 0)  # of six digits or more
    letters = pygame.surfarray.array3d(surface)[left:, :, 0].T
    return letters, pygame.Rect(box.left + left, box.top, box.width - left, box.height)


@cache
def _averages(many: int, few: int) -> np.ndarray:
    """The matrix that averages ``many`` pixels of a line into ``few``, by the area that they share."""
    edges = np.arange(few + 1) * many / few
    pixels = np.arange(many)
    shared = np.minimum(pixels + 1, edges[1:, None]) - np.maximum(pixels, edges[:-1, None])
    return np.maximum(shared, 0) * few / many


@njit(cache=True)
def _place_car(polygons, hull, wheels, x, y, angle):  # type: ignore[no-untyped-def]
    """Wheels, the light strip on each, and the hull above them, in the world.

    Args:
        polygons: to be written.
        hull: the hull's polygons, in its own frame.
        wheels: x, y, angle and phase (the angle of its rolling) of each.
        x: of the hull.
        y: of the hull.
        angle: of the hull.
    """
    w, r = WHEEL_W * SIZE, WHEEL_R * SIZE
    for k in range(WHEELS):
        begin, end = wheels[k, 3], wheels[k, 3] + 1.2  # rad: the strip's edges
        near, far = np.cos(begin), np.cos(end)
        if np.sin(begin) > 0:
            near = np.sign(near)
        if np.sin(end) > 0:
            far = np.sign(far)
        if np.sin(begin) > 0 and np.sin(end) > 0:  # on the underside
            near = far = 0.0
        c, s = np.cos(wheels[k, 2]), np.sin(wheels[k, 2])
        for corner, (along_x, along_y, strip) in enumerate(((-w, r, near), (w, r, near), (w, -r, far), (-w, -r, far))):
            for shape, length in ((2 * k, along_y), (2 * k + 1, r * strip)):
                polygons[shape, corner, 0] = wheels[k, 0] + c * along_x - s * length
                polygons[shape, corner, 1] = wheels[k, 1] + s * along_x + c * length
    c, s = np.cos(angle), np.sin(angle)
    for part in range(len(hull)):
        for corner in range(hull.shape[1]):
            along_x, along_y = hull[part, corner]
            polygons[2 * WHEELS + part, corner, 0] = x + c * along_x - s * along_y
            polygons[2 * WHEELS + part, corner, 1] = y + s * along_x + c * along_y


@njit(cache=True)
def _to_picture(polygons, x, y, angle, zoom, across, down):  # type: ignore[no-untyped-def]
    """From the world to pixels, as the camera at (x, y) sees it; ``across``, ``down``: pixels per one of the window."""
    c, s = np.cos(angle), np.sin(angle)
    for n in range(len(polygons)):
        for corner in range(polygons.shape[1]):
            dx, dy = polygons[n, corner, 0] - x, polygons[n, corner, 1] - y
            polygons[n, corner, 0] = across * (WINDOW_W / 2 + zoom * (c * dx + s * dy))
            polygons[n, corner, 1] = down * (WINDOW_H * 3 / 4 - zoom * (c * dy - s * dx))


@njit(cache=True)
def _rectangle(polygon, left, right, top, bottom, across, down):  # type: ignore[no-untyped-def]
    """As pygame fills it: whole pixels of the window, and those at right and bottom belong to it."""
    left, right = int(min(left, right)) * across, (int(max(left, right)) + 1) * across
    top, bottom = int(min(top, bottom)) * down, (int(max(top, bottom)) + 1) * down
    polygon[0, 0], polygon[0, 1] = left, top
    polygon[1, 0], polygon[1, 1] = right, top
    polygon[2, 0], polygon[2, 1] = right, bottom
    polygon[3, 0], polygon[3, 1] = left, bottom


@njit(cache=True)
def _place_indicators(polygons, values, across, down):  # type: ignore[no-untyped-def]
    """The bar and what stands on it, in pixels.

    Args:
        polygons: to be written, one for each of ``INDICATOR_COLOURS``.
        values: speed, turning rates of the four wheels, angle of the front left one, turning rate of the hull.
        across: pixels per one of the window's width.
        down: the same of its height.
    """
    s, h, floor = WINDOW_W / 40.0, WINDOW_H / 40.0, WINDOW_H
    polygons[:] = 0.0
    _rectangle(polygons[0], 0.0, 40 * s, floor - 5 * h, floor, across, down)
    for k, place in enumerate((5, 7, 8, 9, 10)):
        if abs(values[k]) > UNSEEN:
            value = values[k] * (0.02 if k == 0 else 0.01)
            _rectangle(polygons[1 + k], place * s, (place + 1) * s, floor - h * (1 + value), floor - h, across, down)
    for k, place in enumerate((20, 30)):
        if abs(values[5 + k]) > UNSEEN:
            value = values[5 + k] * (-10.0 if k == 0 else -0.8)
            _rectangle(polygons[6 + k], place * s, (place + value) * s, floor - 4 * h, floor - 2 * h, across, down)
