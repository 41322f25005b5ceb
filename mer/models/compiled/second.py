"""A second layer: convolution that keeps the size of its input, ReLU, maximum pooling by windows of two, dropout."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from torch import nn

from mer.models.batch_layers import dice
from mer.models.compiled import unrolled
from mer.models.compiled.first import Dice, factor_of
from mer.models.compiled.jit import compiled, part, written
from mer.models.compiled.planes import POSITIONS, ROW, Window, clips_of, flat, sizes_of, table, to_windows

# Channels of the input, at most; a vector of that many is one step.
WIDE = 16
WINDOW = Window(kernel=5, padding=2, pool=2, pool_padding=0)


_see_more = written(unrolled.correlation(2, 5, added=True))


@part
def _correlate(x: Any, stride: int, weight: Any, bias: Any, out: Any, n: int) -> None:
    """Write out[p, q, i] = bias + Σ weight[c, y, y'] · x[c, …] at n positions; x (C, 4, ROW), out (4, ROW)."""
    out[:, :n] = bias
    for c in range(weight.shape[0]):
        _see_more(flat(out), flat(x[c]), stride, weight[c : c + 1], bias, n)


@part
def _place(image: Any, where: Any, planes: Any, begin: int) -> None:
    """Write an image (C, H, W) to planes (C, 4, ROW) from `begin` on, as `table` says `where`."""
    for c in range(image.shape[0]):
        pixels, to = image[c].reshape(len(where)), flat(planes[c])[begin:]
        for j in range(len(where)):
            to[where[j]] = pixels[j]


@part
def _peaks_of_two(raw: Any, highest: Any, which: Any, n: int) -> None:
    for i in range(n):
        highest[i], which[i] = raw[0, i], np.int32(0)
    for k in range(1, 4):
        row, number = raw[k, :n], np.int32(k)
        for i in range(n):
            above = row[i] > highest[i]
            highest[i] = row[i] if above else highest[i]
            which[i] = number if above else which[i]


@compiled
def pooled(images: Any, weight: Any, bias: Any, dice: Any, sizes: Any, places: Any, made: Any) -> None:
    """Convolve with zeros around, rectify, pool and drop a batch whose input has a gradient.

    Args:
        images: (B, C, H, W).
        weight, bias: (filters, C, 5, 5) and (filters,).
        dice: a `Dice` of (B, filters, windows).
        sizes, places: how images stand in planes, and `table` of that.
        made: (B, filters, windows) each, overwritten: the pooled values, and int32 their positions in an image with two
            zeros at the end and the beginning of every line, -1 where the gradient ends.
    """
    (values, where), (dice_bits, border) = made, dice
    area, across, kept = sizes.area, sizes.across, factor_of(border)
    line = images.shape[3] + 4
    x, raw = np.zeros((images.shape[1], 4, ROW), np.float32), np.empty((4, ROW), np.float32)
    highest, which = np.empty(POSITIONS, np.float32), np.empty(POSITIONS, np.int32)
    for g in range((len(images) + sizes.per - 1) // sizes.per):
        begin, end, n = clips_of(g, len(images), sizes)
        for i in range(begin, end):
            _place(images[i], places, x, (i - begin) * area)
        for f in range(len(weight)):
            _correlate(x, sizes.stride, weight[f], bias[f], raw, n)
            _peaks_of_two(raw, highest, which, n)
            for i in range(begin, end):
                row, bits, at = values[i, f], dice_bits[i, f], where[i, f]
                to_windows(highest, sizes, (i - begin) * area, row)
                to_windows(which, sizes, (i - begin) * area, at)
                for j in range(len(row)):
                    # A NaN is not smaller than 0: it reaches the loss.
                    ended = (row[j] <= 0) | (bits[j] < border)
                    row[j] = np.float32(0) if ended else kept * row[j]
                    y, x_ = j // across * 2 + at[j] // 2, j % across * 2 + at[j] % 2
                    at[j] = np.int32(-1) if ended else np.int32(y * line + x_)


@compiled
def handed_back(
    images: Any, weight: Any, where: Any, given: Any, border: int, d_images: Any, d_weight: Any, d_bias: Any
) -> None:
    """Hand gradients of `pooled`'s values back to its input and weights.

    A gradient reaches one value of every window, and not even that one where the rectifier or dropout ends it: so only
    those few are followed, all channels of a place at once.

    Args:
        images, weight: as there, of up to `WIDE` channels.
        where: the positions.
        given: (B, filters, windows) gradients of the values.
        border: of the `Dice`.
        d_images, d_weight, d_bias: gradients, overwritten, as large as what they are of.
    """
    channels, rows, columns = images.shape[1:]
    kept, line, filters = factor_of(border), columns + 4, len(weight)
    taps, d_taps = np.zeros((filters, 5, 5, WIDE), np.float32), np.zeros((filters, 5, 5 * WIDE), np.float32)
    taps[..., :channels] = weight.transpose((0, 2, 3, 1))
    kernels_of = taps.reshape(filters, 5, 5 * WIDE)
    seen = np.zeros((rows + 4) * line * WIDE, np.float32)
    made = np.empty(seen.shape, np.float32)
    shape, last = (rows + 4, line, WIDE), (2 + rows, 2 + columns)
    d_bias[:] = 0
    for i in range(len(images)):
        seen.reshape(shape)[2 : last[0], 2 : last[1], :channels] = images[i].transpose((1, 2, 0))
        made[:] = 0
        for f in range(filters):
            for j in range(where.shape[2]):
                if where[i, f, j] >= 0:
                    passed = kept * given[i, f, j]
                    d_bias[f] += passed
                    for y in range(5):
                        begin = (where[i, f, j] + y * line) * WIDE
                        near, kernels, d_near, d_kernels = seen[begin:], kernels_of[f, y], made[begin:], d_taps[f, y]
                        # A length that the compiler knows: a loop of any length would cost more than its work.
                        for k in range(5 * WIDE):
                            d_kernels[k] += passed * near[k]
                            d_near[k] += passed * kernels[k]
        d_images[i] = made.reshape(shape)[2 : last[0], 2 : last[1], :channels].transpose((2, 0, 1))
    d_weight[:] = d_taps.reshape(filters, 5, 5, WIDE)[..., :channels].transpose((0, 3, 1, 2))


@dataclass(frozen=True)
class Second:
    """The layer of a network: its convolution, and the share of dropout."""

    conv: nn.Conv2d
    dropout: float

    @cached_property
    def parameters(self) -> list[nn.Parameter]:
        """Weight and bias."""
        return list(self.conv.parameters())

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return (B, filters, h, w) of x (B, C, H, W) and what hands its gradient back to x, weight and bias."""
        weight, bias = (parameter.detach().numpy() for parameter in self.parameters)
        sizes = sizes_of(WINDOW, *x.shape[2:])
        shape = len(x), len(weight), sizes.down * sizes.across
        values, where = np.empty(shape, np.float32), np.empty(shape, np.int32)
        drawn = Dice(*dice(shape, self.dropout))
        pooled(x, weight, bias, drawn, sizes, table(*x.shape[2:], sizes), (values, where))

        def back(given: np.ndarray) -> list[np.ndarray]:
            slopes = [np.empty(each.shape, np.float32) for each in (x, weight, bias)]
            handed_back(x, weight, where, np.ascontiguousarray(given.reshape(shape)), drawn.border, *slopes)
            return slopes

        return values.reshape(*shape[:2], sizes.down, sizes.across), back
