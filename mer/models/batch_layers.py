"""Batch normalisation and dropout exactly as torch has them, that also know batches filled up with absent clips.

Folds that are trained at once (`mer.models.together`) have batches of different sizes; the shorter ones, which have a
clip at least, are filled up. Within `padded` the absent clips count nowhere, and the dropout masks are those that each
fold drew for itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

_PADDED: ContextVar[tuple[torch.Tensor, Iterator[torch.Tensor]] | None] = ContextVar("padded", default=None)


@contextmanager
def padded(present: torch.Tensor, masks: Sequence[torch.Tensor]) -> Iterator[None]:
    """Let batches in the block hold the clips where `present` (B,) is 1, and layers drop by `masks` in their order."""
    token = _PADDED.set((present, iter(masks)))
    try:
        yield
    finally:
        _PADDED.reset(token)


class BatchNorm2d(nn.BatchNorm2d):
    """As torch's; within `padded`, training takes the statistics of the clips that are present."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, C, H, W) normalised."""
        around = _PADDED.get()
        if around is None or not self.training:
            return super().forward(x)
        assert self.momentum is not None
        present = around[0]
        weight, count = present[:, None, None, None], present.sum() * x.shape[2] * x.shape[3]
        mean = (x * weight).sum((0, 2, 3)) / count
        centred = x - mean[:, None, None]
        variance = (centred.square() * weight).sum((0, 2, 3)) / count
        unbiased = variance * (count / (count - 1).clamp(min=1))
        with torch.no_grad():
            for name, value in (("running_mean", mean), ("running_var", unbiased)):
                before = self.get_buffer(name)
                before.copy_(before.lerp(value, self.momentum))
            self.get_buffer("num_batches_tracked").add_(1)
        return centred * (self.weight * torch.rsqrt(variance + self.eps))[:, None, None] + self.bias[:, None, None]


class Dropout(nn.Module):
    """Dropout whose masks come from `dropout_mask`, so that a fold draws the same ones on every device."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x, in training with some values dropped."""
        if not self.training:
            return x
        around = _PADDED.get()
        mask = dropout_mask(tuple(x.shape), self.share, x.device) if around is None else next(around[1])
        return x * mask


class ShallowLayers(NamedTuple):
    """Where the layers of a shallow network are that `mer.models.compiled` can compute in their place.

    Attributes:
        first: name of the module of the first layers.
        convs: theirs side by side; one sees all channels, several one channel each.
        norms: behind these and a ReLU.
        pool: side (and step) and padding of their maximum pooling.
        dropout: behind it.
        second: name of a module that has `conv`, `relu`, `pool` by two and `dropout` in this order; '' without one.
        linear: the last layer.
        average: side of the windows that are averaged before it.
    """

    first: str
    convs: Sequence[nn.Conv2d]
    norms: Sequence[BatchNorm2d]
    pool: tuple[int, int]
    dropout: Dropout
    second: str
    linear: nn.Linear
    average: int = 1


def dice(shape: tuple[int, ...], share: float) -> tuple[np.ndarray, int]:
    """Return a 16-bit number for each value, and below which one that is dropped.

    Drawn on the CPU from torch's random state. Four come from one 64-bit number, so that drawing costs less than what
    is dropped saves; the share is rounded to 1/65536.
    """
    total = math.prod(shape)
    bits = torch.empty((total + 3) // 4, dtype=torch.int64).random_(-(2**63), None).view(torch.int16)[:total]
    return bits.view(shape).numpy(), round(share * 65536) - 32768


def dropout_mask(shape: tuple[int, ...], share: float, place: torch.device) -> torch.Tensor:
    """Return float32 factors of dropout, 0 or 1 / (1 - share) with the share rounded to 1/65536; see `dice`."""
    bits, border = dice(shape, share)
    return torch.from_numpy(bits >= border).to(torch.float32).mul_(65536 / (32768 - border)).to(place)


def mask_shapes(network: nn.Module, shape: tuple[int, ...]) -> list[tuple[tuple[int, ...], float]]:
    """Return shape, without the clips, and share of every mask that a batch of images (B, *shape) draws, in order."""
    shapes: list[tuple[tuple[int, ...], float]] = []
    layers = [layer for layer in network.modules() if isinstance(layer, Dropout)]
    hooks = [
        layer.register_forward_hook(lambda one, _, made: shapes.append((tuple(made.shape[1:]), one.share)))
        for layer in layers
    ]
    with torch.no_grad():
        network.eval()(torch.zeros(1, *shape))
    for hook in hooks:
        hook.remove()
    return shapes
