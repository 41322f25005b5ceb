"""Spotting features as SOFTNet and MEAN compute them (specs/mean-softnet.md §3.1, §3.2).

`softnet`: flow minus its mean at the bridge of the nose, as magnitudes; signed strain minus its own; eyes set to 0;
regions cut; every channel of the 42 × 42 picture stretched to 0–1. `mean`: no head motion taken out, no mask; every
channel of the whole crop stretched to 0–1 before regions are cut. Landmarks are those of the recording's first frame
throughout.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from mer.motion.tvl1 import TVL1Options
from mer.stages.spot.method import DistanceParams, Picture, SpotMethod
from mer.stages.spot.regions import usable_boxes


class Params(DistanceParams):
    """Keys of the `published` method."""

    system: Literal["softnet", "mean"] = Field("mean", description="Whose features: softnet or mean.")


def picture(params: Params, where: str) -> Picture:
    """Return the `Picture` of a recording, which keeps to the landmarks of its first pair."""
    kept: list[np.ndarray] = []
    options = TVL1Options(preset="opencv")

    def seen(first: np.ndarray, second: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        from mer.motion.brow_mouth import eye_mask, minmax, nose_mean, stacked
        from mer.motion.strain import strain
        from mer.motion.tvl1 import flow as tvl1

        if not kept:
            kept.append(landmarks)
        points = kept[0]
        height, width = first.shape
        boxes = usable_boxes(points, width, height, where)
        flow = tvl1(np.rint(first), np.rint(second), options)
        if params.system == "mean":
            return stacked(minmax(np.concatenate([flow, strain(flow, "backward")[None]])), boxes)
        image = np.concatenate([flow, strain(flow, "forward")[None]])
        image = image - nose_mean(image, points)[:, None, None]
        image[:2] = np.abs(image[:2])
        image[:, eye_mask(points, width, height)] = 0
        return minmax(stacked(image, boxes))

    return seen


METHOD = SpotMethod(Params, picture)
