"""Which instants of a clip the interpolated frames show (specs/au-fusion.md §1.3 and §1.4).

The schedules are pure functions of file numbers, because a clip may miss frames: an instant is a file number,
possibly fractional, and `to_positions` says where on the frame axis it lies.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mer.core.errors import ClipError
from mer.core.source import unknown
from mer.stages.interpolate.method import Schedule

EVENTS = ("onset", "apex", "offset")


def instants(
    events: Mapping[str, float],
    numbers: np.ndarray,
    schedule: Schedule,
    count: int,
    where: str = "clip",
    absent: object = None,
) -> np.ndarray:
    """Return the file numbers (count,) float64 that a schedule asks for.

    Args:
        events: file numbers of the known ones of onset, apex and offset.
        numbers: (T,) file numbers of the clip.
        schedule: see `ScheduleParams`.
        count: how many.
        where: the clip's name in messages.
        absent: events whose own image is not on disk (`mer.core.source.ABSENT`).

    Raises:
        ClipError: the schedule needs an event that is not known.
    """
    needed = {"all": (), "uniform": ("onset", "offset"), "onset_apex": ("onset", "apex")}.get(schedule, EVENTS)
    missing = [name for name in needed if name not in events]
    if missing:
        remedy = "use schedule: uniform" if missing == ["apex"] else "use schedule: all"
        found, expected = unknown(missing[0] if absent else " and ".join(missing), absent)
        raise ClipError(where, found, f"{expected}, for schedule {schedule}", remedy)
    if schedule == "onset_apex_offset":
        return onset_apex_offset(events["onset"], events["apex"], events["offset"], count)
    first, last = (events[needed[0]], events[needed[1]]) if needed else (float(numbers[0]), float(numbers[-1]))
    return np.linspace(first, last, count)


def onset_apex_offset(onset: float, apex: float, offset: float, count: int) -> np.ndarray:
    """Return the instants of au-fusion §1.3.

    More than 5: `count - 2` evenly from onset to apex, the middle of apex and offset, the offset. Up to 5:
    `count - 1` evenly from onset to apex, the offset. Apex equal to offset: evenly from onset to offset.

    Returns:
        (count,) float64, not decreasing, from `onset` to `offset`.
    """
    if apex == offset:
        return np.linspace(onset, offset, count)
    if count > 5:
        return np.append(np.linspace(onset, apex, count - 2), [(apex + offset) / 2, offset])
    return np.append(np.linspace(onset, apex, count - 1), offset)


def to_positions(instants: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return where file numbers lie on a frame axis that may miss some.

    Args:
        instants: (F,) float file numbers within `numbers`.
        numbers: (T,) increasing file numbers of the frames there are.

    Returns:
        (F,) float64 in [0, T - 1]; an integer exactly where a frame is meant.
    """
    positions = np.interp(instants, numbers, np.arange(len(numbers), dtype=np.float64))
    nearest = np.rint(positions)
    # A linspace may miss an integer by rounding; a frame that exists must come out untouched.
    return np.where(np.abs(positions - nearest) < 1e-9, nearest, positions)
