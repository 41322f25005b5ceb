"""What a method of the `interpolate` stage is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field

from mer.core.params import Params
from mer.stages.contract import Method, P

Schedule = Literal["onset_apex_offset", "onset_apex", "uniform", "all"]


class ScheduleParams(Params):
    """What every interpolation method is asked for."""

    frames: int = Field(default=10, ge=2, le=1000, description="Number of frames to produce.")
    schedule: Schedule = Field(
        default="uniform",
        description="`uniform`: onset to offset; `onset_apex`: onset to apex; `onset_apex_offset`: most frames from "
        "onset to apex, then the middle of apex and offset, then the offset; `all`: first to last frame.",
    )


@dataclass(frozen=True)
class InterpolateMethod(Method[P]):
    """A maker of frames at fractional positions of a clip.

    Attributes:
        resample: `resample(frames, positions, params)`, from frames (T, S, S, 3) uint8 RGB, an array or a dataset of
            which a few are read at a time, and positions (F,) float in [0, T - 1] to the frames (F, S, S, 3)
            uint8 there; the frame itself, unchanged, at an integer position.
    """

    resample: Callable[[Any, np.ndarray, P], np.ndarray]
