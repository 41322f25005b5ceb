"""The levels and steps of micro-flow, on batches of images; see `mer.motion.micro` for what and why."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from mer.motion import micro_light, micro_solve
from mer.motion.micro import LEAST_SIDE, MicroOptions
from mer.motion.micro_lattice import Band, apply, centres, gaussian, sample, spline, spline_coefficients

# Neighbourhood, in nodes, over which the unexplained variance is averaged.
_SPREAD = 2.0
# Share of every node's data at the coarse levels, however little of it is explained.
_LEAST_SHARE = 0.1
# Gaussian on the coarse levels' images, pixels of the level.
_COARSE_SIGMA = 0.4
# Pixels of a level along the border that do not vote: the flow may take them out of view.
_MARGIN = 2


@dataclass(frozen=True)
class _Axis:
    """Operators along one axis of a level, float32 on the device.

    `smooth` takes an image to the level, `coefficients` to its spline coefficients there, `nodes` the `count` nodes of
    the flow to the level's pixels; `collect` is its transpose; `vote` takes a quantity of pixels to its mean at nodes.
    """

    smooth: Band
    coefficients: Band
    nodes: Band
    collect: Band
    vote: Band
    count: int


@dataclass(frozen=True)
class _Level:
    step: int
    rows: _Axis
    columns: _Axis
    grid: Tensor
    plain: bool


@dataclass(frozen=True)
class _View:
    """One level's images and what does not change from step to step."""

    first: Tensor
    coefficients: Tensor
    gradient: Tensor
    normal: Tensor


def solve(first: Tensor, second: Tensor, options: MicroOptions) -> Tensor:
    """Return the flow (B, 2, H, W) from `first` to `second`, both (B, H, W) float32; `options` of `micro.settings`.

    A CPU takes the pairs one by one: their arrays stay in its caches, and a result does not depend on the others.
    """
    if first.device.type != "cpu":
        return together(first, second, options)
    found = first.new_zeros(len(first), 2, *first.shape[1:])
    for k in range(len(first)):
        if not torch.equal(first[k], second[k]):
            found[k] = together(first[k : k + 1], second[k : k + 1], options)[0]
    return found


def together(first: Tensor, second: Tensor, options: MicroOptions) -> Tensor:
    """Return the flow of `solve` with every operation on the whole batch, as a GPU likes it."""
    lit = micro_light.relit(first, second) if options.lighting else second
    levels = _levels(first.shape[1], first.shape[2], options, str(first.device))
    finest = levels[-1]
    nodes = first.new_zeros(len(first), 2, finest.rows.count, finest.columns.count)
    for level in levels:
        nodes = _descend(nodes, _view(first, lit, level), level, options, level is finest)
    dense = apply(finest.rows.nodes, nodes, finest.columns.nodes)
    if first.device.type == "cpu" and len(first) == 1:
        return dense
    # Spline interpolation returns the samples only to rounding, which would leave a trace of flow.
    return dense * (first != second).flatten(1).any(dim=1)[:, None, None, None]


