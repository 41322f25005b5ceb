"""Changed copies of flow images for training, drawn anew for every batch by tensor operations from one generator."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from mer.models.flow_cnn_settings import Preset


def augmented(images: torch.Tensor, preset: Preset, generator: torch.Generator) -> torch.Tensor:
    """Return flow images (B, C, H, W), u, v and strain of each frame pair, every one with draws of its own.

    Vectors keep their length and direction when the picture is moved, turned or enlarged, but u changes its sign with
    left and right: turns are small, and flow that was stretched channel by channel has no direction to turn. Pixels
    from outside repeat the border; what is blotted out has no motion.

    Args:
        images: u and v zero where nothing moves.
        preset: how strong each change is; 0 leaves it out.
        generator: of the CPU, whatever the device of the images.
    """
    count = len(images)

    def drawn(*shape: int) -> torch.Tensor:
        return (torch.rand(count, *shape, generator=generator) * 2 - 1).to(images)

    side = torch.where(drawn() < 0, -1.0, 1.0) if preset.mirror else torch.ones_like(drawn())
    angle, zoom = drawn() * math.radians(preset.rotation), (1 + preset.zoom) ** drawn()
    images = moved(images, side, angle, zoom, drawn(2) * preset.shift)
    # One factor for each channel, and one for all of them; those of u carry its sign.
    channels = images.shape[1]
    factors = (1 + preset.channel_jitter) ** drawn(channels) * (1 + preset.magnitude_jitter) ** drawn(1)
    factors = torch.where(across(images), factors * side[:, None], factors)
    return blotted(images * factors[..., None, None], drawn(2), (drawn() + 1) / 2 * preset.cutout)


def moved(
    images: torch.Tensor, side: torch.Tensor, angle: torch.Tensor, zoom: torch.Tensor, shift: torch.Tensor
) -> torch.Tensor:
    """Return images (B, C, S, S) mirrored, turned and enlarged about their centre, then shifted; values are as before.

    Args:
        images: square.
        side: (B,) -1 to swap left and right, 1 to leave them.
        angle: (B,) radians.
        zoom: (B,) above 1 to enlarge.
        shift: (B, 2) pixels to the right and down.
    """
    size = images.shape[-1]
    # Written out: a matrix product would be rounded where a training computes in bf16.
    at = (torch.arange(size, device=images.device) * 2 + 1) / size - 1
    x = at[None, None, :] - (2 / size * shift[:, 0])[:, None, None]
    y = at[None, :, None] - (2 / size * shift[:, 1])[:, None, None]
    cos, sin = (angle.cos() / zoom)[:, None, None], (angle.sin() / zoom)[:, None, None]
    grid = torch.stack([(cos * x + sin * y) * side[:, None, None], cos * y - sin * x], dim=-1)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def blotted(images: torch.Tensor, centre: torch.Tensor, width: torch.Tensor) -> torch.Tensor:
    """Return images (B, C, S, S) that are 0 in a square.

    Args:
        images: square.
        centre: (B, 2) of the square, -1 to 1 from edge to edge.
        width: (B,) side of the square, pixels.
    """
    size = images.shape[-1]
    at = (torch.arange(size, device=images.device) * 2 + 1) / size - 1
    near = (at[None, None] - centre[:, :, None]).abs() < (width / size)[:, None, None]
    inside = near[:, 1, :, None] & near[:, 0, None, :]
    return images.masked_fill(inside[:, None], 0.0)


def across(images: torch.Tensor) -> torch.Tensor:
    """Return which (C,) bool channels of flow images (B, C, H, W) hold u: the first of every three."""
    return torch.arange(images.shape[1], device=images.device) % 3 == 0


def mirrored(images: torch.Tensor) -> torch.Tensor:
    """Return flow images (B, C, H, W) with left and right swapped and u negated."""
    return torch.where(across(images)[:, None, None], -images, images).flip(3)


def mixed(
    images: torch.Tensor, targets: torch.Tensor, share: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images (B, C, H, W) and targets (B, K), of each up to `share` taken from another clip of the batch."""
    count = len(images)
    other = torch.randperm(count, generator=generator).to(images.device)
    part = (torch.rand(count, generator=generator) * share).to(images)
    whole = part[:, None, None, None]
    return (
        images + whole * (images[other] - images),
        targets + part[:, None] * (targets[other] - targets),
    )
