"""First layers: convolutions side by side, ReLU, batch normalisation, maximum pooling by windows of three, dropout.

Pooling picks the same positions before normalisation as after it (the largest where the scale of a channel is positive,
the smallest where it is negative), so only the pooled values are normalised, a ninth of them, and in the backward pass
the gradient of the batch statistics is one multiplication and one addition per value. Sums over a batch are taken in
float32 over the clips of a row of memory, then in float64. There is no gradient for the images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from torch import nn

from mer.models.batch_layers import dice
from mer.models.compiled import unrolled
from mer.models.compiled.jit import compiled, part, written
from mer.models.compiled.planes import (
    POSITIONS,
    ROW,
    Batch,
    Window,
    aligned,
    clips_of,
    flat,
    from_windows,
    inside,
    to_windows,
)


class Filters(NamedTuple):
    """F filters: the first channel that each sees (F,) int64, weight (F, channels seen, k, k), bias (F,).

    `sign` (F,) is 1 where the largest value of a window counts, -1 where the smallest.
    """

    first: Any
    weight: Any
    bias: Any
    sign: Any


class Kept(NamedTuple):
    """What the backward pass is left of the convolutions.

    Attributes:
        active: (rows, F, 9, ROW) rectified values, as many clips in a row as `Sizes` says.
        which: (rows, F, ROW) uint8 number of the plane where a window is largest.
        values: (B, F, windows) pooled values.
    """

    active: Any
    which: Any
    values: Any


class Norm(NamedTuple):
    """(F,) each: mean and 1 / deviation of the batch, scale and shift."""

    mean: Any
    inverse: Any
    scale: Any
    shift: Any


class Dice(NamedTuple):
    """Dropout: a 16-bit number for each value (B, F, windows), which is dropped where that is below `border`."""

    bits: Any
    border: Any


_see_three = written(unrolled.correlation(3, 3, channels=3))
_see_one = written(unrolled.correlation(3, 5))
_products_of_3 = written(unrolled.products(3, 3))
_products_of_5 = written(unrolled.products(3, 5))
_peaks = written(unrolled.peaks(3))


@part
def factor_of(border: int) -> Any:
    """Return by what the values are multiplied that dropout keeps."""
    return np.float32(65536 / (32768 - border))


@part
def _correlate(x: Any, stride: int, weight: Any, bias: Any, out: Any, n: int) -> None:
    """Write out[p, q, i] = bias + Σ weight[c, y, y'] · x[c, …] at n positions; x (C, 9, ROW), out (9 · ROW,)."""
    if weight.shape[1] == 3:
        _see_three(out, flat(x), stride, weight, bias, n)
    else:
        _see_one(out, flat(x), stride, weight, bias, n)


@part
def _products(d: Any, x: Any, stride: int, out: Any, n: int) -> None:
    """Add to out (C, k, k) what `_correlate` hands back to its weights: d (9 · ROW,) its output's gradient."""
    for c in range(out.shape[0]):
        if out.shape[1] == 3:
            _products_of_3(d, flat(x[c]), stride, out[c], n)
        else:
            _products_of_5(d, flat(x[c]), stride, out[c], n)


@part
def _gather(planes: Any, clips: Any, area: int, x: Any) -> None:
    """Write the planes of some clips one behind the other to x (C, side², ROW).

    What a row holds behind them are zeros as wide as between clips, then another batch's clips, which nothing reads.
    """
    size = planes.shape[3]
    for i in range(len(clips)):
        for c in range(x.shape[0]):
            for k in range(x.shape[1]):
                source, to = planes[clips[i], c, k], x[c, k, i * area : i * area + size]
                for j in range(size):
                    to[j] = source[j]


@compiled
def pooled(batch: Any, filters: Any, stands: Any, kept: Any, sums: Any) -> None:
    """Convolve, rectify and pool a batch, and sum what the statistics need.

    Args:
        batch: a `Batch`.
        filters: `Filters`.
        stands: from `inside`.
        kept: `Kept`, overwritten.
        sums: (2, F) float64 receives sums and sums of squares of the rectified values.
    """
    (planes, clips, sizes), (active, which, values) = batch, kept
    first, weight, bias, signs = filters
    area, sees = sizes.area, weight.shape[1]
    x = np.zeros((planes.shape[1], 9, ROW), np.float32)
    highest = np.empty(POSITIONS, np.float32)
    sums[:] = 0
    for g in range(len(active)):
        begin, end, n = clips_of(g, len(clips), sizes)
        _gather(planes, clips[begin:end], area, x)
        seen = stands[1 if end == len(clips) else 0]
        for f in range(len(weight)):
            out = flat(active[g, f])
            _correlate(x[first[f] : first[f] + sees], sizes.stride, weight[f], bias[f], out, n)
            total, square = _peaks(out, seen, signs[f], highest, which[g, f], n)
            sums[0, f] += total
            sums[1, f] += square
            for i in range(begin, end):
                made = values[i, f]
                to_windows(highest, sizes, (i - begin) * area, made)
                for j in range(len(made)):
                    made[j] *= signs[f]


@compiled
def normalised(values: Any, norm: Any, dice: Any, out: Any) -> None:
    """Normalise pooled values (B, F, windows) by a `Norm`, scale and shift them, and drop some as a `Dice` says."""
    (mean, inverse, scale, shift), (dice_bits, border) = norm, dice
    kept = factor_of(border)
    for i in range(out.shape[0]):
        for f in range(out.shape[1]):
            factor = inverse[f] * scale[f]
            row, bits, made, middle, level = values[i, f], dice_bits[i, f], out[i, f], mean[f], shift[f]
            for j in range(len(made)):
                value = kept * ((row[j] - middle) * factor + level)
                made[j] = value if bits[j] >= border else np.float32(0)


@part
def _to_norm(given: Any, values: Any, mean: Any, inverse: Any, d_scale: Any, d_shift: Any) -> None:
    d_scale[:] = 0
    d_shift[:] = 0
    for i in range(given.shape[0]):
        for f in range(given.shape[1]):
            row, passed, middle = values[i, f], given[i, f], mean[f]
            along = total = np.float32(0)
            for j in range(len(passed)):
                along += passed[j] * (row[j] - middle)
                total += passed[j]
            d_scale[f] += along * inverse[f]
            d_shift[f] += total


@part
def _before_rectifier(active: Any, which: Any, came: Any, level: Any, slope: Any, out: Any, n: int) -> Any:
    """Write the gradient before the rectifier: level + slope · value, and what comes from a window to its largest.

    Return its sum.
    """
    total = np.float32(0)
    for k in range(active.shape[0]):
        row, made, number = active[k, :n], out[k, :n], np.int32(k)
        for i in range(n):
            value = level + slope * row[i] + (came[i] if which[i] == number else np.float32(0))
            value = value if row[i] > 0 else np.float32(0)
            made[i] = value
            total += value
    return total


@compiled
def handed_back(batch: Any, first: Any, kept: Any, norm: Any, dice: Any, given: Any, slopes: Any) -> None:
    """Hand gradients (B, F, windows) of what `normalised` returned, overwritten, back to weights, scale and shift.

    Args:
        batch, kept: as `pooled` had them.
        first: of its `Filters`.
        norm, dice: as `normalised` had them.
        given: the gradients.
        slopes: float64 gradients of weight, bias, scale and shift, overwritten by their sums over the batch.
    """
    (planes, clips, sizes), (active, which, values), (mean, inverse, scale, _) = batch, kept, norm
    d_weight, d_bias, d_scale, d_shift = slopes
    dice_bits, border = dice
    share = factor_of(border)
    for i in range(given.shape[0]):
        for f in range(given.shape[1]):
            passed, bits = given[i, f], dice_bits[i, f]
            for j in range(len(passed)):
                passed[j] = share * passed[j] if bits[j] >= border else np.float32(0)
    _to_norm(given, values, mean, inverse, d_scale, d_shift)
    factor = scale * inverse
    count = len(clips) * sizes.rows * sizes.columns
    slope = (-factor / count * inverse * d_scale).astype(np.float32)
    level = (-factor / count * d_shift).astype(np.float32) - slope * mean
    area, sees = sizes.area, d_weight.shape[1]
    x, dense = np.zeros((planes.shape[1], 9, ROW), np.float32), np.empty((9, ROW), np.float32)
    came, one = np.zeros(POSITIONS, np.float32), np.empty(d_weight.shape[1:], np.float32)
    d_weight[:] = 0
    d_bias[:] = 0
    for g in range(len(active)):
        begin, end, n = clips_of(g, len(clips), sizes)
        _gather(planes, clips[begin:end], area, x)
        for f in range(len(d_weight)):
            for i in range(begin, end):
                passed = given[i, f]
                for j in range(len(passed)):
                    passed[j] *= factor[f]
                from_windows(passed, sizes, (i - begin) * area, came)
            d_bias[f] += _before_rectifier(active[g, f], which[g, f], came, level[f], slope[f], dense, n)
            one[:] = 0
            _products(flat(dense), x[first[f] : first[f] + sees], sizes.stride, one, n)
            d_weight[f] += one


@dataclass(frozen=True)
class First:
    """The layers of a network: convolutions, their norms (one eps and momentum), window and share of dropout."""

    convs: Sequence[nn.Conv2d]
    norms: Sequence[nn.BatchNorm2d]
    window: Window
    dropout: float
    room: list[np.ndarray] = field(default_factory=list)

    @cached_property
    def parameters(self) -> list[nn.Parameter]:
        """Weight and bias of every convolution, then scale and shift of every norm."""
        return [layer.get_parameter(name) for layer in (*self.convs, *self.norms) for name in ("weight", "bias")]

    @cached_property
    def widths(self) -> list[int]:
        """Filters of every convolution."""
        return [conv.out_channels for conv in self.convs]

    def _kept(self, count: int, filters: int, batch: Batch) -> Kept:
        """Return what the backward pass is left: the same memory for every batch, since new memory is far away."""
        sizes = batch.sizes
        rows = -(-count // sizes.per)
        if not self.room or len(self.room[0]) < rows:
            self.room[:] = aligned((rows, filters, sizes.side**2, ROW)), np.empty((rows, filters, ROW), np.uint8)
        values = np.empty((count, filters, sizes.down * sizes.across), np.float32)
        return Kept(self.room[0][:rows], self.room[1][:rows], values)

    def forward(self, batch: Batch) -> tuple[np.ndarray, Any]:
        """Return (B, F, h, w) and what hands its gradient back to `parameters`; move the running statistics.

        The latter must be called before the next batch.
        """
        sizes, count, filters = batch.sizes, len(batch.clips), sum(self.widths)
        arrays = [each.detach().numpy() for each in self.parameters]
        half = len(arrays) // 2
        weight, bias, scale, shift = (np.concatenate(arrays[i : i + half : 2]) for i in (0, 1, half, half + 1))
        # Each filter sees its stream's own channel where there are several.
        first = np.repeat(np.arange(len(self.convs)), self.widths)
        kept, sums = self._kept(count, filters, batch), np.empty((2, filters))
        signs = np.where(scale < 0, np.float32(-1), np.float32(1))
        pooled(batch, Filters(first, weight, bias, signs), inside(sizes, count), kept, sums)
        outputs = count * sizes.rows * sizes.columns
        mean, square = sums / outputs
        variance = np.maximum(square - mean**2, 0)
        self._follow(mean, variance, outputs)
        inverse = (1 / np.sqrt(variance + self.norms[0].eps)).astype(np.float32)
        norm = Norm(mean.astype(np.float32), inverse, scale, shift)
        drawn = Dice(*dice(kept.values.shape, self.dropout))
        made = np.empty(kept.values.shape, np.float32)
        normalised(kept.values, norm, drawn, made)

        def back(given: np.ndarray) -> list[np.ndarray]:
            slopes = tuple(np.empty(shape) for shape in (weight.shape, filters, filters, filters))
            handed_back(batch, first, kept, norm, drawn, np.array(given.reshape(made.shape), np.float32), slopes)
            cuts = np.cumsum(self.widths)[:-1]
            parts = [np.split(each.astype(np.float32), cuts) for each in slopes]
            return [each for two in (parts[:2], parts[2:]) for pair in zip(*two, strict=True) for each in pair]

        return made.reshape(count, filters, sizes.down, sizes.across), back

    def _follow(self, mean: np.ndarray, variance: np.ndarray, count: int) -> None:
        """Move the running statistics towards those of the batch, the variance without its bias."""
        cuts = np.cumsum(self.widths)[:-1]
        batch = zip(np.split(mean, cuts), np.split(variance * (count / max(1, count - 1)), cuts), strict=True)
        for norm, (middle, spread) in zip(self.norms, batch, strict=True):
            assert norm.momentum is not None and norm.num_batches_tracked is not None
            for name, value in (("running_mean", middle), ("running_var", spread)):
                array = norm.get_buffer(name).numpy()
                array += norm.momentum * (value - array)
            norm.num_batches_tracked.add_(1)
