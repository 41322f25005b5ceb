"""Reading annotation spreadsheets as text, and refusing hostile ones.

Every cell arrives as text: an integer as "12" (never "12.0"), a blank as "". The kind of a file is told
by its first bytes, not by its name. Rows keep the number that a spreadsheet program shows (specs/datasets.md §0.2).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
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
    """One table found in a file: its sheet, header texts and rows, and what was odd about its cells."""

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


def read_table(
    path: Path, header: str = "subject", sheets: Sequence[str] = (), wanted: Iterable[Sequence[str]] = ()
) -> Table:
    """Return the first sheet that has a cell equal to `header` within its first 30 rows.

    Args:
        path: an .xlsx, .xls or .csv file.
        header: normalised text of a header cell (`column_key`).
        sheets: released names of the sheet, best first; others follow in file order, hidden ones last.
        wanted: normalised header texts of which each needs one: a sheet without them gives way to one with them.

    Raises:
        DatasetError: the file is unreadable, has no such header, or several sheets of other names that have it (V03).
    """
    book = spreadsheets.read(path)
    wanted, starts = list(wanted), {name: _header_row(grid, header) for name, grid in book.sheets.items()}
    found = {name: at for name, at in starts.items() if at is not None}
    whole = {name: at for name, at in found.items() if _has_all(book.sheets[name][at], wanted)}
    name, notes = chosen_sheet(path, book, list(whole or found), sheets)
    if not name:
        lacking = f"no header cell {header!r} in the first {HEADER_ROWS} rows"
        raise no_table(path, book, lacking, "the owner's table", "V03")
    grid, at = book.sheets[name], found[name]
    named = [cell.strip() for cell in grid[at] if cell.strip()]
    columns = list(dict.fromkeys(named))
    rows = rows_below(grid, at + 1, grid[at])
    return Table(name, columns, rows, [*book.notes, *notes, *_repeated(columns, named)])


def _has_all(header: Sequence[str], wanted: Iterable[Sequence[str]]) -> bool:
    keys = {column_key(cell) for cell in header}
    return all(keys.intersection(texts) for texts in wanted)


def chosen_sheet(
    path: Path, book: spreadsheets.Book, fitting: Sequence[str], sheets: Sequence[str]
) -> tuple[str, list[str]]:
    """Return the sheet to read, '' where none fits, and notes on how it was chosen.

    Args:
        path: the file.
        book: its sheets.
        fitting: names of the sheets that begin like the table, in file order.
        sheets: released names of the sheet, best first.

    Raises:
        DatasetError: it has none of the released names, and several that are not hidden fit (V03).
    """
    rank = {name.casefold(): place for place, name in enumerate(sheets)}
    released = [name for name in fitting if name.strip().casefold() in rank]
    if released:
        best = min(released, key=lambda name: rank[name.strip().casefold()])
        return best, _hidden(book, best)
    named = path.stem not in book.sheets or len(book.sheets) > 1
    wanted = " or ".join(repr(name) for name in sheets)
    shown = [name for name in fitting if name not in book.hidden]
    if sheets and len(shown) > 1:
        listed = ", ".join(map(repr, shown))
        fault = f"has sheets {listed}, which all look like the table"
        raise DatasetError(path, fault, f"a sheet {wanted}", "rename the right one (V03)")
    if not fitting:
        return "", []
    notes = [f"no sheet {wanted}: {fitting[0]!r} is read"] * bool(sheets and named)
    others = ", ".join(map(repr, shown[1:]))
    notes += [f"sheets {others} look like the table too; {fitting[0]!r} is read"] * bool(others)
    return fitting[0], notes + _hidden(book, fitting[0])


def _hidden(book: spreadsheets.Book, name: str) -> list[str]:
    return [f"the sheet {name!r}, which is read, is hidden"] * (name in book.hidden)


def no_table(path: Path, book: spreadsheets.Book, lacking: str, expected: str, remedy: str) -> DatasetError:
    """Return the error of a file none of whose sheets is the annotation table (V03)."""
    listed = ", ".join(repr(name) for name in book.sheets)
    return DatasetError(path, f"has sheets {listed}; {lacking}", expected, remedy)


def _header_row(grid: list[list[str]], header: str) -> int | None:
    for index, cells in enumerate(grid[:HEADER_ROWS]):
        if any(column_key(cell) == header for cell in cells):
            return index
    return None


def rows_below(grid: Sequence[Sequence[str]], start: int, names: Sequence[str]) -> list[Row]:
    """Return the rows from index `start` on that are not blank; of two columns with one name, the first counts."""
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        if name.strip():
            places.setdefault(name.strip(), place)
    rows = []
    for number, cells in enumerate(grid[start:], start=start + 1):
        named = {name: cells[place] if place < len(cells) else "" for name, place in places.items()}
        if any(cell.strip() for cell in named.values()):
            rows.append(Row(named, number))
    return rows


def _repeated(columns: list[str], named: list[str]) -> list[str]:
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


def unread(
    table: Iterable[Mapping[str, str]], wanted: Mapping[str, Sequence[str]], telling: Collection[str]
) -> list[str]:
    """Return the headers of columns with content whose text is one of `telling` but which `aligned` does not use."""
    table = list(table)
    present = {column_key(name): name for row in reversed(table) for name in reversed(list(row))}
    used = {next((text for text in texts if text in present), "") for texts in wanted.values()}
    spare = [name for key, name in present.items() if key in telling and key not in used]
    return sorted(name for name in spare if any(str(row.get(name, "")).strip() for row in table))
