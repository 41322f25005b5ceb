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
from mer.stages.spot.method import DistanceParams, Picture, SpotMethod
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


def picture(params: Params, where: str) -> Picture:
    """Return the `Picture` of a recording; no pair depends on another."""

    def seen(first: np.ndarray, second: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        from mer.motion.brow_mouth import eye_mask, nose_mean, stacked
        from mer.motion.headmotion import centre
        from mer.motion.strain import strain

        height, width = first.shape
        boxes = usable_boxes(landmarks, width, height, where)
        flow = estimate(first, second, params)
        if params.head == "nose":
            flow = flow - nose_mean(flow, landmarks)[:, None, None]
        elif params.head != "none":
            flow = centre(flow, params.head)
        image = np.concatenate([flow, strain(flow)[None]])
        if params.eyes == "masked":
            image = image * ~eye_mask(landmarks, width, height)
        return stacked(image, boxes)

    return seen


METHOD = SpotMethod(Params, picture)
