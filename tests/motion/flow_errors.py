"""End-point error (EPE): the length of the difference between an estimated and the true flow, in pixels."""

from __future__ import annotations

import numpy as np


def endpoint_errors(estimate: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the error of every pixel: (..., 2, H, W) twice to (..., H, W) float64."""
    if estimate.shape != truth.shape:
        raise ValueError(f"estimate {estimate.shape} and truth {truth.shape} differ in shape")
    error = estimate.astype(np.float64) - truth
    return np.hypot(error[..., 0, :, :], error[..., 1, :, :])


def endpoint_error(estimate: np.ndarray, truth: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Return the mean end-point error, over the pixels of `mask` only when one is given.

    Args:
        estimate: (..., 2, H, W) float, pixels.
        truth: the same shape.
        mask: (..., H, W) bool; NaN is returned when it is empty.
    """
    errors = endpoint_errors(estimate, truth)
    chosen = errors if mask is None else errors[np.broadcast_to(mask, errors.shape)]
    return float(chosen.mean()) if chosen.size else float("nan")


def moving(truth: np.ndarray, share: float = 0.1) -> np.ndarray:
    """Return the mask (..., H, W) of the pixels that move by more than `share` of the field's longest vector."""
    length = np.hypot(truth[..., 0, :, :], truth[..., 1, :, :])
    return length > share * length.max(axis=(-2, -1), keepdims=True)
