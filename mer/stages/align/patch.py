"""The working patch: a grey, upright, eye-normalised view of the face in which everything is measured.

Landmarks and motion are estimated in a patch of fixed size whatever the size of the face, so thresholds in
pixels mean the same everywhere, and the landmark predictor sees the same face box in every frame.
"""

from __future__ import annotations

import numpy as np

from mer.core.geometry import canonical_eyes, compose, invert, scale_of

SIDE = 224
EYES = canonical_eyes(SIDE)
STEPS = 256  # positions in a pixel: what lies between has few enough bits for float32 to hold it exactly
EYE_DISTANCE = float(EYES[1, 0] - EYES[0, 0])
# The box that dlib's detector gives for an upright face whose eyes are at `EYES`: measured, 2.29 eye
# distances wide with its centre 0.56 below the eyes.
_CENTRE = EYES.mean(axis=0) + (0.0, 0.56 * EYE_DISTANCE)
BOX = np.concatenate([_CENTRE - 1.145 * EYE_DISTANCE, _CENTRE + 1.145 * EYE_DISTANCE])


def reduced(grey: np.ndarray, matrix: np.ndarray, margin: float = 0.15) -> tuple[np.ndarray, np.ndarray]:
    """Cut out of a picture what a patch may read, reduced by a whole factor when the patch shrinks it.

    Args:
        grey: (H, W) uint8.
        matrix: (2, 3) picture pixels -> patch pixels.
        margin: of the patch side kept around, for the patch may still move.

    Returns:
        The cut (h, w) float32, and the transform (2, 3) from picture pixels to pixels of the cut.
    """
    import cv2

    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) * (SIDE * (1 + 2 * margin)) - SIDE * margin
    back = invert(matrix)
    reach = corners @ back[:, :2].T + back[:, 2]
    low = np.clip(np.floor(reach.min(axis=0)), 0, None).astype(int)
    high = np.clip(np.ceil(reach.max(axis=0)) + 1, low + 2, None).astype(int)
    cut = grey[low[1] : high[1], low[0] : high[0]]
    if min(cut.shape) < 2:
        return np.zeros((2, 2), np.float32), np.array([[1.0, 0, -low[0]], [0, 1.0, -low[1]]])
    factor = max(1, int(1 / max(float(scale_of(matrix)), 1e-6)))
    factor = min(factor, min(cut.shape))
    if factor > 1:
        height, width = cut.shape[0] // factor, cut.shape[1] // factor
        cut = cv2.resize(cut[: height * factor, : width * factor], (width, height), interpolation=cv2.INTER_AREA)
    shift = -(np.array(low) + (factor - 1) / 2) / factor
    return cut.astype(np.float32), np.array([[1 / factor, 0, shift[0]], [0, 1 / factor, shift[1]]])


def sample(cut: np.ndarray, back: np.ndarray, window: tuple[int, int, int, int] = (0, 0, SIDE, SIDE)) -> np.ndarray:
    """Return a window of the patch, float32, read from `cut` (h, w) float32.

    Bilinear, at positions rounded to 1/256 pixel: so the sum of whole grey levels is exact, the same on every
    processor. OpenCV's 8-bit cubic rounds them to 1/32 pixel.

    Args:
        cut: (h, w) float32, whole numbers of 0 to 255.
        back: (2, 3) patch pixels -> pixels of the cut.
        window: x, y, width and height in patch pixels.
    """
    import cv2

    left, top, width, height = window
    x, y = np.arange(left, left + width), np.arange(top, top + height)[:, None]
    u, v = (np.rint(a * x + (b * y + c)).astype(np.float32) / np.float32(STEPS) for a, b, c in STEPS * back)
    return cv2.remap(cut, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def patch_of(grey: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return the (SIDE, SIDE) float32 patch of a picture (H, W) uint8 under `matrix` (picture -> patch)."""
    cut, inner = reduced(grey, matrix)
    return sample(cut, compose(inner, invert(matrix)))
