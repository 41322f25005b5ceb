"""Filling gaps and smoothing along time without smearing a short apex."""

from __future__ import annotations

import numpy as np


def fill_gaps(values: np.ndarray, known: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return rows (T, K) at frames `wanted`, linear between the nearest known ones; beyond them the last is repeated.

    Args:
        values: (N, K) rows at the frames `known`.
        known: (N,) ascending frames.
        wanted: (T,) frames.

    Raises:
        ValueError: no frame is known.
    """
    if not len(known):
        raise ValueError("no good row to interpolate from")
    after = np.clip(np.searchsorted(known, wanted), 0, len(known) - 1)
    before = np.clip(np.searchsorted(known, wanted, side="right") - 1, 0, len(known) - 1)
    span = np.maximum(known[after] - known[before], 1)
    part = np.clip((wanted - known[before]) / span, 0, 1)[:, None]
    return (1 - part) * values[before] + part * values[after]


def local_quadratic(values: np.ndarray, weights: np.ndarray, window: int) -> np.ndarray:
    """Smooth along the first axis by a weighted quadratic fit in a moving window.

    With equal weights this is the Savitzky-Golay filter (Anal. Chem. 36(8), 1964): of a movement that rises
    and falls within five frames, a window of 5 keeps 96 % of the peak. At the ends the
    window is cut, not shifted. A row of weight 0 keeps its value and takes no part in its neighbours' fits.

    Args:
        values: (T, ...) floats.
        weights: (T,) non-negative trust in each row.
        window: odd number of rows; 1 returns the values.

    Returns:
        (T, ...) float64.
    """
    values = np.asarray(values, float)
    count, half = len(values), window // 2
    if half == 0 or count < 3:
        return values.copy()
    offsets = np.arange(-half, half + 1)
    index = np.arange(count)[:, None] + offsets
    valid = (index >= 0) & (index < count)
    index = np.clip(index, 0, count - 1)
    trust = np.asarray(weights, float)[index] * valid
    design = np.stack([np.ones_like(offsets), offsets, offsets**2], axis=1).astype(float)
    normal = np.einsum("tw,wi,wj->tij", trust, design, design)
    # The ridge leaves a fit with fewer than three trusted rows at their mean or line.
    normal += np.diag([1e-12, 1e-9, 1e-9]) * np.maximum(trust.max(axis=1), 1e-12)[:, None, None]
    rows = np.linalg.solve(normal, np.broadcast_to(np.eye(3)[:, :1], (count, 3, 1)))[..., 0]
    hat = np.einsum("ti,wi,tw->tw", rows, design, trust)
    flat = values.reshape(count, -1)
    smooth = sum(hat[:, k, None] * flat[index[:, k]] for k in range(window))
    untrusted = np.asarray(weights, float) <= 0
    return np.where(untrusted[:, None], flat, smooth).reshape(values.shape)


def slow_excess(offsets: np.ndarray, weights: np.ndarray, sigma: float, tolerance: float) -> np.ndarray:
    """Return the slow part of an offset as far as it exceeds a tolerance.

    Args:
        offsets: (T, N, 2) offsets of N points in pixels.
        weights: (T,) non-negative trust in each row.
        sigma: standard deviation in frames of the Gaussian that defines 'slow'.
        tolerance: RMS length in pixels up to which an offset is left alone.

    Returns:
        (T, N, 2): the weighted Gaussian mean of the offsets, shortened by `tolerance`; zero within it.
    """
    reach = int(np.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    flat = offsets.reshape(len(offsets), -1)

    def spread(values: np.ndarray) -> np.ndarray:
        return np.convolve(np.pad(values, reach), kernel, mode="valid")

    total = np.maximum(spread(weights), 1e-12)
    slow = np.stack([spread(weights * flat[:, k]) / total for k in range(flat.shape[1])], axis=1)
    length = np.sqrt((slow**2).sum(axis=1) / offsets.shape[1])
    share = np.clip(1 - tolerance / np.maximum(length, 1e-12), 0, None)
    return (slow * share[:, None]).reshape(offsets.shape)
