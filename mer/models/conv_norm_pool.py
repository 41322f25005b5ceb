"""First and second layers of shallow networks in training: convolution, ReLU, normalisation, pooling, dropout as one.

The layers are exactly those of `torch.nn`. On a CPU they are computed by `mer.models.plane_layers`, with fewer
passes over memory: pooling picks the same positions before normalisation as after it (the largest where the scale of a
channel is positive, the smallest where it is negative), so only the pooled values are normalised, a ninth of them for
3×3 windows, and in the backward pass the gradient of the batch statistics is one multiplication and one addition per
value. They compute in float32 whatever precision is asked for, which is faster there than bf16. On another device the
layers are torch's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from mer.models import plane_layers as compiled
from mer.models.planes import POSITIONS, ROW, Sizes, aligned, rounded, table

# Takes the gradient of what was returned with it, and returns those of what that was made from.
Back = Callable[[np.ndarray], list[np.ndarray]]


@dataclass(frozen=True)
class Window:
    """Kernel and padding of the convolution, and window (= stride) and padding of the pooling, in pixels."""

    kernel: int
    padding: int
    pool: int
    pool_padding: int = 0

    def sizes(self, height: int, width: int) -> Sizes:
        """Return how images of height × width pixels stand in planes.

        Raises:
            ValueError: they are too large for them.
        """
        (lines, down, rows), (stride, across, columns) = (self._along(side) for side in (height, width))
        area = lines * stride
        if area > POSITIONS or 2 * (stride + 1) > ROW - POSITIONS:
            raise ValueError(f"images of {height} by {width} pixels are too large for compiled layers")
        before = self.padding + self.pool_padding
        return Sizes(self.pool, before, stride, area, POSITIONS // area, down, across, rows, columns, self.pool_padding)

    def _along(self, pixels: int) -> tuple[int, int, int]:
        """Return windows that are stored along one side, windows that count, and outputs of the convolution."""
        outputs = pixels + 2 * self.padding - self.kernel + 1
        pools = (outputs + 2 * self.pool_padding - self.pool) // self.pool + 1
        last = outputs + self.pool_padding + self.kernel - 2
        stored, used = last // self.pool + 1, last % self.pool + 1
        # Zeros at the end are those before the next line or clip too, where both reach as far as the kernel does.
        shared = used <= self.padding
        needed = (outputs - 1 + self.pool_padding) // self.pool + 1
        return max(stored - shared, needed, pools), pools, outputs


@dataclass(frozen=True)
class Batch:
    """Some of the images of a `Prepared`: its planes, and which of them (B,) int64."""

    planes: np.ndarray
    clips: np.ndarray
    sizes: Sizes

    def __len__(self) -> int:
        return len(self.clips)


class Prepared:
    """Training images in the form that a step is fastest in: planes on a CPU, images elsewhere.

    Args:
        images: (N, C, H, W) float32, where the training runs.
        window: of the first layer.
    """

    def __init__(self, images: torch.Tensor, window: Window) -> None:
        self._images, self._planes = images, None
        # In what numbers a step computes, as `mer.models.loop.train` wants it; None leaves that to the loop.
        self.computes = "float32" if images.device.type == "cpu" else None
        if images.device.type == "cpu":
            self._sizes = window.sizes(*images.shape[2:])
            count, width = self._sizes.side**2, rounded(self._sizes.area)
            stored = np.zeros((*images.shape[:2], count * width), np.float32)
            stored[..., table(*images.shape[2:], self._sizes, width)] = images.flatten(2).numpy()
            self._planes = stored.reshape(*images.shape[:2], count, width)

    def batch(self, indices: torch.Tensor) -> Batch | torch.Tensor:
        """Return the input of `conv_norm_pool` for some images."""
        if self._planes is None:
            return self._images[indices.to(self._images.device)]
        return Batch(self._planes, indices.numpy(), self._sizes)


@cache
def _inside(sizes: Sizes, count: int) -> np.ndarray:
    """Return (2, side² · ROW) float32 as `plane_layers.pooled` wants it: 1 where an output of `count` clips stands."""
    places, planes = np.arange(ROW), np.arange(sizes.side**2)[:, None]
    y = places % sizes.area // sizes.stride * sizes.side + planes // sizes.side - sizes.outside
    x = places % sizes.area % sizes.stride * sizes.side + planes % sizes.side - sizes.outside
    stands = (y >= 0) & (y < sizes.rows) & (x >= 0) & (x < sizes.columns)
    last = count - (-(-count // sizes.per) - 1) * sizes.per
    parts = [(stands & (places < clips * sizes.area)).ravel() for clips in (sizes.per, last)]
    return np.stack(parts).astype(np.float32)


@dataclass(frozen=True)
class Streams:
    """Convolutions side by side, their norms, and the sizes of both; see `conv_norm_pool`."""

    convs: Sequence[nn.Conv2d]
    norms: Sequence[nn.BatchNorm2d]
    window: Window
    dropout: float
    kept: list[np.ndarray] = field(default_factory=list)

    @cached_property
    def parameters(self) -> tuple[torch.Tensor, ...]:
        """Weight and bias of every convolution, then scale and shift of every norm."""
        return tuple(layer.get_parameter(name) for layer in (*self.convs, *self.norms) for name in ("weight", "bias"))

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Filters of every convolution."""
        return tuple(len(conv.weight) for conv in self.convs)

    @cached_property
    def first(self) -> np.ndarray:
        """(F,) int64: the first channel that a filter sees, its stream's own where there are several."""
        return np.repeat(np.arange(len(self.convs)), self.widths)

    def _room(self, rows: int, planes: int) -> tuple[np.ndarray, np.ndarray]:
        """Return what the backward pass is left: the same memory for every batch, since new memory is far away."""
        if not self.kept or len(self.kept[0]) < rows:
            filters = sum(self.widths)
            self.kept[:] = aligned((rows, filters, planes, ROW)), np.empty((rows, filters, ROW), np.uint8)
        return self.kept[0][:rows], self.kept[1][:rows]

    def forward(self, batch: Batch) -> tuple[np.ndarray, Back]:
        """Return (B, F, h, w) and what hands its gradient back to `parameters`; move the running statistics.

        The latter must be called before the next batch.
        """
        sizes, count, filters = batch.sizes, len(batch), sum(self.widths)
        arrays = [each.detach().numpy() for each in self.parameters]
        half = len(arrays) // 2
        weight, bias, scale, shift = (np.concatenate(arrays[i : i + half : 2]) for i in (0, 1, half, half + 1))
        rows = -(-count // sizes.per)
        active, which = self._room(rows, sizes.side**2)
        sums = np.empty((2, filters))
        values = np.empty((count, filters, sizes.down * sizes.across), np.float32)
        signs = np.where(scale < 0, np.float32(-1), np.float32(1))
        if (sizes.side, *weight.shape[1:]) not in ((3, 3, 3, 3), (3, 1, 5, 5)):
            raise ValueError(f"no first layers are compiled for kernels {weight.shape[1:]} and {self.window}")
        read = batch.planes, batch.clips, self.first
        compiled.pooled(*read, weight, bias, signs, _inside(sizes, count), sizes, active, which, sums, values)
        outputs = count * sizes.rows * sizes.columns
        mean, square = sums / outputs
        variance = np.maximum(square - mean**2, 0)
        self._follow(mean, variance, outputs)
        mean, inverse = mean.astype(np.float32), (1 / np.sqrt(variance + self.norms[0].eps)).astype(np.float32)
        made = np.empty(values.shape, np.float32)
        bits, border = _dice(made.shape, self.dropout)
        compiled.normalised(values, mean, inverse, scale, shift, bits, border, made)

        def back(given: np.ndarray) -> list[np.ndarray]:
            found = [np.empty(weight.shape), *(np.empty(filters) for _ in range(3))]
            known = active, which, values, mean, inverse, scale, bits, border
            own = np.array(given.reshape(made.shape), np.float32)
            compiled.handed_back(*read, *known, own, sizes, *found)
            cuts = np.cumsum(self.widths)[:-1]
            parts = [np.split(each.astype(np.float32), cuts) for each in found]
            return [each for two in (parts[:2], parts[2:]) for pair in zip(*two, strict=True) for each in pair]

        return made.reshape(count, filters, sizes.down, sizes.across), back

    def _follow(self, mean: np.ndarray, variance: np.ndarray, count: int) -> None:
        """Move the running statistics towards those of the batch, the variance without its bias."""
        begin = 0
        for norm, width in zip(self.norms, self.widths, strict=True):
            assert norm.running_mean is not None and norm.running_var is not None
            assert norm.num_batches_tracked is not None and norm.momentum is not None
            part = slice(begin, begin + width)
            begin += width
            pairs = (norm.running_mean, mean[part]), (norm.running_var, variance[part] * (count / max(1, count - 1)))
            for kept, found in pairs:
                array = kept.numpy()
                array += norm.momentum * (found - array)
            norm.num_batches_tracked.add_(1)


class _FirstLayers(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, streams: Streams, batch: Batch, *parameters: torch.Tensor) -> torch.Tensor:
        made, ctx.back = streams.forward(batch)
        return torch.from_numpy(made)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return None, None, *map(torch.from_numpy, ctx.back(gradients[0].numpy()))


def conv_norm_pool(
    x: Batch | torch.Tensor,
    convs: Sequence[nn.Conv2d],
    norms: Sequence[nn.BatchNorm2d],
    window: Window,
    dropout: float = 0.0,
) -> torch.Tensor:
    """Return `dropout(max_pool2d(norm(relu(conv(x)))))` of a training step, and move the running statistics.

    There is no gradient for `x`: these are first layers.

    Args:
        x: a batch of `Prepared`, or images (B, C, H, W).
        convs: stride 1, with a bias; kernel and padding are those of `window`. One with kernel 3 that sees all three
            channels, or one with kernel 5 for each channel, whose results are joined.
        norms: one for each convolution, with scale and shift, float32, and one eps and momentum.
        window: sizes; the pooling is 3×3.
        dropout: share of the pooled values that is dropped.

    Returns:
        (B, filters of all convolutions, h, w) float32.
    """
    if isinstance(x, torch.Tensor):
        if x.device.type != "cpu":
            return _plain(x, convs, norms, window, dropout)
        x = Prepared(x, window).batch(torch.arange(len(x)))
        assert isinstance(x, Batch)
    streams = Streams(convs, norms, window, dropout)
    made: torch.Tensor = _FirstLayers.apply(streams, x, *streams.parameters)
    return made


def _plain(
    x: torch.Tensor, convs: Sequence[nn.Conv2d], norms: Sequence[nn.BatchNorm2d], window: Window, dropout: float
) -> torch.Tensor:
    parts = [x] if len(convs) == 1 else x.split(1, dim=1)
    made = [norm(conv(part).relu()) for part, conv, norm in zip(parts, convs, norms, strict=True)]
    pooled = functional.max_pool2d(torch.cat(made, dim=1).float(), window.pool, padding=window.pool_padding)
    return pooled * dropout_mask(tuple(pooled.shape), dropout, pooled.device)


@dataclass(frozen=True)
class Second:
    """A convolution that keeps the size of its input, and the window of the pooling behind it; see `conv_pool`."""

    conv: nn.Conv2d
    window: Window
    dropout: float

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, Back]:
        """Return (B, filters, h, w) of x (B, C, H, W) and what hands its gradient back to x, weight and bias."""
        weight, bias = (self.conv.get_parameter(name).detach().numpy() for name in ("weight", "bias"))
        sizes = self.window.sizes(*x.shape[2:])
        if (sizes.side, *weight.shape[2:]) != (2, 5, 5) or weight.shape[1] > compiled.WIDE:
            raise ValueError(f"no second layers are compiled for kernels {weight.shape[1:]} and {self.window}")
        values = np.empty((len(x), len(weight), sizes.down * sizes.across), np.float32)
        where = np.empty(values.shape, np.int32)
        bits, border = _dice(values.shape, self.dropout)
        places = table(*x.shape[2:], sizes)
        compiled.conv_pooled(x, weight, bias, bits, border, sizes, places, values, where)

        def back(given: np.ndarray) -> list[np.ndarray]:
            found = [np.empty(each.shape, np.float32) for each in (x, weight, bias)]
            own = np.ascontiguousarray(given.reshape(values.shape))
            compiled.conv_handed_back(x, weight, where, own, border, *found)
            return found

        return values.reshape(*values.shape[:2], sizes.down, sizes.across), back


