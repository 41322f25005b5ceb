"""Doubts that the registration alone cannot raise: a head turned away, a part of the face hidden or much changed."""

from __future__ import annotations

import numpy as np

from mer.core.geometry import LEFT_BROW, LEFT_EYE, MOUTH, RIGHT_BROW, RIGHT_EYE, eye_centres
from mer.stages.align.patch import SIDE

TURNED = 0.3  # asymmetry beyond which one side of the face is foreshortened: about 25 degrees of yaw
COVERED = 0.7  # share of a part that may look different from the key; a blink stays below
UNLIKE = 0.4  # correlation of a window below which it looks different
PARTS = ((*LEFT_BROW, *LEFT_EYE), (*RIGHT_BROW, *RIGHT_EYE), (*MOUTH, 33))
_HALF = SIDE // 2
_WINDOW = 11  # half-size pixels, a tenth of the patch
_FLAT = 4.0  # variance in grey levels squared below which a window has nothing to compare


def asymmetry(points: np.ndarray) -> float:
    """Return how far the nose is off the middle between the sides of the face: 0 in front, about 1 in profile.

    Args:
        points: (68, 2) landmarks, any scale.
    """
    left, right = eye_centres(points)
    along = (right - left) / max(float(np.linalg.norm(right - left)), 1e-9)
    at = points[[1, 2, 14, 15, 28, 29, 30]] @ along
    low, high, nose = at[:2].mean(), at[2:4].mean(), at[4:].mean()
    return float(abs(2 * (nose - low) / max(high - low, 1e-9) - 1))


def covered(patch: np.ndarray, key: np.ndarray, points: np.ndarray) -> float:
    """Return how much (0-1) of an eye with its brow, or of the mouth, does not look like the key's; the worst of them.

    The patches are compared by their correlation in windows, so that light does not matter, and a window without
    texture has no say.

    Args:
        patch: (SIDE, SIDE) float32, registered with the key.
        key: (SIDE, SIDE) float32.
        points: (68, 2) landmarks of the key, in its pixels.
    """
    import cv2

    one, two = (cv2.resize(p, (_HALF, _HALF), interpolation=cv2.INTER_AREA) for p in (patch, key))

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, (_WINDOW, _WINDOW))

    middle_one, middle_two = mean(one), mean(two)
    cross = mean(one * two) - middle_one * middle_two
    power_one, power_two = mean(one * one) - middle_one**2, mean(two * two) - middle_two**2
    textured, power_two = power_two > _FLAT, np.maximum(power_two, _FLAT)
    # A smooth thing in front correlates with anything: it counts as if it had half the key's contrast.
    unlike = cross < UNLIKE * np.sqrt(np.maximum(power_one, power_two / 4) * power_two)
    shares = []
    for part in PARTS:
        mask = np.zeros((_HALF, _HALF), np.uint8)
        cv2.fillConvexPoly(mask, cv2.convexHull(np.round(points[list(part)] / 2).astype(np.int32)), 1)
        seen = textured & (mask > 0)
        shares.append(float((unlike & seen).sum() / max(int(seen.sum()), 1)))
    return max(shares)
