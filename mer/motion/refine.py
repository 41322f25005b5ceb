"""Undoing the shrinkage of a regularised flow estimator.

A smoothness term pulls weak motions of small regions towards zero: on facial motion of 0.3 pixels TV-L1 returns three
quarters of the length. Estimating again what is left after warping the second image back, and adding it, returns most
of the rest (iterated regularisation, "twicing"); smoothing every increment keeps the noise from growing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mer.motion.warp import sample_spline, spline_coefficients, warp_points


def refined(
    estimate: Callable[[np.ndarray, np.ndarray], np.ndarray],
    first: np.ndarray,
    second: np.ndarray,
    passes: int,
    sigma: float | None,
) -> np.ndarray:
    """Return the forward flow of an estimator with `passes` further estimates of what it missed.

    Args:
        estimate: two grey images (H, W) float32 to their forward flow (2, H, W).
        first: (H, W) grey float32.
        second: the same.
        passes: number of further estimates; 0 is the estimator alone.
        sigma: Gaussian smoothing of every estimate, pixels; 0 is none, None 1/112 of the shorter side (2 at 224).

    Returns:
        (2, H, W) float32 pixels; exactly zero for identical images.
    """
    from scipy.ndimage import gaussian_filter

    sigma = min(first.shape) / 112 if sigma is None else sigma
    flow = np.zeros((2, *first.shape), np.float32)
    if np.array_equal(first, second):
        return flow
    coefficients = spline_coefficients(second) if passes else None
    for step in range(passes + 1):
        seen = second
        if coefficients is not None and step:
            seen = sample_spline(coefficients, warp_points(flow))[0].astype(np.float32)
        increment = estimate(first, seen)
        flow += gaussian_filter(increment, (0, sigma, sigma), mode="nearest") if sigma else increment
    return flow
