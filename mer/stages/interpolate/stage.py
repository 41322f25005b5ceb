"""Interpolation: a fixed number of frames of each clip, at instants that a schedule sets.

Reads an `align` product, writes `frames`, `landmarks`, `positions` and `numbers` (docs/architecture.md). `fps`
stays that of the file numbers. `onset`, `apex` and `offset` become the index of the output frame nearest to the
event, and `onset_shift`, `apex_shift`, `offset_shift` say by how many file numbers that frame is later than the
event: 0 where it is the event. An event outside the span of the output is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mer.core.container import Clip, ClipWriter
from mer.core.errors import ClipError
from mer.core.source import ABSENT, Source
from mer.stages.contract import Array, Stage
from mer.stages.interpolate.method import InterpolateMethod, ScheduleParams
from mer.stages.interpolate.schedule import EVENTS, instants, to_positions


def process(source: Source, out: ClipWriter, method: InterpolateMethod[Any], params: ScheduleParams) -> None:
    """Interpolate one clip.

    Raises:
        ClipError: the schedule needs an event that the clip lacks, or the events or file numbers are out of order.
    """
    clip = source.clip
    assert clip is not None
    numbers = clip.read("numbers").astype(np.float64)
    if len(numbers) == 0 or not np.isfinite(numbers).all() or (np.diff(numbers) <= 0).any():
        raise ClipError(clip.sample_id, "file numbers do not increase", "a larger one per frame")
    events = event_numbers(clip, numbers)
    wanted = instants(events, numbers, params.schedule, params.frames, clip.sample_id, clip.attributes.get(ABSENT))
    positions = to_positions(wanted, numbers)
    out.write("frames", method.resample(clip.lazy("frames"), positions, params))
    out.write("landmarks", interpolate_points(clip.read("landmarks"), positions))
    out.write("positions", positions)
    out.write("numbers", wanted)
    out.attributes({"fps": clip.attributes.get("fps"), **nearest_events(events, wanted)})


def event_numbers(clip: Clip, numbers: np.ndarray) -> dict[str, float]:
    """Return the file numbers of the events that are known.

    Raises:
        ClipError: an index is outside the clip, or apex and offset do not follow the onset in this order.
    """
    events: dict[str, float] = {}
    for name in EVENTS:
        index = clip.attributes.get(name)
        if index is None:
            continue
        if not 0 <= index < len(numbers):
            raise ClipError(clip.sample_id, f"{name} {index} is outside the clip", f"0 to {len(numbers) - 1}")
        events[name] = float(numbers[int(index)])
    known = list(events.values())
    if known != sorted(known):
        found = ", ".join(f"{name} {value:g}" for name, value in events.items())
        raise ClipError(clip.sample_id, f"events out of order ({found})", "onset <= apex <= offset")
    return events


def interpolate_points(points: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Return points (T, N, 2) at fractional positions (F,), linearly: (F, N, 2) float32."""
    low = np.floor(positions).astype(int)
    high = np.minimum(low + 1, len(points) - 1)
    part = (positions - low)[:, None, None]
    return np.asarray((1 - part) * points[low] + part * points[high], np.float32)


def nearest_events(events: Mapping[str, float], wanted: np.ndarray) -> dict[str, Any]:
    """Return the attributes `<event>` and `<event>_shift` for the events within the span of `wanted` (F,)."""
    events_shown: dict[str, Any] = {}
    for name, number in events.items():
        if wanted[0] <= number <= wanted[-1]:
            index = int(np.argmin(np.abs(wanted - number)))
            events_shown |= {name: index, f"{name}_shift": float(wanted[index] - number)}
    return events_shown


STAGE = Stage(
    process,
    {
        "frames": Array("F, S, S, 3", "uint8", "RGB crops"),
        "landmarks": Array("F, 68, 2", "float32", "(x, y) pixels of the crop"),
        "positions": Array("F", "float64", "place of each frame among those of the source, fractional"),
        "numbers": Array("F", "float64", "file numbers, fractional"),
    },
)
