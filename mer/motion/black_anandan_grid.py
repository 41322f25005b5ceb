"""Filters, pyramids and resampling of Black-Anandan flow, as small matrices for one image axis each.

They follow the released system's Matlab functions (specs/au-fusion.md §3.2) to the border: symmetric padding repeats
the edge sample, and sample i of a resized axis lies at (i + 1/2) / scale - 1/2 of the original.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

_DERIVATIVE = (-1 / 60, 9 / 60, -45 / 60, 0.0, 45 / 60, -9 / 60, 1 / 60)


def _mirrored(index: Tensor, count: int) -> Tensor:
    """Return indices into `count` samples of indices that may lie beyond them, the edge samples repeated."""
    folded = index % (2 * count)
    return torch.where(folded < count, folded, 2 * count - 1 - folded)


def _collect(index: Tensor, weight: Tensor, count: int) -> Tensor:
    """Return the matrix (rows, count) of the weights (rows, taps) of mirrored sample indices (rows, taps)."""
    matrix = torch.zeros(len(index), count, dtype=torch.float64)
    return matrix.scatter_add_(1, _mirrored(index, count), weight.expand(index.shape).contiguous())


def gaussian_taps(size: int, sigma: float) -> Tensor:
    """Return a Gaussian of `size` taps and sum 1, float64."""
    at = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    taps = torch.exp(-(at**2) / (2 * sigma**2))
    return taps / taps.sum()


def correlation(count: int, taps: Tensor, padding: str = "symmetric") -> Tensor:
    """Return the (count, count) float64 correlation with an odd number of taps; `padding` symmetric or zero."""
    reach = len(taps) // 2
    index = torch.arange(count)[:, None] + torch.arange(-reach, reach + 1)
    if padding == "symmetric":
        return _collect(index, taps, count)
    inside = (index >= 0) & (index < count)
    return _collect(index.clamp(0, count - 1), torch.where(inside, taps, 0.0), count)


@lru_cache(maxsize=32)
def derivative(count: int) -> Tensor:
    """Return the seven-point derivative (count, count) float64."""
    return correlation(count, torch.tensor(_DERIVATIVE, dtype=torch.float64))


def smaller(count: int, spacing: float) -> int:
    """Return the number of samples of the next pyramid level."""
    return math.ceil(count / spacing)


@lru_cache(maxsize=32)
def decimation(count: int, spacing: float) -> Tensor:
    """Return the step to the next pyramid level (smaller, count) float64: a Gaussian, then the nearest samples."""
    sigma = spacing / 2
    smooth = correlation(count, gaussian_taps(2 * math.floor(1.5 * sigma + 0.5) + 1, sigma))
    at = (torch.arange(smaller(count, spacing), dtype=torch.float64) + 0.5) * spacing - 0.5
    return smooth[_mirrored(torch.floor(at + 0.5).long(), count)]


@lru_cache(maxsize=32)
def resizing(count: int, wanted: int) -> Tensor:
    """Return bilinear resizing (wanted, count) float64, whose triangle is as wide as a sample of a smaller result."""
    scale = wanted / count
    narrow = min(scale, 1.0)
    at = (torch.arange(wanted, dtype=torch.float64) + 0.5) / scale - 0.5
    reach = math.ceil(1 / narrow) + 1
    index = torch.floor(at).long()[:, None] + torch.arange(-reach, reach + 1)
    weight = torch.clamp(1 - narrow * (at[:, None] - index).abs(), min=0)
    return _collect(index, weight / weight.sum(dim=1, keepdim=True), count)


def on_both(matrix_of: object, image: Tensor, *arguments: float) -> Tensor:
    """Apply `matrix_of(side, *arguments)` to both axes of images (..., H, W)."""
    rows, columns = (matrix_of(side, *arguments).to(image) for side in image.shape[-2:])  # type: ignore[operator]
    return rows @ image @ columns.T
