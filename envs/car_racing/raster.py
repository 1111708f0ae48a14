"""Painting and looking, in numba: convex polygons onto a map, and a turned, scaled window of the map onto a picture.

A texel is one uint64 that holds red, green and blue 21 bits apart, so that a weighted sum of texels takes one
multiplication each for all three channels: 8 bits of colour times 12 bits of weight leave a bit to spare.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Texels = NDArray[np.uint64]

FIELD = 21  # bits between the channels of a texel
WHOLE = 256  # full coverage
FRACTION = 6  # bits of a position between two texels
_POINT = 20  # bits of a position after the binary point
_UNIT = 1 << _POINT
_ALL, _MASK = np.uint64(WHOLE), np.uint64(0xFF | 0xFF << FIELD | 0xFF << 2 * FIELD)
_ONES = np.uint64(1 | 1 << FIELD | 1 << 2 * FIELD)  # 1 in each channel
_BYTE, _HALF, _BORROW = np.uint64(8), np.uint64(128) * _ONES, np.uint64(256 << 8) * _ONES
_WEIGHTS, _HALF_WEIGHT = np.uint64(2 * FRACTION), np.uint64(2048) * _ONES
_GREEN, _BLUE, _CHANNEL = np.uint64(FIELD), np.uint64(2 * FIELD), np.uint64(0xFF)


def pack(colours: NDArray[np.integer]) -> Texels:
    """Texels of colours, from integers in 0..255 of shape (..., 3)."""
    fields = np.asarray(colours).astype(np.uint64)
    return fields[..., 0] | fields[..., 1] << _GREEN | fields[..., 2] << _BLUE


@njit(cache=True, error_model="numpy")
def _extent(polygon):  # type: ignore[no-untyped-def]
    """Left, right, top and bottom of a polygon."""
    left, right, top, bottom = np.inf, -np.inf, np.inf, -np.inf
    for k in range(len(polygon)):
        x, y = polygon[k, 0], polygon[k, 1]
        left, right, top, bottom = min(left, x), max(right, x), min(top, y), max(bottom, y)
    return left, right, top, bottom


@njit(cache=True, error_model="numpy")
def _cover(polygon, cover, row, width):  # type: ignore[no-untyped-def]
    """Write a convex polygon's coverage of a row's texels, 0 to 1, to ``cover``; it is exact.

    An edge that goes down adds all to the right of it, one that goes up takes it away, or the other way round. So
    ``cover`` first holds by how much each texel is covered more than the one to its left.

    Args:
        polygon: corners (x, y) in texels.
        cover: zeros, one more than texels in the row.
        row: number of the row.
        width: of the row.

    Returns:
        The first and the last texel written; first > last if there is none.
    """
    first, last = width, -1
    before = len(polygon) - 1
    for k in range(len(polygon)):
        x, y, to_x, to_y = polygon[before, 0], polygon[before, 1], polygon[k, 0], polygon[k, 1]
        before = k
        begin, end = min(max(y, row), row + 1.0), min(max(to_y, row), row + 1.0)
        if begin == end:
            continue
        begin_x = x + (to_x - x) * ((begin - y) / (to_y - y))
        end_x = x + (to_x - x) * ((end - y) / (to_y - y))
        left, right = min(begin_x, end_x), max(begin_x, end_x)
        start, stop = max(int(left), 0), min(int(np.floor(right)), width - 1)  # start > stop: beyond the row
        first, last = min(first, start), max(last, stop)
        for i in range(start, stop + 1):
            near, far = max(left, i), min(right, i + 1.0)
            part = (end - begin) * ((far - near) / (right - left) if right > left else 1.0)
            here = part * (i + 1 - (near + far) / 2)
            cover[i] += here
            cover[i + 1] += part - here
        if left < 0:
            cover[0] += (end - begin) * ((min(right, 0.0) - left) / (right - left) if right > left else 1.0)
    covered = 0.0
    for i in range(first, last + 1):
        covered += cover[i]
        cover[i] = abs(covered)
    cover[last + 1] = 0.0
    return first, last


@njit(cache=True, error_model="numpy")
def _exchanged(texel, amount, old, new):  # type: ignore[no-untyped-def]
    """A texel in which ``new`` has replaced ``old`` in this amount of ``WHOLE``, each channel kept within 0 to 255.

    The texel may hold less of ``old`` than that: by the rounding of earlier exchanges, or because it is covered.
    """
    sums = (texel * _ALL + amount * new + _HALF + _BORROW - amount * old) >> _BYTE  # 256 more in each channel
    too_large = (sums >> np.uint64(9)) & _ONES
    not_negative = ((sums >> _BYTE) & _ONES) | too_large
    return (sums | too_large * _CHANNEL) & (not_negative * _CHANNEL)


@njit(cache=True, error_model="numpy")
def paint(texels, free, ground, polygons, corners, colours):  # type: ignore[no-untyped-def]
    """Paint convex polygons, the first undermost, with their edges smoothed.

    They are painted from the uppermost down, each on what the ones above it left free: neighbours that share an edge
    leave no seam.

    Args:
        texels: shape (height, width).
        free: uint16 of that shape, how much of each texel is not painted yet, of ``WHOLE``; reduced.
        ground: what the texels held before anything was painted on them.
        polygons: corners (x, y) in texels, float64 of shape (n, most corners, 2).
        corners: how many each polygon has, shape (n,).
        colours: packed, shape (n,).
    """
    height, width = texels.shape
    cover = np.zeros(width + 1)  # all zero between rows
    for n in range(len(polygons) - 1, -1, -1):
        polygon = polygons[n, : corners[n]]
        _, _, top, bottom = _extent(polygon)
        for row in range(max(int(top), 0), min(int(bottom), height - 1) + 1):
            first, last = _cover(polygon, cover, row, width)
            for i in range(first, last + 1):
                amount = min(np.uint64(cover[i] * WHOLE + 0.5), np.uint64(free[row, i]))
                cover[i] = 0.0
                if amount:
                    free[row, i] -= amount
                    texels[row, i] = _exchanged(texels[row, i], amount, ground[row, i], colours[n])


@njit(cache=True, error_model="numpy")
def clear(texels, free, ground, polygons, corners):  # type: ignore[no-untyped-def]
    """Undo :func:`paint` in the boxes around these polygons."""
    height, width = texels.shape
    for n in range(len(polygons)):
        left, right, top, bottom = _extent(polygons[n, : corners[n]])
        first, last = max(int(left), 0), min(int(right), width - 1)
        for row in range(max(int(top), 0), min(int(bottom), height - 1) + 1):
            for i in range(first, last + 1):
                texels[row, i], free[row, i] = ground[row, i], WHOLE


@njit(cache=True, error_model="numpy")
def recolour(texels, polygons, corners, old, new):  # type: ignore[no-untyped-def]
    """Give polygons that :func:`paint` has painted, in their ``old`` colours, their ``new`` ones.

    Where another polygon covers one, that one's share is taken for its own.
    """
    height, width = texels.shape
    cover = np.zeros(width + 1)  # all zero between rows
    for n in range(len(polygons)):
        polygon = polygons[n, : corners[n]]
        _, _, top, bottom = _extent(polygon)
        for row in range(max(int(top), 0), min(int(bottom), height - 1) + 1):
            first, last = _cover(polygon, cover, row, width)
            for i in range(first, last + 1):
                amount = np.uint64(cover[i] * WHOLE + 0.5)
                cover[i] = 0.0
                texels[row, i] = _exchanged(texels[row, i], amount, old[n], new[n])


@njit(cache=True, error_model="numpy")
def look(texels, x, y, right_x, right_y, down_x, down_y, picture):  # type: ignore[no-untyped-def]
    """Look at a map through a window, each pixel interpolated between four texels.

    The outermost texels go on for ever.

    Args:
        texels: the map, shape (height, width).
        x: column of the texel at the centre of the first pixel; 0 is the middle of the first texel.
        y: its row.
        right_x: the way in texels, along the map's rows, from a pixel to the next of its row.
        right_y: the same along the map's columns.
        down_x: the way from a pixel to the next of its column.
        down_y: the same along the map's columns.
        picture: packed, shape (rows, columns).
    """
    height, width = texels.shape
    flat, one = texels.ravel(), np.uint64(1 << FRACTION)
    step_x, step_y = int(right_x * _UNIT), int(right_y * _UNIT)
    last_x, last_y = (width - 1) * _UNIT - 1, (height - 1) * _UNIT - 1
    for row in range(picture.shape[0]):
        start_x, start_y = int((x + row * down_x) * _UNIT), int((y + row * down_y) * _UNIT)
        for column in range(picture.shape[1]):
            u = min(max(start_x + column * step_x, 0), last_x)
            v = min(max(start_y + column * step_y, 0), last_y)
            at = (v >> _POINT) * width + (u >> _POINT)
            a = np.uint64((u >> (_POINT - FRACTION)) & ((1 << FRACTION) - 1))
            b = np.uint64((v >> (_POINT - FRACTION)) & ((1 << FRACTION) - 1))
            picture[row, column] = (
                flat[at] * ((one - a) * (one - b))
                + flat[at + 1] * (a * (one - b))
                + flat[at + width] * ((one - a) * b)
                + flat[at + width + 1] * (a * b)
                + _HALF_WEIGHT
            ) >> _WEIGHTS & _MASK


@njit(cache=True, error_model="numpy")
def unpack(picture, channels, scale):  # type: ignore[no-untyped-def]
    """Channels of a packed picture times ``scale``, into ``channels`` of shape (3, rows, columns)."""
    for row in range(picture.shape[0]):
        for channel in range(3):
            shift = np.uint64(channel * FIELD)
            for column in range(picture.shape[1]):
                channels[channel, row, column] = ((picture[row, column] >> shift) & _CHANNEL) * scale
