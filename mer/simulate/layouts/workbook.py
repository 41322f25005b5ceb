"""Spreadsheets whose bytes depend on their contents alone."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

from mer.core.atomic import atomic_path

STAMP = (2019, 7, 1, 0, 0, 0)
STAMP_TEXT = b"2019-07-01T00:00:00Z"


def write_workbook(path: str | Path, sheets: Mapping[str, Sequence[Sequence[str | int | None]]]) -> None:
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
