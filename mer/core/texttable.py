"""A table as aligned text for a terminal."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Sequence

from rich.console import Console
from rich.table import Table


def text_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    right: Collection[str] = (),
    wrapped: Collection[str] = (),
    width: int = 200,
) -> str:
    """Return rows as aligned text without trailing blanks.

    Args:
        columns: headings, in order.
        rows: one cell per column.
        right: columns that are set flush right: numbers.
        wrapped: columns whose text may be broken into lines; the others never are.
        width: of the whole table, in characters.
    """
    table = Table(box=None, pad_edge=False, header_style="")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", no_wrap=name not in wrapped)
    for row in rows:
        table.add_row(*row)
    buffer = io.StringIO()
    Console(file=buffer, width=width).print(table)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())