class _SecondLayers(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, second: Second, x: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        made, ctx.back = second.forward(x.detach().contiguous().numpy())
        return torch.from_numpy(made)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return None, *map(torch.from_numpy, ctx.back(gradients[0].numpy()))


def conv_pool(x: torch.Tensor, conv: nn.Conv2d, window: Window, dropout: float = 0.0) -> torch.Tensor:
    """Return `dropout(max_pool2d(relu(conv(x))))` of a training step.

    Args:
        x: (B, C, H, W) float32.
        conv: stride 1, kernel 5 and padding as in `window`, which keeps H and W.
        window: sizes; the pooling is 2×2 and has no padding.
        dropout: share of the pooled values that is dropped.

    Returns:
        (B, filters, h, w) float32.
    """
    if x.device.type != "cpu":
        pooled = functional.max_pool2d(conv(x).relu(), window.pool).float()
        return pooled * dropout_mask(tuple(pooled.shape), dropout, pooled.device)
    made: torch.Tensor = _SecondLayers.apply(Second(conv, window, dropout), x, conv.weight, conv.bias)
    return made


def _dice(shape: tuple[int, ...], share: float) -> tuple[np.ndarray, int]:
    """Return a 16-bit number for each value, and below which one that is dropped.

    Drawn on the CPU from torch's random state. Four come from one 64-bit number, so that drawing costs less than what
    is dropped saves; the share is rounded to 1/65536.
    """
    total = math.prod(shape)
    bits = torch.empty((total + 3) // 4, dtype=torch.int64).random_(-(2**63), None).view(torch.int16)[:total]
    return bits.view(shape).numpy(), round(share * 65536) - 32768


def dropout_mask(shape: tuple[int, ...], share: float, place: torch.device) -> torch.Tensor:
    """Return float32 factors of dropout, 0 or 1 / (1 - share) with the share rounded to 1/65536; see `_dice`."""
    bits, border = _dice(shape, share)
    return torch.from_numpy(bits >= border).to(torch.float32).mul_(65536 / (32768 - border)).to(place)
