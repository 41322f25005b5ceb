"""Pieces that several releases of IFNet share."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad


def conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Return a 3×3 convolution and its PReLU."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.PReLU(outputs))


def resized(x: Tensor, factor: float) -> Tensor:
    """Return (B, C, H, W) at `factor` times its size, bilinearly."""
    return x if factor == 1 else interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


def swapped(flow: Tensor) -> Tensor:
    """Return a pair of flows (B, 4, H, W) with the two exchanged."""
    return torch.cat([flow[:, 2:], flow[:, :2]], dim=1)


def padded(planes: Tensor, step: int) -> Tensor:
    """Return (B, C, H, W) with its right and bottom edges repeated up to sides that are multiples of `step`.

    The published code pads with zeros, which draws a dark edge (specs/aman-magnet-rife.md C.4).
    """
    height, width = planes.shape[-2:]
    return pad(planes, [0, -width % step, 0, -height % step], mode="replicate")
