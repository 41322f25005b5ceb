"""The regularised 2 x 2 systems of micro-flow on its lattice."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

# What the six numbers of an affine field explain of noise alone, with some margin, in units of its variance: a field
# that explains less is left out, one that explains much is kept (a positive-part James-Stein estimate).
_BY_CHANCE = 12.0


@dataclass(frozen=True)
class Smoothness:
    """Weights of the squared differences of neighbouring nodes: `x` (B, 1, h, w-1) and `y` (B, 1, h-1, w)."""

    x: Tensor
    y: Tensor

    def degree(self) -> Tensor:
        """Return the sum of the weights at every node (B, 1, h, w): the operator's diagonal."""
        total = torch.nn.functional.pad(self.x, (0, 1))
        total[..., 1:].add_(self.x)
        total[..., :-1, :].add_(self.y)
        total[..., 1:, :].add_(self.y)
        return total

    def subtract_neighbours(self, result: Tensor, field: Tensor) -> Tensor:
        """Subtract the weighted neighbours of `field` (B, 2, h, w) from `result` in place, and return it."""
        result[..., 1:].addcmul_(self.x, field[..., :-1], value=-1)
        result[..., :-1].addcmul_(self.x, field[..., 1:], value=-1)
        result[..., 1:, :].addcmul_(self.y, field[..., :-1, :], value=-1)
        result[..., :-1, :].addcmul_(self.y, field[..., 1:, :], value=-1)
        return result

    def __call__(self, field: Tensor) -> Tensor:
        """Return half the gradient of the smoothness energy at `field` (B, 2, h, w)."""
        return self.subtract_neighbours(self.degree() * field, field)


def charbonnier(field: Tensor, weight: float, edge: float) -> Smoothness:
    """Return the weights that make quadratic smoothness tangent to Charbonnier's at `field`.

    Args:
        field: (B, 2, h, w) flow at the nodes, pixels.
        weight: weight where the field is level.
        edge: difference of neighbours at which smoothness turns from quadratic to linear, pixels.
    """

    def tangent(difference: Tensor) -> Tensor:
        return weight * torch.rsqrt(1 + (difference * difference).sum(dim=1, keepdim=True) / edge**2)

    return Smoothness(tangent(torch.diff(field, dim=3)), tangent(torch.diff(field, dim=2)))


def solve(normal: Tensor, right: Tensor, smooth: Smoothness, iterations: int, globally: bool = True) -> Tensor:
    """Return the solution of (J + S) d = `right` by conjugate gradients from the best affine field.

    Motion of the whole head is nearly affine and the slowest to come by iterations on neighbours. The preconditioner is
    the 2 x 2 blocks of the nodes. Stopping early regularises: what few iterations do not reach is what the data hardly
    say.

    Args:
        normal: (B, 3, h, w) entries xx, yy, xy of the symmetric 2 x 2 blocks J.
        right: (B, 2, h, w).
        smooth: the operator S.
        iterations: how many.

    Returns:
        (B, 2, h, w); exactly zero where `right` is zero throughout a pair.
    """
    diagonal, cross = normal[:, :2] + smooth.degree() + 1e-6, normal[:, 2:]
    scale = 1 / (diagonal[:, :1] * diagonal[:, 1:] - cross * cross)
    inverse, crossed = diagonal.flip(1) * scale, -cross * scale
    solution, residual = torch.zeros_like(right), right
    if globally:
        solution = affine(normal, right, smooth)
        explained = _dot(right, solution)
        solution = solution * torch.clamp(1 - _BY_CHANCE / (explained + 1e-20), min=0)
        residual = smooth.subtract_neighbours(blocks(diagonal, cross, solution), solution).neg_().add_(right)
    direction = blocks(inverse, crossed, residual)
    power = _dot(residual, direction)
    for step in range(iterations):
        image = smooth.subtract_neighbours(blocks(diagonal, cross, direction), direction)
        length = power / (_dot(direction, image) + 1e-20)
        solution = torch.addcmul(solution, length, direction)
        if step == iterations - 1:
            break
        residual = torch.addcmul(residual, length, image, value=-1)
        conditioned = blocks(inverse, crossed, residual)
        last, power = power, _dot(residual, conditioned)
        direction = torch.addcmul(conditioned, power / (last + 1e-20), direction)
    return solution


@lru_cache(maxsize=8)
def _affine_basis(height: int, width: int, dtype: torch.dtype, device: str) -> tuple[Tensor, Tensor]:
    """Return 1, x and y on a lattice (3, h w), x and y from -1 to 1, and their products (9, h w)."""
    y, x = torch.meshgrid(*(torch.linspace(-1, 1, side, dtype=dtype) for side in (height, width)), indexing="ij")
    basis = torch.stack([torch.ones_like(x), x, y]).flatten(1).to(device)
    return basis, (basis[:, None] * basis).flatten(0, 1)


def affine(normal: Tensor, right: Tensor, smooth: Smoothness) -> Tensor:
    """Return the affine field (B, 2, h, w) that least violates (J + S) d = `right`; arguments as `solve`."""
    batch, _, height, width = right.shape
    basis, pairs = _affine_basis(height, width, right.dtype, str(right.device))
    xx, yy, xy = (normal.flatten(2) @ pairs.T).view(batch, 3, 3, 3).unbind(1)
    matrix = torch.cat([torch.cat([xx, xy], dim=2), torch.cat([xy, yy], dim=2)], dim=1).double()
    bending = right.new_zeros(batch, 3)
    bending[:, 1] = smooth.x.sum(dim=(1, 2, 3)) * (2 / (width - 1)) ** 2
    bending[:, 2] = smooth.y.sum(dim=(1, 2, 3)) * (2 / (height - 1)) ** 2
    matrix.diagonal(dim1=1, dim2=2).add_(bending.repeat(1, 2) + 1e-3)
    fitted = torch.linalg.solve(matrix, (right.flatten(2) @ basis.T).view(batch, 6, 1).double())
    return (fitted.view(batch, 2, 3).to(right.dtype) @ basis).view_as(right)


def blocks(diagonal: Tensor, cross: Tensor, field: Tensor) -> Tensor:
    """Return symmetric 2 x 2 blocks times the vectors of `field` (B, 2, h, w).

    Args:
        diagonal: (B, 2, h, w) diagonals of the blocks.
        cross: (B, 1, h, w) what is beside them.
        field: the vectors.
    """
    result = diagonal * field
    result[:, :1].addcmul_(cross, field[:, 1:])
    result[:, 1:].addcmul_(cross, field[:, :1])
    return result


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dim=(1, 2, 3), keepdim=True)
