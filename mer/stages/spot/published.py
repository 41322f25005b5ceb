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
from mer.stages.spot.method import DistanceParams, SpotMethod
from mer.stages.spot.regions import usable_boxes


class Params(DistanceParams):
    """Keys of the `published` method."""

    system: Literal["softnet", "mean"] = Field("mean", description="Whose features: softnet or mean.")


class Picture:
    """Features of the frame pairs of one recording.

    Args:
        params: keys of the method.
        where: the recording's name in messages.
    """

    def __init__(self, params: Params, where: str) -> None:
        self.params, self.where = params, where
        self.landmarks: np.ndarray | None = None
        self.options = TVL1Options(preset="opencv")

    def __call__(self, first: np.ndarray, second: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Return (3, 42, 42) float32 of two grey crops (S, S) float32 0-255.

        Raises:
            ClipError: the landmarks leave no region.
        """
        from mer.motion.brow_mouth import eye_mask, minmax, nose_mean, stacked
        from mer.motion.strain import strain
        from mer.motion.tvl1 import flow as tvl1

        points = landmarks if self.landmarks is None else self.landmarks
        self.landmarks = points
        height, width = first.shape
        boxes = usable_boxes(points, width, height, self.where)
        flow = tvl1(np.rint(first), np.rint(second), self.options)
        if self.params.system == "mean":
            return stacked(minmax(np.concatenate([flow, strain(flow, "backward")[None]])), boxes)
        image = np.concatenate([flow, strain(flow, "forward")[None]])
        image = image - nose_mean(image, points)[:, None, None]
        image[:2] = np.abs(image[:2])
        image[:, eye_mask(points, width, height)] = 0
        return minmax(stacked(image, boxes))


METHOD = SpotMethod(Params, Picture)
