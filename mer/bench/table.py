"""Bench rows as a table for people."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from mer.bench.measure import Row

COLUMNS = ("stage", "method", "case", "error", "unit", "speed", "CPU s", "peak MiB")


def render_rows(rows: Sequence[Row]) -> str:
    """Return rows as aligned text; `speed` is the ratio to OpenCV TV-L1 in the same run."""
    table = Table(box=None, pad_edge=False, header_style="")
    for name in COLUMNS:
        table.add_column(
            name, justify="right" if name in ("error", "speed", "CPU s", "peak MiB") else "left", no_wrap=True
        )
    for row in rows:
        table.add_row(
            row.stage, row.method, row.case, f"{row.error:.3f}", row.unit, f"{row.speed_ratio:.2f}×",
            f"{row.cpu_seconds:.4f}", f"{row.peak_mib:.0f}",
        )  # fmt: skip
    buffer = io.StringIO()
    Console(file=buffer, width=200).print(table)
    return buffer.getvalue().rstrip()
