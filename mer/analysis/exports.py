"""What stands of a video's intervals, for other programs: a table in the STRS columns, an MEGC submission, and ELAN.

What stands is every candidate that nobody rejected, as a person changed it, and the person's own intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mer.analysis.expressions import Expression
from mer.analysis.face_motion import region_names
from mer.analysis.results import ELAN, INTERVALS, MEGC, Result
from mer.analysis.review import Judged
from mer.core.atomic import write_text
from mer.core.csvfile import write_csv
from mer.report.wording import plain
from mer.spotting.interval_files import Interval, dumps_megc

COLUMNS = ("subject", "video", "onset", "apex", "offset", "emotion", "type", "confidence", "onset_s", "apex_s",
           "offset_s", "quality", "warnings", "words", "verdict", "note")  # fmt: skip
# As ELAN writes them; it calls others `unknown`.
MEDIA = {
    ".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".mpg": "video/mpeg", ".webm": "video/webm",
}  # fmt: skip


@dataclass(frozen=True)
class Standing:
    """One interval that stands, in frame numbers; `spotted` is the candidate that it was, None for a person's own."""

    type: str
    emotion: str
    onset: int
    apex: int
    offset: int
    verdict: str
    note: str
    spotted: Expression | None


def standing(result: Result) -> list[Standing]:
    """Return what stands, in order of time."""
    judged: Sequence[Judged | None] = result.reviewed.judged or [None] * len(result.expressions)
    rows = []
    for one, said in zip(result.expressions, judged, strict=True):
        if said is None:
            onset, apex, offset = (result.number(frame) for frame in (one.onset, one.apex, one.offset))
            rows.append(Standing(one.kind, one.emotion, onset, apex, offset, "", "", one))
        elif said.verdict != "rejected":
            rows.append(_said(said, one))
    rows += [_said(said, None) for said in result.reviewed.own if said.verdict != "rejected"]
    return sorted(rows, key=lambda row: (row.onset, row.offset, row.type))


def _said(said: Judged, one: Expression | None) -> Standing:
    emotion = said.emotion or (one.emotion if one is not None else "")
    return Standing(said.type, emotion, said.onset, said.apex, said.offset, said.verdict, said.note, one)


def grid_place(result: Result, number: int) -> int:
    """Return the place on the grid of a frame number, the nearest one where the grid has it not."""
    return int(np.abs(result.footage.numbers - number).argmin())


def write_exports(result: Result, folder: Path) -> None:
    """Write `intervals.csv`, `megc.csv`, and `intervals.eaf` where pympi is installed (the extra `analyze`)."""
    rows = standing(result)
    _write_intervals(folder / INTERVALS, result, rows)
    name = result.footage.path.name
    megc = [Interval("", name, one.onset, one.offset, "", one.type) for one in rows]
    write_text(folder / MEGC, dumps_megc(megc, result.footage.fps))
    if has_elan():
        write_text(folder / ELAN, elan_text(result, folder))
    else:
        (folder / ELAN).unlink(missing_ok=True)


def _write_intervals(path: Path, result: Result, rows: Sequence[Standing]) -> None:
    """Write one row per interval that stands; the first columns are those of `mer score-spotting`."""
    classes, regions = result.ensemble.classes, list(region_names())
    lines = []
    for row in rows:
        one = row.spotted
        times = [round(result.when(grid_place(result, frame)), 4) for frame in (row.onset, row.apex, row.offset)]
        measured: list[Any] = ["", *times, "", "", ""]
        if one is not None:
            measured = [round(one.confidence, 6), *times, round(one.quality, 4), "; ".join(one.warnings), one.words]
        head = [result.footage.name, result.footage.path.name, row.onset, row.apex, row.offset, row.emotion or "others"]
        scores = [one.scores.get(name) if one is not None else None for name in classes]
        motion = [one.motion.get(name) if one is not None else None for name in regions]
        lines.append([*head, row.type, *measured, row.verdict, row.note, *scores, *motion])
    names = [*COLUMNS, *(f"p_{name}" for name in classes), *(f"motion_{name}" for name in regions)]
    write_csv(path, names, lines)


def has_elan() -> bool:
    """Return whether ELAN files can be written here."""
    from importlib.util import find_spec

    return find_spec("pympi") is not None


def elan_text(result: Result, folder: Path) -> str:
    """Return an ELAN annotation document (EAF) of a result.

    Tiers: `candidates micro`, `candidates macro` (all that was spotted, in words), and after a review `reviewed`
    (what stands, with notes). A tier holds no two annotations at one time: what overlaps an earlier one goes
    to a tier of the same name with a number.
    """
    from pympi.Elan import Eaf, to_eaf

    eaf = Eaf(author="mer")
    film = result.footage.path
    if film.is_file():  # no folder of images, which ELAN cannot play
        eaf.add_linked_file(str(film.resolve()), mimetype=MEDIA.get(film.suffix.lower(), "unknown"))
    eaf.remove_tier("default")
    for one in result.expressions:
        named = f" {one.emotion}" if one.emotion else ""
        _annotate(eaf, f"candidates {one.kind}", result, one.onset, one.offset, f"{one.kind}{named}: {one.words}")
    if result.reviewed.changed:
        for row in standing(result):
            text = " ".join(word for word in (row.verdict or "undecided", row.type, row.emotion, row.note) if word)
            first, last = grid_place(result, row.onset), grid_place(result, row.offset)
            _annotate(eaf, "reviewed", result, first, last, text)
    path = folder / f".{ELAN}"
    try:
        to_eaf(str(path), eaf)
        return path.read_text(encoding="utf-8")
    finally:
        path.unlink(missing_ok=True)


def _annotate(document: Any, tier: str, result: Result, first: int, last: int, text: str) -> None:
    start, stop = round(1000 * result.when(first)), round(1000 * (result.when(last) + 1 / result.footage.fps))
    name, number = tier, 1
    while name in document.get_tier_names() and any(
        start < b and a < stop for a, b, *_ in document.get_annotation_data_for_tier(name)
    ):
        number += 1
        name = f"{tier} {number}"
    if name not in document.get_tier_names():
        document.add_tier(name)
    document.add_annotation(name, start, stop, plain(text))
