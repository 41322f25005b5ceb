"""Small regions of a face in which motion is told, and where the bones of its head carry the skin.

The 33 regions are soft discs tied to landmarks, in mirrored pairs but for three in the middle: every action unit of the
upper and lower face moves some of them and leaves others at rest. Lengths are in distances between the eye centres.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mer.core.geometry import LEFT_EYE, MIRRORED, OUTER_LIPS, RIGHT_EYE, eye_centres, eye_distance

GRID = 4  # pixels between the points at which a displacement is told
HEAD_GRID = 8  # the same for the head
HEAD_TERMS = 10
ROUND_HEAD, ROUND_FACE, NOSE_LENGTH = 1.15, 0.62, 0.28  # of the depth of an average face
FOREHEAD = 0.45  # distances between the eyes that the face reaches above the brows
WITHIN = 0.94  # share of the outline within which the head is fitted


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
    "inner brow": Region((21,), (0.0, -0.02), 0.06, "brows"),
    "middle brow": Region((19,), (0.0, -0.03), 0.06, "brows"),
    "outer brow": Region((17, 18), (0.0, -0.02), 0.06, "brows"),
    "forehead": Region((19, 20), (0.0, -0.28), 0.078, "brows"),
    "upper lid": Region((37, 38), (0.0, -0.10), 0.042, "eyes"),
    "lower lid": Region((40, 41), (0.0, 0.09), 0.048, "eyes"),
    "outer eye": Region((36,), (-0.16, 0.06), 0.06, "eyes"),
    "cheek": Region((36, 41, 48), (-0.02, 0.05), 0.084, "nose and cheeks"),
    "nose wing": Region((31,), (-0.06, -0.06), 0.054, "nose and cheeks"),
    "side of the nose": Region((29,), (-0.14, 0.0), 0.054, "nose and cheeks"),
    "upper lip": Region((49, 50), (0.0, -0.05), 0.054, "mouth"),
    "mouth corner": Region((48,), (-0.06, 0.0), 0.06, "mouth"),
    "beside the mouth": Region((48,), (-0.24, 0.0), 0.072, "mouth"),
    "lower lip": Region((58,), (0.0, 0.03), 0.054, "mouth"),
    "side of the chin": Region((7, 58), (0.0, 0.05), 0.072, "chin"),
    "between the brows": Region((27,), (0.0, -0.12), 0.06, "brows", True),
    "middle of the lips": Region((51,), (0.0, -0.04), 0.048, "mouth", True),
    "chin": Region((8, 57), (0.0, 0.02), 0.072, "chin", True),
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


def points_along(size: int, apart: int) -> np.ndarray:
    """Return the middles of as many stretches of `apart` pixels as fit into a side of `size`, in pixels."""
    return apart * np.arange(size // apart) + (apart - 1) / 2


@dataclass(frozen=True)
class FacePlaces:
    """Where a face is in a picture: at m x n points for its regions, at half as many a side for its head.

    Args:
        eyes: pixels between the eye centres.
        head: (2, m n, 10) float64, the fields of the ten ways in which a head moves, in pixels a pixel. Besides an
            affine map, a turn moves each point by its depth on an average face, and perspective by the squares of its
            place.
        bones: (2, K, 10) float64, the same at those K of the m n / 4 points where bones carry the skin.
        skin: (m n / 4,) bool, which these are.
        across, down: (R, n) and (R, m) float64, the weights of columns and rows in each region; their sum is 1.
    """

    eyes: float
    head: np.ndarray
    bones: np.ndarray
    skin: np.ndarray
    across: np.ndarray
    down: np.ndarray


def face_places(landmarks: np.ndarray, shape: tuple[int, int]) -> FacePlaces:
    """Return the places of a face by its landmarks (68, 2), in pixels of a picture of `shape` (H, W)."""
    centres, eyes = region_centres(landmarks), eye_distance(landmarks)
    width = eyes * np.array([REGIONS[name].width for name, _ in PLACES])[:, None]
    across, down = (
        np.exp(-0.5 * ((points_along(shape[1 - axis], GRID) - centres[:, [axis]]) / width) ** 2) for axis in (0, 1)
    )
    across, down = (one / np.maximum(one.sum(axis=1, keepdims=True), 1e-12) for one in (across, down))
    skin = _skin(landmarks, shape)[HEAD_GRID // 2 :: HEAD_GRID, HEAD_GRID // 2 :: HEAD_GRID].ravel()
    head, bones = (
        _head_terms(landmarks, *(points_along(side, apart) for side in shape)) for apart in (GRID, HEAD_GRID)
    )
    return FacePlaces(eyes, head, bones[:, skin], skin, across, down)


def _head_terms(landmarks: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the fields (2, m n, 10) of the ten ways in which a head moves, in pixels a pixel."""
    centres = eye_centres(landmarks)
    middle, eyes = centres.mean(axis=0), eye_distance(landmarks)
    x, y = (a.ravel() for a in np.meshgrid((columns - middle[0]) / eyes, (rows - middle[1]) / eyes))
    z, one, none = _depth(x, y), np.ones(x.size), np.zeros(x.size)
    across = [one, none, x, y, none, none, z, none, x * x, x * y]
    down = [none, one, none, none, x, y, none, z, x * y, y * y]
    return np.stack([np.stack(across, axis=1), np.stack(down, axis=1)])


def _depth(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return how far points of an average face lie in front of its middle; x and y from between the eyes."""
    head = np.sqrt(np.maximum(ROUND_HEAD**2 - x**2 - ((y - 0.35) * ROUND_FACE) ** 2, 0.04))
    return np.asarray(head + NOSE_LENGTH * np.exp(-((x / 0.17) ** 2) - ((y - 0.55) / 0.28) ** 2))


def _skin(landmarks: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return where (H, W) bool a face shows skin that its bones carry: without eyes and mouth."""
    left, right = eye_centres(landmarks)
    up = np.array([right[1] - left[1], left[0] - right[0]]) * FOREHEAD
    outline = np.concatenate([landmarks[:17], landmarks[[26, 24, 19, 17]] + up])
    mask = np.zeros(shape, np.uint8)
    _fill(mask, outline, (WITHIN, WITHIN), 1)
    for part, wider in ((LEFT_EYE, 1.5), (RIGHT_EYE, 1.5), (OUTER_LIPS, 1.25)):
        _fill(mask, landmarks[list(part)], (wider, 1.4 * wider), 0)
    return mask > 0


def _fill(mask: np.ndarray, points: np.ndarray, scale: tuple[float, float], value: int) -> None:
    middle = points.mean(axis=0)
    cv2.fillPoly(mask, [np.rint(middle + (points - middle) * scale).astype(np.int32)], value)
