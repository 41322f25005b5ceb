"""Convolution, ReLU, batch normalisation and maximum pooling as one training step, for shallow networks.

The layers are exactly those of `torch.nn`, computed with fewer passes over memory. Pooling picks the same positions
before normalisation as after it (the largest where the scale of a channel is positive, the smallest where it is
negative), so only the pooled values are normalised: a ninth of them for 3×3 windows. In the backward pass the
gradient of the batch statistics is one multiplication and one addition per value.

On a CPU the convolution of few channels takes most of the time in bf16, whose kernels need matrix units to pay, but
not as a product of stored patches: `unfold` makes those once for all epochs and folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

aten = torch.ops.aten


@dataclass(frozen=True)
class Window:
    """Kernel and padding of the convolution, and window (= stride) and padding of the pooling, in pixels."""

    kernel: int
    padding: int
    pool: int
    pool_padding: int = 0


def unfold(images: torch.Tensor, window: Window) -> torch.Tensor:
    """Return the patches (N, H', W', C·k·k) under every position of the kernel, from images (N, C, H, W).

    H' = H + 2 · padding - k + 1. The last axis is ordered as a convolution's weight is (channel, row, column).
    """
    count, channels, height, width = images.shape
    size = (height + 2 * window.padding - window.kernel + 1, width + 2 * window.padding - window.kernel + 1)
    columns = functional.unfold(images, window.kernel, padding=window.padding)
    return columns.transpose(1, 2).reshape(count, *size, channels * window.kernel**2).contiguous()


class Prepared:
    """Training images in the form that a step is fastest in.

    float32: the images, channels last. bf16: their patches, made once, or batch by batch where those of all images
    would take more than half a GiB.

    Args:
        images: (N, C, H, W) float32, where the training runs.
        window: of the first layer.
        kind: `float32` or `bf16`.
    """

    def __init__(self, images: torch.Tensor, window: Window, kind: str) -> None:
        self._window, self._late = window, False
        self._store = images.contiguous(memory_format=torch.channels_last)
        if kind == "bf16":
            self._late = 2 * images.numel() * window.kernel**2 > 2**29
            if not self._late:
                pieces = [unfold(piece, window).bfloat16() for piece in images.split(64)]
                self._store = torch.cat(pieces)

    def batch(self, indices: torch.Tensor) -> torch.Tensor:
        """Return the input of `conv_norm_pool` for some images."""
        taken = self._store[indices]
        if self._late:
            return unfold(taken, self._window).bfloat16()
        return taken if taken.dtype == torch.bfloat16 else taken.contiguous(memory_format=torch.channels_last)


class _Fused(torch.autograd.Function):
    """Forward and backward of the four layers; see the module."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        scale: torch.Tensor,
        shift: torch.Tensor,
        window: Window,
        eps: float,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        ctx.window, ctx.patches = window, x.shape[-1] == weight[0].numel()
        active = _convolve(x, weight, bias, window, ctx.patches).relu_()
        mean, variance = _moments(active)
        inverse = torch.rsqrt(variance + eps)
        signs = torch.where(scale < 0, -1.0, 1.0)
        turned = active if bool((scale >= 0).all()) else active * signs[:, None, None].to(active.dtype)
        pooled, where = aten.max_pool2d_with_indices(turned, *_pooling(window))
        centred = (pooled.float() * signs[:, None, None] - mean[:, None, None]) * inverse[:, None, None]
        ctx.save_for_backward(x, weight, scale, active, where, centred, mean, inverse)
        ctx.mark_non_differentiable(mean, variance)
        return torch.addcmul(shift[:, None, None], centred, scale[:, None, None]), mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, scale, active, where, centred, mean, inverse = ctx.saved_tensors
        given = gradients[0].contiguous(memory_format=torch.channels_last)
        count = active.numel() // active.shape[1]
        d_shift = given.sum((0, 2, 3))
        d_scale = (given * centred).sum((0, 2, 3))
        factor = scale * inverse
        slope = -factor / count * inverse * d_scale
        level = -factor / count * d_shift - slope * mean
        picked = (given * factor[:, None, None]).to(active.dtype).contiguous(memory_format=torch.channels_last)
        dense = aten.max_pool2d_with_indices_backward(picked, active, *_pooling(ctx.window), [1, 1], False, where)
        rows, along = active.permute(0, 2, 3, 1).flatten(1, 2), [level, slope]
        if active.dtype == torch.bfloat16:
            # As rows of one clip: for a broadcast channel axis of bf16 there is no vectorised kernel.
            along = [value.bfloat16().repeat(rows.shape[1]) for value in along]
            rows = rows.flatten(1)
        # In place: fresh memory of this size is cleared by the system before it is used.
        dense.permute(0, 2, 3, 1).view(rows.shape).addcmul_(rows, along[1]).add_(along[0])
        aten.threshold_backward(dense, active, 0, grad_input=dense)
        d_weight, d_bias = _kernel_gradient(dense, x, weight, ctx.window, ctx.patches)
        return None, d_weight, d_bias, d_scale, d_shift, None, None


