"""Reading an image at real-valued positions."""

from __future__ import annotations

import cv2
import numpy as np

LINEAR, CUBIC, LANCZOS = cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4


def sample(image: np.ndarray, where: np.ndarray, kernel: int) -> np.ndarray:
    """Return `image` (h, w[, c]) float32 at pixel positions `where` (H, W, 2) float32, edges repeated."""
    # OpenCV takes None for the second map; its annotations do not.
    return cv2.remap(image, where, None, kernel, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
