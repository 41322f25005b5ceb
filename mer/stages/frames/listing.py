"""Which files or video frames make up a clip (specs/datasets.md §0.2)."""

from __future__ import annotations

import numpy as np

from mer.core.errors import ClipError
from mer.stages.frames.method import FramesMethod, FramesParams


class Params(FramesParams):
    """Keys of `method: list`."""


def select(
    present: np.ndarray, onset: int | None, offset: int | None, params: Params, where: str
) -> tuple[np.ndarray, list[int]]:
    """Choose the frames of a clip among those present.

    Args:
        present: (N,) int64 ascending frame numbers that exist.
        onset: first frame number; None means the first present.
        offset: last frame number, inclusive; None means the last present.
        params: span, margin and tolerance.
        where: what an error names.

    Returns:
        The chosen numbers (T,) int64, and the numbers absent between onset and offset. An absent frame is
        left out; no neighbour takes its place.

    Raises:
        ClipError: nothing is left, onset > offset, or more than `max_missing` of the interval is absent.
    """
    if not len(present):
        raise ClipError(where, "no frames", "numbered image files or a video")
    first = int(present[0]) if onset is None else onset
    last = int(present[-1]) if offset is None else offset
    if first > last:
        raise ClipError(where, f"onset {first} lies behind offset {last}", "onset <= offset", "mend the annotation")
    missing = sorted(set(range(first, last + 1)) - set(present.tolist()))
    length = last - first + 1
    if len(missing) > params.max_missing * length:
        found = f"{len(missing)} of the {length} frames {first}-{last} are absent (the first: {missing[0]})"
        behind = missing[0] > present[-1]
        remedy = f"its last frame is {int(present[-1])}: correct the annotation" if behind else "complete the folder"
        raise ClipError(where, found, f"at most {params.max_missing:.0%}", f"{remedy} or raise max_missing")
    if params.span == "all":
        return present, missing
    chosen = present[(present >= first - params.margin) & (present <= last + params.margin)]
    if not len(chosen):
        raise ClipError(where, f"none of the frames {first}-{last} exists", "the annotated frames")
    return chosen, missing


METHOD = FramesMethod(Params, select)
