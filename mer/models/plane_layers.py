"""Layers of shallow networks on a CPU, compiled: what `mer.models.conv_norm_pool` calls, forwards and backwards.

Sums over a batch are taken clip by clip in float32, then in float64 over clips. `sizes` are everywhere: stride, rows
and columns of the convolution's output, side of the pooling window (= its step, 2 or 3), padding of the pooling, and
the windows down and across. Dropout comes as one 16-bit number per value, which is dropped where that is below
`border`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mer.models.planes import LANES, compiled, correlate, part, pool, products, rectify

# Channels of a second layer, at most; a vector of that many is one step.
WIDE = 16


@compiled
def pooled(
    store: Any, clips: Any, first: Any, weight: Any, bias: Any, signs: Any, inside: Any, sizes: Any,
    active: Any, sums: Any, values: Any, where: Any,
) -> None:  # fmt: skip
    """Convolve, rectify and pool a batch, and sum what the statistics need.

    Args:
        store: (N, C, L) padded planes of all clips.
        clips: (B,) int64 which of them.
        first: (blocks,) int64 first channel that a block of four filters sees.
        weight: (4 · blocks, channels of a block, k, k).
        bias: (4 · blocks,).
        signs: (4 · blocks,) 1 where the largest value of a window counts, -1 where the smallest, 0 for no filter.
        inside: (n,) 1 at positions of the output, 0 past the end of a line or of the image.
        sizes: see the module.
        active: (B, 4 · blocks, n) receives the rectified values.
        sums: (2, 4 · blocks) float64 receives their sums and sums of squares.
        values: (B, 4 · blocks, windows) receives the pooled values.
        where: the same shape, int32, receives their positions.
    """
    stride, _, _, side, padding, down, across = sizes
    n, front = len(inside), padding * (stride + 1)
    turned = np.full(max(front + n, down * side * stride), -np.inf, np.float32)
    highest, column = np.empty(down * stride, np.float32), np.empty(down * stride, np.int32)
    sums[:] = 0
    for i in range(len(clips)):
        for f in range(weight.shape[0]):
            if f % LANES == 0:
                correlate(store[clips[i]], first[f // LANES], weight, bias, active[i], f, stride, n)
            if signs[f] == 0:
                continue
            total, square = rectify(active[i, f], inside, signs[f], turned[front : front + n])
            sums[0, f] += total
            sums[1, f] += square
            pool(turned, stride, side, down, across, highest, column, values[i, f], where[i, f])
            for j in range(down * across):
                values[i, f, j] *= signs[f]
                where[i, f, j] -= front


@compiled
def normalised(
    values: Any, slots: Any, mean: Any, inverse: Any, scale: Any, shift: Any, bits: Any, border: int, out: Any
) -> None:
    """Normalise pooled values, scale and shift them, and drop some.

    Args:
        values: (B, 4 · blocks, windows) from `pooled`.
        slots: (F,) int64 where the filters stand among the blocks.
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
            row, dice, made, middle, level = values[i, slots[f]], bits[i, f], out[i, f], mean[f], shift[f]
            for j in range(len(made)):
                value = kept * ((row[j] - middle) * factor + level)
                made[j] = value if dice[j] >= border else np.float32(0)


@part
def _spread(row: Any, level: Any, slope: Any, given: Any, where: Any, out: Any) -> Any:
    """Write the gradient before the rectifier: level + slope · value, and at pooled positions what comes from there.

    Return its sum.
    """
    total = np.float32(0)
    for i in range(len(row)):
        value = level + slope * row[i] if row[i] > 0 else np.float32(0)
        out[i] = value
        total += value
    for j in range(len(where)):
        if row[where[j]] > 0:
            out[where[j]] += given[j]
            total += given[j]
    return total


@part
def _to_scale(given: Any, values: Any, slots: Any, mean: Any, inverse: Any, d_scale: Any, d_shift: Any) -> None:
    d_scale[:] = 0
    d_shift[:] = 0
    for i in range(given.shape[0]):
        for f in range(given.shape[1]):
            row, passed, middle = values[i, slots[f]], given[i, f], mean[f]
            along = total = np.float32(0)
            for j in range(len(passed)):
                along += passed[j] * (row[j] - middle)
                total += passed[j]
            d_scale[f] += along * inverse[f]
            d_shift[f] += total


@compiled
def handed_back(
    store: Any, clips: Any, first: Any, slots: Any, active: Any, values: Any, where: Any, mean: Any, inverse: Any,
    scale: Any, bits: Any, border: int, given: Any, sizes: Any, dense: Any,
    d_weight: Any, d_bias: Any, d_scale: Any, d_shift: Any,
) -> None:  # fmt: skip
    """Hand gradients of what `normalised` returned back to weights, scale and shift.

    Args:
        store, clips, first, active, values, where: as in `pooled`.
        slots, mean, inverse, scale, bits, border: as in `normalised`.
        given: (B, F, windows) gradients; overwritten.
        sizes: see the module.
        dense: (4, n) overwritten.
        d_weight: (F, channels of a block, k, k) float64 receives the sum over the batch.
        d_bias, d_scale, d_shift: (F,) float64, the same.
    """
    kept = np.float32(65536 / (32768 - border))
    for i in range(given.shape[0]):
        for f in range(given.shape[1]):
            passed, dice = given[i, f], bits[i, f]
            for j in range(len(passed)):
                passed[j] = kept * passed[j] if dice[j] >= border else np.float32(0)
    _to_scale(given, values, slots, mean, inverse, d_scale, d_shift)
    count = given.shape[0] * sizes[1] * sizes[2]
    factor = scale * inverse
    slope = (-factor / count * inverse * d_scale).astype(np.float32)
    level = (-factor / count * d_shift).astype(np.float32) - slope * mean
    n, blocks = active.shape[2], len(first)
    own = np.empty((LANES, *d_weight.shape[1:]), np.float32)
    d_weight[:] = 0
    d_bias[:] = 0
    for i in range(len(clips)):
        f = 0
        for block in range(blocks):
            begin = f
            while f < len(slots) and slots[f] < LANES * (block + 1):
                passed = given[i, f]
                for j in range(len(passed)):
                    passed[j] *= factor[f]
                own_active, own_where = active[i, slots[f]], where[i, slots[f]]
                d_bias[f] += _spread(own_active, level[f], slope[f], passed, own_where, dense[f - begin])
                f += 1
            dense[f - begin :] = 0
            own[:] = 0
            products(dense, 0, 0, store[clips[i]], first[block], own, 0, sizes[0], n)
            for g in range(f - begin):
                d_weight[begin + g] += own[g]


