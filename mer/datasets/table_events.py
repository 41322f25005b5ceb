"""Onset, apex and offset as a user counts them, as frame numbers: of image names, positions or times."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from mer.datasets.intervals import frame_number

Counting = Literal["auto", "from_0", "from_1", "from_onset", "seconds"]
EVENTS = ("onset", "apex", "offset")
_BLANK = {"", "/", "-", "none", "null", "nan", "n/a", "na"}
_CLOCK = re.compile(r"(?:(?:([0-9]+):)?([0-9]+):)?([0-9]+(?:[.,][0-9]*)?)", re.ASCII)


@dataclass
class Events:
    """Cells of onset, apex and offset as frame numbers, '' where blank, and (rule, message) of what is wrong."""

    cells: dict[str, str] = field(default_factory=lambda: dict.fromkeys(EVENTS, ""))
    flaws: list[tuple[str, str]] = field(default_factory=list)


def seconds_of(text: str) -> float | None:
    """Return the seconds of `1.25`, `1,25`, `0:01.25` or `00:00:01.25`, None for anything else."""
    match = _CLOCK.fullmatch(text.strip())
    if not match:
        return None
    return 3600 * int(match[1] or 0) + 60 * int(match[2] or 0) + float(match[3].replace(",", "."))


def rate_of(text: str) -> float | None:
    """Return the frames per second of a cell, None where it is not a number above 0."""
    try:
        rate = float(text.strip().replace(",", "."))
    except ValueError:
        return None
    return rate if 0 < rate < 1e5 else None


def read_events(
    row: Mapping[str, str],
    headers: Mapping[str, str],
    counting: Counting,
    fps: float | None,
    numbers: Sequence[int] | None,
) -> Events:
    """Return the events of one row in frame numbers: of images those of their names, of videos counted from 0.

    Args:
        row: our column name -> cell.
        headers: our column name -> header, for messages.
        counting: what the cells count.
        fps: frames per second of the clip, for seconds.
        numbers: of its images, ascending; None of a video.
    """
    events = Events()
    start = frame_number(row.get("onset", "")) if counting == "from_onset" else None
    for name in EVENTS:
        text = row.get(name, "").strip()
        if text.casefold() in _BLANK or (name == "apex" and text == "-1"):
            continue
        where = f"column {headers[name]!r}"
        value = _count(text, counting, fps, start)
        if isinstance(value, str):
            events.flaws.append(("V07", f"{where}: {text!r} {value}"))
        elif numbers is None or counting == "auto":
            events.cells[name] = str(value)
        elif 0 <= value < len(numbers):
            events.cells[name] = str(numbers[value])
        else:
            first = f", which begin at the onset {start}" if start is not None else ""
            events.flaws.append(("V10", f"{where}: {text} lies outside the {len(numbers)} images of the clip{first}"))
    if not events.flaws:
        events.flaws += _disorder(events.cells, headers, row)
    if events.flaws:
        events.cells = dict.fromkeys(EVENTS, "")
    return events


def _count(text: str, counting: Counting, fps: float | None, start: int | None) -> int | str:
    """Return the place of a cell, from 0 except for the numbers of images; or what is wrong with it."""
    if counting == "seconds":
        seconds = seconds_of(text)
        if seconds is None:
            return "is not a time such as 1.25 or 0:01.25"
        return "needs the clip's frames per second" if fps is None else round(seconds * fps)
    number = frame_number(text)
    if number is None:
        times = "; are these times? set `counting: seconds`" if seconds_of(text) is not None else ""
        return f"is not a frame number{times}"
    first = start or 0 if counting == "from_onset" else int(counting == "from_1")
    return number - first if number >= first else f"is below {first}, the first frame"


def _disorder(cells: Mapping[str, str], headers: Mapping[str, str], row: Mapping[str, str]) -> list[tuple[str, str]]:
    def told(name: str) -> str:
        return f"column {headers[name]!r} ({name} {row[name].strip()})"

    onset, apex, offset = (int(cells[name]) if cells[name] else None for name in EVENTS)
    if (onset is None) != (offset is None):
        blank, given = ("onset", "offset") if onset is None else ("offset", "onset")
        lacking = f"column {headers[blank]!r} is blank" if blank in headers else f"no column is the {blank}"
        return [("V07", f"{lacking} where {told(given)} is not; fill in both, or neither where the clip is cut")]
    if onset is not None and offset is not None:
        if onset >= offset:
            return [("V07", f"{told('onset')} is not before {told('offset')}; correct the table")]
        if apex is not None and not onset <= apex <= offset:
            return [("V07", f"{told('apex')} lies outside onset {row['onset']} to offset {row['offset']}; correct it")]
    return []
