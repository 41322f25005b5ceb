"""Rows of a bench: objects for programs, a table for people."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields
from typing import Any, ClassVar


class BenchRow:
    """One line of a bench: a frozen dataclass whose fields are what `--json` prints.

    Attributes:
        COLUMNS: headings of the table, and what each shows of a row.
        LEFT: headings whose cells are text, set flush left; the others are numbers.
    """

    COLUMNS: ClassVar[Mapping[str, Callable[[Any], str]]]
    LEFT: ClassVar[Collection[str]]

    def as_dict(self) -> dict[str, Any]:
        """Return the row with its keys in their fixed order; NaN as None."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return {name: None if value != value else value for name, value in values.items()}


def times(ratio: float) -> str:
    """Return a ratio as text; nothing where it was not measured."""
    return "" if ratio != ratio else f"{ratio:.2f}×"


def shown(kind: type[BenchRow], rows: Sequence[BenchRow], as_json: bool = False) -> str:
    """Return rows of a kind as aligned text, or as JSON."""
    if as_json:
        return json.dumps([row.as_dict() for row in rows], indent=1)
    # A measured process has no use for what draws tables.
    from mer.core.texttable import text_table

    cells = [[cell(row) for cell in kind.COLUMNS.values()] for row in rows]
    return text_table(tuple(kind.COLUMNS), cells, right=set(kind.COLUMNS) - set(kind.LEFT))
