"""Backward warping with exact sub-pixel sampling, and the inversion of displacement fields.

Conventions: a displacement field is (2, H, W), u right and v down, in pixels; pixels are at integer
coordinates. A *forward* field u of an image pair says where the points of the first image go:
second(x + u(x)) = first(x). Outside the image the nearest border pixel counts.

Up to OpenCV 4, `cv2.remap` rounds every sampling position to 1/32 pixel (the order of a weak
micro-expression), and its cubic kernel does so in OpenCV 5 too; the samplers here do not round.
"""

from __future__ import annotations

import numpy as np


def grid(height: int, width: int) -> np.ndarray:
    """Return the pixel coordinates (2, H, W) float64 of an image: x in [0], y in [1]."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x, y]).astype(np.float64)


def warp_points(flow: np.ndarray) -> np.ndarray:
    """Return the points x + flow(x), (2, H, W) float64."""
    return grid(*flow.shape[1:]) + flow


def sample_linear(field: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Sample a field at sub-pixel points, bilinearly, without rounding the positions.

    Args:
        field: (C, H, W) float.
        points: (2, ...) float, x in [0], y in [1], pixels; clamped into the image.

    Returns:
        (C, ...) in the dtype of `field`.
    """
    height, width = field.shape[1:]
    x = np.clip(points[0], 0, width - 1)
    y = np.clip(points[1], 0, height - 1)
    left = np.minimum(x.astype(np.int64), max(width - 2, 0))
    top = np.minimum(y.astype(np.int64), max(height - 2, 0))
    right, below = min(1, width - 1), min(1, height - 1) * width
    fx, fy = (x - left).astype(field.dtype), (y - top).astype(field.dtype)
    corner = top * width + left
    flat = np.ascontiguousarray(field).reshape(len(field), -1)
    upper = flat[:, corner] * (1 - fx) + flat[:, corner + right] * fx
    lower = flat[:, corner + below] * (1 - fx) + flat[:, corner + below + right] * fx
    return upper * (1 - fy) + lower * fy


def spline_coefficients(image: np.ndarray, order: int = 3) -> np.ndarray:
    """Return the B-spline coefficients (C, H, W) float64 of an image (H, W) or (H, W, C), for `sample_spline`."""
    from scipy.ndimage import spline_filter

    planes = np.atleast_3d(image).astype(np.float64).transpose(2, 0, 1)
    if order < 2:
        return planes
    return np.stack([spline_filter(plane, order=order, mode="mirror") for plane in planes])


def sample_spline(coefficients: np.ndarray, points: np.ndarray, order: int = 3) -> np.ndarray:
    """Sample an image from its `spline_coefficients` at `points` (2, ...) of (x, y); returns (C, ...) float64.

    A spline of order 3 or more keeps the texture of a warped face, which bilinear sampling blurs.
    """
    from scipy.ndimage import map_coordinates

    height, width = coefficients.shape[1:]
    where = np.stack([np.clip(points[1], 0, height - 1), np.clip(points[0], 0, width - 1)])
    return np.stack([map_coordinates(c, where, order=order, prefilter=False, mode="mirror") for c in coefficients])


def warp(image: np.ndarray, flow: np.ndarray, order: int = 3) -> np.ndarray:
    """Return `image` sampled at x + flow(x): undoes a forward flow when given the second image.

    Args:
        image: (H, W) or (H, W, 3), any real dtype.
        flow: (2, H, W) pixels.
        order: spline order, 1 (bilinear) to 5.

    Returns:
        The warped image, float64, in the shape of `image`.
    """
    sampled = sample_spline(spline_coefficients(image, order), warp_points(flow), order)
    return sampled[0] if image.ndim == 2 else sampled.transpose(1, 2, 0)


def invert(flow: np.ndarray, iterations: int = 60, tolerance: float = 1e-3) -> np.ndarray:
    """Return for every pixel x the point m with m + flow(m) = x: where a forward field comes from.

    Fixed-point iteration m <- x - flow(m). Where the step stops shrinking (the field compresses by more than the
    iteration can follow) it is halved, so that strong gains settle too; a field that folds over itself has no
    inverse, and there the last point counts.

    Args:
        flow: (2, H, W) float, pixels.
        iterations: at most so many steps.
        tolerance: stop when no point moves further than this, pixels.

    Returns:
        (2, H, W) float64 points (x, y); exactly the pixel grid where the field is zero.
    """
    target = grid(*flow.shape[1:]).reshape(2, -1)
    field = flow.astype(np.float64)
    points = target.copy()
    active = np.arange(target.shape[1])
    rate, last = np.ones(len(active)), np.full(len(active), np.inf)
    for _ in range(iterations):
        step = target[:, active] - sample_linear(field, points[:, active]) - points[:, active]
        length = np.hypot(step[0], step[1])
        rate = np.where(length > 0.9 * last, np.maximum(rate / 2, 0.125), rate)
        points[:, active] += rate * step
        going = length > tolerance
        if not going.any():
            break
        active, rate, last = active[going], rate[going], length[going]
    return points.reshape(flow.shape)
