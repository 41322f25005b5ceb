"""One box per facial region, around its landmarks, resized to a square.

Which regions a model looks at depends on the clip's action units, which are labels: this stage cuts every region of
the table, and the model chooses (`mer.stages.rois.regions.first_match`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field, field_validator

from mer.stages.rois.cutting import cut
from mer.stages.rois.method import CutParams, RoisMethod
from mer.stages.rois.regions import NamedRegion, Table, given_table, region_box, regions_of


class Params(CutParams):
    """Keys of `method: au_boxes`."""

    table: Table | tuple[NamedRegion, ...] = Field(
        default="facs",
        description="The table of regions: `facs`, `dual_branch`, or a list of regions, each with `name`, `landmarks` "
        "(0 to 67) and `units`, the action units that it shows. A clip's action units choose the first region that "
        "shows one of them; the last one, without units, is for clips that show none.",
    )
    size: int = Field(default=64, ge=4, le=1024, description="Side of the patches, pixels.")
    margin: float = Field(default=0.15, ge=0, le=2, description="Added on every side, as a share of the box.")
    least: float = Field(
        default=0.12, gt=0, le=1, description="Least side of a box, as a share of the width of the face."
    )

    @field_validator("table", mode="before")
    @classmethod
    def _is_a_table(cls, table: Any) -> Any:
        return given_table(table)


def names(params: Params) -> list[str]:
    """Return the names of the regions, in the order of the patches."""
    return list(regions_of(params.table))


def units(params: Params) -> list[tuple[int, ...]]:
    """Return the action units that each region shows, in the order of the patches."""
    return [region.aus for region in regions_of(params.table).values()]


def locate(landmarks: np.ndarray, width: int, height: int, params: Params) -> np.ndarray:
    """Return the boxes (R, 4) float32 in pixels of an image, from landmarks (68, 2) in its pixels."""
    regions = regions_of(params.table).values()
    return np.stack([region_box(landmarks, r.landmarks, width, height, params.margin, params.least) for r in regions])


def patches(image: np.ndarray, boxes: np.ndarray, is_flow: bool, params: Params) -> np.ndarray:
    """Return the patches (R, size, size, C) of an image (H, W, C); flow stays in pixels of the image."""
    return cut(image, boxes, params.size)


METHOD = RoisMethod(Params, names, locate, patches, units)
