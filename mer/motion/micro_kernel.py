"""The levels and steps of micro-flow, on batches of images; see `mer.motion.micro` for what and why.

What has the size of an image is worked on in groups of pairs, what lives on the lattice for all pairs of a batch at
once: on a CPU a group is one pair, whose arrays stay in its caches, while the small operators of the lattice cost
little more for many pairs than for one; on a GPU a group is the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from mer.motion import micro_light, micro_solve
from mer.motion.micro_lattice import Band, apply, centres, gaussian, regridding, sample, spline, spline_coefficients
from mer.motion.micro_options import LEAST_SIDE, MicroOptions

# Pairs worked on together: more cost memory and gain no speed.
_BATCH = {"cpu": 8, "cuda": 64}
# Pixels of the images that a core's caches hold together with what is made of them.
_CACHED = 2**16
# Neighbourhood over which the unexplained variance is averaged, in steps of the finest lattice.
_SPREAD = 2.0
# Share of every node's data at the coarse levels, however little of it is explained.
_LEAST_SHARE = 0.1
# Gaussian on the coarse levels' images, pixels of the level.
_COARSE_SIGMA = 0.6
# Distance of the coarse levels' nodes over that of the finest, and the iterations of their systems.
_COARSER, _COARSE_ITERATIONS = 2, 3
# Pixels of a level along the border that do not vote: the flow may take them out of view.
_MARGIN = 2


@dataclass(frozen=True)
class _Axis:
    """Operators along one axis of a level, float32 on the device.

    `smooth` takes an image to the level, `coefficients` to its spline coefficients there, `nodes` the `count` nodes of
    the flow to the level's pixels; `collect` is its transpose; `vote` takes a quantity of pixels to its mean at nodes;
    `finer` takes nodes of this level to those of the finest.
    """

    smooth: Band
    coefficients: Band
    nodes: Band
    collect: Band
    vote: Band
    finer: Tensor
    count: int


@dataclass(frozen=True)
class _Level:
    """One resolution: `step` pixels of the image are one of its own."""

    step: int
    rows: _Axis
    columns: _Axis
    grid: Tensor
    plain: bool
    warps: int
    steps: int
    iterations: int
    smoothness: float


@dataclass(frozen=True)
class _Reference:
    """A level's view of first images: the images, their gradients, and the data's blocks on the lattice."""

    image: Tensor
    gradient: Tensor
    normal: Tensor


def solve(first: Tensor, second: Tensor, options: MicroOptions) -> Tensor:
    """Return the flow (B, 2, H, W) from `first` (1 or B, H, W) to `second` (B, H, W), float32.

    `options` are those of `micro_options.settings`. One first image serves all pairs and is prepared once. A pair's
    result depends on its batch by rounding alone.
    """
    flow = second.new_zeros(len(second), 2, *second.shape[1:])
    # Spline interpolation returns the samples only to rounding, which would leave a trace of flow in equal images.
    differing = [k for k in range(len(second)) if not torch.equal(first[k if len(first) > 1 else 0], second[k])]
    levels = _levels(second.shape[1], second.shape[2], options, str(second.device))
    finest = levels[-1]
    batch = _BATCH["cpu" if second.device.type == "cpu" else "cuda"]
    # Made once, because touching new memory costs as much as filling it.
    space = second.new_zeros(min(batch, len(differing)), 5, *second.shape[1:])
    one = [_reference(first, level, None) for level in levels] if len(first) == 1 and len(differing) > 1 else None
    for start in range(0, len(differing), batch):
        chosen = differing[start : start + batch]
        all_of = len(chosen) == chosen[-1] - chosen[0] + 1
        picked = slice(chosen[0], chosen[-1] + 1) if all_of else chosen
        nodes = _together(first if len(first) == 1 else first[picked], second[picked], levels, one, space, options)
        for group in _groups(len(chosen), second[0].numel(), second.device):
            for k, field in zip(
                chosen[group], apply(finest.rows.nodes, nodes[group], finest.columns.nodes), strict=True
            ):
                flow[k] = field
    return flow


def _groups(pairs: int, pixels: int, device: torch.device) -> list[slice]:
    """Return which pairs are worked on at once where arrays have as many pixels."""
    size = max(1, _CACHED // pixels) if device.type == "cpu" else max(1, pairs)
    return [slice(k, min(k + size, pairs)) for k in range(0, pairs, size)]


def _together(
    first: Tensor,
    second: Tensor,
    levels: tuple[_Level, ...],
    one: list[_Reference] | None,
    space: Tensor,
    options: MicroOptions,
) -> Tensor:
    """Return the finest nodes (B, 2, h, w) of a batch; `one` is the reference that all its pairs share, if they do."""
    groups = _groups(len(second), second[0].numel(), second.device)
    lit = micro_light.relit(first, second, groups, space[: len(second), 4]) if options.lighting else second
    nodes = second.new_zeros(len(second), 2, levels[0].rows.count, levels[0].columns.count)
    for k, level in enumerate(levels):
        room = space if level is levels[-1] else None
        groups = _groups(len(second), level.grid[0].numel(), second.device)
        if one is not None or len(first) < len(second):
            references = [one[k] if one else _reference(first, level, None)] * len(groups)
        else:
            references = [_reference(first[g], level, None if room is None else room[g, :2]) for g in groups]
        nodes = _descend(nodes, list(zip(groups, references, strict=True)), lit, level, room, options)
        if level is not levels[-1]:
            nodes = level.rows.finer @ nodes @ level.columns.finer.T
    return nodes


@lru_cache(maxsize=8)
def _levels(height: int, width: int, options: MicroOptions, device: str) -> tuple[_Level, ...]:
    """Return the levels from coarse to fine, without those whose images would be too small to hold motion."""
    steps = [4**k for k in reversed(range(options.levels)) if k == 0 or min(height, width) // 4**k >= LEAST_SIDE]
    return tuple(_level(height, width, step, options, device) for step in steps)


def _level(height: int, width: int, step: int, options: MicroOptions, device: str) -> _Level:
    finest, coarse = step == 1, _COARSER * options.lattice
    spacing = options.lattice if finest else coarse
    # Above the second level from below, nodes go on to others of the same spacing.
    wanted = options.lattice if step <= 4 else coarse
    rows, columns = (_axis(side, step, spacing, wanted, options, device) for side in (height, width))
    count = -(-height // step), -(-width // step)
    grid = torch.stack(torch.meshgrid(*(torch.arange(n) for n in count), indexing="ij")[::-1]).float().to(device)
    return _Level(
        step,
        rows,
        columns,
        grid,
        plain=finest and not options.presmooth,
        warps=(options.warps if finest else options.coarse_warps) or 1,
        steps=(options.steps or 1) if finest else 1,
        iterations=options.iterations if finest else _COARSE_ITERATIONS,
        smoothness=(options.smoothness or 1.0) if finest else options.coarse_smoothness,
    )


def _axis(side: int, step: int, spacing: int, wanted: int, options: MicroOptions, device: str) -> _Axis:
    count, nodes = -(-side // step), -(-side // spacing)
    smooth = gaussian(count, side, step, ((options.presmooth or 0.0) if step == 1 else _COARSE_SIGMA) * step)
    placed = spline(centres(count, step), nodes, spacing)
    vote = gaussian(nodes, nodes, 1, _SPREAD * options.lattice / spacing) @ placed.T * (step / spacing)
    made = (smooth, spline_coefficients(count) @ smooth, placed, placed.T, vote)
    smooths, reads, places, collects, votes = (Band(matrix.float().to(device)) for matrix in made)
    finer = regridding(side, spacing, wanted).float().to(device)
    return _Axis(smooths, reads, places, collects, votes, finer, nodes)


def _reference(first: Tensor, level: _Level, room: Tensor | None) -> _Reference:
    """Prepare first images (B, H, W); their gradients (B, 2, h, w) are written to `room` when there is one."""
    rows, columns = level.rows, level.columns
    seen = first if level.plain else apply(rows.smooth, first, columns.smooth)
    gradient = _gradient(seen, seen.new_zeros(len(seen), 2, *seen.shape[1:]) if room is None else room)
    products = torch.cat([gradient * gradient, gradient[:, :1] * gradient[:, 1:]], dim=1)
    return _Reference(seen, gradient, apply(rows.collect, products, columns.collect))


def _gradient(image: Tensor, out: Tensor) -> Tensor:
    """Write the derivatives of (B, H, W) along x and y to `out` (B, 2, H, W), whose margin stays as it is."""
    inner = (..., slice(_MARGIN, -_MARGIN), slice(_MARGIN, -_MARGIN))
    for channel, axis in enumerate((2, 1)):
        _derivative(image, axis, out[:, channel][inner])
    return out


def _derivative(image: Tensor, axis: int, out: Tensor) -> None:
    """Write the five-point derivative of (B, H, W) along an axis, without the margin of either axis."""
    inner = image.narrow(3 - axis, _MARGIN, image.shape[3 - axis] - 2 * _MARGIN)
    count = image.shape[axis] - 2 * _MARGIN
    two_back, back, on, two_on = (inner.narrow(axis, _MARGIN + shift, count) for shift in (-2, -1, 1, 2))
    torch.sub(on, back, out=out).mul_(8 / 12).sub_(two_on, alpha=1 / 12).add_(two_back, alpha=1 / 12)


def _descend(
    nodes: Tensor,
    pairs: list[tuple[slice, _Reference]],
    second: Tensor,
    level: _Level,
    space: Tensor | None,
    options: MicroOptions,
) -> Tensor:
    """Return the nodes (B, 2, h, w) after the steps of one level; `pairs` are its groups with their references."""
    normal = torch.cat([reference.normal.expand(len(nodes[g]), -1, -1, -1) for g, reference in pairs])
    reads = [apply(level.rows.coefficients, second[g], level.columns.coefficients) for g, _ in pairs]
    for warp in range(level.warps):
        looks = [
            _look(nodes[g], reference, read, level, None if space is None else space[g, 2:4])
            for (g, reference), read in zip(pairs, reads, strict=True)
        ]
        variance, force = (torch.cat(parts) for parts in zip(*looks, strict=True))
        trust = _trust(variance, normal, level, options)
        update = _step(nodes, force, trust, normal, level, options, level.step > 1 and warp == 0)
        nodes = nodes + update
        for _ in range(level.steps - 1):
            assert space is not None
            force = force + torch.cat([_slid(update[g], reference, space[g, 2:4], level) for g, reference in pairs])
            update = _step(nodes, force, trust, normal, level, options)
            nodes = nodes + update
    return nodes


def _look(
    nodes: Tensor, reference: _Reference, read: Tensor, level: _Level, slope: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return what the nodes leave unexplained: its variance (B, 1, h, w), and its pull on the nodes (B, 2, h, w).

    The mean slope of both images is written to `slope` (B, 2, H, W) if further steps follow.
    """
    rows, columns = level.rows, level.columns
    seen = sample(read, apply(rows.nodes, nodes, columns.nodes).div_(level.step).add_(level.grid))
    missed = (seen - reference.image)[:, None]
    if slope is not None and level.steps > 1:
        _gradient(seen, slope).add_(reference.gradient).mul_(0.5)
    variance = apply(rows.vote, missed * missed, columns.vote)
    return variance, apply(rows.collect, reference.gradient * missed, columns.collect)


