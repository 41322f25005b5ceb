"""Which frames a flow field lies between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mer.core.errors import ClipError
from mer.core.source import ABSENT, unknown
from mer.stages.flow.method import FlowParams


def frame_pairs(params: FlowParams, events: Mapping[str, Any], count: int, where: str = "clip") -> np.ndarray:
    """Return the index pairs of a clip.

    Args:
        params: `pairs` and `step`.
        events: indices of the known ones of onset, apex and offset.
        count: number of frames of the clip.
        where: the clip's name in messages.

    Returns:
        (P, 2) int64.

    Raises:
        ClipError: an event that the pairs need is unknown or outside the clip, or the clip is too short.
    """
    if params.pairs == "consecutive":
        step = params.step or 1
        if count <= step:
            raise ClipError(where, f"{count} frames", f"more than {step}, for consecutive pairs")
        return np.stack([np.arange(count - step), np.arange(step, count)], axis=1)
    onset = _event(events, "onset", count, where, "use pairs: consecutive")
    if params.pairs == "onset_each":
        if onset == count - 1:
            raise ClipError(where, "no frame after the onset", "at least one", "mend its annotation")
        later = np.arange(onset + 1, count)
        return np.stack([np.full_like(later, onset), later], axis=1)
    other = params.pairs.removeprefix("onset_")
    remedy = "use pairs: onset_offset or onset_each" if other == "apex" else "use pairs: onset_each"
    return np.array([[onset, _event(events, other, count, where, remedy)]], np.int64)


def _event(events: Mapping[str, Any], name: str, count: int, where: str, remedy: str) -> int:
    index = events.get(name)
    if index is None:
        found, expected = unknown(name, events.get(ABSENT))
        raise ClipError(where, found, f"{expected}, for these pairs", remedy)
    if not 0 <= index < count:
        raise ClipError(where, f"{name} {index} is outside the clip", f"0 to {count - 1}", "mend its annotation")
    return int(index)
