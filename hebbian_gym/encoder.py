"""The convolutional front end for pixels: evolved with the rules, but not plastic. numpy + numba, no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .numerics import VECTORISED, tanh

Shape = tuple[int, ...]


class Conv(NamedTuple):
    """One stage: a valid convolution without bias, tanh, and max-pooling.

    Attributes:
        filters: number of output channels.
        kernel: height and width of each filter.
        stride: of the convolution.
        pool: height and width of the pooled squares, which do not overlap; an incomplete one at the rim is left out.
    """

    filters: int
    kernel: int
    stride: int = 1
    pool: int = 1


def encoder_shapes(shape: Shape, encoder: Sequence[Conv]) -> list[Shape]:
    """Shapes (channels, height, width) after each stage.

    Args:
        shape: of a picture, (channels, height, width).
        encoder: the stages.

    Raises:
        ValueError: for another shape, or a stage that does not fit.
    """
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(
            f"an encoder needs pictures of shape (channels, height, width), channels first, not {tuple(shape)}: "
            "wrap the environment to transpose them"
        )
    shapes: list[Shape] = []
    for number, conv in enumerate(encoder, 1):
        if min(conv) < 1:
            raise ValueError(f"stage {number} of the encoder, {conv}, must have positive numbers only")
        height, width = (((size - conv.kernel) // conv.stride + 1) // conv.pool for size in shape[1:])
        if min(height, width) < 1:
            raise ValueError(
                f"stage {number} of the encoder, {conv}, does not fit the {shape[1]} x {shape[2]} pixels of shape "
                f"{tuple(shape)} (channels, height, width) it is given: choose a smaller kernel, stride or pool, leave "
                "the stage out, or transpose observations that have their channels last"
            )
        shape = (conv.filters, height, width)
        shapes.append(shape)
    return shapes


def encoder_genes(channels: int, encoder: Sequence[Conv]) -> int:
    """How many weights all kernels have together, for pictures of so many channels."""
    return sum(math.prod(shape) for shape in _kernel_shapes(channels, encoder))


def encoder_kernels(genes: Any, channels: int, encoder: Sequence[Conv]) -> list[Any]:
    """Views of the encoder's genes (numpy or torch, shape (..., genes)).

    Returns:
        For each stage shape (..., filters, channels, kernel, kernel), as torch has kernels.
    """
    kernels, start = [], 0
    for shape in _kernel_shapes(channels, encoder):
        end = start + math.prod(shape)
        kernels.append(genes[..., start:end].reshape(*genes.shape[:-1], *shape))
        start = end
    return kernels


def _kernel_shapes(channels: int, encoder: Sequence[Conv]) -> list[Shape]:
    inputs = [channels, *(conv.filters for conv in encoder)]
    return [(conv.filters, c, conv.kernel, conv.kernel) for c, conv in zip(inputs, encoder, strict=False)]


# A convolution is a sum of shifted pictures, one for each tap (channel, row and column of the kernel). To make the
# pixels under one tap contiguous in memory for all outputs at once, a stage's input is kept as stride x stride planes,
# each with every stride-th pixel. The sums then run over whole planes, row ends included: the few sums there that
# belong to no output are never looked at.


class Stage(NamedTuple):
    """A stage's sizes and the memory it works in.

    Attributes:
        channels, height, width: of its input.
        rows, columns: of its output, after pooling.
        filters, kernel, stride, pool: as in :class:`Conv`.
        pitch: length of a plane's rows.
        taps: where in ``planes`` each tap's pixels begin, (channels x kernel x kernel, rounded up to fours).
        planes: the input, flat (channels, stride, stride, plane height, pitch).
        sums: convolutions by two filters, for some rows at a time, (2, rows x pitch).
    """

    channels: int
    height: int
    width: int
    rows: int
    columns: int
    filters: int
    kernel: int
    stride: int
    pool: int
    pitch: int
    taps: NDArray[np.int64]
    planes: NDArray[np.float32]
    sums: NDArray[np.float32]


_BLOCK = 1024  # sums at a time: with the pixels under them they stay in the first-level cache


def make_stages(shape: Shape, encoder: Sequence[Conv]) -> tuple[Stage, ...]:
    """What :func:`encode` works in, for pictures of a shape (channels, height, width)."""
    shapes = encoder_shapes(shape, encoder)
    inputs_of = [tuple(shape), *shapes[:-1]]
    return tuple(_make_stage(*sizes) for sizes in zip(inputs_of, shapes, encoder, strict=True))


def _make_stage(before: Shape, after: Shape, conv: Conv) -> Stage:
    (channels, height, width), (_, rows, columns) = before, after
    kernel, stride, pool = conv[1:]
    pitch, lines = -(-width // stride), -(-height // stride)
    channel, y, x = np.indices((channels, kernel, kernel)).reshape(3, -1)
    plane = (channel * stride + y % stride) * stride + x % stride
    taps = plane * lines * pitch + y // stride * pitch + x // stride
    taps = np.pad(taps, (0, -len(taps) % 4), mode="edge")
    planes = np.zeros(channels * stride**2 * lines * pitch, np.float32)
    block = min(rows, max(1, _BLOCK // pitch // pool))
    sums = np.zeros((2, block * pool * pitch), np.float32)
    return Stage(channels, height, width, rows, columns, *conv, pitch, taps, planes, sums)


@njit(cache=True, **VECTORISED)
def look(picture, scale, first):  # type: ignore[no-untyped-def]
    """Give a picture (channels, height, width), multiplied by ``scale``, to the first stage."""
    for channel in range(first.channels):
        for y in range(first.height):
            row = picture[channel, y]
            if first.stride == 1:  # a constant, for which the loop is vectorised
                _place(row, 1, scale, first.planes, channel, y, first.height, first.width, 1)
            else:
                _place(row, 1, scale, first.planes, channel, y, first.height, first.width, first.stride)


@njit(cache=True, **VECTORISED)
def encode(stages, genes, features):  # type: ignore[no-untyped-def]
    """Take what the first stage was given through all of them.

    Args:
        stages: of :func:`make_stages`.
        genes: all kernels, flat, stage by stage.
        features: for the output of the last stage, flat (channels, height, width).
    """
    start = 0
    for i in range(len(stages)):
        stage = stages[i]
        size = stage.filters * stage.channels * stage.kernel**2
        kernels = genes[start : start + size].reshape(stage.filters, size // stage.filters)
        start += size
        if i + 1 < len(stages):
            _run(stage, kernels, stages[i + 1].planes, stages[i + 1].stride)
        else:
            _run(stage, kernels, features, 1)


@njit(**VECTORISED)
def _run(stage, kernels, planes, stride):  # type: ignore[no-untyped-def]
    """One stage, some rows and two filters at a time, into planes of the next stage's stride."""
    pitch, pool, width = stage.pitch, stage.pool, stage.columns * stage.pool
    block = stage.sums.shape[1] // pitch // pool
    for top in range(0, stage.rows, block):
        rows = min(block, stage.rows - top)
        n = (rows * pool - 1) * pitch + width
        for f in range(0, stage.filters, 2):
            last = min(f + 1, stage.filters - 1)  # the partner of an odd one out is itself
            _convolve(stage.planes[top * pool * pitch :], stage.taps, kernels[f], kernels[last], stage.sums, n)
            for g in range(f, last + 1):
                sums = stage.sums[g - f, :n]
                _pool(sums, pitch, pool, width)
                for y in range(rows):
                    row = sums[y * pool * pitch :]
                    _place(row, pool, np.float32(1), planes, g, top + y, stage.rows, stage.columns, stride)
    for j in range(len(planes)):  # tanh after the maximum is the same as before, with fewer tanhs
        planes[j] = tanh(planes[j])


