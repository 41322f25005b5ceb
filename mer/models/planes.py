"""Convolution, rectification and pooling of few channels on a CPU: compiled loops over planes split by window.

Networks of a few filters leave libraries for large convolutions idle: what they load is more than what they compute.
Here an image is split into as many planes as a pooling window has pixels: plane (p, q) holds, window by window, what
stands in row p and column q of each. Then the largest value of a window is the largest of values that stand at the
same place of as many planes, and a convolution is a sum of products of whole planes shifted against each other.

A plane is one row of memory of `ROW` values: its lines end to end (`stride` values each), the planes of some clips one
behind the other (`area` values each), zeros between them as wide as a kernel reaches. Values that no output stands
behind are computed and thrown away.

All arrays are float32 and contiguous. There is one thread, so a result does not depend on what else is computed.
"""

from __future__ import annotations

import hashlib
import math
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba import config, njit

from mer.models import unrolled
from mer.models.unrolled import ROW

# Values of a line of the nearest memory.
WHOLE = 16
# So many values of a row are positions of windows; a kernel reads further.
POSITIONS = 1040


def _code() -> str:
    """Return the name of what these files hold: what calls a function that has changed must be compiled again too."""
    own = Path(__file__)
    files = (own, own.with_name("plane_layers.py"), own.with_name("unrolled.py"))
    return "planes-" + hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


_OPTIONS: dict[str, Any] = {"fastmath": {"reassoc", "contract", "nsz"}, "nogil": True, "boundscheck": False}
_numba: Any = config
_KEPT = Path(_numba.CACHE_DIR or Path(__file__).parent / "__pycache__") / _code()


def compiled(function: Any) -> Any:
    """Compile a function when it is first called, and keep the result for other processes where there is room for it.

    Sums may be taken in another order than written, in which a loop becomes vectors; NaN and infinity stay themselves.
    """
    made = njit(**_OPTIONS)(function)
    before = _numba.CACHE_DIR
    _numba.CACHE_DIR = str(_KEPT)
    try:
        # Without a folder that can be written to, it is compiled again in every process.
        with suppress(RuntimeError):
            made.enable_caching()
    finally:
        _numba.CACHE_DIR = before
    return made


def part(function: Any) -> Any:
    """Make a function that is compiled as a part of those that call it.

    Not by itself: a process that has just compiled it would then run other instructions, and round otherwise, than one
    that has found its caller ready.
    """
    return njit(inline="always", **_OPTIONS)(function)


def written(text: str) -> Any:
    """Make a `part` of a text of `mer.models.unrolled`."""
    names = {"zero": np.float32(0), "lowest": np.float32(-np.inf), **{f"number{k}": np.int32(k) for k in range(9)}}
    exec(text, names)
    # Whole, not line by line, into what calls it: that takes half the time to compile.
    return njit(forceinline=True, **_OPTIONS)(names["loop"])


def aligned(shape: tuple[int, ...]) -> np.ndarray:
    """Return a float32 array, not filled, that begins where a line of the nearest memory does.

    Rows of a multiple of `WHOLE` values then do so too, and no vector of them lies across two lines.
    """
    count = math.prod(shape)
    raw = np.empty(count + WHOLE, np.float32)
    begin = -raw.ctypes.data % (4 * WHOLE) // 4
    return raw[begin : begin + count].reshape(shape)


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


def rounded(n: int) -> int:
    """Return the next multiple of `WHOLE`."""
    return -(-n // WHOLE) * WHOLE


@cache
def table(height: int, width: int, sizes: Sizes, row: int = ROW) -> np.ndarray:
    """Return (height · width,) int64: where the pixels of an image stand in planes of `row` values, end to end."""
    y, x = (np.arange(side) + sizes.before for side in (height, width))
    planes = (y % sizes.side)[:, None] * sizes.side + x % sizes.side
    return (planes * row + (y // sizes.side)[:, None] * sizes.stride + x // sizes.side).ravel()


@part
def flat(planes: Any) -> Any:
    """Return the rows of an array of planes end to end."""
    return planes.reshape(planes.size)


@part
def place(image: Any, where: Any, planes: Any, begin: int) -> None:
    """Write an image (C, H, W) to planes (C, side², ROW) from `begin` on, as `table` says `where`."""
    for c in range(image.shape[0]):
        pixels, to = image[c].reshape(len(where)), flat(planes[c])[begin:]
        for j in range(len(where)):
            to[where[j]] = pixels[j]


@part
def _copy_lines(source: Any, step: int, target: Any, to_step: int, sizes: Any) -> None:
    """Copy as many lines as there are windows, which begin `step` values apart there and `to_step` here."""
    for y in range(sizes.down):
        line, own = source[y * step :], target[y * to_step :]
        for j in range(sizes.across):
            own[j] = line[j]


@part
def from_windows(values: Any, sizes: Any, begin: int, plane: Any) -> None:
    """Write the values (down · across,) of a clip's windows to a plane at `begin`."""
    _copy_lines(values, sizes.across, plane[begin:], sizes.stride, sizes)


@part
def to_windows(plane: Any, sizes: Any, begin: int, values: Any) -> None:
    """Undo `from_windows`."""
    _copy_lines(plane[begin:], sizes.stride, values, sizes.across, sizes)


_see_three = written(unrolled.correlation(3, 3, channels=3))
_see_one = written(unrolled.correlation(3, 5))
_products_of_3 = written(unrolled.products(3, 3))
_products_of_5 = written(unrolled.products(3, 5))
_see_more = written(unrolled.correlation(2, 5, added=True))
peaks_of_three = written(unrolled.peaks(3))


@part
def correlate_by_three(x: Any, stride: int, weight: Any, bias: Any, out: Any, n: int) -> None:
    """Convolve for windows of three: out[p, q, i] = bias + Σ weight[c, y, y'] · x[c, …] at n positions.

    Args:
        x: (C, 9, ROW).
        stride: values of a line.
        weight: (3, 3, 3) or (1, 5, 5).
        bias: a number.
        out: (9 · ROW,) overwritten.
        n: how many positions.
    """
    if weight.shape[1] == 3:
        _see_three(out, flat(x), stride, weight, bias, n)
    else:
        _see_one(out, flat(x), stride, weight, bias, n)


@part
def products_by_three(d: Any, x: Any, stride: int, out: Any, n: int) -> None:
    """Add to out (C, k, k) what `correlate_by_three` hands back to its weights: d (9 · ROW,) its output's gradient."""
    for c in range(out.shape[0]):
        if out.shape[1] == 3:
            _products_of_3(d, flat(x[c]), stride, out[c], n)
        else:
            _products_of_5(d, flat(x[c]), stride, out[c], n)


@part
def correlate_by_two(x: Any, stride: int, weight: Any, bias: Any, out: Any, n: int) -> None:
    """As `correlate_by_three` for windows of two: weight (C, 5, 5), out (4, ROW)."""
    out[:, :n] = bias
    for c in range(weight.shape[0]):
        _see_more(flat(out), flat(x[c]), stride, weight[c : c + 1], bias, n)
