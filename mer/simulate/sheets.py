"""Annotation files: their cells, as they are written and as a reader sees them. Bytes depend on the contents alone."""

from __future__ import annotations

import datetime
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from mer.core.atomic import atomic_path
from mer.core.csvfile import write_csv

Cell = str | int | float | datetime.date | None
Row = Sequence[Cell]

STAMP = (2019, 7, 1, 0, 0, 0)
STAMP_TEXT = b"2019-07-01T00:00:00Z"


def cell_text(cell: Cell) -> str:
    """Return a cell as a reader that takes everything for text sees it: 12.0 as `12`, a date in ISO form."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    if isinstance(cell, datetime.date):
        return cell.isoformat()
    return str(cell)


def number_cell(text: str) -> Cell:
    """Return text as a person types it into a spreadsheet: a number when it is one."""
    return int(text) if text.isdigit() else text


@dataclass(frozen=True)
class Table:
    """One annotation file.

    Args:
        path: relative to the root of the database; .xlsx or .csv.
        header: a name for each column; None for a column without one, which the reader does not see.
        rows: the cells below the header.
        sheet: name of its sheet.
        above: rows of notes above the header.
        below: rows under the last one, which the reader passes over.
        beside: further sheets, name -> rows.
        headless: the file has no header; `header` is what the reader calls its columns.
        argument: the argument of the reader that gets the rows; '' is its `table`.
    """

    path: str
    header: Sequence[str | None]
    rows: Sequence[Row]
    sheet: str = "Sheet1"
    above: Sequence[Row] = ()
    below: Sequence[Row] = ()
    beside: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    headless: bool = False
    argument: str = ""

    @classmethod
    def of(
        cls, path: str, rows: Sequence[Mapping[str, Cell]], sheet: str = "Sheet1", above: Sequence[Row] = ()
    ) -> Table:
        """Return a table of rows that name their columns: header -> cell, all with the same ones."""
        return cls(path, tuple(rows[0]), [list(row.values()) for row in rows], sheet, above)

    def as_read(self) -> list[dict[str, str]]:
        """Return the rows as header -> text."""
        return [
            {name: cell_text(cell) for name, cell in zip(self.header, row, strict=True) if name} for row in self.rows
        ]

    def sheets(self) -> dict[str, list[Row]]:
        """Return every sheet of the file, name -> rows."""
        header = [] if self.headless else [self.header]
        whole = [*self.above, *header, *self.rows, *self.below]
        return {self.sheet: whole, **{name: list(rows) for name, rows in self.beside.items()}}

    def write(self, root: Path) -> Path:
        """Write the file and return its path.

        Raises:
            StorageError: the disk is full or not writable.
        """
        path = root / self.path
        if path.suffix == ".csv":
            write_csv(path, [name or "" for name in self.header], [[cell_text(c) for c in row] for row in self.rows])
        else:
            write_workbook(path, self.sheets())
        return path


def write_workbook(path: str | Path, sheets: Mapping[str, Sequence[Row]]) -> None:
    """Write sheets (name -> rows of cells) to an .xlsx file, without the time of writing.

    Raises:
        StorageError: the disk is full or not writable.
    """
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    buffer = BytesIO()
    book.save(buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(_without_times(buffer.getvalue()))


def _without_times(data: bytes) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(BytesIO(data)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name in sorted(source.namelist()):
            part = source.read(name)
            if name == "docProps/core.xml":
                part = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", STAMP_TEXT, part)
            info = zipfile.ZipInfo(name, STAMP)
            info.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(info, part)
    return out.getvalue()
