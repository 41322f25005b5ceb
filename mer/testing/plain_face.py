"""Landmarks of a plain face, for tests of what is cut around brows and mouth (specs/mean-softnet.md §3.1)."""

from __future__ import annotations

import numpy as np


def landmarks(size: int = 128) -> np.ndarray:
    """Return (68, 2) float64 points in pixels of a picture of `size`; those that place no region are zero."""
    points = np.zeros((68, 2))
    points[[17, 26], 0] = 30, 100
    points[[19, 24], 1] = 40, 38
    points[[41, 46], 1] = 60, 62
    points[[50, 57], 1] = 90, 104
    points[[60, 64], 0] = 50, 80
    return points * size / 128
