"""3-D maximum pooling whose gradient is the same in every run, on a CUDA device too.

There torch adds the gradients by atomic operations, in an order of chance, in all releases but the latest. Here the
windows are slices of the clip that are compared one after the other, and the gradients are put back in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

import torch
from torch import nn
from torch.nn import functional

Sides = tuple[int, int, int]


def max_pool3d(x: torch.Tensor, size: Sides, stride: Sides, padding: Sides = (0, 0, 0)) -> torch.Tensor:
    """Return the maximum over windows of (B, C, T, H, W), as `torch.nn.functional.max_pool3d` has it.

    Of equal values the first in the window gets the gradient, as in torch. A CPU takes torch's own kernel.

    Args:
        x: floating.
        size: sides of the window.
        stride: distance of the windows.
        padding: -∞ before and after.
    """
    if x.device.type != "cuda":
        return functional.max_pool3d(x, size, stride, padding)
    if any(padding):
        x = functional.pad(x, [n for n in reversed(padding) for _ in range(2)], value=-math.inf)
    pooled: torch.Tensor = _Pooled.apply(x, size, stride)  # type: ignore[no-untyped-call]
    return pooled


class MaxPool3d(nn.Module):
    """`max_pool3d` with its window, stride and padding; the stride is the window's unless another is given."""

    def __init__(self, size: Sides, stride: Sides | None = None, padding: Sides = (0, 0, 0)) -> None:
        super().__init__()
        self.size, self.stride, self.padding = size, stride or size, padding

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Pool (B, C, T, H, W)."""
        return max_pool3d(x, self.size, self.stride, self.padding)


class _Pooled(torch.autograd.Function):
    """The pooling by comparison, without padding."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, size: Sides, stride: Sides) -> torch.Tensor:
        """Keep which value of each window was the largest, as its number in the window."""
        count = [(n - k) // s + 1 for n, k, s in zip(x.shape[2:], size, stride, strict=True)]
        slices = [x[where] for where in _slices(size, stride, count)]
        best = slices[0].clone()
        chosen = torch.zeros_like(best, dtype=torch.uint8 if len(slices) <= 256 else torch.int32)
        for number, values in enumerate(slices[1:], 1):
            # What is not a number goes on, as in torch.
            larger = (values > best) | values.isnan()
            best, chosen = torch.where(larger, values, best), chosen.masked_fill_(larger, number)
        ctx.save_for_backward(chosen)
        ctx.shapes = x.shape, size, stride, count
        return best

    @staticmethod
    def backward(ctx: Any, *slopes: torch.Tensor) -> Any:
        """Add every window's gradient where its value came from."""
        (chosen,), (slope,) = ctx.saved_tensors, slopes
        shape, size, stride, count = ctx.shapes
        layout = torch.channels_last_3d if slope.is_contiguous(memory_format=torch.channels_last_3d) else None
        made = slope.new_zeros(shape)
        made = made.contiguous(memory_format=layout) if layout else made
        for number, where in enumerate(_slices(size, stride, count)):
            made[where] += slope.masked_fill(chosen != number, 0)
        return made, None, None


def _slices(size: Sides, stride: Sides, count: list[int]) -> Iterator[tuple[Any, ...]]:
    """Yield the index of the k-th value of every window, for all k in order."""
    for start in product(*map(range, size)):
        ends = (at + (n - 1) * s + 1 for at, n, s in zip(start, count, stride, strict=True))
        yield (..., *(slice(at, end, s) for at, end, s in zip(start, ends, stride, strict=True)))
