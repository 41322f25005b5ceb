"""Files of intervals: the public STRS columns and the MEGC submission format (specs/mean-softnet.md §9.5, §10).

STRS: `subject,video,onset,offset,emotion`. MEGC: `vid,pred_onset,pred_offset,type` with type `me` or `mae`. Either
may carry `confidence`; STRS rows also `type`, `apex` and whatever else, which is kept out of the way. Frames are
whole numbers, inclusive, of any sign. Nothing here depends on pandas.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mer.core.csvfile import csv_text
from mer.core.errors import DatasetError

STRS = ("subject", "video", "onset", "offset", "emotion")
MEGC = ("vid", "pred_onset", "pred_offset", "type")
TYPES = {"me": "micro", "micro": "micro", "micro-expression": "micro", "mae": "macro", "macro": "macro"}
TYPES |= {"macro-expression": "macro", "": ""}
LARGEST = 2**53


@dataclass(frozen=True, order=True)
class Interval:
    """One row: frames are inclusive; `emotion` and `type` are '' where the file has none; confidence defaults to 0."""

    subject: str
    video: str
    onset: int
    offset: int
    emotion: str = ""
    type: str = ""
    confidence: float = 0.0

    def kind(self, fps: float | None) -> str:
        """Return the type, micro up to half a second where the row says none; '' when the frame rate is unknown too."""
        if self.type or fps is None:
            return self.type
        return "micro" if self.offset - self.onset + 1 <= 0.5 * fps else "macro"


@dataclass(frozen=True)
class Table:
    """The rows of one file. `confident` tells whether it has confidences; `problems` has one line per unusable row."""

    path: str
    rows: tuple[Interval, ...]
    format: str
    confident: bool
    problems: tuple[str, ...] = ()


def read_table(path: str | Path) -> Table:
    """Read a file of intervals.

    Raises:
        DatasetError: it is missing, not UTF-8 text, or has the columns of neither format.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DatasetError(path, error.strerror or "cannot be read", "a CSV file of intervals") from None
    except UnicodeDecodeError:
        raise DatasetError(path, "not UTF-8 text", "a CSV file of intervals", "save it as CSV UTF-8") from None
    if "\0" in text:
        raise DatasetError(path, "not text", "a CSV file of intervals", "save the sheet as CSV")
    reader = csv.reader(io.StringIO(text), skipinitialspace=True)
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
    except csv.Error as error:
        raise DatasetError(f"{path} row 1", str(error), "a line of CSV", "save the sheet as CSV") from None
    form = "megc" if set(MEGC) <= set(header) else "strs"
    missing = [name for name in (MEGC if form == "megc" else STRS) if name not in header]
    if missing:
        found = f"no column {', '.join(missing)}" if header else "empty file"
        raise DatasetError(f"{path} row 1", found, f"{','.join(STRS)} or {','.join(MEGC)}", "name the columns so")
    rows: list[Interval] = []
    problems: list[str] = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                _keep(f"{path} row {reader.line_num}", header, cells, form, rows, problems)
    except csv.Error as error:
        problems.append(DatasetError(f"{path} row {reader.line_num}", str(error), "a line of CSV").line())
    return Table(str(path), tuple(rows), form, "confidence" in header, tuple(problems))


def _keep(
    where: str, header: list[str], cells: list[str], form: str, rows: list[Interval], problems: list[str]
) -> None:
    try:
        rows.append(_row(where, header, cells, form))
    except DatasetError as error:
        problems.append(error.line())


def _row(where: str, header: list[str], cells: list[str], form: str) -> Interval:
    if len(cells) != len(header):
        raise DatasetError(where, f"{len(cells)} cells", f"{len(header)}, as the header has", "mend the row")
    value = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    names = ("vid", "pred_onset", "pred_offset") if form == "megc" else ("video", "onset", "offset")
    video = _name(where, names[0], value[names[0]])
    subject = _name(where, "subject", value["subject"]) if form == "strs" else ""
    onset, offset = (_frame(where, name, value[name]) for name in names[1:])
    if offset < onset:
        raise DatasetError(where, f"{names[2]} {offset} before {names[1]} {onset}", "onset <= offset", "mend the row")
    kind = value.get("type", "").lower().split(" ")[0]
    if kind not in TYPES:
        raise DatasetError(where, f"type {value['type']!r}", "me or mae (or micro, macro)", "mend the row")
    emotion = "" if form == "megc" else value["emotion"]
    if form == "strs" and not emotion:
        raise DatasetError(where, "no emotion", "the name of a class", "write others where it is not to be recognised")
    return Interval(
        subject, video, onset, offset, emotion, TYPES[kind], _confidence(where, value.get("confidence", ""))
    )


def _name(where: str, column: str, cell: str) -> str:
    """Return a subject or video; one number written in several ways (6, 006, 6.0) is one name."""
    if not cell or cell.lower() in ("nan", "none"):
        raise DatasetError(where, f"no {column}", "its name or number", "fill the cell")
    number = re.fullmatch(r"0*(\d+)(?:\.0+)?", cell)
    return number.group(1) if number else cell


def _frame(where: str, column: str, cell: str) -> int:
    if re.fullmatch(r"[+-]?\d{1,17}(?:\.0*)?", cell):
        number = int(cell.partition(".")[0])
        if abs(number) <= LARGEST:
            return number
    raise DatasetError(where, f"{column} {cell!r}", "a whole frame number", "mend the cell")


def _confidence(where: str, cell: str) -> float:
    try:
        value = float(cell or 0)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DatasetError(where, f"confidence {cell!r}", "a finite number", "mend the cell")
    return value


def require_rows(table: Table) -> Table:
    """Return the table; raises `DatasetError` naming its first problem and how many there are."""
    if table.problems:
        more = f" (and {len(table.problems) - 1} more rows)" if len(table.problems) > 1 else ""
        raise DatasetError(table.path, table.problems[0] + more)
    return table


def dumps_strs(rows: Iterable[Interval], confident: bool = True) -> str:
    """Return rows as CSV text in the STRS columns, then type and, unless `confident` is false, confidence; sorted."""
    header = [*STRS, "type", *(["confidence"] if confident else [])]
    lines = [
        [row.subject, row.video, row.onset, row.offset, row.emotion, row.type, *([f"{row.confidence:.6g}"] * confident)]
        for row in sorted(rows)
    ]
    return csv_text(header, lines)


def dumps_megc(rows: Iterable[Interval], fps: float) -> str:
    """Return rows as an MEGC submission; a row without type is `me` when it lasts at most half a second, else `mae`."""
    codes = {"micro": "me", "macro": "mae"}
    return csv_text(MEGC, [[row.video, row.onset, row.offset, codes[row.kind(fps)]] for row in sorted(rows)])
