"""Where a face moves with the skull: the mask of the rigid registration.

Kept are the nose above the nostrils with the inner corners of the eyes, the sides between the eyes and the
ears, and the forehead with a low weight, for raised brows drag its skin. Left out are brows, eyelids, mouth
and cheeks, which expressions move.
"""

from __future__ import annotations

import numpy as np

from mer.core.geometry import LEFT_BROW, LEFT_EYE, MOUTH, RIGHT_BROW, RIGHT_EYE, eye_centres

NOSE_WEIGHT, SIDE_WEIGHT, FOREHEAD_WEIGHT = 1.0, 0.7, 0.2


def rigid_mask(points: np.ndarray, side: int) -> np.ndarray:
    """Return the (side, side) float32 prior weight 0-1 of each pixel for landmarks (68, 2) in those pixels."""
    left, right = eye_centres(points)
    along = right - left
    unit = float(np.linalg.norm(along))
    x, y = along / unit, np.array([-along[1], along[0]]) / unit
    mask = np.zeros((side, side), np.float32)
    _fill(mask, _forehead(points, y, unit), FOREHEAD_WEIGHT)
    for outer, ear in ((36, (0, 1, 2)), (45, (16, 15, 14))):
        _fill(mask, _side(points, outer, ear, x if outer == 36 else -x, y, unit), SIDE_WEIGHT)
    _fill(mask, _nose(points, x, y, unit), NOSE_WEIGHT)
    for group, reach in ((LEFT_BROW, 0.14), (RIGHT_BROW, 0.14), (LEFT_EYE, 0.08), (RIGHT_EYE, 0.08), (MOUTH, 0.25)):
        _clear(mask, points[list(group)], reach * unit)
    return mask


def _nose(points: np.ndarray, x: np.ndarray, y: np.ndarray, unit: float) -> np.ndarray:
    top, tip = points[27] - 0.05 * unit * y, points[30]
    wide, narrow = 0.26 * unit * x, 0.2 * unit * x
    return np.array([top - narrow, top + narrow, tip + wide, tip - wide])


def _side(
    points: np.ndarray, corner: int, ear: tuple[int, ...], x: np.ndarray, y: np.ndarray, unit: float
) -> np.ndarray:
    # `x` points from the ear to the nose; the strip starts clear of the crow's feet.
    inner = points[corner] - 0.13 * unit * x
    contour = points[list(ear)] + 0.05 * unit * x
    return np.array([inner - 0.25 * unit * y, contour[0] - 0.2 * unit * y, *contour, inner + 0.45 * unit * y])


def _forehead(points: np.ndarray, y: np.ndarray, unit: float) -> np.ndarray:
    brows = points[[17, 19, 21, 22, 24, 26]]
    return np.concatenate([brows - 0.22 * unit * y, brows[::-1] - 0.55 * unit * y])


def _fill(mask: np.ndarray, polygon: np.ndarray, weight: float) -> None:
    import cv2

    cv2.fillPoly(mask, [np.round(polygon).astype(np.int32)], weight)


def _clear(mask: np.ndarray, points: np.ndarray, reach: float) -> None:
    import cv2

    hull = cv2.convexHull(np.round(points).astype(np.int32))
    cv2.fillConvexPoly(mask, hull, 0.0)
    cv2.polylines(mask, [hull], True, 0.0, thickness=max(1, round(2 * reach)))
