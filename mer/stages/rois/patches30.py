"""Thirty windows around the landmarks of brows and mouth (specs/au-fusion.md §4.1 and §4.2).

Landmarks 17 to 26, then 48 to 67. The image is resized to a map of 128 pixels, on which a window of 7 pixels is centred
on each landmark, rows [y - 3, y + 4) and columns [x - 3, x + 4), shifted inside at the border. The released code took
x for the row and cut at the transposed place, which `transposed` repeats. Flow is scaled to pixels of the map.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from mer.stages.rois.cutting import mapped
from mer.stages.rois.method import CutParams, RoisMethod

BROWS, MOUTH = tuple(range(17, 27)), tuple(range(48, 68))
POINTS = {"all": BROWS + MOUTH, "brows": BROWS, "mouth": MOUTH}


class Params(CutParams):
    """Keys of `method: patches30`."""

    map: int = Field(default=128, ge=8, le=2048, description="Side to which the image is resized first, pixels.")
    window: int = Field(default=7, ge=1, le=255, description="Side of a window on the map, pixels, odd.")
    points: Literal["all", "brows", "mouth"] = Field(
        default="all", description="All 30 landmarks, the 10 of the brows, or the 20 of the mouth."
    )
    transposed: bool = Field(
        default=False, description="Cut at (y, x) instead of (x, y), as the released code did by mistake."
    )

    @model_validator(mode="after")
    def _fits(self) -> Params:
        if self.window % 2 == 0 or self.window > self.map:
            raise ValueError("window must be odd and no larger than map")
        return self


def names(params: Params) -> list[str]:
    """Return the names of the windows, in the order of the patches."""
    return [f"landmark{point}" for point in POINTS[params.points]]


def locate(landmarks: np.ndarray, width: int, height: int, params: Params) -> np.ndarray:
    """Return the boxes (R, 4) float32 in pixels of the image; right and bottom exclusive; every window fits."""
    scale = params.map / np.array([width, height])
    points = (landmarks[list(POINTS[params.points])].astype(np.float64) + 0.5) * scale - 0.5
    half = params.window // 2
    middle = np.clip(np.floor(points + 0.5), half, params.map - 1 - half).astype(int)
    middle = middle[:, ::-1] if params.transposed else middle
    edges = np.concatenate([middle - half, middle + half + 1], axis=1)
    return (edges * np.tile(np.array([width, height]) / params.map, 2)).astype(np.float32)


def patches(image: np.ndarray, boxes: np.ndarray, is_flow: bool, params: Params) -> np.ndarray:
    """Return the windows (R, window, window, C) of an image (H, W, C); flow is scaled to pixels of the map."""
    height, width = image.shape[:2]
    plane = mapped(image, (params.map, params.map), is_flow)
    corners = np.rint(boxes[:, :2] * params.map / np.array([width, height])).astype(int)
    return np.stack([plane[y : y + params.window, x : x + params.window] for x, y in corners])


METHOD = RoisMethod(Params, names, locate, patches)
