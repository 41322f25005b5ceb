"""One box per facial region, around its landmarks, resized to a square.

Which regions a model looks at depends on the clip's action units, which are labels: this stage cuts every region of
the table, and the model chooses (`mer.stages.rois.regions.first_match`).
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from mer.stages.rois.cutting import cut
from mer.stages.rois.method import CutParams, RoisMethod
from mer.stages.rois.regions import TABLES, Table, region_box


class Params(CutParams):
    """Keys of `method: au_boxes`."""

    table: Table = Field(default="facs", description="The table of regions.")
    size: int = Field(default=64, ge=4, le=1024, description="Side of the patches, pixels.")
    margin: float = Field(default=0.15, ge=0, le=2, description="Added on every side, as a share of the box.")
    least: float = Field(
        default=0.12, gt=0, le=1, description="Least side of a box, as a share of the width of the face."
    )


def names(params: Params) -> list[str]:
    """Return the names of the regions, in the order of the patches."""
    return list(TABLES[params.table])


def locate(landmarks: np.ndarray, width: int, height: int, params: Params) -> np.ndarray:
    """Return the boxes (R, 4) float32 in pixels of an image, from landmarks (68, 2) in its pixels."""
    regions = TABLES[params.table].values()
    return np.stack([region_box(landmarks, r.landmarks, width, height, params.margin, params.least) for r in regions])


def patches(image: np.ndarray, boxes: np.ndarray, is_flow: bool, params: Params) -> np.ndarray:
    """Return the patches (R, size, size, C) of an image (H, W, C); flow stays in pixels of the image."""
    return cut(image, boxes, params.size)


METHOD = RoisMethod(Params, names, locate, patches)
