"""Small regions of a face in which motion is told, and the motion of the head told apart from theirs.

The 33 regions are soft discs tied to landmarks, in mirrored pairs but for three in the middle: every action unit of the
upper and lower face moves some of them and leaves others at rest. Lengths are in distances between the eye centres.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mer.core.geometry import LEFT_EYE, MIRRORED, OUTER_LIPS, RIGHT_EYE, eye_centres, eye_distance

GRID = 8  # pixels between the points at which a flow is read
ROUNDS = 6  # reweightings of the fit of the head
HEAD_TERMS = 10
ROUND_HEAD, ROUND_FACE, NOSE_LENGTH = 1.15, 0.62, 0.28  # of the depth of an average face
FOREHEAD = 0.45  # distances between the eyes that the face reaches above the brows
WITHIN = 0.94  # share of the outline within which the head is fitted
LEAST_DEVIATION = 0.03  # pixels


@dataclass(frozen=True)
class Region:
    """A soft disc on the subject's right side (left in the image): mean of `landmarks` plus `shift`, and its width.

    A region of the middle has no mirror image.
    """

    landmarks: tuple[int, ...]
    shift: tuple[float, float]
    width: float
    zone: str
    middle: bool = False


#: By name; zones are those that people look at: brows, eyes, cheeks and nose, mouth, chin.
REGIONS: dict[str, Region] = {
    "inner brow": Region((21,), (0.0, -0.02), 0.10, "brows"),
    "middle brow": Region((19,), (0.0, -0.03), 0.10, "brows"),
    "outer brow": Region((17, 18), (0.0, -0.02), 0.10, "brows"),
    "forehead": Region((19, 20), (0.0, -0.28), 0.13, "brows"),
    "upper lid": Region((37, 38), (0.0, -0.10), 0.07, "eyes"),
    "lower lid": Region((40, 41), (0.0, 0.09), 0.08, "eyes"),
    "outer eye": Region((36,), (-0.16, 0.06), 0.10, "eyes"),
    "cheek": Region((36, 41, 48), (-0.02, 0.05), 0.14, "nose and cheeks"),
    "nose wing": Region((31,), (-0.06, -0.06), 0.09, "nose and cheeks"),
    "side of the nose": Region((29,), (-0.14, 0.0), 0.09, "nose and cheeks"),
    "upper lip": Region((49, 50), (0.0, -0.05), 0.09, "mouth"),
    "mouth corner": Region((48,), (-0.06, 0.0), 0.10, "mouth"),
    "beside the mouth": Region((48,), (-0.24, 0.0), 0.12, "mouth"),
    "lower lip": Region((58,), (0.0, 0.03), 0.09, "mouth"),
    "side of the chin": Region((7, 58), (0.0, 0.05), 0.12, "chin"),
    "between the brows": Region((27,), (0.0, -0.12), 0.10, "brows", True),
    "middle of the lips": Region((51,), (0.0, -0.04), 0.08, "mouth", True),
    "chin": Region((8, 57), (0.0, 0.02), 0.12, "chin", True),
}
#: (region, side) of every place in an array of regions; side is R or L of the subject, '' in the middle.
PLACES = tuple((name, side) for name, one in REGIONS.items() for side in ([""] if one.middle else "RL"))
ZONES = tuple(dict.fromkeys(one.zone for one in REGIONS.values()))


def in_zone(zone: str) -> list[int]:
    """Return the indices into `PLACES` of a zone's regions."""
    return [k for k, (name, _) in enumerate(PLACES) if REGIONS[name].zone == zone]


def region_centres(landmarks: np.ndarray) -> np.ndarray:
    """Return the centres (33, 2) of the regions, in order of `PLACES`, from landmarks (68, 2), in their pixels."""
    eyes = eye_distance(landmarks)
    centres = []
    for name, side in PLACES:
        region = REGIONS[name]
        points = [MIRRORED[k] if side == "L" else k for k in region.landmarks]
        outwards = np.array([-1.0 if side == "L" else 1.0, 1.0])
        centres.append(landmarks[points].mean(axis=0) + outwards * region.shift * eyes)
    return np.array(centres)


