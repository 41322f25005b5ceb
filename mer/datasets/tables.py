"""Reading annotation spreadsheets as text, and refusing hostile ones.

Every cell arrives as text: an integer as "12" (never "12.0"), a blank as "". The kind of a file is told
by its first bytes, not by its name. Rows keep the number that a spreadsheet program shows (specs/datasets.md §0.2).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mer.core.errors import DatasetError
from mer.datasets import spreadsheets

HEADER_ROWS = 30


class Row(dict[str, str]):
    """One table row, header text to cell text; `number` is the row as a spreadsheet shows it."""

    def __init__(self, cells: Mapping[str, str], number: int) -> None:
        super().__init__(cells)
        self.number = number


@dataclass
class Table:
    """One table found in a file: its header texts, its rows, and what was odd about its cells."""

    file: str
    sheet: str
    columns: list[str]
    rows: list[Row]
    notes: list[str] = field(default_factory=list)


def column_key(name: str) -> str:
    """Return a header normalised for matching: lower case, no spaces, underscores or marks, `Frame` dropped."""
    key = re.sub(r"[^0-9a-z]+", "", name.casefold())
    return key.replace("frames", "").replace("frame", "") or key


def release_of(path: Path) -> str:
    """Return `name sha256:<64 hex digits>` of an annotation file."""
    return f"{path.name} sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def read_table(path: Path, header: str = "subject", sheets: Sequence[str] = ()) -> Table:
    """Return the first sheet that has a cell equal to `header` within its first 30 rows.

    Args:
        path: an .xlsx, .xls or .csv file.
        header: normalised text of a header cell (`column_key`).
        sheets: sheet names to look at first; all others follow in file order.

    Raises:
        DatasetError: the file is unreadable, or has no such header (V03).
    """
    book = spreadsheets.read(path)
    preferred = {name.casefold(): rank for rank, name in enumerate(sheets)}
    names = sorted(book.sheets, key=lambda name: preferred.get(name.casefold().strip(), len(preferred)))
    for name in names:
        at = _header_row(book.sheets[name], header)
        if at is not None:
            columns, rows = _rows(book.sheets[name], at)
            return Table(path.name, name, columns, rows, [*book.notes, *_repeated(columns, book.sheets[name][at])])
    listed = ", ".join(repr(name) for name in book.sheets)
    raise DatasetError(
        path,
        f"has sheets {listed}; no header cell {header!r} in the first {HEADER_ROWS} rows",
        "the owner's table",
        "V03",
    )


def _header_row(grid: list[list[str]], header: str) -> int | None:
    for index, cells in enumerate(grid[:HEADER_ROWS]):
        if any(column_key(cell) == header for cell in cells):
            return index
    return None


def _rows(grid: list[list[str]], at: int) -> tuple[list[str], list[Row]]:
    places: dict[str, int] = {}
    for place, name in enumerate(grid[at]):
        if name.strip():
            places.setdefault(name.strip(), place)
    rows = []
    for index in range(at + 1, len(grid)):
        cells = {name: grid[index][place] if place < len(grid[index]) else "" for name, place in places.items()}
        if any(cell.strip() for cell in cells.values()):
            rows.append(Row(cells, index + 1))
    return list(places), rows


def _repeated(columns: list[str], header: list[str]) -> list[str]:
    named = [name.strip() for name in header if name.strip()]
    twice = sorted({name for name in columns if named.count(name) > 1})
    return [f"columns {', '.join(twice)} occur more than once; the first is read"] if twice else []


def split_text_rows(rows: Iterable[Row], cells: Sequence[str]) -> tuple[list[Row], list[Row]]:
    """Return the rows that have at least two of `cells` filled in, and the others: remarks, totals, stray text."""
    data: list[Row] = []
    text: list[Row] = []
    for row in rows:
        (data if sum(bool(row[name].strip()) for name in cells) >= 2 else text).append(row)
    return data, text


def row_number(row: Mapping[str, str], index: int) -> int:
    """Return a row's spreadsheet number; a plain mapping is taken as row `index` under a one-line header."""
    return row.number if isinstance(row, Row) else index + 2


def aligned(
    table: Iterable[Mapping[str, str]], wanted: Mapping[str, Sequence[str]], where: str, optional: Sequence[str] = ()
) -> list[Row]:
    """Return rows with the columns renamed to the keys of `wanted`, whatever their order or spelling.

    Args:
        table: rows, header text -> cell text.
        wanted: our column name -> normalised header texts that mean it, best first.
        where: file name, for messages.
        optional: columns that may be absent; they come back as "".

    Raises:
        DatasetError: a column is missing (V03).
    """
    table = list(table)
    present = {column_key(name): name for row in reversed(table) for name in reversed(list(row))}
    source = {ours: next((present[t] for t in texts if t in present), None) for ours, texts in wanted.items()}
    missing = [ours for ours, name in source.items() if name is None and ours not in optional]
    if missing and table:
        headers = ", ".join(repr(name) for name in list(table[0])[:20])
        raise DatasetError(
            where,
            f"missing columns {', '.join(missing)}; present: {headers}",
            "the owner's table",
            "name the right file in `table` (V03)",
        )
    rows = []
    for index, row in enumerate(table):
        cells = {ours: str(row.get(name, "")) if name else "" for ours, name in source.items()}
        rows.append(Row(cells, row_number(row, index)))
    return rows
