"""Layers of shallow networks on a CPU, compiled: what `mer.models.conv_norm_pool` calls, forwards and backwards.

Sums over a batch are taken in float32 over the clips of a row of memory, then in float64. `sizes` are everywhere those
of `mer.models.planes.Sizes`. Dropout comes as one 16-bit number per value, which is dropped where that is below
`border`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mer.models.planes import (
    POSITIONS,
    ROW,
    compiled,
    correlate_by_three,
    correlate_by_two,
    flat,
    from_windows,
    part,
    peaks_of_three,
    place,
    products_by_three,
    rounded,
    to_windows,
)

# Channels of a second layer, at most; a vector of that many is one step.
WIDE = 16

_rounded = part(rounded)


@part
def _clips(g: int, count: int, sizes: Any) -> Any:
    """Return the first and the last clip, exclusive, of a row of memory, and how many positions to compute there."""
    begin, end = g * sizes.per, min((g + 1) * sizes.per, count)
    return begin, end, _rounded((end - begin) * sizes.area)


@part
def _gathered(store: Any, clips: Any, area: int, x: Any) -> None:
    """Write the planes of some clips one behind the other to x (C, side², ROW).

    What a row holds behind them are zeros as wide as between clips, then another batch's clips, which nothing reads.
    """
    size = store.shape[3]
    for i in range(len(clips)):
        for c in range(x.shape[0]):
            for k in range(x.shape[1]):
                own, to = store[clips[i], c, k], x[c, k, i * area : i * area + size]
                for j in range(size):
                    to[j] = own[j]


@compiled
def pooled(
    store: Any, clips: Any, first: Any, weight: Any, bias: Any, signs: Any, inside: Any, sizes: Any,
    active: Any, which: Any, sums: Any, values: Any,
) -> None:  # fmt: skip
    """Convolve, rectify and pool a batch by windows of three, and sum what the statistics need.

    Args:
        store: (N, C, 9, area, rounded up) planes of all clips.
        clips: (B,) int64 which of them.
        first: (F,) int64 first channel that a filter sees.
        weight: (F, channels that it sees, k, k).
        bias: (F,).
        signs: (F,) 1 where the largest value of a window counts, -1 where the smallest.
        inside: (2, 9 · ROW) 1 where an output stands, 0 elsewhere: of full rows, and of the last one.
        sizes: see the module.
        active: (rows, F, 9, ROW) receives the rectified values, as many clips in a row as `sizes` says.
        which: (rows, F, ROW) uint8 receives the number of the plane where a window is largest.
        sums: (2, F) float64 receives sums and sums of squares of the rectified values.
        values: (B, F, windows) receives the pooled values.
    """
    area, sees = sizes.area, weight.shape[1]
    x = np.zeros((store.shape[1], 9, ROW), np.float32)
    highest = np.empty(POSITIONS, np.float32)
    sums[:] = 0
    for g in range(len(active)):
        begin, end, n = _clips(g, len(clips), sizes)
        _gathered(store, clips[begin:end], area, x)
        seen = inside[1 if end == len(clips) else 0]
        for f in range(len(weight)):
            out = flat(active[g, f])
            correlate_by_three(x[first[f] : first[f] + sees], sizes.stride, weight[f], bias[f], out, n)
            total, square = peaks_of_three(out, seen, signs[f], highest, which[g, f], n)
            sums[0, f] += total
            sums[1, f] += square
            for i in range(begin, end):
                made = values[i, f]
                to_windows(highest, sizes, (i - begin) * area, made)
                for j in range(len(made)):
                    made[j] *= signs[f]


@compiled
def normalised(values: Any, mean: Any, inverse: Any, scale: Any, shift: Any, bits: Any, border: int, out: Any) -> None:
    """Normalise pooled values, scale and shift them, and drop some.

    Args:
        values: (B, F, windows) from `pooled`.
        mean, inverse: (F,) of the batch, the second 1 / deviation.
        scale, shift: (F,).
        bits: (B, F, windows) int16.
        border: see the module; it lies between -32768 and 32767.
        out: (B, F, windows) overwritten.
    """
    kept = np.float32(65536 / (32768 - border))
    for i in range(out.shape[0]):
        for f in range(out.shape[1]):
            factor = inverse[f] * scale[f]
            row, dice, made, middle, level = values[i, f], bits[i, f], out[i, f], mean[f], shift[f]
            for j in range(len(made)):
                value = kept * ((row[j] - middle) * factor + level)
                made[j] = value if dice[j] >= border else np.float32(0)


@part
def _to_scale(given: Any, values: Any, mean: Any, inverse: Any, d_scale: Any, d_shift: Any) -> None:
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
def handed_back(
    store: Any, clips: Any, first: Any, active: Any, which: Any, values: Any, mean: Any, inverse: Any,
    scale: Any, bits: Any, border: int, given: Any, sizes: Any,
    d_weight: Any, d_bias: Any, d_scale: Any, d_shift: Any,
) -> None:  # fmt: skip
    """Hand gradients of what `normalised` returned back to weights, scale and shift.

    Args:
        store, clips, first, active, which, values: as in `pooled`.
        mean, inverse, scale, bits, border: as in `normalised`.
        given: (B, F, windows) gradients; overwritten.
        sizes: see the module.
        d_weight: (F, channels that a filter sees, k, k) float64 receives the sum over the batch.
        d_bias, d_scale, d_shift: (F,) float64, the same.
    """
    kept = np.float32(65536 / (32768 - border))
    for i in range(given.shape[0]):
        for f in range(given.shape[1]):
            passed, dice = given[i, f], bits[i, f]
            for j in range(len(passed)):
                passed[j] = kept * passed[j] if dice[j] >= border else np.float32(0)
    _to_scale(given, values, mean, inverse, d_scale, d_shift)
    factor = scale * inverse
    count = len(clips) * sizes.rows * sizes.columns
    slope = (-factor / count * inverse * d_scale).astype(np.float32)
    level = (-factor / count * d_shift).astype(np.float32) - slope * mean
    area, sees = sizes.area, d_weight.shape[1]
    x, dense = np.zeros((store.shape[1], 9, ROW), np.float32), np.empty((9, ROW), np.float32)
    came, own_weight = np.zeros(POSITIONS, np.float32), np.empty(d_weight.shape[1:], np.float32)
    d_weight[:] = 0
    d_bias[:] = 0
    for g in range(len(active)):
        begin, end, n = _clips(g, len(clips), sizes)
        _gathered(store, clips[begin:end], area, x)
        for f in range(len(d_weight)):
            for i in range(begin, end):
                passed = given[i, f]
                for j in range(len(passed)):
                    passed[j] *= factor[f]
                from_windows(passed, sizes, (i - begin) * area, came)
            d_bias[f] += _before_rectifier(active[g, f], which[g, f], came, level[f], slope[f], dense, n)
            own_weight[:] = 0
            products_by_three(flat(dense), x[first[f] : first[f] + sees], sizes.stride, own_weight, n)
            d_weight[f] += own_weight


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
def conv_pooled(
    images: Any, weight: Any, bias: Any, bits: Any, border: int, sizes: Any, table: Any, values: Any, where: Any
) -> None:
    """Convolve with zeros around, rectify, pool by windows of two and drop a batch whose input has a gradient.

    Args:
        images: (B, C, H, W).
        weight: (filters, C, 5, 5).
        bias: (filters,).
        bits: (B, filters, windows) int16.
        border: see the module.
        sizes: as there.
        table: (H · W,) from `mer.models.planes.table`.
        values: (B, filters, windows) receives the pooled values.
        where: the same shape, int32, receives their positions in an image with two zeros at the end and the beginning
            of every line; -1 where the gradient ends.
    """
    area, across, kept = sizes.area, sizes.across, np.float32(65536 / (32768 - border))
    line = images.shape[3] + 4
    x, raw = np.zeros((images.shape[1], 4, ROW), np.float32), np.empty((4, ROW), np.float32)
    highest, which = np.empty(POSITIONS, np.float32), np.empty(POSITIONS, np.int32)
    for g in range((len(images) + sizes.per - 1) // sizes.per):
        begin, end, n = _clips(g, len(images), sizes)
        for i in range(begin, end):
            place(images[i], table, x, (i - begin) * area)
        for f in range(len(weight)):
            correlate_by_two(x, sizes.stride, weight[f], bias[f], raw, n)
            _peaks_of_two(raw, highest, which, n)
            for i in range(begin, end):
                made, dice, places = values[i, f], bits[i, f], where[i, f]
                to_windows(highest, sizes, (i - begin) * area, made)
                to_windows(which, sizes, (i - begin) * area, places)
                for j in range(len(made)):
                    # A NaN is not smaller than 0: it reaches the loss.
                    ended = (made[j] <= 0) | (dice[j] < border)
                    made[j] = np.float32(0) if ended else kept * made[j]
                    y, x_ = j // across * 2 + places[j] // 2, j % across * 2 + places[j] % 2
                    places[j] = np.int32(-1) if ended else np.int32(y * line + x_)


@compiled
def conv_handed_back(
    images: Any, weight: Any, where: Any, given: Any, border: int, d_images: Any, d_weight: Any, d_bias: Any
) -> None:
    """Hand gradients of `conv_pooled`'s values back to its input and weights.

    A gradient reaches one value of every window, and not even that one where the rectifier or dropout ends it: so only
    those few are followed, all channels of a place at once.

    Args:
        images, weight, where, border: as in `conv_pooled`, of up to `WIDE` channels.
        given: (B, filters, windows) gradients of the values.
        d_images: (B, C, H, W), overwritten.
        d_weight: (filters, C, 5, 5), overwritten.
        d_bias: (filters,), overwritten.
    """
    channels, rows, columns = images.shape[1:]
    kept, line = np.float32(65536 / (32768 - border)), columns + 4
    taps = np.zeros((len(weight), 5, 5 * WIDE), np.float32)
    d_taps = np.zeros(taps.shape, np.float32)
    for f in range(len(weight)):
        for c in range(channels):
            for y in range(5):
                for j in range(5):
                    taps[f, y, j * WIDE + c] = weight[f, c, y, j]
    seen = np.zeros((rows + 4) * line * WIDE, np.float32)
    made = np.empty(seen.shape, np.float32)
    d_bias[:] = 0
    for i in range(len(images)):
        for c in range(channels):
            for y in range(rows):
                for j in range(columns):
                    seen[((y + 2) * line + 2 + j) * WIDE + c] = images[i, c, y, j]
        made[:] = 0
        for f in range(len(weight)):
            for j in range(where.shape[2]):
                if where[i, f, j] >= 0:
                    passed = kept * given[i, f, j]
                    d_bias[f] += passed
                    for y in range(5):
                        begin = (where[i, f, j] + y * line) * WIDE
                        near, kernels, d_near, d_kernels = seen[begin:], taps[f, y], made[begin:], d_taps[f, y]
                        # A length that the compiler knows: a loop of any length would cost more than its work.
                        for k in range(5 * WIDE):
                            d_kernels[k] += passed * near[k]
                            d_near[k] += passed * kernels[k]
        for c in range(channels):
            for y in range(rows):
                for j in range(columns):
                    d_images[i, c, y, j] = made[((y + 2) * line + 2 + j) * WIDE + c]
    for f in range(len(weight)):
        for c in range(channels):
            for y in range(5):
                for j in range(5):
                    d_weight[f, c, y, j] = d_taps[f, y, j * WIDE + c]


@compiled
def entropy(
    x: Any, weight: Any, bias: Any, labels: Any, factors: Any, divisor: Any, d_x: Any, d_weight: Any, d_bias: Any
) -> Any:
    """Return Σ factor · -log softmax(weight · x + bias)[label] / divisor over a batch, and write its gradients.

    Args:
        x: (B, D).
        weight: (classes, D).
        bias: (classes,).
        labels: (B,) int64.
        factors: (B,) weight of each clip.
        divisor: of the sum.
        d_x, d_weight, d_bias: gradients, overwritten.
    """
    classes, loss = weight.shape[0], 0.0
    logits = np.empty(classes, np.float32)
    d_weight[:] = 0
    d_bias[:] = 0
    for i in range(x.shape[0]):
        row, handed = x[i], d_x[i]
        for c in range(classes):
            own, total = weight[c], np.float32(0)
            for j in range(len(row)):
                total += own[j] * row[j]
            logits[c] = total + bias[c]
        most = logits.max()
        total = np.float32(np.exp(logits - most).sum())
        share = np.float32(factors[i] / divisor)
        loss += share * (np.log(total) + most - logits[labels[i]])
        handed[:] = 0
        for c in range(classes):
            passed = share * (np.exp(logits[c] - most) / total - np.float32(c == labels[i]))
            own, d_own = weight[c], d_weight[c]
            d_bias[c] += passed
            for j in range(len(row)):
                handed[j] += passed * own[j]
                d_own[j] += passed * row[j]
    return loss