def region_means(field: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return the mean (33, 2) of a field (2, n, n), read at every `GRID`-th pixel, in each region of a face."""
    centres, eyes = region_centres(landmarks), eye_distance(landmarks)
    width = eyes * np.array([REGIONS[name].width for name, _ in PLACES])[:, None]
    at = grid_of(field.shape[1])
    across, down = (np.exp(-0.5 * ((at - centres[:, [axis]]) / width) ** 2) for axis in (0, 1))
    total = across.sum(axis=1) * down.sum(axis=1)
    return np.asarray(np.einsum("ry,dyx,rx->rd", down, field, across, optimize=True) / total[:, None])


def grid_of(count: int) -> np.ndarray:
    """Return the pixels (count,) at which a flow is read."""
    return GRID // 2 + GRID * np.arange(count)


def without_head(flow: np.ndarray, landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return what a face does besides the motion of its head.

    The head is a rigid body with the depth of an average face: besides an affine map, a turn moves each point by its
    depth, and perspective by the squares of its place. The ten numbers are fitted to the skin, without eyes and mouth,
    by reweighted least squares with Tukey's biweight, so that up to half of the face may move by itself.

    Args:
        flow: (2, S, S) float, pixels.
        landmarks: (68, 2) pixels of the flow's first picture.

    Returns:
        the rest of the flow (2, n, n) float64 in pixels, at every `GRID`-th pixel; the ten numbers of the head's
        motion (10,) in pixels; and the median length in pixels of what the fit leaves.
    """
    size = flow.shape[1]
    read = flow[:, GRID // 2 :: GRID, GRID // 2 :: GRID].astype(np.float64)
    terms = _head_terms(landmarks, read.shape[1])
    inside = _skin(landmarks, size)[GRID // 2 :: GRID, GRID // 2 :: GRID].ravel()
    if inside.sum() < HEAD_TERMS:
        return read, np.zeros(HEAD_TERMS), 0.0
    chosen, target = terms[:, inside], read.reshape(2, -1)[:, inside]
    design = np.concatenate(list(chosen))
    weight = np.ones(inside.sum())
    for _ in range(ROUNDS):
        weighted = design * np.tile(weight, 2)[:, None]
        normal = weighted.T @ design + 1e-3 * np.eye(HEAD_TERMS)
        numbers = np.linalg.solve(normal, weighted.T @ target.ravel())
        left = target - (chosen @ numbers)
        length = np.hypot(left[0], left[1])
        middle = float(np.median(length))
        # 1.18: the median length of a plane Gaussian of standard deviation 1.
        limit = 4.685 * max(middle / 1.18, LEAST_DEVIATION)
        weight = np.where(length < limit, (1 - (length / limit) ** 2) ** 2, 0)
    return read - (terms @ numbers).reshape(read.shape), numbers, middle


def _head_terms(landmarks: np.ndarray, count: int) -> np.ndarray:
    """Return the fields (2, count², 10) of the ten ways in which a head moves, in pixels a pixel."""
    centres = eye_centres(landmarks)
    middle, eyes = centres.mean(axis=0), eye_distance(landmarks)
    x, y = (a.ravel() for a in np.meshgrid(*((grid_of(count) - m) / eyes for m in middle)))
    z, one, none = _depth(x, y), np.ones(x.size), np.zeros(x.size)
    across = [one, none, x, y, none, none, z, none, x * x, x * y]
    down = [none, one, none, none, x, y, none, z, x * y, y * y]
    return np.stack([np.stack(across, axis=1), np.stack(down, axis=1)])


def _depth(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return how far points of an average face lie in front of its middle; x and y from between the eyes."""
    head = np.sqrt(np.maximum(ROUND_HEAD**2 - x**2 - ((y - 0.35) * ROUND_FACE) ** 2, 0.04))
    return np.asarray(head + NOSE_LENGTH * np.exp(-((x / 0.17) ** 2) - ((y - 0.55) / 0.28) ** 2))


def _skin(landmarks: np.ndarray, size: int) -> np.ndarray:
    """Return where (size, size) bool a face shows skin that its bones carry: without eyes and mouth."""
    left, right = eye_centres(landmarks)
    up = np.array([right[1] - left[1], left[0] - right[0]]) * FOREHEAD
    outline = np.concatenate([landmarks[:17], landmarks[[26, 24, 19, 17]] + up])
    mask = np.zeros((size, size), np.uint8)
    _fill(mask, outline, (WITHIN, WITHIN), 1)
    for part, wider in ((LEFT_EYE, 1.5), (RIGHT_EYE, 1.5), (OUTER_LIPS, 1.25)):
        _fill(mask, landmarks[list(part)], (wider, 1.4 * wider), 0)
    return mask > 0


def _fill(mask: np.ndarray, points: np.ndarray, scale: tuple[float, float], value: int) -> None:
    middle = points.mean(axis=0)
    cv2.fillPoly(mask, [np.rint(middle + (points - middle) * scale).astype(np.int32)], value)
