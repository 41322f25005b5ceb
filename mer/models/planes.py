"""Convolution, rectification and pooling of few channels on a CPU: compiled loops over padded planes.

Networks of a few filters leave libraries for large convolutions idle: what they load is more than what they compute.
Here a channel is one row of memory, its lines padded with zeros and laid end to end (stride S). Then a convolution is a
sum of products of whole rows of memory shifted against each other, for four filters at a time, and the values at the
ends of lines, where a kernel runs over into the next, are thrown away. Filters come in blocks of four that see the
same channels; missing ones of a block have weight zero.

All arrays are float32 and contiguous. There is one thread, so a result does not depend on what else is computed.
"""

from __future__ import annotations

import hashlib
import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numba import config, njit

# Filters of a block, and values of a line of the nearest memory.
LANES = 4
WHOLE = 16
# So many positions of four filters stay in a core's nearest memory.
_CHUNK = 1024


def _code() -> str:
    """Return the name of what these files hold: what calls a function that has changed must be compiled again too."""
    own = Path(__file__)
    files = (own, own.with_name("plane_layers.py"))
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


def aligned(shape: tuple[int, ...]) -> np.ndarray:
    """Return a float32 array, not filled, that begins where a line of the nearest memory does.

    Rows of a multiple of `WHOLE` values then do so too, and no vector of them lies across two lines.
    """
    count = math.prod(shape)
    raw = np.empty(count + WHOLE, np.float32)
    begin = -raw.ctypes.data % (4 * WHOLE) // 4
    return raw[begin : begin + count].reshape(shape)


@part
def _add3(a0: Any, a1: Any, a2: Any, a3: Any, x: Any, w: Any) -> None:
    """Add to four rows the row `x` under three neighbouring weights of each: w (4, 3)."""
    p0, p1, p2 = w[0, 0], w[0, 1], w[0, 2]
    q0, q1, q2 = w[1, 0], w[1, 1], w[1, 2]
    r0, r1, r2 = w[2, 0], w[2, 1], w[2, 2]
    s0, s1, s2 = w[3, 0], w[3, 1], w[3, 2]
    for i in range(len(a0)):
        x0, x1, x2 = x[i], x[i + 1], x[i + 2]
        a0[i] += p0 * x0 + p1 * x1 + p2 * x2
        a1[i] += q0 * x0 + q1 * x1 + q2 * x2
        a2[i] += r0 * x0 + r1 * x1 + r2 * x2
        a3[i] += s0 * x0 + s1 * x1 + s2 * x2


@part
def _add5(a0: Any, a1: Any, x: Any, w: Any, f: int) -> None:
    """Add to two rows the row `x` under five neighbouring weights w[f] and w[f + 1]: as many as registers hold."""
    p0, p1, p2, p3, p4 = w[f, 0], w[f, 1], w[f, 2], w[f, 3], w[f, 4]
    q0, q1, q2, q3, q4 = w[f + 1, 0], w[f + 1, 1], w[f + 1, 2], w[f + 1, 3], w[f + 1, 4]
    for i in range(len(a0)):
        x0, x1, x2, x3, x4 = x[i], x[i + 1], x[i + 2], x[i + 3], x[i + 4]
        a0[i] += p0 * x0 + p1 * x1 + p2 * x2 + p3 * x3 + p4 * x4
        a1[i] += q0 * x0 + q1 * x1 + q2 * x2 + q3 * x3 + q4 * x4


@part
def _dot3(d0: Any, d1: Any, d2: Any, d3: Any, x: Any, out: Any) -> None:
    """Add to out (4, 3) the products of four rows with the row `x` shifted by 0, 1 and 2."""
    p0 = p1 = p2 = q0 = q1 = q2 = r0 = r1 = r2 = s0 = s1 = s2 = np.float32(0)
    for i in range(len(d0)):
        x0, x1, x2 = x[i], x[i + 1], x[i + 2]
        p, q, r, s = d0[i], d1[i], d2[i], d3[i]
        p0, p1, p2 = p0 + p * x0, p1 + p * x1, p2 + p * x2
        q0, q1, q2 = q0 + q * x0, q1 + q * x1, q2 + q * x2
        r0, r1, r2 = r0 + r * x0, r1 + r * x1, r2 + r * x2
        s0, s1, s2 = s0 + s * x0, s1 + s * x1, s2 + s * x2
    for g, made in enumerate(((p0, p1, p2), (q0, q1, q2), (r0, r1, r2), (s0, s1, s2))):
        out[g, 0] += made[0]
        out[g, 1] += made[1]
        out[g, 2] += made[2]


@part
def _dot5(d0: Any, d1: Any, d2: Any, d3: Any, x: Any, out: Any) -> None:
    """As `_dot3` for shifts of 0 to 4: out (4, 5)."""
    p0 = p1 = p2 = p3 = p4 = q0 = q1 = q2 = q3 = q4 = np.float32(0)
    r0 = r1 = r2 = r3 = r4 = s0 = s1 = s2 = s3 = s4 = np.float32(0)
    for i in range(len(d0)):
        x0, x1, x2, x3, x4 = x[i], x[i + 1], x[i + 2], x[i + 3], x[i + 4]
        p, q, r, s = d0[i], d1[i], d2[i], d3[i]
        p0, p1, p2, p3, p4 = p0 + p * x0, p1 + p * x1, p2 + p * x2, p3 + p * x3, p4 + p * x4
        q0, q1, q2, q3, q4 = q0 + q * x0, q1 + q * x1, q2 + q * x2, q3 + q * x3, q4 + q * x4
        r0, r1, r2, r3, r4 = r0 + r * x0, r1 + r * x1, r2 + r * x2, r3 + r * x3, r4 + r * x4
        s0, s1, s2, s3, s4 = s0 + s * x0, s1 + s * x1, s2 + s * x2, s3 + s * x3, s4 + s * x4
    rows = ((p0, p1, p2, p3, p4), (q0, q1, q2, q3, q4), (r0, r1, r2, r3, r4), (s0, s1, s2, s3, s4))
    for g, made in enumerate(rows):
        out[g, 0] += made[0]
        out[g, 1] += made[1]
        out[g, 2] += made[2]
        out[g, 3] += made[3]
        out[g, 4] += made[4]


