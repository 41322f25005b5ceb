"""How far the regions of a face move between two pictures, besides the motion of its head.

Where skin has no texture, no flow tells how it moves, and the mean of a dense flow over a region is mostly what the
estimator guessed there. So regions are matched as a whole (Lucas & Kanade, IJCAI 1981): every pixel says how the
difference of the pictures goes with a displacement, to the extent that it has a gradient, and the sums over a region
are solved for one displacement. DIS gives the coarse displacement about which the pictures are compared. The head is a
rigid body with the depth of an average face; its ten numbers are fitted to the same sums over the skin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from mer.core.levels import as_uint8
from mer.motion.dis import DISOptions, matcher
from mer.motion.facial_regions import GRID, HEAD_GRID, HEAD_TERMS, FacePlaces

COARSE = DISOptions(preset="medium", finest_scale=2, patch_stride=4, spatial_propagation=False, refinement_iterations=0)
FINE, WIDE = 1.0, 8.0  # pixels: what is finer is noise, what is wider is light
SMOOTH = 0.9  # points of the head's grid over which a coarse displacement is smooth
SHARED = 0.55  # points of a grid over which neighbours help each other
#: Squared grey levels: how much texture a region needs. With less, its displacement is drawn to zero.
NEEDED, NEEDED_IN_REGION = 4.0, 4.0
ROUNDS = 6  # reweightings of the fit of the head
LEAST_DEVIATION = 0.03  # pixels
HELD = 1e-3 * np.eye(HEAD_TERMS)  # keeps a head at rest of which nothing is known


@dataclass(frozen=True)
class Sight:
    """A picture made ready to be compared with others.

    Args:
        levels: (H, W) float32 grey 0-255.
        rounded: (H, W) uint8, the same.
        detail: (H, W) float32, without noise and light.
        slope: (2, H, W) float32, its gradient, levels a pixel to the right and down.
    """

    levels: np.ndarray
    rounded: np.ndarray
    detail: np.ndarray
    slope: np.ndarray


def sight(levels: np.ndarray) -> Sight:
    """Return a grey picture (H, W), 0-255, ready to be compared; its sides are multiples of `HEAD_GRID`."""
    picture = levels.astype(np.float32)
    fine = cv2.GaussianBlur(picture, (0, 0), FINE)
    # Light is so smooth that half of the points tell it.
    half = cv2.resize(fine, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    light = cv2.resize(cv2.GaussianBlur(half, (0, 0), WIDE / 2), fine.shape[::-1], interpolation=cv2.INTER_LINEAR)
    detail = fine - light
    return Sight(picture, as_uint8(picture), detail, _slope(detail))


def region_displacements(first: Sight, second: Sight, face: FacePlaces) -> tuple[np.ndarray, np.ndarray, float]:
    """Return what a face does between two pictures besides the motion of its head.

    Args:
        first: a picture.
        second: a later one.
        face: where the face is in the first.

    Returns:
        the displacements (R, 2) float64 of the regions, right and down, in pixels; the ten numbers (10,) of the head's
        motion, in pixels; and the median length in pixels of what these leave on the skin.
    """
    sums = _sums(first, second)
    numbers, left = _head(sums, face)
    along, down = (face.head @ numbers).reshape(2, *sums.shape[1:])
    rest = _less(sums, along, down)
    of_regions = ((rest @ face.across.T) * face.down.T).sum(axis=1)
    return np.stack(_solved(of_regions, NEEDED_IN_REGION), axis=1), numbers, left


def _sums(first: Sight, second: Sight) -> np.ndarray:
    """Return the normal equations (5, m, n) float64 of a displacement about every point of the grid.

    Three of the matrix (xx, xy, yy), two of the right side.
    """
    along, down = (_smooth(one) for one in _coarse()(first.rounded, second.rounded))
    x, y = _pixels(first.detail.shape)
    moved = cv2.remap(second.detail, x + along, y + down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    # The gradient of both halves the noise in it, which would draw displacements to zero.
    right, under = (first.slope + _slope(moved)) / 2
    told = right * along + under * down + first.detail - moved
    products = np.empty((5, *moved.shape), np.float32)
    for product, one, other in zip(
        products, (right, right, under, right, under), (right, under, under, told, told), strict=True
    ):
        np.multiply(one, other, out=product)
    return _means(products, GRID)


def _head(sums: np.ndarray, face: FacePlaces) -> tuple[np.ndarray, float]:
    """Return the numbers (10,) of the head and the median length of what they leave.

    Reweighted least squares with Tukey's biweight, so that up to half of the face may move by itself.
    """
    if face.skin.sum() < HEAD_TERMS:
        return np.zeros(HEAD_TERMS), 0.0
    flat = _means(sums, HEAD_GRID // GRID).reshape(5, -1)[:, face.skin]
    across, down = face.bones
    both = face.bones.reshape(-1, HEAD_TERMS)
    xx, xy, yy, x, y = flat
    design = np.concatenate([xx[:, None] * across + xy[:, None] * down, xy[:, None] * across + yy[:, None] * down])
    right = np.concatenate([x, y])
    told, followed = _solved(flat, NEEDED), _followed(flat, NEEDED)
    weight = np.ones(flat.shape[1])
    for _ in range(ROUNDS):
        weighted = both.T * np.tile(weight, 2)
        numbers = np.linalg.solve(weighted @ design + HELD, weighted @ right)
        along, under = across @ numbers, down @ numbers
        left = np.hypot(
            told[0] - followed[0] * along - followed[1] * under, told[1] - followed[1] * along - followed[2] * under
        )
        middle = float(np.median(left))
        # 1.18: the median length of a plane Gaussian of standard deviation 1.
        limit = 4.685 * max(middle / 1.18, LEAST_DEVIATION)
        weight = np.where(left < limit, (1 - (left / limit) ** 2) ** 2, 0)
    return numbers, middle


def _followed(sums: np.ndarray, needed: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return how much of a displacement `_solved` tells: (xx, xy, yy) of a symmetric matrix for each of sums (5, K)."""
    xx, xy, yy = sums[:3]
    area = (xx + needed) * (yy + needed) - xy * xy
    return (xx * (yy + needed) - xy * xy) / area, needed * xy / area, (yy * (xx + needed) - xy * xy) / area


