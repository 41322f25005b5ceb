"""Linear operators on one axis of an image, as small dense matrices.

On sides of some hundred pixels a product with a dense matrix is as fast as a hand-written filter, exact at the borders,
and the same code on every device. Positions are pixel centres at integers.
"""

from __future__ import annotations

import torch
from torch import Tensor


def centres(count: int, step: float) -> Tensor:
    """Return the positions (count,) float64 of cells of `step` pixels that start at the image's border."""
    return (torch.arange(count, dtype=torch.float64) + 0.5) * step - 0.5


def gaussian(rows: int, columns: int, step: float, sigma: float) -> Tensor:
    """Return the Gaussian smoothing of `columns` samples at `rows` cells of `step` samples each.

    Args:
        rows: number of results.
        columns: number of samples, mirrored at both ends.
        step: distance of the results, samples.
        sigma: standard deviation, samples; 0 is interpolation between the nearest samples.

    Returns:
        (rows, columns) float64; every row sums to 1.
    """
    wanted, given = centres(rows, step)[:, None], torch.arange(columns, dtype=torch.float64)
    if sigma == 0:
        weight = torch.clamp(1 - (torch.clamp(wanted, 0, columns - 1) - given).abs(), min=0)
    else:
        images = (given, -1 - given, 2 * columns - 1 - given)
        weight = sum((torch.exp(-0.5 * ((wanted - at) / sigma) ** 2) for at in images), torch.zeros(()))
    return weight / weight.sum(dim=1, keepdim=True)


def _bspline(t: Tensor) -> Tensor:
    t = t.abs()
    return torch.where(t < 1, 2 / 3 - t**2 + t**3 / 2, torch.clamp(2 - t, min=0) ** 3 / 6)


def spline(points: Tensor, nodes: int, step: float) -> Tensor:
    """Return the values of cubic B-splines: (P, nodes) float64, rows of sum 1.

    Args:
        points: (P,) float64 positions in samples.
        nodes: number of B-splines, at the cells of `step` samples; those beyond an end share the last one's value.
        step: distance of the nodes, samples.
    """
    at = (points - (step - 1) / 2) / step
    matrix = torch.zeros(len(points), nodes, dtype=torch.float64)
    beyond = 2 + int(at.max().clamp(min=0) - nodes + 1) if at.max() > nodes - 1 else 2
    for k in range(-beyond, nodes + beyond):
        matrix[:, min(max(k, 0), nodes - 1)] += _bspline(at - k)
    return matrix


def spline_coefficients(count: int) -> Tensor:
    """Return the matrix (count, count) float64 from samples to coefficients of their cubic interpolation."""
    return torch.linalg.inv(spline(torch.arange(count, dtype=torch.float64), count, 1.0))


def regridding(side: int, given: float, wanted: float) -> Tensor:
    """Return the matrix (wanted nodes, given nodes) float64 between lattices of two spacings, by least squares.

    Args:
        side: pixels of the image.
        given: distance of the given nodes, pixels.
        wanted: distance of the nodes whose splines shall describe the same field.
    """
    pixels = centres(side, 1)
    have, want = (spline(pixels, -int(-side // spacing), spacing) for spacing in (given, wanted))
    # A whisper of ridge: a last node that lies beyond the image may be seen by no pixel.
    return torch.linalg.solve(want.T @ want + 1e-9 * torch.eye(want.shape[1], dtype=torch.float64), want.T @ have)


class Band:
    """An operator on one axis whose distant entries vanish, applied in blocks that leave them out."""

    def __init__(self, matrix: Tensor) -> None:
        self.grows = matrix.shape[0] > matrix.shape[1]
        self.parts: list[tuple[int, int, Tensor]] = []
        for rows in matrix.tensor_split(_blocks(*matrix.shape)):
            used = torch.nonzero((rows.abs() > 1e-7).any(dim=0))[:, 0]
            start, stop = int(used[0]), int(used[-1]) + 1
            self.parts.append((start, stop, rows[:, start:stop].contiguous()))

    def rows(self, image: Tensor) -> Tensor:
        """Return the operator times the rows of images (..., H, W)."""
        made = [matrix @ image[..., start:stop, :] for start, stop, matrix in self.parts]
        return made[0] if len(made) == 1 else torch.cat(made, dim=-2)

    def columns(self, image: Tensor) -> Tensor:
        """Return the same of the columns."""
        made = [image[..., start:stop] @ matrix.T for start, stop, matrix in self.parts]
        return made[0] if len(made) == 1 else torch.cat(made, dim=-1)


def _blocks(rows: int, columns: int) -> int:
    """Return the number of blocks that was measured to be fastest: a product with a slim matrix gains nothing."""
    return 4 if min(rows, columns) >= 128 else 1


def apply(rows: Band, image: Tensor, columns: Band) -> Tensor:
    """Return images (..., H, W) with both axes operated on, the cheaper one first."""
    if columns.grows:
        return columns.columns(rows.rows(image))
    return rows.rows(columns.columns(image))


def sample(coefficients: Tensor, points: Tensor) -> Tensor:
    """Return the cubic interpolation of images at points.

    The 16 coefficients around a point are read as four weighted means of four neighbours, each one bilinear read.

    Args:
        coefficients: (B, H, W) of `spline_coefficients` on both axes.
        points: (B, 2, H', W') column and row of every point in pixels, beyond a border its coefficient goes on;
            overwritten.

    Returns:
        (B, H', W').
    """
    places, weight = _pairs(points, *coefficients.shape[-2:])
    planes, image = places.flatten(1, 2), coefficients[:, None]
    # The planes are x of both reads, then y of both: every pair of an x and a y is a slice, which copies nothing.
    corners = (planes[:, 0::2], planes[:, 1:3], planes[:, 0::3], planes[:, 1::2])
    one, two, three, four = (
        torch.nn.functional.grid_sample(image, corner.permute(0, 2, 3, 1), "bilinear", "border", align_corners=True)
        for corner in corners
    )
    right, down = weight[:, :1], weight[:, 1:]
    return torch.lerp(torch.lerp(one, two, right), torch.lerp(three, four, right), down)[:, 0]


def _pairs(position: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Return where to read the two pairs of neighbours of points, and the weight of the second pair.

    Args:
        position: (B, 2, H', W') column and row.
        height: rows of the image.
        width: its columns.

    Returns:
        (B, 2, 2, H', W') places of the first and second pair on either axis, -1 at the image's first sample and 1 at
        its last; (B, 2, H', W') weights of the second.
    """
    left = torch.floor(position)
    t = position.sub_(left)
    t2 = t * t
    t3 = t2 * t
    # Six times the B-spline weights of four neighbours: (1 - t)^3, 4 - 6 t^2 + 3 t^3, then the last two, t^3 the last.
    second = torch.add(t, t2).mul_(3).sub_(t3, alpha=2).add_(1)
    inner = torch.add(t2.mul_(-6), t3, alpha=3).add_(4)
    first = 6 - second
    places = position.new_empty(len(position), 2, 2, *position.shape[2:])
    for axis, side in enumerate((width, height)):
        scale = 2 / (side - 1)
        base = left[:, axis].mul_(scale).sub_(1 + scale)
        torch.addcdiv(base, inner[:, axis], first[:, axis], value=scale, out=places[:, axis, 0])
        base.add_(2 * scale)
        torch.addcdiv(base, t3[:, axis], second[:, axis], value=scale, out=places[:, axis, 1])
    return places, second.mul_(1 / 6)