def _slid(update: Tensor, reference: _Reference, slope: Tensor, level: _Level) -> Tensor:
    """Return how an update of the nodes changes the pull on them, by the mean slope instead of a new warp."""
    moved = apply(level.rows.nodes, update / level.step, level.columns.nodes)
    shown = moved.mul_(slope).sum(dim=1, keepdim=True)
    return apply(level.rows.collect, reference.gradient * shown, level.columns.collect)


def _step(
    nodes: Tensor,
    force: Tensor,
    trust: Tensor,
    normal: Tensor,
    level: _Level,
    options: MicroOptions,
    globally: bool = False,
) -> Tensor:
    """Return a Gauss-Newton update (B, 2, h, w) of the nodes, from the best affine field if `globally`."""
    # The gradients are per pixel of the level, the nodes in pixels of the image.
    smooth = micro_solve.charbonnier(nodes, level.smoothness, options.edge)
    right = -(trust / level.step) * force - smooth(nodes)
    update = micro_solve.solve(normal * (trust / level.step**2), right, smooth, level.iterations, globally)
    return update.clamp(-1.5 * level.step, 1.5 * level.step)


def _trust(variance: Tensor, normal: Tensor, level: _Level, options: MicroOptions) -> Tensor:
    """Return the weight of every node's data (B, 1, h, w): inverse variance times the share that is not noise.

    White noise that leaves a squared difference of e per pixel (e / 2 in each image) has a gradient energy of about e
    by the five-point derivative: what a node has of it says nothing about motion.
    """
    spacing = options.lattice if level.step == 1 else _COARSER * options.lattice
    energy = (normal[:, :1] + normal[:, 1:2]) / (spacing / level.step) ** 2
    # Far from the solution it is motion, not noise, that is left unexplained; only the finest level starts near it.
    share = torch.clamp(1 - variance / (energy + 1e-6), min=0 if level.step == 1 else _LEAST_SHARE)
    return share / (variance + options.floor**2)
