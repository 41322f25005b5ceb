"""Spotting features without the published defects: motion in pixels, of the face alone, with still eyes.

Flow between the frames of a pair by a choice of estimator, the head's motion taken out, its strain, and the eyes
masked so that a blink is no expression. Values are pixels of the crop (u right, v down) and strain as pixels per
pixel: no motion is 0 in every pair, which the published min-max scaling does not keep (specs/mean-softnet.md §3.2,
D12).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from mer.motion.estimator import EstimatorParams, estimate
from mer.stages.spot.method import DistanceParams, SpotMethod
from mer.stages.spot.regions import usable_boxes


class Params(DistanceParams, EstimatorParams):
    """Keys of the `clean` method."""

    distance: float = Field(
        0.2,
        gt=0,
        le=2,
        description="Seconds between the two frames of a pair; a micro-expression rises in about 0.15 s.",
    )
    head: Literal["none", "nose", "median", "similarity"] = Field(
        "median",
        description="Head motion taken out: none, the mean at the nose, the median, or a robust similarity.",
    )
    eyes: Literal["masked", "seen"] = Field("masked", description="Whether motion of the eyes is set to 0.")


class Picture:
    """Features of frame pairs.

    Args:
        params: keys of the method.
        where: the recording's name in messages.
    """

    def __init__(self, params: Params, where: str) -> None:
        self.params, self.where = params, where

    def __call__(self, first: np.ndarray, second: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Return (3, 42, 42) float32 of two grey crops (S, S) float32 0-255 and the first one's landmarks (68, 2).

        Raises:
            ClipError: the landmarks leave no region.
        """
        from mer.motion.brow_mouth import eye_mask, nose_mean, stacked
        from mer.motion.headmotion import centre
        from mer.motion.strain import strain

        height, width = first.shape
        boxes = usable_boxes(landmarks, width, height, self.where)
        flow = estimate(first, second, self.params)
        if self.params.head == "nose":
            flow = flow - nose_mean(flow, landmarks)[:, None, None]
        elif self.params.head != "none":
            flow = centre(flow, self.params.head)
        image = np.concatenate([flow, strain(flow)[None]])
        if self.params.eyes == "masked":
            image = image * ~eye_mask(landmarks, width, height)
        return stacked(image, boxes)


METHOD = SpotMethod(Params, Picture)
