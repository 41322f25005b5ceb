"""Invented tables and empty image files, laid out like the real databases."""

from pathlib import Path

import openpyxl
import pytest


@pytest.fixture
def workbook():
    """Write an .xlsx: sheet name -> rows of cells."""

    def write(path, sheets):
        book = openpyxl.Workbook()
        book.remove(book.active)
        for name, rows in sheets.items():
            sheet = book.create_sheet(name)
            for row in rows:
                sheet.append(list(row))
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        book.save(path)
        return Path(path)

    return write


@pytest.fixture
def frames():
    """Make empty frame files `pattern.format(number)` in a folder."""

    def make(folder, numbers, pattern="img{}.jpg"):
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for number in numbers:
            (folder / pattern.format(number)).touch()

    return make


@pytest.fixture
def rules():
    """Return the set of (rule, sample id) of a reading's problems."""
    return lambda reading: {(p.rule, p.sample_id) for p in reading.problems}