def _less(sums: np.ndarray, along: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Return normal equations (5, ...) about a displacement that is taken away."""
    xx, xy, yy, x, y = sums
    return np.stack([xx, xy, yy, x - xx * along - xy * down, y - xy * along - yy * down])


def _solved(sums: np.ndarray, needed: float) -> tuple[np.ndarray, np.ndarray]:
    xx, xy, yy, x, y = sums
    xx, yy = xx + needed, yy + needed
    area = xx * yy - xy * xy
    return (yy * x - xy * y) / area, (xx * y - xy * x) / area


def _slope(picture: np.ndarray) -> np.ndarray:
    # 32: the sum of Scharr's weights.
    return np.stack([cv2.Scharr(picture, cv2.CV_32F, *axis, scale=1 / 32) for axis in ((1, 0), (0, 1))])


def _means(fields: np.ndarray, apart: int) -> np.ndarray:
    """Return fields (N, H, W) as means of squares of `apart` pixels, shared a little with the neighbours, float64."""
    count, height, width = (side // part for side, part in zip(fields.shape, (1, apart, apart), strict=True))
    # One beneath the other they are one picture, whose squares lie within them.
    small = cv2.resize(fields.reshape(-1, fields.shape[2]), (width, count * height), interpolation=cv2.INTER_AREA)
    return np.stack([cv2.GaussianBlur(one, (0, 0), SHARED) for one in small.reshape(count, height, width)], dtype=float)


def _smooth(field: np.ndarray) -> np.ndarray:
    small = cv2.resize(field, None, fx=1 / HEAD_GRID, fy=1 / HEAD_GRID, interpolation=cv2.INTER_AREA)
    return cv2.resize(cv2.GaussianBlur(small, (0, 0), SMOOTH), field.shape[::-1], interpolation=cv2.INTER_LINEAR)


@cache
def _coarse() -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    return matcher(COARSE)


@cache
def _pixels(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.meshgrid(np.arange(shape[1], dtype=np.float32), np.arange(shape[0], dtype=np.float32))
    return x, y
