"""A hand before the face: palm, fingers, thumb and forearm with soft edges, in the skin of its owner."""

from __future__ import annotations

import cv2
import numpy as np

from mer.core.seeds import derive_seed
from mer.simulate.relief import skin_relief

LENGTH, WIDTH = 7.4, 2.4  # of the picture, distances between the eyes: a hand is as long as a face
# Of each part: from (x, y) to (x, y), and its radius at either end; the palm's middle is the origin, fingers up.
PARTS = (
    ((0.02, 0.95), (0.05, 5.6), 0.42, 0.58),
    ((0.0, -0.05), (0.0, 0.42), 0.52, 0.46),
    ((-0.38, 0.25), (-0.82, -0.42), 0.20, 0.14),
    ((0.42, -0.35), (0.56, -1.02), 0.15, 0.11),
    ((0.15, -0.45), (0.20, -1.38), 0.16, 0.12),
    ((-0.13, -0.45), (-0.14, -1.42), 0.165, 0.125),
    ((-0.40, -0.38), (-0.47, -1.22), 0.16, 0.12),
)
NAIL, CREASES = 0.8, (0.36, 0.68)
SHADOW = 0.10


class Hand:
    """One person's hand.

    Args:
        seed: of the skin's relief and the fingers' spread.
        eyes: the person's distance between the eyes, pixels.
        colour: (3,) grey levels of the skin.
    """

    def __init__(self, seed: int, eyes: float, colour: np.ndarray) -> None:
        rng = np.random.default_rng(derive_seed(seed, "hand"))
        height, width = round(LENGTH * eyes), round(WIDTH * eyes)
        self.middle = np.array([0.5 * width, 1.66 * eyes])
        y, x = np.mgrid[:height, :width].astype(np.float32)
        x, y = (x - self.middle[0]) / eyes, (y - self.middle[1]) / eyes
        shade, cover = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
        spread = rng.uniform(0.7, 1.3)
        for k, (base, tip, wide, narrow) in enumerate(PARTS):
            end = (base[0] + (tip[0] - base[0]) * (spread if k > 2 else 1.0), tip[1] * rng.uniform(0.96, 1.04))
            self._lay(shade, cover, x, y, (base, end, wide, narrow), finger=k >= 2, pixel=1 / eyes)
        grain = skin_relief(rng, shade.shape, max(eyes / 55, 1.0), 0.9)
        skin = np.asarray(colour, np.float32) * (shade * grain)[..., None]
        knuckles = np.exp(-(((y + 0.42) / 0.12) ** 2)) * np.cos(7.5 * x) ** 4 * 0.06
        skin *= (1 - knuckles)[..., None] * np.array([1.0, 0.975, 0.965], np.float32)
        alpha = cv2.GaussianBlur(cover, (0, 0), 0.9)[..., None]
        self.picture = np.concatenate([skin * alpha, alpha], axis=-1).astype(np.float32)

    @staticmethod
    def _lay(
        shade: np.ndarray,
        cover: np.ndarray,
        x: np.ndarray,
        y: np.ndarray,
        part: tuple[tuple[float, float], tuple[float, float], float, float],
        finger: bool,
        pixel: float,
    ) -> None:
        """Lay one rounded limb over what is there, lit from above and darker at its edges."""
        (bx, by), (tx, ty), wide, narrow = part
        length = np.hypot(tx - bx, ty - by)
        along = np.clip(((x - bx) * (tx - bx) + (y - by) * (ty - by)) / length**2, 0, 1)
        radius = wide + (narrow - wide) * along
        across = np.hypot(x - bx - along * (tx - bx), y - by - along * (ty - by)) / radius
        round_ = 0.70 + 0.32 * np.sqrt(np.clip(1 - across**2, 0, 1)) - 0.05 * (x - bx - along * (tx - bx)) / radius
        if finger:
            for place in CREASES:
                round_ *= 1 - 0.13 * np.exp(-(((along - place) / 0.025) ** 2))
            round_ += 0.07 * np.exp(-(((along - NAIL - 0.12) / 0.09) ** 2) - (across / 0.55) ** 4)
        edge = np.clip((1 - across) * radius / (1.5 * pixel) + 0.5, 0, 1)
        shade += edge * (round_ - shade)
        np.maximum(cover, edge, out=cover)

    def draw(self, frame: np.ndarray, at: np.ndarray, angle: float, scale: float = 1.0) -> None:
        """Lay the hand over a frame (H, W, 3) float32 in grey levels, with a soft shadow beside it.

        Args:
            frame: changed in place.
            at: (2,) where the middle of the palm is, pixels.
            angle: radians, clockwise.
            scale: 1 as large as beside the face.
        """
        linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = np.column_stack([linear, np.asarray(at) - linear @ self.middle])
        size = frame.shape[1::-1]
        layer = cv2.warpAffine(self.picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        beside = np.array([[1.0, 0.0, -4.0], [0.0, 1.0, 5.0]])
        soft = cv2.warpAffine(cv2.blur(np.ascontiguousarray(layer[..., 3]), (15, 15)), beside, size)
        frame *= (1 - SHADOW * soft)[..., None]
        frame *= 1 - layer[..., 3:]
        frame += layer[..., :3]
