"""What a method of the `align` stage is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field, field_validator

from mer.stages.align.measure import Alignment, Measurement, collect
from mer.stages.align.track import Settings
from mer.stages.contract import Method, P


class TrackParams(Settings):
    """Keys of every method that follows a face: how it is found, and what happens along time."""

    clips: Literal["expressions", "recordings"] = Field(
        "expressions", description="what is aligned: annotated expressions, or whole recordings, for spotting"
    )

    smooth: int = Field(
        5,
        ge=1,
        le=51,
        description="odd number of frames of the landmark filter; 1 is off, 5 keeps 96 % of a five-frame apex",
    )
    rigid_smooth: int = Field(
        11, ge=1, le=101, description="odd number of frames of the transform's filter, used without `refine`"
    )
    cache_mb: int = Field(256, ge=0, description="memory for decoded frames between the two passes over a clip, MiB")

    @field_validator("smooth", "rigid_smooth")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("must be odd")
        return value


@dataclass(frozen=True)
class AlignMethod(Method[P]):
    """A way to place the crop of a face that is followed.

    Attributes:
        measure: `measure(frames, params, where)`, one pass over frames (H, W, 3) uint8 RGB or (H, W) uint8, of which
            one is held at a time, to a `Measurement` that yields their geometry in parts. Frames without a face get the
            transform and landmarks of their neighbours, linearly interpolated, and quality 0. On iteration it raises
            `ClipError` when there is no frame, or no face in any frame tried; `where` is the clip's name in messages.
        cut: `cut(frames, transform, params)`, from the same frames and their transforms (T, 2, 3) float64 to the crops
            (S, S, 3) uint8, in order.
    """

    measure: Callable[[Iterable[np.ndarray], P, str], Measurement]
    cut: Callable[[Iterable[np.ndarray], np.ndarray, P], Iterator[np.ndarray]]

    def align(self, frames: Iterable[np.ndarray], params: P, where: str = "clip") -> Alignment:
        """Return the geometry of a whole clip; arguments and errors as `measure`."""
        return collect(self.measure(frames, params, where))
