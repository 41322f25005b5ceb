"""A face that moves exactly as told: a public-domain portrait warped by known similarities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mer.core.geometry import apply, compose

SIZE = (320, 240)
CENTRE = np.array([160.0, 120.0])
# Portrait pixels -> frame pixels: the face, about 100 pixels wide in the portrait, stands in the middle.
HOME = np.array([[1.6, 0, CENTRE[0] - 1.6 * 225], [0, 1.6, CENTRE[1] - 1.6 * 115]])
# Points of the portrait that belong to the skull: bridge and sides of the nose, corners of the eyes.
SKULL = np.array(
    [[226, 108], [226, 118], [226, 128], [217, 124], [235, 124], [196, 105], [213, 107], [239, 106], [255, 105]], float
)


def motion(angle: float = 0.0, scale: float = 1.0, shift: Sequence[float] = (0.0, 0.0)) -> np.ndarray:
    """The (2, 3) similarity of a frame about its centre; `angle` in degrees."""
    c, s = scale * np.cos(np.deg2rad(angle)), scale * np.sin(np.deg2rad(angle))
    linear = np.array([[c, -s], [s, c]])
    return np.column_stack([linear, CENTRE + np.asarray(shift) - linear @ CENTRE])


def skull_points(moved: np.ndarray) -> np.ndarray:
    """The (9, 2) frame positions of `SKULL` under a motion."""
    return apply(compose(moved, HOME), SKULL)


def drift(count: int, seed: int, reach: float = 6.0) -> list[np.ndarray]:
    """A smooth head motion: sums of slow sines of up to `reach` pixels, 2.5 degrees, 2.5 %."""
    random = np.random.default_rng(seed)
    time = np.arange(count)[:, None]
    waves = np.sin(2 * np.pi * (time / random.uniform(20, 60, 4) + random.uniform(0, 1, 4)))
    return [motion(2.5 * a, 1 + 0.025 * b, (reach * x, reach * y)) for a, b, x, y in waves]