@part
def correlate(x: Any, first: int, weight: Any, bias: Any, out: Any, f: int, stride: int, n: int) -> None:
    """Write out[f + g, i] = bias[f + g] + Σ weight[f + g, c, y, x'] · x[first + c, i + y · stride + x'] for g 0 to 3.

    Args:
        x: (channels, at least n + (k - 1) · (stride + 1)).
        first: the first channel that is seen.
        weight: (filters, C, k, k), k 3 or 5.
        bias: (filters,).
        out: (filters, at least n).
        f: the first of the four filters.
        stride: length of a padded line.
        n: how many positions.
    """
    kernel = weight.shape[2]
    for begin in range(0, n, _CHUNK):
        end = min(begin + _CHUNK, n)
        # Rows by themselves: of a slice of several the compiler does not know that they are contiguous.
        a0, a1, a2, a3 = out[f, begin:end], out[f + 1, begin:end], out[f + 2, begin:end], out[f + 3, begin:end]
        a0[:], a1[:], a2[:], a3[:] = bias[f], bias[f + 1], bias[f + 2], bias[f + 3]
        for c in range(weight.shape[1]):
            for y in range(kernel):
                row = x[first + c, begin + y * stride :]
                if kernel == 3:
                    _add3(a0, a1, a2, a3, row, weight[f : f + LANES, c, y])
                else:
                    _add5(a0, a1, row, weight[:, c, y], f)
                    _add5(a2, a3, row, weight[:, c, y], f + 2)


@part
def products(d: Any, f: int, front: int, x: Any, first: int, out: Any, g: int, stride: int, n: int) -> None:
    """Add to out[g : g + 4] (…, C, k, k) what `correlate` hands back to its weights.

    Args:
        d: (filters, at least front + n) gradients of which those of f to f + 3 count, from position `front` on.
        f: see `d`.
        front: see `d`.
        x: (channels, at least n + (k - 1) · (stride + 1)).
        first: the first channel that is seen.
        out: (filters, C, k, k).
        g: its first of the four filters.
        stride: length of a padded line.
        n: how many positions.
    """
    kernel, end = out.shape[2], front + n
    d0, d1, d2, d3 = d[f, front:end], d[f + 1, front:end], d[f + 2, front:end], d[f + 3, front:end]
    for c in range(out.shape[1]):
        for y in range(kernel):
            row = x[first + c, y * stride :]
            if kernel == 3:
                _dot3(d0, d1, d2, d3, row, out[g : g + LANES, c, y])
            else:
                _dot5(d0, d1, d2, d3, row, out[g : g + LANES, c, y])


@part
def rectify(row: Any, inside: Any, sign: Any, turned: Any) -> tuple[Any, Any]:
    """Set negative values, and what lies past the end of a line, to zero; return the sum and the sum of squares.

    `turned` receives sign · value, and minus infinity past the end of a line.
    """
    total = square = np.float32(0)
    for i in range(len(row)):
        value = row[i]
        # A NaN stays one: it must reach the loss.
        value = inside[i] * (np.float32(0) if value <= 0 else value)
        row[i] = value
        turned[i] = sign * value if inside[i] > 0 else np.float32(-np.inf)
        total += value
        square += value * value
    return total, square


@part
def _of_two(x: Any, highest: Any, column: Any) -> None:
    for i in range(len(highest)):
        second = x[2 * i + 1] > x[2 * i]
        highest[i] = x[2 * i + 1] if second else x[2 * i]
        column[i] = np.int32(1) if second else np.int32(0)


@part
def _of_three(x: Any, highest: Any, column: Any) -> None:
    for i in range(len(highest)):
        second = x[3 * i + 1] > x[3 * i]
        value, number = (x[3 * i + 1] if second else x[3 * i]), (np.int32(1) if second else np.int32(0))
        third = x[3 * i + 2] > value
        highest[i] = x[3 * i + 2] if third else value
        column[i] = np.int32(2) if third else number


@part
def pool(
    x: Any, stride: int, side: int, down: int, across: int, highest: Any, column: Any, values: Any, where: Any
) -> None:
    """Write the largest value of every window and its position; of equal values the first counts, line by line.

    First of the neighbours in a line, over the whole plane at once, since `side` divides the stride; then of the lines.

    Args:
        x: the plane, from the first window's upper left corner on.
        stride: length of a line, a multiple of `side`.
        side: of a window, and its step, 2 or 3.
        down, across: windows.
        highest, column: (down · stride,) float32 and int32, overwritten.
        values: (down · across,) float32, overwritten.
        where: the same in int32: positions in `x`.
    """
    short = stride // side
    if side == 2:
        _of_two(x, highest, column)
    else:
        _of_three(x, highest, column)
    for i in range(down):
        top, to = i * side * short, i * across
        most, place = values[to : to + across], where[to : to + across]
        most[:] = highest[top : top + across]
        place[:] = column[top : top + across]
        for y in range(1, side):
            other, number = highest[top + y * short :], column[top + y * short :]
            further = np.int32(y * stride)
            for j in range(across):
                better = other[j] > most[j]
                most[j] = other[j] if better else most[j]
                place[j] = np.int32(number[j] + further) if better else place[j]
        for j in range(across):
            place[j] = np.int32(place[j] + np.int32(i * side * stride + j * side))
