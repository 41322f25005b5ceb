"""The linear systems of Black-Anandan flow, solved without building them.

Conjugate gradients need some hundred iterations when preconditioned by the blocks of the pixels, and about fifteen by
the multigrid cycle here, whose single precision costs nothing: it shapes the steps, not what they converge to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from mer.motion.cuda_graph import captured
from mer.motion.micro_solve import Smoothness, blocks

# Share of a Jacobi step that damps what the next coarser grid cannot see.
_DAMPING = 0.85
# Side of the grid that is small enough to invert.
_COARSEST = 8
# States on a CUDA device with their captured steps, by shape; a pyramid has three.
_MOST_KEPT = 6
_KEPT: dict[Any, tuple[Iterate, Callable[[], None]]] = {}


@dataclass(frozen=True)
class System:
    """(J + S) d = r: `normal` (B, 3, h, w) entries xx, yy, xy of J, `smooth` S, and `right` (B, 2, h, w)."""

    normal: Tensor
    smooth: Smoothness
    right: Tensor


@dataclass(frozen=True)
class _Grid:
    """An operator J + S on one grid with the inverses of its 2 x 2 blocks."""

    diagonal: Tensor
    cross: Tensor
    inverse: Tensor
    crossed: Tensor
    smooth: Smoothness

    def apply(self, field: Tensor) -> Tensor:
        """Return (J + S) field."""
        return self.smooth.subtract_neighbours(blocks(self.diagonal, self.cross, field), field)

    def each(self, change: Callable[[Tensor], Tensor]) -> _Grid:
        """Return the operator with `change` of every tensor."""
        smooth = Smoothness(change(self.smooth.x), change(self.smooth.y))
        return _Grid(change(self.diagonal), change(self.cross), change(self.inverse), change(self.crossed), smooth)

    def step(self, field: Tensor) -> Tensor:
        """Return a damped Jacobi step for the residual `field`."""
        return blocks(self.inverse, self.crossed, field)


def _grid(normal: Tensor, smooth: Smoothness) -> _Grid:
    diagonal, cross = normal[:, :2] + smooth.degree(), normal[:, 2:]
    scale = _DAMPING / (diagonal[:, :1] * diagonal[:, 1:] - cross * cross)
    return _Grid(diagonal, cross, diagonal.flip(1) * scale, -cross * scale, smooth)


def _spread(grid: _Grid, count: int) -> _Grid:
    """Return the operators of a batch, each `count` times in a row; those of one pair serve any number as they are."""
    return grid if len(grid.cross) == 1 else grid.each(lambda part: part.repeat_interleave(count, dim=0))


def _summed(field: Tensor, rows: int, columns: int) -> Tensor:
    return avg_pool2d(field, (rows, columns), ceil_mode=True, divisor_override=1)


def _hierarchy(system: System) -> tuple[list[_Grid], Tensor]:
    """Return the operator on grids of ever fewer nodes, in single precision, and the inverse on the last (B, n, n).

    Four nodes become one with the sum of their data. Two links become one; halving their sum makes a field that is
    constant on the four bend as easily as a smooth one.
    """
    normal = system.normal.float()
    smooth = Smoothness(system.smooth.x.float(), system.smooth.y.float())
    grids = [_grid(normal, smooth)]
    while max(normal.shape[-2:]) > _COARSEST:
        along = _summed(smooth.x[..., 1::2], 2, 1) / 2
        down = _summed(smooth.y[..., 1::2, :], 1, 2) / 2
        normal, smooth = _summed(normal, 2, 2), Smoothness(along, down)
        grids.append(_grid(normal, smooth))
    return grids, _inverse(grids[-1])


def _inverse(grid: _Grid) -> Tensor:
    """Return the inverse (B, n, n) of the operator on fields of n = 2 h w numbers."""
    batch, shape = len(grid.cross), grid.diagonal.shape[1:]
    count = shape.numel()
    units = torch.eye(count, dtype=grid.cross.dtype, device=grid.cross.device).view(count, *shape)
    columns = _spread(grid, count).apply(units.repeat(batch, 1, 1, 1)).view(batch, count, count)
    # A pair without any texture has no smallest solution; its right side is zero.
    lift = 1e-6 * torch.diagonal(columns, dim1=1, dim2=2).mean(dim=1)[:, None, None]
    return torch.linalg.inv(columns + lift * units.view(count, count))


def _cycle(grids: list[_Grid], inverse: Tensor, right: Tensor) -> Tensor:
    """Return an approximate solution (B, 2, h, w) on the first grid by a V-cycle; linear and symmetric in `right`."""
    grid = grids[0]
    if len(grids) == 1:
        return (inverse @ right.flatten(1)[..., None]).view_as(right)
    solution = grid.step(right)
    coarse = _cycle(grids[1:], inverse, _summed(right - grid.apply(solution), 2, 2))
    solution = solution + interpolate(coarse, scale_factor=2.0)[..., : right.shape[-2], : right.shape[-1]]
    return solution + grid.step(right - grid.apply(solution))


def solve_system(system: System, tolerance: float, iterations: int) -> Tensor:
    """Return the solution (B, 2, h, w) by conjugate gradients, preconditioned by multigrid.

    A pair stops by itself when its residual is `tolerance` of its right side, so that its solution does not depend on
    the pairs beside it; exactly zero for a right side of zero.
    """
    iterate = _begun(system, *_hierarchy(system), tolerance)
    on_cpu = system.right.device.type == "cpu"
    iterate, advance = (iterate, iterate.advance) if on_cpu else _in_one_launch(iterate)
    # A pair that is done gets steps of zero length; a GPU is asked rarely, since asking stops its queue.
    patience = 1 if on_cpu else 4
    for step in range(iterations):
        if step % patience == 0 and not bool(iterate.going.any()):
            break
        advance()
    return iterate.solution if on_cpu else iterate.solution.clone()


def _in_one_launch(iterate: Iterate) -> tuple[Iterate, Callable[[], None]]:
    """Return the state in memory that is kept for systems of its shape, and the step on it as one launch."""
    shape = tuple(iterate.solution.shape), iterate.solution.dtype, iterate.solution.device
    if shape not in _KEPT:
        while len(_KEPT) >= _MOST_KEPT:
            del _KEPT[next(iter(_KEPT))]
        own = iterate.copied()
        _KEPT[shape] = own, captured(own.advance)
    own, advance = _KEPT[shape]
    torch._foreach_copy_(own.tensors(), iterate.tensors())
    return own, advance


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dim=(1, 2, 3), keepdim=True)


@dataclass(frozen=True)
class Iterate:
    """The state of conjugate gradients after a step; `advance` changes all but what it is made of, in place.

    Attributes:
        diagonal, cross, smooth: the operator, in the precision of the solution.
        grids, inverse: the preconditioner.
        solution, residual, direction: (B, 2, h, w).
        power: (B, 1, 1, 1) residual times conditioned residual of the step before.
        goal: square of the residual at which a pair is done.
        going: whether a pair is not.
    """

    diagonal: Tensor
    cross: Tensor
    smooth: Smoothness
    grids: list[_Grid]
    inverse: Tensor
    solution: Tensor
    residual: Tensor
    direction: Tensor
    power: Tensor
    goal: Tensor
    going: Tensor

    def advance(self) -> None:
        """Take a step."""
        conditioned = _cycle(self.grids, self.inverse, self.residual.float()).to(self.residual.dtype)
        power = _dot(self.residual, conditioned)
        # In the first step the direction is zero, and so is whatever share of it is kept.
        share = torch.where(self.going, power / self.power, 0.0)
        torch.addcmul(conditioned, share, self.direction, out=self.direction)
        self.power.copy_(power)
        image = blocks(self.diagonal, self.cross, self.direction)
        image = self.smooth.subtract_neighbours(image, self.direction)
        length = torch.where(self.going, power / _dot(self.direction, image), 0.0)
        self.solution.addcmul_(length, self.direction)
        self.residual.addcmul_(length, image, value=-1)
        self.going.logical_and_(_dot(self.residual, self.residual) > self.goal)

    def tensors(self) -> list[Tensor]:
        """Return every tensor, always in the same order."""
        grids = [
            each
            for grid in self.grids
            for each in (grid.diagonal, grid.cross, grid.inverse, grid.crossed, grid.smooth.x, grid.smooth.y)
        ]
        own = (self.solution, self.residual, self.direction, self.power, self.goal, self.going)
        return [self.diagonal, self.cross, self.smooth.x, self.smooth.y, *grids, self.inverse, *own]

    def copied(self) -> Iterate:
        """Return the same in memory of its own."""
        smooth = Smoothness(self.smooth.x.clone(), self.smooth.y.clone())
        grids = [grid.each(torch.clone) for grid in self.grids]
        own = (self.inverse, self.solution, self.residual, self.direction, self.power, self.goal, self.going)
        return Iterate(self.diagonal.clone(), self.cross.clone(), smooth, grids, *map(torch.clone, own))


def _begun(system: System, grids: list[_Grid], inverse: Tensor, tolerance: float) -> Iterate:
    """Return the state before the first step."""
    right = system.right
    goal = tolerance**2 * _dot(right, right)
    diagonal, cross = system.normal[:, :2] + system.smooth.degree(), system.normal[:, 2:]
    fields = torch.zeros_like(right), right.clone(), torch.zeros_like(right)
    return Iterate(diagonal, cross, system.smooth, grids, inverse, *fields, torch.ones_like(goal), goal, goal > 0)
