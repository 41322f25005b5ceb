"""What does not move: the wall behind the person and the clothes in front of the neck."""

from __future__ import annotations

import cv2
import numpy as np

from mer.core.seeds import derive_seed
from mer.simulate.identity import Identity


def backdrop(identity: Identity, width: int, height: int) -> np.ndarray:
    """Return the wall (H, W, 3) float32 in linear light: a tint, a light falloff and faint unevenness."""
    rng = np.random.default_rng(derive_seed(identity.seed, "backdrop"))
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    falloff = 1 + 0.16 * identity.light_side * x - 0.10 * y - 0.14 * (x * x + y * y)
    blotches = cv2.resize(
        rng.standard_normal((6, 8)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
    )
    wall = np.array(identity.backdrop) * (falloff * (1 + 0.02 * blotches))[..., None]
    return np.clip(wall, 0, 1).astype(np.float32)


def garment(identity: Identity, left: float, right: float, chin: float, width: int, height: int) -> np.ndarray:
    """Return the clothes (H, W, 4) float32: linear-light RGB times opacity, opacity.

    Args:
        left: x of the neck's left edge in frame pixels.
        right: x of its right edge.
        chin: y of the chin.
    """
    unit = min(width / 640, height / 480)
    rng = np.random.default_rng(derive_seed(identity.seed, "garment"))
    x, y = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    across = np.abs(x - (left + right) / 2) / ((right - left) / 2)
    top = chin + (12 - 10 * (1 - identity.collar)) * unit
    dip = (
        (8 + 26 * identity.collar)
        * unit
        * np.clip(1 - (across / 0.97) ** 2, 0, 1) ** (0.6 if identity.collar < 0.6 else 1.0)
    )
    slope = top + 22 * unit * np.clip(across - 1.02, 0, None) ** 1.2
    edge = np.where(across < 1.0, top + dip, slope)
    opacity = np.clip((y - edge) / (1.6 * unit) + 0.5, 0, 1)
    band = np.clip(1 - np.abs(y - edge - 9 * unit) / (1.2 * unit), 0, 1) * (across < 1.5)
    knit = cv2.GaussianBlur(rng.standard_normal((height, width)), (0, 0), 0.9 * unit)
    folds = cv2.resize(rng.standard_normal((5, 9)), (width, height), interpolation=cv2.INTER_CUBIC)
    shade = 0.72 + 0.28 * np.clip((y - edge) / (12 * unit), 0, 1) - 0.22 * band + 0.10 * knit + 0.10 * folds
    colour = np.clip(np.array(identity.clothes) * shade[..., None], 0, 1)
    soft = np.asarray(cv2.GaussianBlur(opacity, (0, 0), 0.7))[..., None]
    return np.concatenate([colour * soft, soft], axis=2).astype(np.float32)
