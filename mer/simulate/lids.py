"""Blinks: the upper lid comes down over the eye.

In material coordinates an eye is the opening between an upper and a lower lid curve through its landmarks. A second
texture shows the same head with closed lids. At closure c the lid's edge is c of the way down; above it the closed lid
shows, drawn together as a lid folds, below it the open eye, untouched: nothing of the eyeball is squeezed.
"""

from __future__ import annotations

import numpy as np

from mer.simulate.exact import blur, function

EYES = ((36, 37, 38, 39, 40, 41), (42, 43, 44, 45, 46, 47))
OVERLAP = 0.03
EDGE = 1.1


class Lids:
    """The lids of one face.

    Args:
        landmarks: (68, 2) neutral landmarks, material pixels.
    """

    def __init__(self, landmarks: np.ndarray) -> None:
        self.eyes = [np.asarray(landmarks, dtype=np.float64)[list(eye)] for eye in EYES]

    def boxes(self) -> np.ndarray:
        """Return the material boxes (2, 4) (left, top, right, bottom) outside which a blink changes nothing."""
        boxes = []
        for eye in self.eyes:
            width = np.ptp(eye[:, 0])
            boxes.append([*(eye.min(0) - [0.38 * width, 0.42 * width]), *(eye.max(0) + [0.38 * width, 0.26 * width])])
        return np.array(boxes)

    def closed_landmarks(self, landmarks: np.ndarray, closure: float) -> np.ndarray:
        """Return landmarks (68, 2) with those of the upper lids moved down by `closure`."""
        points = landmarks.copy()
        for eye, indices in zip(self.eyes, EYES, strict=True):
            for k in indices[1:3]:
                upper, lower, inside = lid_curves(eye, points[k, 0])
                reach = lower + OVERLAP * np.ptp(eye[:, 0]) * inside - upper
                points[k, 1] += closure * max(float(reach), 0.0)
        return points

    def close(self, material: np.ndarray, closure: float) -> tuple[np.ndarray, np.ndarray]:
        """Return where to sample the closed lids' texture (h, w, 2) float32 and how much it covers (h, w) float32, 0-1.

        Args:
            material: (h, w, 2) material points of a window around one eye.
            closure: 0 open, 1 closed.
        """
        centre = material.reshape(-1, 2).mean(0)
        eye = min(self.eyes, key=lambda e: float(np.abs(e.mean(0) - centre).sum()))
        upper, lower, inside = lid_curves(eye, material[..., 0].astype(np.float64))
        y = material[..., 1].astype(np.float64)
        size = np.ptp(eye[:, 0])
        closed_edge = lower + OVERLAP * size * inside
        gap = np.maximum(closed_edge - upper, 0) * (inside > 0)
        edge = upper + closure * gap
        drawn = gap / np.maximum(closure * gap, 1e-3)
        source = np.where((y > upper) & (y < edge + EDGE) & (gap > 0), upper + (y - upper) * drawn, y)
        lid = np.clip((edge - y) / EDGE + 0.5, 0, 1) * (gap > 0)
        opening = np.clip((y - upper) / 1.5 + 0.5, 0, 1) * (y < closed_edge + EDGE) * (gap > 0)
        cover = opening * lid + (1 - opening) * closure
        return np.stack([material[..., 0], source], axis=-1).astype(np.float32), cover.astype(np.float32)


def lid_curves(eye: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the y of the upper and lower lid at `x`, and 1 inside the eye falling smoothly to 0 at its corners.

    Args:
        eye: (6, 2) landmarks in dlib's order: first corner, two upper, second corner, two lower.
    """
    from scipy.interpolate import PchipInterpolator

    clipped = np.clip(x, eye[0, 0], eye[3, 0])
    upper = PchipInterpolator(eye[[0, 1, 2, 3], 0], eye[[0, 1, 2, 3], 1])(clipped)
    lower = PchipInterpolator(eye[[0, 5, 4, 3], 0], eye[[0, 5, 4, 3], 1])(clipped)
    along = (x - eye[0, 0]) / (eye[3, 0] - eye[0, 0])
    inside = np.sqrt(np.clip(4 * along * (1 - along), 0, 1))
    return upper, lower, inside


def closed_texture(texture: np.ndarray, landmarks: np.ndarray, lash: np.ndarray) -> np.ndarray:
    """Return the head's texture (h, w, 4) with both eyes closed.

    The opening, its lashes and liner are replaced by the skin around them; the lashes lie along the lower lid.

    Args:
        texture: (h, w, 4) linear-light RGB times opacity, opacity.
        landmarks: (68, 2) landmarks in texels.
        lash: (3,) linear-light colour of the lashes.
    """
    closed = texture.copy()
    for indices in EYES:
        eye = landmarks[list(indices)]
        size = float(np.ptp(eye[:, 0]))
        low = np.floor(eye.min(0) - 0.6 * size).astype(int)
        high = np.ceil(eye.max(0) + 0.6 * size).astype(int)
        part = closed[low[1] : high[1], low[0] : high[0]]
        part[..., :3] = _close_eye(part[..., :3], eye - low, size, lash)
    return closed


def _close_eye(skin: np.ndarray, eye: np.ndarray, size: float, lash: np.ndarray) -> np.ndarray:
    x, y = np.meshgrid(np.arange(skin.shape[1], dtype=np.float64), np.arange(skin.shape[0], dtype=np.float64))
    upper, lower, inside = lid_curves(eye, x)
    along = np.clip((x - eye[0, 0]) / (eye[3, 0] - eye[0, 0]), -0.3, 1.3)
    near = np.clip(np.minimum(along + 0.24, 1.24 - along) / 0.12, 0, 1)
    eaten = near * (y > upper - 0.13 * size * (0.6 + inside)) * (y < lower + 0.07 * size * (0.6 + inside))
    hole = blur(np.clip(eaten, 0, 1), 0.05 * size)
    keep = (1 - np.clip(hole * 2.5, 0, 1)).astype(np.float32)[..., None]
    filled = blur(skin * keep, 0.16 * size) / np.maximum(blur(keep, 0.16 * size)[..., None], 1e-4)
    height = np.clip((lower - y) / np.maximum(lower - upper, 1), 0, 1.6)
    bulge = (
        1
        + 0.10 * function(np.sin, np.pi * np.clip(height, 0, 1)) * inside
        - 0.16 * function(np.exp, -(((y - upper + 0.04 * size) / (0.04 * size)) ** 2)) * inside
    )
    mix = hole[..., None]
    out = skin * (1 - mix) + filled * bulge[..., None] * mix
    edge = np.maximum(lower + OVERLAP * size * inside, upper)
    lashes = function(np.exp, -(((y - edge + 0.035 * size) / (0.034 * size)) ** 2))
    line = 0.9 * lashes * np.clip(inside * 1.3, 0, 1)
    return out * (1 - line[..., None]) + lash * line[..., None]
