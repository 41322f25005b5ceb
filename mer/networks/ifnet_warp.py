"""Backward warping of image batches, by bilinear reads as published or by cubic splines that keep the texture."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

#: Coefficients beyond the border that a read at the border needs.
_EDGE = 2
LEAST_SIDE = _EDGE + 1


def warp(image: Tensor, flow: Tensor) -> Tensor:
    """Return images read bilinearly at x + flow(x), the border repeated (specs/aman-magnet-rife.md C.2).

    Args:
        image: (B, C, H, W) float.
        flow: (B, 2, H, W) pixels, u right, v down.
    """
    return _read(image, pixel_grid(flow) + flow)


def pixel_grid(like: Tensor) -> Tensor:
    """Return the column and row (2, H, W) of every pixel, in the type and on the device of `like` (..., H, W)."""
    height, width = like.shape[-2:]
    rows = torch.arange(height, dtype=like.dtype, device=like.device)
    columns = torch.arange(width, dtype=like.dtype, device=like.device)
    return torch.stack([columns.expand(height, width), rows[:, None].expand(height, width)])


def _read(image: Tensor, points: Tensor) -> Tensor:
    height, width = image.shape[-2:]
    size = points.new_tensor([width - 1, height - 1])[:, None, None]
    places = (points * (2 / size) - 1).permute(0, 2, 3, 1)
    return grid_sample(image, places, "bilinear", "border", align_corners=True)


def spline_coefficients(image: Tensor) -> Tensor:
    """Return the cubic B-spline coefficients (B, C, H + 4, W + 4) of images (B, C, H, W), mirrored at the borders.

    Sides of at least `LEAST_SIDE` pixels are needed.
    """
    rows, columns = (_interpolation(side, image.dtype, image.device) for side in image.shape[-2:])
    return rows @ image @ columns.T


@lru_cache(maxsize=16)
@torch.inference_mode(False)
def _interpolation(side: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the matrix (side + 4, side) from samples to coefficients, which read at whole pixels give the samples.

    It is kept for training too, which takes no tensor made in inference mode.
    """
    read = torch.eye(side, dtype=torch.float64) * (4 / 6)
    for k in range(side):
        for beside in (abs(k - 1), side - 1 - abs(side - 2 - k)):
            read[k, beside] += 1 / 6
    inner = torch.linalg.inv(read)
    edges = inner[1 : _EDGE + 1].flip(0), inner[-_EDGE - 1 : -1].flip(0)
    return torch.cat([edges[0], inner, edges[1]]).to(dtype).to(device)


def warp_spline(coefficients: Tensor, flow: Tensor) -> Tensor:
    """Return images read by cubic splines at x + flow(x); differentiable in the flow.

    The sixteen coefficients around a point are read as four bilinear reads between pairs of them.

    Args:
        coefficients: (B, C, H + 4, W + 4) of `spline_coefficients`.
        flow: (B, 2, H, W) pixels; points beyond the border read the border.

    Returns:
        (B, C, H, W).
    """
    height, width = flow.shape[-2:]
    limit = flow.new_tensor([width - 1, height - 1])[:, None, None]
    points = torch.minimum((pixel_grid(flow) + flow).clamp(min=0), limit) + _EDGE
    base = points.detach().floor()
    t = points - base
    second = (1 + 3 * t + 3 * t * t - 3 * t * t * t) / 6
    third = t * t * t / 6
    late = second + third
    early = 1 - late
    inner = (4 - 6 * t * t + 3 * t * t * t) / 6
    low, high = base - 1 + inner / early, base + 1 + third / late
    places = [torch.stack([x, y], dim=1) for y in (low[:, 1], high[:, 1]) for x in (low[:, 0], high[:, 0])]
    one, two, three, four = (_read(coefficients, place) for place in places)
    right, down = late[:, :1], late[:, 1:]
    return torch.lerp(torch.lerp(one, two, right), torch.lerp(three, four, right), down)
