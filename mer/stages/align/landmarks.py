"""dlib's 68 landmarks, measured in the working patch, and whether they look like a face."""

from __future__ import annotations

import numpy as np

from mer.core.geometry import apply, eye_centres, invert, similarity
from mer.stages.align.models import shape_predictor
from mer.stages.align.patch import BOX, EYES, patch_of


def predict(grey: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Return the (68, 2) float64 landmarks, whole pixels, of the face in `box` (4,) of a picture (H, W) uint8."""
    import dlib

    left, top, right, bottom = (int(v) for v in np.round(box))
    shape = shape_predictor()(grey, dlib.rectangle(left, top, right, bottom))
    return np.array([[p.x, p.y] for p in shape.parts()], float)


def patch_landmarks(patch: np.ndarray, samples: int = 3) -> np.ndarray:
    """Return the (68, 2) landmarks of a working patch (SIDE, SIDE) float32, in patch pixels.

    The predictor answers in whole pixels and in steps: the mean over `samples` (1-9) slightly different face
    boxes in a smoothed, doubled patch cuts its noise from 0.38 to 0.13 pixel RMS per axis (3 boxes).
    """
    import cv2

    # The last bits of a float depend on the processor and would turn some grey levels: so the blur is rounded to 1/16,
    # its means of four are multiples of 1/256, and what is added keeps them away from where the level turns.
    smooth = np.rint(16 * cv2.GaussianBlur(patch.astype(np.float64), (0, 0), 1.0)).astype(np.float32)
    large = cv2.resize(smooth, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    picture = np.clip(large * np.float32(1 / 16) + np.float32(0.5 + 1 / 512), 0, 255).astype(np.uint8)
    centre, half = (BOX[:2] + BOX[2:]) / 2, (BOX[2:] - BOX[:2]) / 2
    predicted = []
    for x, y, scale in _BOXES[:samples]:
        box = np.concatenate([centre + (x, y) - half * scale, centre + (x, y) + half * scale])
        predicted.append(predict(picture, 2 * box + 0.5))
    return (np.mean(predicted, axis=0) - 0.5) / 2


# Shift in patch pixels and scale of the boxes that are averaged.
_BOXES = (
    (0.0, 0.0, 1.0),
    (-4.0, 3.0, 0.97),
    (4.0, -3.0, 1.03),
    (5.0, 5.0, 1.0),
    (-5.0, -5.0, 1.0),
    (0.0, 0.0, 0.94),
    (0.0, 0.0, 1.06),
    (7.0, 0.0, 1.0),
    (-7.0, 0.0, 1.0),
)


def eyes_transform(landmarks: np.ndarray) -> np.ndarray:
    """Return the similarity (2, 3) that takes the eyes of landmarks (68, 2) to those of the working patch."""
    return similarity(eye_centres(landmarks), EYES)


def from_box(grey: np.ndarray, box: np.ndarray, samples: int = 3, rounds: int = 2) -> np.ndarray | None:
    """Return the transform (2, 3) picture -> patch of the face in a detector's box, or None when it is none.

    The detector's box is quantised and never rotated; the landmarks are predicted again in the patch that
    they give, which leaves a position that depends on the face alone.
    """
    matrix = eyes_transform(predict(grey, box))
    for _ in range(rounds):
        points = patch_landmarks(patch_of(grey, matrix), samples)
        if not plausible(points):
            return None
        matrix = eyes_transform(apply(invert(matrix), points))
    return matrix


def shape_residual(points: np.ndarray, shape: np.ndarray) -> float:
    """Return the RMS distance, in eye distances of `shape`, of landmarks (68, 2) from a shape (68, 2).

    Position, size and rotation are taken out first by a similarity.
    """
    matrix = similarity(points, shape)
    distance = np.linalg.norm(apply(matrix, points) - shape, axis=1)
    eyes = eye_centres(shape)
    return float(np.sqrt((distance**2).mean()) / np.linalg.norm(eyes[1] - eyes[0]))


def plausible(points: np.ndarray) -> bool:
    """Say whether landmarks (68, 2) of a patch are ordered like a face: eyes apart, then nose, mouth and chin."""
    left, right = eye_centres(points)
    axis = right - left
    distance = float(np.linalg.norm(axis))
    if not 0.4 < distance / float(np.linalg.norm(EYES[1] - EYES[0])) < 2.0:
        return False
    down = np.array([-axis[1], axis[0]]) / distance
    nose, mouth, chin = (float((points[i] - left) @ down) / distance for i in (33, 66, 8))
    return 0.2 < nose < mouth < chin < 3.5
