"""Farneback's optical flow (Scandinavian Conference on Image Analysis, 2003) by OpenCV: local quadratic polynomials.

Fast and smooth, and biased towards no motion where there is little texture: a cheap reference, not the most exact
method here. The defaults are those of OpenCV's `FarnebackOpticalFlow`.
"""

from __future__ import annotations

from typing import Any, Literal, cast

import numpy as np
from pydantic import Field

from mer.core.params import Params

_GAUSSIAN = 256


class FarnebackOptions(Params):
    """Options of Farneback flow."""

    levels: int = Field(default=5, ge=1, le=12, description="Pyramid levels; those under 32 pixels are left out.")
    scale: float = Field(default=0.5, gt=0.1, lt=1, description="Size ratio of neighbouring levels.")
    window: int = Field(default=13, ge=3, le=255, description="Side of the window that shares one motion, pixels.")
    iterations: int = Field(default=10, ge=1, le=100, description="Iterations per level.")
    neighbourhood: Literal[5, 7] = Field(default=5, description="Pixels along a side to which a polynomial is fitted.")
    sigma: float = Field(default=1.1, gt=0, le=10, description="Gaussian weight of that fit, pixels.")
    gaussian: bool = Field(default=False, description="Weigh the window by a Gaussian: slower, more exact.")


def flow(first: np.ndarray, second: np.ndarray, options: FarnebackOptions | None = None) -> np.ndarray:
    """Return the forward flow from `first` to `second`.

    Args:
        first: (H, W) grey float32, 0-255; not rounded.
        second: the same.
        options: OpenCV's defaults when None.

    Returns:
        (2, H, W) float32 pixels, u right, v down; exactly zero for identical images.
    """
    import cv2

    one, two = np.asarray(first, np.float32), np.asarray(second, np.float32)
    if np.array_equal(one, two):
        return np.zeros((2, *one.shape), np.float32)
    o = options or FarnebackOptions()
    flags = _GAUSSIAN if o.gaussian else 0
    nothing = cast(Any, None)
    made = cv2.calcOpticalFlowFarneback(
        one, two, nothing, o.scale, o.levels, o.window, o.iterations, o.neighbourhood, o.sigma, flags
    )
    return np.ascontiguousarray(np.asarray(made).transpose(2, 0, 1))
