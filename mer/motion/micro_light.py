"""A change of the light between two images: a gain that is a quadratic polynomial of the place, and an offset."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from mer.motion.micro_lattice import Band, apply, centres, gaussian

# Side in pixels of the cells whose means the light is fitted to: what moves by a pixel or two hardly changes them.
_CELL = 8
_TERMS = 6
# Times the data are weighted by the residuals of the last fit.
_ROUNDS = 3


def relit(first: Tensor, second: Tensor, groups: Sequence[slice], out: Tensor) -> Tensor:
    """Write `second` in the light of `first` to `out` and return it; unchanged for identical images.

    Args:
        first: (1 or B, H, W) float32.
        second: (B, H, W) float32.
        groups: which pairs to work on at once where arrays have the size of images.
        out: (B, H, W).
    """
    rows, columns, coarse, fine = _operators(second.shape[1], second.shape[2], str(second.device))
    cells = [
        torch.cat([apply(rows, images[group], columns) for group in (groups if len(images) == len(second) else [...])])
        for images in (first, second)
    ]
    gain, offset = fit(cells[0], cells[1], coarse)
    for group in groups:
        light = torch.matmul(gain[group], fine).view_as(second[group]).add_(1)
        torch.mul(second[group], light, out=out[group]).add_(offset[group])
    return out


@lru_cache(maxsize=8)
def _operators(height: int, width: int, device: str) -> tuple[Band, Band, Tensor, Tensor]:
    """Return the smoothing of rows and of columns to cells, and the polynomials on cells and, flat, on pixels."""
    smooth = [gaussian(-(-side // _CELL), side, _CELL, _CELL / 2) for side in (height, width)]
    places = [[centres(-(-side // step), step) / side * 2 - 1 for side in (height, width)] for step in (_CELL, 1)]
    coarse, fine = (polynomial(*place) for place in places)
    rows, columns = (Band(matrix.float().to(device)) for matrix in smooth)
    return rows, columns, coarse.float().to(device), fine.flatten(1).float().to(device)


def polynomial(rows: Tensor, columns: Tensor) -> Tensor:
    """Return the terms 1, x, y, x^2, xy, y^2 (6, h, w) at y in `rows` (h,) and x in `columns` (w,)."""
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([torch.ones_like(x), x, y, x * x, x * y, y * y])


def fit(first: Tensor, second: Tensor, terms: Tensor) -> tuple[Tensor, Tensor]:
    """Fit `first` = (1 + gain) `second` + offset by reweighted least squares.

    Cells whose residual is above the usual one, as where an edge moves, count less.

    Args:
        first: (B, h, w) grey.
        second: the same.
        terms: (6, h, w) of `polynomial`, in the images' dtype.

    Returns:
        (B, 6) coefficients of the gain, and (B, 1, 1) offset; exactly zero for identical images.
    """
    scale = torch.cat([second.new_full((_TERMS,), 1 / 128), second.new_ones(1)])
    columns = torch.nn.functional.pad((second[:, None] * terms).flatten(2), (0, 0, 0, 1), value=1) * scale[:, None]
    target = (first - second).flatten(1)[..., None]
    ridge = 1e-5 * columns.shape[2] * torch.eye(_TERMS + 1, dtype=torch.float64, device=first.device)
    weighted, fitted = columns, columns.new_zeros(len(columns), _TERMS + 1, 1)
    for _ in range(_ROUNDS):
        right, normal = weighted @ target, weighted @ columns.mT
        fitted = torch.linalg.solve(normal.double() + ridge, right.double()).float()
        residual = (target.mT - fitted.mT @ columns).square_()
        weighted = columns * (1 + residual / (2 * residual.mean(dim=2, keepdim=True) + 0.01)).pow_(-2)
    return (fitted[:, :, 0] * scale)[:, :_TERMS], fitted[:, _TERMS:]
