"""The stages, warps and linear systems of Black-Anandan flow, on batches of images (specs/au-fusion.md §3.2)."""

from __future__ import annotations

import torch
from torch import Tensor

from mer.motion.black_anandan_grid import correlation, decimation, derivative, gaussian_taps, on_both, resizing
from mer.motion.black_anandan_options import BlackAnandanOptions
from mer.motion.black_anandan_system import System, solve_system
from mer.motion.micro_solve import Smoothness


def solve(first: Tensor, second: Tensor, options: BlackAnandanOptions) -> Tensor:
    """Return the flow (B, 2, H, W) from `first` to `second`, both (B, H, W).

    A CPU takes the pairs one by one, which keeps the arrays of a solver in its caches.
    """
    if first.device.type == "cpu" and len(first) != 1:
        flow = first.new_empty(len(first), 2, *first.shape[1:])
        for k in range(len(first)):
            flow[k] = solve(first[k : k + 1], second[k : k + 1], options)[0]
        return flow
    images = torch.stack([first, second], dim=1)
    if options.presmooth:
        taps = gaussian_taps(5, options.presmooth)
        images = on_both(lambda side: correlation(side, taps, "zero"), images)
    flow = images.new_zeros(images.shape)
    for stage in range(options.stages):
        quadratic = 1 - stage / (options.stages - 1) if options.stages > 1 else 1.0
        levels, spacing = options.levels, options.spacing
        if stage:
            levels, spacing = options.stage_levels, options.stage_spacing
        for pair in reversed(_pyramid(images, levels, spacing)):
            flow = _resized(flow, pair.shape[-2], pair.shape[-1])
            flow = _level(flow, pair, quadratic, options)
    return flow


def _pyramid(images: Tensor, levels: int, spacing: float) -> list[Tensor]:
    """Return the images (B, 2, h, w) from fine to coarse; the finest are not smoothed."""
    pyramid = [images]
    while len(pyramid) < levels:
        pyramid.append(on_both(decimation, pyramid[-1], spacing))
    return pyramid


def _resized(flow: Tensor, height: int, width: int) -> Tensor:
    """Return the flow on another grid; both components scale with the height, as in the released system."""
    if flow.shape[-2:] == (height, width):
        return flow
    rows, columns = resizing(flow.shape[-2], height).to(flow), resizing(flow.shape[-1], width).to(flow)
    return rows @ flow @ columns.T * (height / flow.shape[-2])


def _level(flow: Tensor, pair: Tensor, quadratic: float, options: BlackAnandanOptions) -> Tensor:
    """Return the flow (B, 2, h, w) after the warps of one level on the images `pair` (B, 2, h, w)."""
    height, width = flow.shape[-2:]
    for _ in range(options.warps):
        seen = _warped(pair, flow)
        difference = seen - pair[:, 0]
        along = torch.stack([seen @ derivative(width).to(seen).T, derivative(height).to(seen) @ seen], dim=1)
        update = torch.zeros_like(flow)
        for _ in range(options.linearisations):
            system = _system(flow, update, difference, along, quadratic, options)
            update = solve_system(system, options.tolerance, options.iterations)
        flow = flow + update.clamp(-options.limit, options.limit)
    return flow


def _warped(pair: Tensor, flow: Tensor) -> Tensor:
    """Return the second image seen through the flow by bilinear interpolation; out of view it is the first image."""
    height, width = flow.shape[-2:]
    x = flow[:, 0] + torch.arange(width, device=flow.device)
    y = flow[:, 1] + torch.arange(height, device=flow.device)[:, None]
    left, top = x.floor().clamp(0, width - 2), y.floor().clamp(0, height - 2)
    corner = (top.long() * width + left.long()).flatten(1)
    flat = pair[:, 1].flatten(1)
    over, down = x - left, y - top
    shifts = (0, 1, width, width + 1)
    read = [flat.gather(1, corner + shift).view_as(x) for shift in shifts]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    seen = torch.lerp(torch.lerp(read[0], read[1], over), torch.lerp(read[2], read[3], over), down)
    return torch.where(inside, seen, pair[:, 0])


def _system(
    flow: Tensor, update: Tensor, difference: Tensor, along: Tensor, quadratic: float, options: BlackAnandanOptions
) -> System:
    """Return the system of a warp's increment, linearised at `update` and mixed of quadratic and robust penalties."""

    def penalty(x: Tensor, sigma: float, weight: float, weight_quadratic: float) -> Tensor:
        """Return rho'(x) / x of the mixed penalty."""
        robust = (weight * (1 - quadratic) * 2) / (2 * sigma**2 + x * x)
        return robust + weight_quadratic * quadratic * 2 / sigma**2

    missed = difference + (along * update).sum(dim=1)
    data = penalty(missed, options.data_sigma, 1.0, 1.0)[:, None]
    total, weights = flow + update, (options.smoothness, options.smoothness_quadratic)
    smooth = Smoothness(*(penalty(torch.diff(total, dim=axis), options.spatial_sigma, *weights) for axis in (3, 2)))
    normal = data * torch.cat([along * along, along[:, :1] * along[:, 1:]], dim=1)
    return System(normal, smooth, -smooth(flow) - data * difference[:, None] * along)
