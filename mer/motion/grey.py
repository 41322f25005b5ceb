"""Grey images for flow estimation."""

from __future__ import annotations

import numpy as np


def grey(image: np.ndarray, size: int | None = None) -> np.ndarray:
    """Return the luma of an RGB image, resized first.

    Luma is 0.299 R + 0.587 G + 0.114 B (Rec. 601, as OpenCV's), not rounded, so that a resized crop keeps its
    sub-level differences. Shrinking averages areas (`INTER_AREA`).

    Args:
        image: (S, S, 3) uint8 RGB.
        size: side of the result in pixels, at most S; S when None.

    Returns:
        (size, size) float32, 0-255.
    """
    import cv2

    planes: np.ndarray = image.astype(np.float32)
    if size is not None and size != len(image):
        planes = np.asarray(cv2.resize(planes, (size, size), interpolation=cv2.INTER_AREA))
    return planes @ np.array([0.299, 0.587, 0.114], np.float32)
