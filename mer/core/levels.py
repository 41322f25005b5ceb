"""Grey levels as whole numbers."""

from __future__ import annotations

import numpy as np


def as_uint8(levels: np.ndarray) -> np.ndarray:
    """Return grey levels of any shape and real type rounded to the nearest whole one and cut at 0 and 255, as uint8."""
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)
