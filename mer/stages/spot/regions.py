"""The regions of a crop that spotting features look at, checked."""

from __future__ import annotations

import numpy as np

from mer.core.errors import ClipError


def usable_boxes(landmarks: np.ndarray, width: int, height: int, where: str) -> np.ndarray:
    """Return the boxes of `mer.motion.brow_mouth.region_boxes`: (2, 4) int left, top, right, bottom, exclusive.

    Args:
        landmarks: (68, 2) float (x, y) pixels of the crop.
        width: of the crop, pixels.
        height: of the crop, pixels.
        where: the recording's name in messages.

    Raises:
        ClipError: the landmarks leave no region.
    """
    from mer.motion.brow_mouth import region_boxes

    boxes = region_boxes(landmarks, width, height)
    if (boxes[:, 2:] - boxes[:, :2] < 2).any():
        raise ClipError(where, "the landmarks leave no region", "brows and a mouth", "check its alignment")
    return boxes
