"""Removal of the motion of the whole head from a flow field.

Alignment leaves a residue of head motion in every crop. Most of the face does not take part in a micro-expression,
so a robust statistic of the field is the head's motion and what is left is the expression's:

- `nose`: the mean of a patch at the bridge of the nose, as SOFTNet has it (specs/mean-softnet.md §3.1), a translation;
- `median`: the median of the field, a translation;
- `similarity`: a robust fit of translation, rotation and scale.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

Centring = Literal["none", "nose", "median", "similarity"]


def centre(flow: np.ndarray, how: Centring, landmarks: np.ndarray | None = None) -> np.ndarray:
    """Return a flow without head motion.

    Args:
        flow: (2, H, W) float, pixels.
        how: the method; `none` returns the flow as it is.
        landmarks: (68, 2) float (x, y) pixels of the flow, which `nose` needs.

    Raises:
        ValueError: `nose` without landmarks, or with unknown ones.
    """
    if how == "nose":
        from mer.motion.brow_mouth import NOSE, nose_mean

        if landmarks is None or not np.isfinite(landmarks[NOSE]).all():
            raise ValueError("the nose's landmarks are unknown")
        return flow - nose_mean(flow, landmarks)[:, None, None]
    if how == "median":
        return flow - np.median(flow, axis=(1, 2), keepdims=True)
    if how == "similarity":
        return flow - similarity_field(fit_similarity(flow), *flow.shape[1:]).astype(flow.dtype)
    return flow


def similarity_field(parameters: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the field (2, H, W) float64 of a small similarity.

    Args:
        parameters: (4,) float: a, b, tx, ty with u = a X - b Y + tx and v = b X + a Y + ty, where X and Y are
            pixels from the image's centre. a is the change of scale and b the rotation in radians (for small ones).
        height: image height.
        width: image width.
    """
    a, b, tx, ty = parameters
    y, x = np.mgrid[:height, :width].astype(np.float64)
    x, y = x - (width - 1) / 2, y - (height - 1) / 2
    return np.stack([a * x - b * y + tx, b * x + a * y + ty])


def fit_similarity(flow: np.ndarray, iterations: int = 30) -> np.ndarray:
    """Fit a similarity to a flow by iteratively reweighted least squares with Tukey's biweight.

    The scale of the residuals is their median length, so that up to about half of the face may move by itself.

    Args:
        flow: (2, H, W) float, pixels.
        iterations: at most so many reweightings.

    Returns:
        (4,) float64 parameters of `similarity_field`.
    """
    height, width = flow.shape[1:]
    basis = np.stack([similarity_field(row, height, width).ravel() for row in np.eye(4)], axis=1)
    target = flow.reshape(-1).astype(np.float64)
    # Starting from the median keeps the first residuals free of the expression.
    parameters = np.array([0, 0, *np.median(flow, axis=(1, 2))], np.float64)
    for _ in range(iterations):
        residual = (target - basis @ parameters).reshape(2, -1)
        length = np.hypot(residual[0], residual[1])
        limit = 4.685 * max(float(np.median(length)), 1e-6)
        weight = np.tile(np.where(length < limit, (1 - (length / limit) ** 2) ** 2, 0), 2)
        weighted = basis * weight[:, None]
        update = np.linalg.solve(weighted.T @ basis + 1e-12 * np.eye(4), weighted.T @ target)
        if np.abs(update - parameters).max() < 1e-9:
            return update
        parameters = update
    return parameters
