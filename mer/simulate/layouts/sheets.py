"""Cells, rows and tables of simulated annotation files, as they are written and as a reader sees them."""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from mer.core.atomic import atomic_path, write_text
from mer.core.errors import StorageError

Cell = str | int | float | datetime.date | None


def cell_text(cell: Cell) -> str:
    """Return a cell as a reader that takes everything for text sees it: 12.0 as `12`, a date in ISO form."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    if isinstance(cell, datetime.date):
        return cell.isoformat()
    return str(cell)


def as_table(header: Sequence[str | None], rows: Sequence[Sequence[Cell]]) -> list[dict[str, str]]:
    """Return rows as header text -> cell text; columns without a name are left out."""
    return [{name: cell_text(cell) for name, cell in zip(header, row, strict=True) if name} for row in rows]


def write_xlsx(path: Path, sheets: Mapping[str, Sequence[Sequence[Cell]]]) -> Path:
    """Write an .xlsx file whose bytes depend on its contents alone; return its path.

    Raises:
        StorageError: the disk is full or not writable.
    """
    from mer.simulate.layouts.workbook import write_workbook

    write_workbook(path, cast(Any, sheets))
    return path


def write_xls(path: Path, sheets: Mapping[str, Sequence[Sequence[Cell]]]) -> Path:
    """Write an old binary .xls file; return its path. Needs the package xlwt, which only the tests depend on.

    Raises:
        StorageError: xlwt is not installed, or the disk is full or not writable.
    """
    try:
        import xlwt
    except ImportError:
        found = "cannot be written: the package xlwt is not installed"
        raise StorageError(path, found, "xlwt", "pip install xlwt, or write the .xlsx form of the table") from None
    book = xlwt.Workbook(encoding="utf-8")
    date = xlwt.easyxf(num_format_str="YYYY-MM-DD")
    for name, rows in sheets.items():
        sheet = book.add_sheet(name)
        for r, row in enumerate(rows):
            for c, cell in enumerate(row):
                if isinstance(cell, datetime.date):
                    sheet.write(r, c, cell, date)
                elif cell is not None:
                    sheet.write(r, c, cell)
    buffer = io.BytesIO()
    book.save(buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getvalue())
    return path


def write_csv(path: Path, rows: Sequence[Sequence[Cell]]) -> Path:
    """Write rows as comma-separated text; return the path."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([[cell_text(cell) for cell in row] for row in rows])
    write_text(path, buffer.getvalue())
    return path
