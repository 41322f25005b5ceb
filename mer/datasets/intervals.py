"""Onset, apex and offset as typed in a table: read, checked, and mended by a stated policy (V06 to V08, V19)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

#: What to do where no usable apex is annotated: take the middle frame, exclude the row, or keep what is there.
ApexPolicy = Literal["midpoint", "exclude", "keep"]
#: Called with (rule, severity, message).
Note = Callable[[str, str, str], None]

_NO_APEX = {"", "/", "-", "-1", "none", "null", "nan"}
_LARGEST = 10**9


@dataclass(frozen=True)
class Interval:
    """Inclusive frame numbers; `reason` is not empty when the row cannot be used."""

    onset: int | None = None
    apex: int | None = None
    offset: int | None = None
    apex_source: str = "none"
    reason: str = ""


@dataclass(frozen=True)
class ApexRules:
    """How one database's apex column is treated.

    `at_onset` and `at_offset` say what an apex equal to an end means. `annotated` is False where the database
    has no apex at all; `blank` allows onset and offset to be blank together, where a clip is cut to its expression;
    `mend` lets `missing` also cover an apex outside onset to offset, which otherwise excludes the row.
    """

    missing: ApexPolicy = "midpoint"
    at_onset: ApexPolicy = "midpoint"
    at_offset: ApexPolicy = "keep"
    annotated: bool = True
    blank: bool = False
    mend: bool = False


def frame_number(text: str) -> int | None:
    """Return the integer of a cell (`12`, ` 12 `, `12.0`, `-1`), None for anything else."""
    match = re.fullmatch(r"\s*([+-]?[0-9]{1,10})(?:\.0*)?\s*", text, re.ASCII)
    number = int(match[1]) if match else None
    return number if number is not None and abs(number) <= _LARGEST else None


def read_interval(
    onset: str, apex: str, offset: str, rules: ApexRules, note: Note, errata: tuple[str, ...] = ()
) -> Interval:
    """Return the interval of three cells; every oddity goes through `note`.

    `errata` names the fields that a correction has changed.
    """
    if not rules.annotated and not onset.strip() and not offset.strip():
        return Interval()
    if rules.blank and not onset.strip() and not offset.strip():
        alone = frame_number(apex)
        return Interval(None, alone, None, "none" if alone is None else "annotated")
    first, last = frame_number(onset), frame_number(offset)
    if first is None or last is None or min(first, last) < 0:
        reason = f"onset {onset!r}, offset {offset!r}: not frame numbers"
        note("V07", "error", f"{reason}; exclude the row or add a correction to errata.csv")
        return Interval(first, None, last, reason=reason)
    if first >= last:
        reason = f"onset {first} is not before offset {last}"
        note("V07", "error", f"{reason}; no known fix: add one to errata.csv or exclude the row")
        return Interval(first, None, last, reason=reason)
    if not rules.annotated:
        return _without_apex(first, last, rules.missing)
    middle = frame_number(apex)
    if apex.strip().casefold() in _NO_APEX or middle is None or (middle <= 0 < first):
        note("V06", "warning", f"no usable apex ({apex!r}); policy: {rules.missing}")
        return _without_apex(first, last, rules.missing)
    if not first <= middle <= last:
        return _disordered(first, middle, last, rules, note)
    return _at_an_end(first, middle, last, rules, note, "errata" if "apex" in errata else "annotated")


def _without_apex(first: int, last: int, policy: ApexPolicy) -> Interval:
    if policy == "midpoint":
        return Interval(first, (first + last) // 2, last, "midpoint")
    return Interval(first, None, last, reason="no usable apex" if policy == "exclude" else "")


def _disordered(first: int, middle: int, last: int, rules: ApexRules, note: Note) -> Interval:
    fault = f"onset {first}, apex {middle}, offset {last} are out of order"
    if rules.mend:
        note("V07", "warning", f"{fault}; policy: {rules.missing}")
        return _without_apex(first, last, rules.missing)
    note("V07", "error", f"{fault}; no known fix: add one to errata.csv or exclude the row")
    return Interval(first, None, last, reason=fault)


def _at_an_end(first: int, middle: int, last: int, rules: ApexRules, note: Note, source: str) -> Interval:
    if middle not in (first, last):
        return Interval(first, middle, last, source)
    which, policy = ("onset", rules.at_onset) if middle == first else ("offset", rules.at_offset)
    zero = ": onset-apex flow would be zero" if middle == first else ""
    note("V08", "warning", f"apex equals {which}{zero}; policy: {policy}")
    if policy == "keep":
        return Interval(first, middle, last, source)
    return _without_apex(first, last, policy)


def too_long(interval: Interval, fps: float | None, longest: float, note: Note) -> None:
    """Note a micro-expression that lasts more than `longest` seconds (V19)."""
    if fps and interval.onset is not None and interval.offset is not None and interval.offset > interval.onset:
        seconds = (interval.offset - interval.onset + 1) / fps
        if seconds > longest:
            note("V19", "warning", f"{seconds:.2f} s for a micro-expression")
