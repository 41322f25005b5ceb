"""What a method of the `frames` stage is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from mer.core.params import Params
from mer.stages.contract import Method, P


class FramesParams(Params):
    """Keys of every `frames` method."""

    span: Literal["annotation", "all"] = Field(
        "annotation", description="'annotation' keeps onset to offset, 'all' keeps everything the medium holds."
    )
    margin: int = Field(0, ge=0, description="frames kept before the onset and after the offset where they exist.")
    max_missing: float = Field(
        0.1, ge=0, lt=1, description="fraction of the frames from onset to offset that may be absent."
    )
    no_event: Literal["unknown", "whole"] = Field(
        "unknown",
        description="a clip of which no onset and offset are annotated: 'whole' takes its first frame for the onset, "
        "its last for the offset and, without an apex, the middle one for that.",
    )


@dataclass(frozen=True)
class FramesMethod(Method[P]):
    """A choice among the frames that a medium holds.

    Attributes:
        select: `select(present, onset, offset, params, where)`, from the ascending frame numbers (N,) int64 that exist
            and the annotated interval (None where unknown) to the numbers (T,) int64 to keep and the list of those
            absent in between; raises `ClipError` when too little is left.
    """

    select: Callable[[np.ndarray, int | None, int | None, P, str], tuple[np.ndarray, list[int]]]
