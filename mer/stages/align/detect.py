"""Finding faces: dlib's HOG or CNN detector at a scale that suits the face.

Both detectors look for faces of at least 80 pixels in windows that lie inside the picture. So a large face is
sought in a reduced picture, a small one in an enlarged one, and a face that touches the border (cropped
releases) in a picture with replicated borders.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mer.stages.align.models import cnn_detector, hog_detector

FACE_SIDE = 110.0  # pixels a face should have for the detector: small is fast, 80 is the least it can find
BORDER = 0.25  # of the shorter side, replicated around the picture in the last attempt


@dataclass(frozen=True)
class Detection:
    """Faces found: `boxes` (N, 4) float (left, top, right, bottom) in picture pixels, `scores` (N,)."""

    boxes: np.ndarray
    scores: np.ndarray

    def __len__(self) -> int:
        return len(self.boxes)

    def above(self, score: float) -> Detection:
        """Return the faces whose score is not below `score`."""
        keep = self.scores >= score
        return Detection(self.boxes[keep], self.scores[keep])


def detect(grey: np.ndarray, kind: Literal["hog", "cnn"], upsample: int, side: float | None = None) -> Detection:
    """Find the faces of a picture.

    Args:
        grey: (H, W) uint8.
        kind: the detector.
        upsample: how often the picture may be doubled when nothing is found at its own size.
        side: side of the face in pixels when it is known, which makes one fast pass enough; None searches at
            its own size, then enlarged, then with replicated borders.

    Returns:
        The faces of the first attempt that finds any; none at all when every attempt fails.
    """
    if side is not None:
        return _at_scale(grey, kind, min(FACE_SIDE / side, 1.0 if side >= 80 else 2.0))
    for step in range(upsample + 1):
        faces = _at_scale(grey, kind, 2.0**step)
        if len(faces):
            return faces
    return _with_border(grey, kind, 2.0**upsample)


def _at_scale(grey: np.ndarray, kind: str, scale: float) -> Detection:
    import cv2

    mode = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = grey if scale == 1 else cv2.resize(grey, None, fx=scale, fy=scale, interpolation=mode)
    boxes, scores = _run(small, kind)
    ratio = np.array([grey.shape[1] / small.shape[1], grey.shape[0] / small.shape[0]] * 2)
    return Detection((boxes + 0.5) * ratio - 0.5, scores)


def _with_border(grey: np.ndarray, kind: str, scale: float) -> Detection:
    import cv2

    width = round(BORDER * min(grey.shape))
    padded = cv2.copyMakeBorder(grey, width, width, width, width, cv2.BORDER_REPLICATE)
    faces = _at_scale(padded, kind, scale)
    return Detection(faces.boxes - width, faces.scores)


def _run(grey: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    if kind == "hog":
        rectangles, scores, _ = hog_detector().run(grey, 0, 0.0)
    else:
        answers: Any = cnn_detector()(np.repeat(grey[..., None], 3, axis=2), 0)
        rectangles, scores = [f.rect for f in answers], [f.confidence for f in answers]
    boxes = [[r.left(), r.top(), r.right(), r.bottom()] for r in rectangles]
    return np.array(boxes, float).reshape(-1, 4), np.array(scores, float)


def choose(faces: Detection, shape: tuple[int, ...], near: np.ndarray | None = None) -> np.ndarray:
    """Return the box (4,) of the face to follow.

    With `near` (a box), the face that overlaps it most, or is closest to it. Otherwise the largest face, its
    side weighted down by up to one half with the distance of its centre from that of the picture.
    """
    if near is not None:
        offsets = _away(faces, near)
        return faces.boxes[int(np.argmax([overlap(b, near) - d for b, d in zip(faces.boxes, offsets, strict=True)]))]
    centres = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2
    middle = np.array([shape[1], shape[0]]) / 2
    away = np.linalg.norm((centres - middle) / middle, axis=1) / np.sqrt(2)
    sides = faces.boxes[:, 2] - faces.boxes[:, 0]
    return faces.boxes[int(np.argmax(sides * (1 - 0.5 * np.clip(away, 0, 1))))]


def place_of(face: str, count: int) -> int | None:
    """Return the place from the left, from 0, of the face asked for among `count`; None when there is none such.

    Args:
        face: `left`, `right`, or a place from the left, from 1.
        count: of faces.
    """
    place = {"left": 0, "right": count - 1}.get(face)
    if place is None:
        place = int(face) - 1
    return place if 0 <= place < count else None


def choose_asked(faces: Detection, face: str, least: int, near: np.ndarray | None = None) -> np.ndarray | None:
    """Return the box (4,) of the face asked for, counted from the left; None when it is not to be seen.

    Faces less than half as large as the largest do not count: they are people behind, or none.

    Args:
        faces: at least one.
        face: as in `place_of`.
        least: how many faces must be seen to count them anew, so that nobody else steps in for one who is hidden.
        near: box of the face followed so far; one within a side of it is the same.
    """
    sides = faces.boxes[:, 2] - faces.boxes[:, 0]
    if near is not None:
        offsets = _away(faces, near)
        if offsets.min() < 1:
            return faces.boxes[int(np.argmin(offsets))]
    large = faces.boxes[sides >= 0.5 * sides.max()]
    place = place_of(face, len(large)) if len(large) >= least else None
    return None if place is None else large[np.argsort(large[:, 0])][place]


def _away(faces: Detection, near: np.ndarray) -> np.ndarray:
    """Return the distances (N,) of faces from a box, in its sides."""
    centres = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2
    return np.linalg.norm(centres - (near[:2] + near[2:]) / 2, axis=1) / (near[2] - near[0])


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Return intersection over union (0-1) of two boxes (left, top, right, bottom)."""
    low, high = np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])
    common = float(np.prod(np.clip(high - low, 0, None)))
    areas = float(np.prod(first[2:] - first[:2]) + np.prod(second[2:] - second[:2]))
    return common / max(areas - common, 1e-9)
