"""Rows of a bench: objects for programs, a table for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import field, fields
from typing import Any


def column(heading: str, form: str = "{}") -> Any:
    """Return a field of a `BenchRow`: its heading in the table, and how `str.format` writes it."""
    return field(metadata={"heading": heading, "form": form})


class BenchRow:
    """One line of a bench: a frozen dataclass of `column`s, which `--json` prints by the names of the fields."""

    def as_dict(self) -> dict[str, Any]:
        """Return the row with its keys in their fixed order; NaN as None."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}  # type: ignore[arg-type]
        return {name: None if value != value else value for name, value in values.items()}


def shown(kind: type[BenchRow], rows: Sequence[BenchRow], as_json: bool = False) -> str:
    """Return rows of a kind as aligned text, numbers flush right, those not measured left out; or as JSON."""
    objects = [row.as_dict() for row in rows]
    if as_json:
        return json.dumps(objects, indent=1)
    # A measured process has no use for what draws tables.
    from mer.core.texttable import text_table

    columns = {one.metadata["heading"]: one for one in fields(kind)}  # type: ignore[arg-type]
    cells = [
        ["" if row[one.name] is None else one.metadata["form"].format(row[one.name]) for one in columns.values()]
        for row in objects
    ]
    return text_table(tuple(columns), cells, right={name for name, one in columns.items() if one.type != "str"})
