"""Images as planes split by window: what convolution, rectification and pooling of few channels are fastest on.

Networks of a few filters leave libraries for large convolutions idle: what they load is more than what they compute.
Here an image is split into as many planes as a pooling window has pixels: plane (p, q) holds, window by window, what
stands in row p and column q of each. Then the largest value of a window is the largest of values that stand at the
same place of as many planes, and a convolution is a sum of products of whole planes shifted against each other.

A plane is one row of memory of `ROW` values: its lines end to end (`stride` values each), the planes of some clips one
behind the other (`area` values each), zeros between them as wide as a kernel reaches. Values that no output stands
behind are computed and thrown away.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from mer.models.compiled.jit import part
from mer.models.compiled.unrolled import ROW

# Values of a line of the nearest memory.
WHOLE = 16
# So many values of a row are positions of windows; a kernel reads further.
POSITIONS = 1040


class OutOfRangeError(Exception):
    """A network, or images, for which nothing is compiled; the text says what in one line."""


class Window(NamedTuple):
    """Kernel and padding of a convolution, and window (= stride) and padding of the pooling behind it, in pixels."""

    kernel: int
    padding: int
    pool: int
    pool_padding: int


class Sizes(NamedTuple):
    """How images of one size stand in planes.

    Attributes:
        side: of a window, and its step.
        before: zeros before the first row and column of an image.
        stride: values of a line of a plane.
        area: values of a clip in a plane.
        per: clips in a row of memory.
        down, across: windows.
        rows, columns: outputs of the convolution.
        outside: rows and columns of the first windows that stand outside of them.
    """

    side: int
    before: int
    stride: int
    area: int
    per: int
    down: int
    across: int
    rows: int
    columns: int
    outside: int


class Batch(NamedTuple):
    """Some of many clips: the planes (N, C, side², area, rounded up) of all, and which (B,) int64 these are."""

    planes: Any
    clips: Any
    sizes: Any


def sizes_of(window: Window, height: int, width: int) -> Sizes:
    """Return how images of height × width pixels stand in planes.

    Raises:
        OutOfRangeError: they are too large for them.
    """
    (lines, down, rows), (stride, across, columns) = (_along(window, side) for side in (height, width))
    area = lines * stride
    if area > POSITIONS or 2 * (stride + 1) > ROW - POSITIONS:
        raise OutOfRangeError(f"images of {height} by {width} pixels are too large for compiled layers")
    before = window.padding + window.pool_padding
    per = POSITIONS // area
    return Sizes(window.pool, before, stride, area, per, down, across, rows, columns, window.pool_padding)


def _along(window: Window, pixels: int) -> tuple[int, int, int]:
    """Return windows that are stored along one side, windows that count, and outputs of the convolution."""
    outputs = pixels + 2 * window.padding - window.kernel + 1
    pools = (outputs + 2 * window.pool_padding - window.pool) // window.pool + 1
    last = outputs + window.pool_padding + window.kernel - 2
    stored, used = last // window.pool + 1, last % window.pool + 1
    # Zeros at the end are those before the next line or clip too, where both reach as far as the kernel does.
    shared = used <= window.padding
    needed = (outputs - 1 + window.pool_padding) // window.pool + 1
    return max(stored - shared, needed, pools), pools, outputs


@cache
def table(height: int, width: int, sizes: Sizes, row: int = ROW) -> np.ndarray:
    """Return (height · width,) int64: where the pixels of an image stand in planes of `row` values, end to end."""
    y, x = (np.arange(side) + sizes.before for side in (height, width))
    planes = (y % sizes.side)[:, None] * sizes.side + x % sizes.side
    return (planes * row + (y // sizes.side)[:, None] * sizes.stride + x // sizes.side).ravel()


@cache
def inside(sizes: Sizes, count: int) -> np.ndarray:
    """Return (2, side² · ROW) float32: 1 where an output stands, of rows full of clips and of the last of `count`."""
    places, planes = np.arange(ROW), np.arange(sizes.side**2)[:, None]
    y = places % sizes.area // sizes.stride * sizes.side + planes // sizes.side - sizes.outside
    x = places % sizes.area % sizes.stride * sizes.side + planes % sizes.side - sizes.outside
    stands = (y >= 0) & (y < sizes.rows) & (x >= 0) & (x < sizes.columns)
    last = count - (-(-count // sizes.per) - 1) * sizes.per
    parts = [(stands & (places < clips * sizes.area)).ravel() for clips in (sizes.per, last)]
    return np.stack(parts).astype(np.float32)


def stored(images: np.ndarray, sizes: Sizes) -> np.ndarray:
    """Return the planes of images (N, C, H, W) as `Batch` has them."""
    count, width = sizes.side**2, rounded(sizes.area)
    planes = np.zeros((*images.shape[:2], count * width), np.float32)
    planes[..., table(*images.shape[2:], sizes, width)] = images.reshape(*images.shape[:2], -1)
    return planes.reshape(*images.shape[:2], count, width)


def aligned(shape: tuple[int, ...]) -> np.ndarray:
    """Return a float32 array, not filled, that begins where a line of the nearest memory does.

    Rows of a multiple of `WHOLE` values then do so too, and no vector of them lies across two lines.
    """
    count = math.prod(shape)
    raw = np.empty(count + WHOLE, np.float32)
    begin = -raw.ctypes.data % (4 * WHOLE) // 4
    return raw[begin : begin + count].reshape(shape)


def rounded(n: int) -> int:
    """Return the next multiple of `WHOLE`."""
    return -(-n // WHOLE) * WHOLE


_rounded = part(rounded)


@part
def clips_of(g: int, count: int, sizes: Any) -> Any:
    """Return the first and the last clip, exclusive, of a row of memory, and how many positions to compute there."""
    begin, end = g * sizes.per, min((g + 1) * sizes.per, count)
    return begin, end, _rounded((end - begin) * sizes.area)


@part
def flat(planes: Any) -> Any:
    """Return the rows of an array of planes end to end."""
    return planes.reshape(planes.size)


@part
def _copy_lines(source: Any, step: int, target: Any, to_step: int, sizes: Any) -> None:
    """Copy as many lines as there are windows, which begin `step` values apart there and `to_step` here."""
    for y in range(sizes.down):
        line, to = source[y * step :], target[y * to_step :]
        for j in range(sizes.across):
            to[j] = line[j]


@part
def from_windows(values: Any, sizes: Any, begin: int, plane: Any) -> None:
    """Write the values (down · across,) of a clip's windows to a plane at `begin`."""
    _copy_lines(values, sizes.across, plane[begin:], sizes.stride, sizes)


@part
def to_windows(plane: Any, sizes: Any, begin: int, values: Any) -> None:
    """Undo `from_windows`."""
    _copy_lines(plane[begin:], sizes.stride, values, sizes.across, sizes)