@njit(**VECTORISED)
def _convolve(planes, taps, first, second, sums, n):  # type: ignore[no-untyped-def]
    """The first n sums of two filters, four taps at a time, so that sums and pixels are read and written less often."""
    a, b = sums[0, :n], sums[1, :n]
    a[:] = 0
    b[:] = 0
    for t in range(0, len(taps), 4):
        x0, x1, x2, x3 = planes[taps[t] :], planes[taps[t + 1] :], planes[taps[t + 2] :], planes[taps[t + 3] :]
        v0, v1, v2, v3 = first[t], _tap(first, t + 1), _tap(first, t + 2), _tap(first, t + 3)
        w0, w1, w2, w3 = second[t], _tap(second, t + 1), _tap(second, t + 2), _tap(second, t + 3)
        for j in range(n):
            p0, p1, p2, p3 = x0[j], x1[j], x2[j], x3[j]
            a[j] = a[j] + v0 * p0 + v1 * p1 + v2 * p2 + v3 * p3
            b[j] = b[j] + w0 * p0 + w1 * p1 + w2 * p2 + w3 * p3


@njit(inline="always", **VECTORISED)
def _tap(kernel, t):  # type: ignore[no-untyped-def]
    return kernel[t] if t < len(kernel) else np.float32(0)  # beyond the last, up to a multiple of four


@njit(**VECTORISED)
def _pool(sums, pitch, pool, width):  # type: ignore[no-untyped-def]
    """In every pool-th row, let each number become the largest of the ``pool`` x ``pool`` that begin there.

    Only every pool-th number is asked for, but contiguous loops are faster.
    """
    for first in range(0, len(sums), pool * pitch):
        line = sums[first : first + width]
        for k in range(1, pool):
            other = sums[first + k * pitch : first + k * pitch + width]
            for x in range(width):
                line[x] = max(line[x], other[x])
        for k in range(1, pool):
            for x in range(width - k):
                line[x] = max(line[x], line[x + 1])


@njit(**VECTORISED)
def _place(row, step, factor, planes, channel, y, height, width, stride):  # type: ignore[no-untyped-def]
    """Put every step-th number of a row, times a factor, where the planes of a picture of some size have its row y."""
    pitch, lines = (width + stride - 1) // stride, (height + stride - 1) // stride
    for phase in range(stride):
        plane = (channel * stride + y % stride) * stride + phase
        line, numbers, leap = planes[(plane * lines + y // stride) * pitch :], row[phase * step :], stride * step
        for x in range((width - phase + stride - 1) // stride):
            line[x] = factor * numbers[x * leap]