@lru_cache(maxsize=8)
def _levels(height: int, width: int, options: MicroOptions, device: str) -> tuple[_Level, ...]:
    """Return the levels from coarse to fine, without those whose images would be too small to hold motion."""
    steps = [4**k for k in reversed(range(options.levels)) if k == 0 or min(height, width) // 4**k >= LEAST_SIDE]
    levels = []
    for step in steps:
        rows, columns = (_axis(side, step, options, device) for side in (height, width))
        count = -(-height // step), -(-width // step)
        grid = torch.stack(torch.meshgrid(*(torch.arange(n) for n in count), indexing="ij")[::-1]).float().to(device)
        levels.append(_Level(step, rows, columns, grid, step == 1 and not options.presmooth))
    return tuple(levels)


def _axis(side: int, step: int, options: MicroOptions, device: str) -> _Axis:
    count, nodes = -(-side // step), -(-side // options.lattice)
    smooth = gaussian(count, side, step, ((options.presmooth or 0.0) if step == 1 else _COARSE_SIGMA) * step)
    placed = spline(centres(count, step), nodes, options.lattice)
    vote = gaussian(nodes, nodes, 1, _SPREAD) @ placed.T * (step / options.lattice)
    made = (smooth, spline_coefficients(count) @ smooth, placed, placed.T, vote)
    smooths, reads, places, collects, votes = (Band(matrix.float().to(device)) for matrix in made)
    return _Axis(smooths, reads, places, collects, votes, nodes)


def _view(first: Tensor, second: Tensor, level: _Level) -> _View:
    rows, columns = level.rows, level.columns
    seen = first if level.plain else apply(rows.smooth, first, columns.smooth)
    gradient = _gradient(seen)
    products = torch.cat([gradient * gradient, gradient[:, :1] * gradient[:, 1:]], dim=1)
    normal = apply(rows.collect, products, columns.collect)
    return _View(seen, apply(rows.coefficients, second, columns.coefficients), gradient, normal)


def _gradient(image: Tensor) -> Tensor:
    """Return the derivatives along x and y (B, 2, H, W) of (B, H, W), zero on the margin."""
    gradient = image.new_zeros(len(image), 2, *image.shape[1:])
    inner = (..., slice(_MARGIN, -_MARGIN), slice(_MARGIN, -_MARGIN))
    for channel, axis in enumerate((2, 1)):
        gradient[:, channel][inner] = _derivative(image, axis)
    return gradient


def _derivative(image: Tensor, axis: int) -> Tensor:
    """Return the five-point derivative of (B, H, W) along an axis, without the margin of either axis."""
    inner = image.narrow(3 - axis, _MARGIN, image.shape[3 - axis] - 2 * _MARGIN)
    count = image.shape[axis] - 2 * _MARGIN
    two_back, back, on, two_on = (inner.narrow(axis, _MARGIN + shift, count) for shift in (-2, -1, 1, 2))
    return torch.sub(on, back).mul_(8 / 12).sub_(two_on, alpha=1 / 12).add_(two_back, alpha=1 / 12)


def _descend(nodes: Tensor, view: _View, level: _Level, options: MicroOptions, finest: bool) -> Tensor:
    """Return the nodes (B, 2, h, w) after the steps of one level."""
    steps = (options.steps or 1) if finest else 1
    for _ in range((options.warps if finest else options.coarse_warps) or 1):
        seen = _warped(nodes, view, level)
        missed = (seen - view.first)[:, None]
        trust = _trust(missed, view, level, options)
        update = _step(nodes, missed, trust, view, level, options)
        nodes = nodes + update
        # A further step takes what a new warp would show from the mean slope of the two images.
        slope = (view.gradient + _gradient(seen)).mul_(0.5) if steps > 1 else view.gradient
        for _ in range(steps - 1):
            moved = apply(level.rows.nodes, update / level.step, level.columns.nodes)
            missed = missed + (slope * moved).sum(dim=1, keepdim=True)
            update = _step(nodes, missed, trust, view, level, options)
            nodes = nodes + update
    return nodes


def _step(nodes: Tensor, missed: Tensor, trust: Tensor, view: _View, level: _Level, options: MicroOptions) -> Tensor:
    """Return a Gauss-Newton update (B, 2, h, w) of the nodes on what they left unexplained."""
    force = apply(level.rows.collect, view.gradient * missed, level.columns.collect)
    # The gradients are per pixel of the level, the nodes in pixels of the image.
    smooth = micro_solve.charbonnier(nodes, options.smoothness or 1.0, options.edge)
    right = -(trust / level.step) * force - smooth(nodes)
    update = micro_solve.solve(view.normal * (trust / level.step**2), right, smooth, options.iterations, level.step > 1)
    return update.clamp(-1.5 * level.step, 1.5 * level.step)


def _warped(nodes: Tensor, view: _View, level: _Level) -> Tensor:
    """Return the second image (B, H, W) seen through the flow of the nodes."""
    field = apply(level.rows.nodes, nodes, level.columns.nodes)
    return sample(view.coefficients, field.div_(level.step).add_(level.grid))


def _trust(missed: Tensor, view: _View, level: _Level, options: MicroOptions) -> Tensor:
    """Return the weight of every node's data (B, 1, h, w): inverse variance times the share that is not noise.

    White noise that leaves a squared difference of e per pixel (e / 2 in each image) has a gradient energy of about e
    by the five-point derivative: what a node has of it says nothing about motion.
    """
    pixels = (options.lattice / level.step) ** 2
    rows, columns = level.rows, level.columns
    variance = apply(rows.vote, missed * missed, columns.vote)
    energy = (view.normal[:, :1] + view.normal[:, 1:2]) / pixels
    # Far from the solution it is motion, not noise, that is left unexplained; only the finest level starts near it.
    share = torch.clamp(1 - variance / (energy + 1e-6), min=0 if level.step == 1 else _LEAST_SHARE)
    return share / (variance + options.floor**2)
