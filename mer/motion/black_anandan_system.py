"""The linear systems of Black-Anandan flow, solved without building them.

Conjugate gradients need some hundred iterations when preconditioned by the blocks of the pixels, and about fifteen by
the multigrid cycle here, whose single precision costs nothing: it shapes the steps, not what they converge to.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from mer.motion.micro_solve import Smoothness, blocks

# Share of a Jacobi step that damps what the next coarser grid cannot see.
_DAMPING = 0.85
# Side of the grid that is small enough to invert.
_COARSEST = 8


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

    def at(self, k: int) -> _Grid:
        """Return the operator of pair k of the batch."""
        one = slice(k, k + 1)
        smooth = Smoothness(self.smooth.x[one], self.smooth.y[one])
        return _Grid(self.diagonal[one], self.cross[one], self.inverse[one], self.crossed[one], smooth)

    def step(self, field: Tensor) -> Tensor:
        """Return a damped Jacobi step for the residual `field`."""
        return blocks(self.inverse, self.crossed, field)


def _grid(normal: Tensor, smooth: Smoothness) -> _Grid:
    diagonal, cross = normal[:, :2] + smooth.degree(), normal[:, 2:]
    scale = _DAMPING / (diagonal[:, :1] * diagonal[:, 1:] - cross * cross)
    return _Grid(diagonal, cross, diagonal.flip(1) * scale, -cross * scale, smooth)


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
    columns = torch.stack([grid.at(k).apply(units).flatten(1) for k in range(batch)])
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
    diagonal, cross = system.normal[:, :2] + system.smooth.degree(), system.normal[:, 2:]
    grids, inverse = _hierarchy(system)

    def dot(a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum(dim=(1, 2, 3), keepdim=True)

    residual = system.right.clone()
    solution = torch.zeros_like(residual)
    goal = tolerance**2 * dot(residual, residual)
    direction, power = torch.zeros_like(residual), torch.ones_like(goal)
    # A pair that is done gets steps of zero length; a GPU is asked rarely, since asking stops its queue.
    patience = 1 if residual.device.type == "cpu" else 4
    going = goal > 0
    for step in range(iterations):
        if step % patience == 0 and not bool(going.any()):
            break
        conditioned = _cycle(grids, inverse, residual.float()).to(residual.dtype)
        last, power = power, dot(residual, conditioned)
        share = torch.where(going, power / last, 0.0) if step else torch.zeros_like(goal)
        direction = torch.addcmul(conditioned, share, direction)
        image = system.smooth.subtract_neighbours(blocks(diagonal, cross, direction), direction)
        length = torch.where(going, power / dot(direction, image), 0.0)
        solution.addcmul_(length, direction)
        residual.addcmul_(length, image, value=-1)
        going = going & (dot(residual, residual) > goal)
    return solution
