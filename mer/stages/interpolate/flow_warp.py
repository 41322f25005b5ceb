"""Interpolation along the motion: both neighbours moved to the instant along optical flow, and blended.

Needs no weights. The flows in both directions between two frames are estimated once and serve every position between
them. Each frame is read by exact cubic splines at where its point was (specs/aman-magnet-rife.md E.1 to E.3): above
about a pixel of motion per step this beats a linear blend, below it the two are alike.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field

from mer.core.levels import as_uint8
from mer.motion.dis import DISOptions
from mer.motion.estimator import EstimatorParams, estimate
from mer.stages.interpolate.between import Flows, Middle, middle, relate
from mer.stages.interpolate.method import InterpolateMethod, ScheduleParams
from mer.stages.interpolate.neighbours import Maker, between_neighbours


class Params(ScheduleParams, EstimatorParams):
    """Keys of `method: flow`."""

    flow: Literal["micro", "dis", "tvl1"] = Field(
        default="dis", description="The algorithm that estimates the motion; `dis` reaches furthest."
    )
    dis: DISOptions = Field(
        default=DISOptions(preset="medium"), description="Options of `flow: dis`; `preset: medium`."
    )


def resample(frames: Any, positions: np.ndarray, params: Params | None = None) -> np.ndarray:
    """Return the frames at fractional positions along the motion between both neighbours; see `InterpolateMethod`."""
    choice = params or Params()

    def maker_of(first: np.ndarray, second: np.ndarray) -> Maker:
        flows = estimated(first, second, choice)
        return lambda time: blended(first, second, flows, time)

    return between_neighbours(frames, positions, maker_of)


def estimated(first: np.ndarray, second: np.ndarray, choice: EstimatorParams) -> Flows:
    """Return the flows both ways between two frames (H, W, 3) uint8, judged; zero for identical frames."""
    from mer.motion.grey import grey

    one, two = grey(first), grey(second)
    return relate(one, two, estimate(one, two, choice), estimate(two, one, choice))


def blended(first: np.ndarray, second: np.ndarray, flows: Flows, time: float) -> np.ndarray:
    """Return the frame (H, W, 3) uint8 at `time` in (0, 1) between two frames."""
    from mer.motion.warp import warp

    if flows.still:
        moved = [first.astype(np.float64), second.astype(np.float64)]
        there = Middle(flows.forward, flows.seen)
    else:
        there = middle(flows, time)
        moved = [warp(first, -time * there.motion), warp(second, (1 - time) * there.motion)]
    # A point seen in neither frame is still shown: as much from either as a blend would.
    parts = np.maximum(there.seen, 1e-3) * np.array([1 - time, time])[:, None, None]
    share = (parts[1] / parts.sum(axis=0))[..., None]
    return as_uint8((1 - share) * moved[0] + share * moved[1])


METHOD = InterpolateMethod(Params, resample)
