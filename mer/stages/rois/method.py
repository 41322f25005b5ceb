"""What a method of the `rois` stage is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from mer.core.params import Params
from mer.stages.contract import Method, P

Cuttable = Literal["frames", "flow", "strain", "flow_strain"]


class CutParams(Params):
    """What is cut, and whose landmarks place the boxes."""

    array: Cuttable = Field(default="flow", description="The array to cut; `flow_strain` stacks u, v and strain.")
    boxes: Literal["clip", "first", "frame"] = Field(
        default="clip",
        description="`clip`: one set of boxes, from the onset's landmarks; `first`: one set, from those of the first "
        "frame or pair, for clips without an onset; `frame`: one per frame or pair.",
    )


@dataclass(frozen=True)
class RoisMethod(Method[P]):
    """A set of regions of a face.

    Attributes:
        names: `names(params)`, of the R regions in order.
        locate: `locate(landmarks, width, height, params)`, from landmarks (68, 2) finite (x, y) pixels of an image of
            that size to the boxes (R, 4) float32 left, top, right, bottom in its pixels, right and bottom exclusive.
        patches: `patches(image, boxes, is_flow, params)`, from an image (H, W, C) uint8 or float32 and its boxes to the
            patches (R, h, w, C) in its dtype; of flow, u and v are the first two channels.
        units: `units(params)`, the numbers of the action units that each region shows; none where there is no function.
    """

    names: Callable[[P], list[str]]
    locate: Callable[[np.ndarray, int, int, P], np.ndarray]
    patches: Callable[[np.ndarray, np.ndarray, bool, P], np.ndarray]
    units: Callable[[P], list[tuple[int, ...]]] = lambda params: []
