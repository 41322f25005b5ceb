"""Which column of a user's table says what: named in the options, or told by an ordinary header.

Headers are compared without regard to case and spaces, in any script.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from mer.core.errors import DatasetError
from mer.core.registry import nearest
from mer.datasets import spreadsheets, tables
from mer.datasets.table_options import Columns, header_key

#: Headers that need not be named (`mer.datasets.tables.column_key`), best first.
ORDINARY: Mapping[str, tuple[str, ...]] = {
    "clip": ("clip", "filename", "file", "video", "clipname", "videoname", "path", "name"),
    "subject": ("subject", "subjectid", "participant", "participantid", "person", "sub"),
    "onset": ("onset", "start"),
    "apex": ("apex",),
    "offset": ("offset", "end"),
    "emotion": ("emotion", "estimatedemotion", "label", "expression"),
    "units": ("units", "actionunits", "actionunit", "aus", "au"),
    "fps": ("fps", "framerate"),
    "database": ("database", "dataset"),
    "type": ("type", "expressiontype"),
    "objective": ("objective", "objectiveclass", "objectiveclasses"),
}
NEEDED = ("clip", "subject")


@dataclass(frozen=True)
class Sheet:
    """The rows of a table with the columns that were read: our name -> header."""

    name: str
    columns: Mapping[str, str]
    rows: Sequence[tables.Row]
    notes: Sequence[str] = ()


def resolve(headers: Sequence[str], columns: Columns, where: str) -> dict[str, str]:
    """Return our name -> header of every column that a table has.

    Raises:
        DatasetError: a named column is not there or is there twice, or nothing says which is the clip or subject (V03).
    """
    given = [header.strip() for header in headers if header.strip()]
    by_key: dict[str, list[str]] = {}
    for header in given:
        by_key.setdefault(header_key(header), []).append(header)
    found: dict[str, str] = {}
    for ours, wanted in columns.model_dump().items():
        if not wanted:
            continue
        same = by_key.get(header_key(wanted), [])
        if not same:
            fault = f"no column {wanted!r}, which `columns.{ours}` names"
            raise DatasetError(where, fault, "a header of the table", f"{nearest(wanted, given)} (V03)")
        if len(same) > 1:
            remedy = "rename one of them in the table (V03)"
            raise DatasetError(where, f"column {wanted!r} ({ours}) is there {len(same)} times", "once", remedy)
        found[ours] = same[0]
    _add_ordinary(found, given)
    for ours in NEEDED:
        if ours not in found:
            fault = f"no column is known to be the {ours}; present: {_quoted(given)}"
            raise DatasetError(
                where, fault, f"`columns: {{{ours}: <its header>}}`", f"name it in `columns.{ours}` (V03)"
            )
    return found


def _add_ordinary(found: dict[str, str], given: Sequence[str]) -> None:
    taken = {header_key(header) for header in found.values()}
    plain = {tables.column_key(header): header for header in reversed(given) if header_key(header) not in taken}
    for ours, texts in ORDINARY.items():
        header = next((plain[text] for text in texts if text in plain), None)
        if ours not in found and header is not None and header not in found.values():
            found[ours] = header


def _quoted(headers: Sequence[str], most: int = 20) -> str:
    more = f" and {len(headers) - most} more" if len(headers) > most else ""
    return ", ".join(repr(header) for header in headers[:most]) + more


def read_sheet(path: Path, sheet: str, columns: Columns) -> Sheet:
    """Return the rows of the sheet that has the columns, its header within the first 30 rows.

    Args:
        path: an .xlsx, .xls or .csv file.
        sheet: its name; '' takes the only one that has the columns.
        columns: of the options.

    Raises:
        DatasetError: unreadable, no such sheet, two sheets that fit, a column is missing, or there is no row (V03).
    """
    book = spreadsheets.read(path)
    names = [name for name in book.sheets if not sheet or header_key(name) == header_key(sheet)]
    if not names:
        raise DatasetError(path, f"no sheet {sheet!r}", f"one of {_quoted(list(book.sheets))}", "correct `sheet` (V03)")
    fits: dict[str, tuple[int, dict[str, str]]] = {}
    faults: list[tuple[tuple[int, int], DatasetError]] = []
    for name in names:
        where = path.name if len(book.sheets) == 1 else f"{path.name}, sheet {name!r}"
        at, found = _header(book.sheets[name], columns, where, faults)
        if at is not None:
            fits[name] = at, found
    if not fits:
        empty = DatasetError(path.name, "holds no row with text", "a header and a row for each clip", "(V03)")
        raise max(faults, key=itemgetter(0))[1] if faults else empty
    if len(fits) > 1:
        fault = f"sheets {_quoted(list(fits))} all have the columns"
        raise DatasetError(path.name, fault, "one table", "name one in `sheet` (V03)")
    name, (at, found) = next(iter(fits.items()))
    grid = book.sheets[name]
    rows = tables.rows_below(grid, at + 1, grid[at])
    if not rows:
        raise DatasetError(
            path.name, f"row {at + 1} is the header, and no row is below it", "a row for each clip", "(V03)"
        )
    return Sheet(name, found, rows, book.notes)


def _header(
    grid: Sequence[Sequence[str]], columns: Columns, where: str, faults: list[tuple[tuple[int, int], DatasetError]]
) -> tuple[int | None, dict[str, str]]:
    """Return the index of the first row that has the columns; without one add what the likeliest header lacks."""
    told: list[tuple[tuple[int, int], DatasetError]] = []
    for index, cells in enumerate(grid[: tables.HEADER_ROWS]):
        if not any(cell.strip() for cell in cells):
            continue
        try:
            return index, resolve(cells, columns, where)
        except DatasetError as fault:
            told.append((_likeliness(cells, columns), fault))
    if told:
        faults.append(max(told, key=itemgetter(0)))
    return None, {}


def _likeliness(cells: Sequence[str], columns: Columns) -> tuple[int, int]:
    """Return how likely a row is the header: by the columns that it has, then by not being one cell, as a title is."""
    given = {header_key(cell) for cell in cells if cell.strip()}
    plain = {tables.column_key(cell) for cell in cells if cell.strip()}
    named = {ours: header_key(wanted) for ours, wanted in columns.model_dump().items() if wanted}
    usual = sum(not plain.isdisjoint(texts) for ours, texts in ORDINARY.items() if ours not in named)
    return sum(key in given for key in named.values()) + usual, min(len(given), 2)
