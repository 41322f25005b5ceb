"""Eyes that look elsewhere: the iris slides behind the lids.

What shows through the opening of an eye is taken for the eyeball's surface; where the lids hide it, the ring of the
iris is continued by its mean colour at each distance from the pupil, and the white by its own mean.
"""

from __future__ import annotations

import cv2
import numpy as np

from mer.simulate.action_units import inter_ocular
from mer.simulate.head import OVERSAMPLING
from mer.simulate.lids import EYES, lid_curves
from mer.simulate.sampling import LANCZOS, LINEAR, sample

RADIUS = 0.094  # of the iris, distances between the eyes: 5.9 of 63 mm
RINGS = 24


class Irises:
    """The eyeballs of one face.

    Args:
        texture: (h, w, 4) the head's picture with open eyes, in grey levels.
        landmarks: (68, 2) neutral landmarks, material pixels.
        margin: material pixels that the texture extends beyond the frame.
    """

    def __init__(self, texture: np.ndarray, landmarks: np.ndarray, margin: float) -> None:
        eyes = inter_ocular(landmarks)
        self._balls = []
        for indices in EYES:
            eye = landmarks[list(indices)]
            low = np.floor(eye.min(0) - 0.12 * eyes)
            size = np.ceil(eye.max(0) + 0.12 * eyes - low).astype(int) * OVERSAMPLING
            corner = ((low + margin) * OVERSAMPLING).astype(int)
            part = texture[corner[1] : corner[1] + size[1], corner[0] : corner[0] + size[0], :3]
            x, y = np.meshgrid(np.arange(part.shape[1]) / OVERSAMPLING, np.arange(part.shape[0]) / OVERSAMPLING)
            inside = _opening(eye - low, x, y)
            self._balls.append((low, _eyeball(part, inside, x, y, RADIUS * eyes), inside))

    def move(self, layer: np.ndarray, material: np.ndarray, eye: int, gaze: np.ndarray) -> None:
        """Draw an eye that looks elsewhere into a part of the picture.

        Args:
            layer: (h, w, 4) float32 what is drawn so far; changed in place.
            material: (h, w, 2) the material point of each pixel.
            eye: 0 for the left in the picture, 1 for the right.
            gaze: (2,) how far the iris has moved, material pixels.
        """
        low, ball, inside = self._balls[eye]
        where = ((material - low) * OVERSAMPLING).astype(np.float32)
        border = {"interpolation": LINEAR, "borderMode": cv2.BORDER_CONSTANT}
        cover = cv2.remap(inside, where, None, **border)  # type: ignore[call-overload]
        colour = sample(ball, where - (np.asarray(gaze) * OVERSAMPLING).astype(np.float32), LANCZOS)
        layer[..., :3] += cover[..., None] * (colour - layer[..., :3])


def _opening(eye: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return how much (h, w) float32 of each point shows between the lids, lashes left out."""
    upper, lower, within = lid_curves(eye, x[0])
    edge = np.minimum(y - upper[None] - 0.5, lower[None] - y - 0.3) * (within[None] > 0.25)
    return cv2.GaussianBlur(np.clip(edge, 0, 1).astype(np.float32), (0, 0), 0.7)


def _eyeball(part: np.ndarray, inside: np.ndarray, x: np.ndarray, y: np.ndarray, radius: float) -> np.ndarray:
    """Return the surface (h, w, 3) float32 of an eyeball, the hidden parts of iris and white continued."""
    grey = cv2.GaussianBlur(part.mean(axis=-1), (0, 0), 1.0)
    clear = inside > 0.8
    dark = np.where(clear, np.clip(np.quantile(grey[clear], 0.45) - grey, 0, None), 0)
    centre_x = float((x * dark).sum() / max(dark.sum(), 1e-6))
    column = clear & (np.abs(x - centre_x) < 0.4 * radius)
    centre_y = float(y[column].mean()) if column.any() else float(y[clear].mean())
    away = np.hypot(x - centre_x, y - centre_y) / radius
    rings = np.linspace(0, 1.25, RINGS)
    white = np.median(part[clear & (away > 1.2)], axis=0) if (clear & (away > 1.2)).any() else part[clear].max(axis=0)
    colours, known = [], white
    for ring in rings[::-1]:
        near = clear & (np.abs(away - ring) < 0.08)
        known = np.median(part[near], axis=0) if near.sum() > 3 else known
        colours.append(known)
    profile = np.array(colours[::-1])
    model = np.stack([np.interp(away, rings, profile[:, k], right=white[k]) for k in range(3)], axis=-1)
    soft = inside[..., None]
    return (soft * part + (1 - soft) * model).astype(np.float32)
