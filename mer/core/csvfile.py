"""CSV as every table of this project is written and read: UTF-8, a header, line feeds, one cell per column."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from mer.core.atomic import write_text
from mer.core.errors import MerError, ModelError


def csv_text(columns: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """Return a header and rows as CSV text; cells are written as `str` has them, None as an empty cell."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return buffer.getvalue()


def write_csv(path: str | Path, columns: Sequence[object], rows: Iterable[Sequence[object]]) -> None:
    """Write a table under a temporary name and rename it.

    Raises:
        StorageError: as `mer.core.atomic.write_text`.
    """
    write_text(path, csv_text(columns, rows))


def read_csv(
    path: str | Path,
    columns: Sequence[str],
    fault: type[MerError] = ModelError,
    remedy: str = "run the step that writes it",
    others: bool = True,
) -> list[dict[str, str]]:
    """Read a table that must have `columns`, in any order, and may have more unless `others` is False.

    Raises:
        MerError: of the kind `fault`: the file is missing, not UTF-8, lacks a column or has one that it may not, or a
            row has another number of cells.
    """
    try:
        with open(path, encoding="utf-8", newline="") as handle:
            reader = csv.DictReader(handle)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise fault(path, f"lacks the column {', '.join(missing)}", ", ".join(columns), remedy)
            more = [name for name in reader.fieldnames or () if name not in columns]
            if more and not others:
                raise fault(path, f"has the column {', '.join(map(repr, more))}", ", ".join(columns), remedy)
            rows = list(reader)
    except FileNotFoundError:
        raise fault(path, "table not found", remedy=remedy) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise fault(path, f"unreadable table ({error})", "a CSV file written by mer", remedy) from error
    except OSError as error:
        raise fault(path, f"cannot be read ({error.strerror or error})", "a readable file") from None
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise fault(f"{path} line {number}", "another number of cells than the header", "one cell per column")
    return rows