def _moments(active: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and variance of each channel of (B, C, H, W), float32: (C,) each.

    Sums are taken clip by clip in the tensor's own precision, then in float64 over clips.
    """
    clips = active.permute(0, 2, 3, 1).flatten(1, 2)
    count = clips.shape[0] * clips.shape[1]
    mean = clips.sum(1).sum(0, dtype=torch.float64) / count
    square = clips.square().sum(1).sum(0, dtype=torch.float64) / count
    return mean.float(), (square - mean.square()).clamp_(min=0).float()


def _pooling(window: Window) -> tuple[list[int], list[int], list[int]]:
    return [window.pool] * 2, [window.pool] * 2, [window.pool_padding] * 2


def _convolve(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, window: Window, patches: bool) -> torch.Tensor:
    """Return (B, filters, H', W') in channels-last memory."""
    if not patches:
        made = functional.conv2d(x, weight.to(x.dtype), bias.to(x.dtype), padding=window.padding)
        return made.contiguous(memory_format=torch.channels_last)
    kernel = weight.flatten(1).t().to(x.dtype)
    made = torch.addmm(bias.to(x.dtype), x.reshape(-1, x.shape[-1]), kernel)
    return made.view(*x.shape[:3], -1).permute(0, 3, 1, 2)


def _kernel_gradient(
    dense: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, window: Window, patches: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    if patches:
        flat = dense.permute(0, 2, 3, 1).reshape(-1, dense.shape[1])
        made = flat.t() @ x.reshape(-1, x.shape[-1])
        # Clip by clip: a sum in another precision than its values' would first make a copy of them.
        per_clip = flat.view(len(x), -1, flat.shape[1]).sum(1)
        return made.to(weight.dtype).view_as(weight), per_clip.sum(0, dtype=weight.dtype)
    sides = [[1, 1], [window.padding] * 2, [1, 1], False, [0, 0], 1, [False, True, True]]
    _, d_weight, d_bias = aten.convolution_backward(dense, x, weight.to(x.dtype), [len(weight)], *sides)
    return d_weight.to(weight.dtype), d_bias.to(weight.dtype)


def conv_norm_pool(
    x: torch.Tensor, convs: Sequence[nn.Conv2d], norms: Sequence[nn.BatchNorm2d], window: Window
) -> torch.Tensor:
    """Return `max_pool2d(norm(relu(conv(x))))` of a training step, and move the running statistics as the norms do.

    There is no gradient for `x`: this is a first layer.

    Args:
        x: images (B, C, H, W), fastest in channels-last memory, or their patches (B, H', W', C·k·k) from `unfold`,
            float32 or bfloat16. The kinds are told apart by the last axis, so images must not be C·k·k wide.
        convs: stride 1, with a bias; kernel and padding are those of `window`. One that sees all channels, or one for
            each channel: those are computed together, as one convolution with zeros between the streams.
        norms: one for each convolution, with scale and shift, float32, and one eps and momentum.
        window: sizes.

    Returns:
        (B, filters of all convolutions, h, w) float32, channels last.
    """
    weight = _joined([conv.weight for conv in convs])
    bias, scale, shift = (
        torch.cat([getattr(layer, name) for layer in layers]) if len(layers) > 1 else getattr(layers[0], name)
        for layers, name in ((convs, "bias"), (norms, "weight"), (norms, "bias"))
    )
    made, mean, variance = _Fused.apply(x, weight, bias, scale, shift, window, norms[0].eps)
    side = x.shape[1] if x.shape[-1] == weight[0].numel() else x.shape[2] + 2 * window.padding - window.kernel + 1
    count = len(x) * side * side
    widths = [len(conv.weight) for conv in convs]
    unbiased = variance * (count / max(1, count - 1))
    with torch.no_grad():
        for norm, own_mean, own_variance in zip(norms, mean.split(widths), unbiased.split(widths), strict=True):
            assert norm.running_mean is not None and norm.running_var is not None
            assert norm.num_batches_tracked is not None and norm.momentum is not None
            norm.running_mean.lerp_(own_mean, norm.momentum)
            norm.running_var.lerp_(own_variance, norm.momentum)
            norm.num_batches_tracked.add_(1)
    return made


def _joined(weights: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return one kernel (filters, C, k, k) of streams that each see one of the C channels; a single one as it is."""
    if len(weights) == 1:
        return weights[0]
    streams = len(weights)
    padded = [functional.pad(one, (0, 0, 0, 0, i, streams - 1 - i)) for i, one in enumerate(weights)]
    return torch.cat(padded).contiguous(memory_format=torch.channels_last)


def dropout_mask(shape: tuple[int, ...], share: float, place: torch.device) -> torch.Tensor:
    """Return float32 factors of dropout, 0 or 1 / (1 - share), drawn on the CPU from torch's random state.

    Four decisions come from one 64-bit number, so that drawing costs less than what is dropped saves; the share is
    rounded to 1/65536.
    """
    total = 1
    for length in shape:
        total *= length
    bits = torch.empty((total + 3) // 4, dtype=torch.int64).random_(-(2**63), None).view(torch.int16)[:total]
    border = round(share * 65536) - 32768
    return (bits >= border).to(torch.float32).mul_(1.0 / (1.0 - share)).view(shape).to(place)