@compiled
def conv_pooled(
    x: Any, weight: Any, bias: Any, bits: Any, border: int, sizes: Any, planes: Any, raw: Any, values: Any, where: Any
) -> None:
    """Convolve with zeros around, rectify, pool and drop a batch whose input has a gradient.

    Args:
        x: (B, C, H, W).
        weight: (filters, C, k, k), filters a multiple of four.
        bias: (filters,).
        bits: (B, filters, windows) int16.
        border: see the module.
        sizes: as there; stride at least W + k // 2, padding 0.
        planes: (C, B · (H + k // 2) · stride + (k - 1) · (stride + 1)) zeros, receives the clips, end to end.
        raw: (filters, at least B · (H + k // 2) · stride) overwritten.
        values: (B, filters, windows) receives the pooled values.
        where: the same shape, int32, receives their positions in a clip; -1 where the gradient ends.
    """
    stride, rows, columns, side, _, down, across = sizes
    margin = weight.shape[2] // 2
    area = (rows + margin) * stride
    for i in range(x.shape[0]):
        for c in range(x.shape[1]):
            for y in range(rows):
                begin = i * area + (y + margin) * stride + margin
                for j in range(columns):
                    planes[c, begin + j] = x[i, c, y, j]
    n, kept = x.shape[0] * area, np.float32(65536 / (32768 - border))
    highest, column = np.empty(down * stride, np.float32), np.empty(down * stride, np.int32)
    for f in range(weight.shape[0]):
        if f % LANES == 0:
            correlate(planes, 0, weight, bias, raw, f, stride, n)
        for i in range(x.shape[0]):
            pool(raw[f, i * area :], stride, side, down, across, highest, column, values[i, f], where[i, f])
            for j in range(down * across):
                # A NaN is not smaller than 0: it reaches the loss.
                ended = (values[i, f, j] <= 0) | (bits[i, f, j] < border)
                values[i, f, j] = np.float32(0) if ended else kept * values[i, f, j]
                where[i, f, j] = np.int32(-1) if ended else where[i, f, j]


@compiled
def conv_handed_back(
    x: Any, weight: Any, where: Any, given: Any, border: int, sizes: Any, d_x: Any, d_weight: Any, d_bias: Any
) -> None:
    """Hand gradients of `conv_pooled`'s values back to its input and weights.

    A gradient reaches one value of every window, and not even that one where the rectifier or dropout ends it: so only
    those few are followed, all channels of a place at once.

    Args:
        x, weight, where, border, sizes: as in `conv_pooled`.
        given: (B, filters, windows) gradients of the values.
        d_x: (B, C, H, W), overwritten.
        d_weight: (filters, C, k, k), overwritten.
        d_bias: (filters,), overwritten.
    """
    stride, rows, columns = sizes[0], sizes[1], sizes[2]
    channels, kernel, kept = x.shape[1], weight.shape[2], np.float32(65536 / (32768 - border))
    margin, line = kernel // 2, columns + kernel - 1
    taps = np.zeros((weight.shape[0], kernel, kernel * WIDE), np.float32)
    d_taps = np.zeros(taps.shape, np.float32)
    for f in range(weight.shape[0]):
        for c in range(channels):
            for y in range(kernel):
                for j in range(kernel):
                    taps[f, y, j * WIDE + c] = weight[f, c, y, j]
    seen = np.zeros((rows + kernel - 1) * line * WIDE, np.float32)
    made = np.empty(seen.shape, np.float32)
    d_bias[:] = 0
    for i in range(x.shape[0]):
        for c in range(channels):
            for y in range(rows):
                for j in range(columns):
                    seen[((y + margin) * line + margin + j) * WIDE + c] = x[i, c, y, j]
        made[:] = 0
        for f in range(weight.shape[0]):
            for j in range(where.shape[2]):
                position = where[i, f, j]
                if position >= 0:
                    passed = kept * given[i, f, j]
                    d_bias[f] += passed
                    corner = (position // stride) * line + position % stride
                    for y in range(kernel):
                        begin = (corner + y * line) * WIDE
                        near, kernels, d_near, d_kernels = seen[begin:], taps[f, y], made[begin:], d_taps[f, y]
                        # Lengths that the compiler knows: a loop of any length would cost more than its work.
                        if kernel == 3:
                            for k in range(3 * WIDE):
                                d_kernels[k] += passed * near[k]
                                d_near[k] += passed * kernels[k]
                        else:
                            for k in range(5 * WIDE):
                                d_kernels[k] += passed * near[k]
                                d_near[k] += passed * kernels[k]
        for c in range(channels):
            for y in range(rows):
                for j in range(columns):
                    d_x[i, c, y, j] = made[((y + margin) * line + margin + j) * WIDE + c]
    for f in range(weight.shape[0]):
        for c in range(channels):
            for y in range(kernel):
                for j in range(kernel):
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
