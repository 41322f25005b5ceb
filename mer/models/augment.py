"""Mirrored and slightly rotated copies of training clips (specs/dual-branch.md §4.1), drawn anew for every batch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch.nn import functional

ANGLE = 5.0


def augmented(clips: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Return clips (B, 3, T, H, W) mirrored with probability one half and rotated by up to ±5°.

    Every clip of the batch has its own draw, the same for all its frames and for all inputs. Pixels from outside repeat
    the border.
    """
    count = clips[0].shape[0]
    mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    angle = (torch.rand(count) * 2 - 1) * math.radians(ANGLE)
    return [turned(clip, angle, mirror) for clip in clips]


def turned(clip: torch.Tensor, angle: torch.Tensor, mirror: torch.Tensor) -> torch.Tensor:
    """Return square clips (B, C, T, S, S) rotated about their centre.

    Args:
        clip: values of any unit.
        angle: (B,) radians.
        mirror: (B,) -1 to swap left and right, 1 to leave them.
    """
    count, channels, frames, height, width = clip.shape
    zero, cos, sin = torch.zeros_like(angle), angle.cos(), angle.sin()
    rows = [torch.stack([cos * mirror, -sin, zero], dim=1), torch.stack([sin * mirror, cos, zero], dim=1)]
    matrix = torch.stack(rows, dim=1)
    flat = clip.reshape(count, channels * frames, height, width)
    grid = functional.affine_grid(matrix.to(clip), list(flat.shape), align_corners=False)
    moved = functional.grid_sample(flat, grid, padding_mode="border", align_corners=False)
    return moved.reshape(clip.shape)
