"""xlsx, xls and csv files to grids of text cells; every hostile or broken file ends in one `DatasetError`.

Limits: 100 MB on disk, 200 MB when unpacked (told by the archive's directory, before anything is unpacked), 100,000
rows, 2,000 columns, a million cells, blank ones counted ten to one. XML with a document type is refused, so that no
entity can expand or fetch.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import datetime
import io
import math
import re
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mer.core.errors import DatasetError

MAX_BYTES = 100 * 10**6
MAX_UNPACKED = 200 * 10**6
MAX_ROWS, MAX_COLUMNS, MAX_CELLS = 100_000, 2_000, 1_000_000
#: Blank cells that cost as much time as one that is read.
BLANKS = 10
#: Of a sheet of a spreadsheet program.
LAST_ROW = 1_048_576
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@dataclass
class Book:
    """Sheet name -> rows of text cells (rows may differ in length), hidden sheets last, with notes on odd cells."""

    sheets: dict[str, list[list[str]]]
    notes: list[str] = field(default_factory=list)
    hidden: tuple[str, ...] = ()


def read(path: Path) -> Book:
    """Return all sheets of a spreadsheet file as text.

    Raises:
        DatasetError: missing, empty, too large, encrypted, corrupt, or not a spreadsheet.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise _refused(path, f"is {size / 1e6:.0f} MB", f"an annotation table of at most {MAX_BYTES // 10**6} MB")
        data = path.read_bytes()
    except OSError as error:
        raise _refused(path, f"cannot be read ({error.strerror or error})", "a readable file") from error
    if not data.strip():
        raise _refused(path, "is empty", "an annotation table")
    parse = _kind(path, data)
    try:
        return parse(path, data)
    except DatasetError:
        raise
    except Exception as error:  # the parsers raise whatever a damaged file makes them trip over
        raise _refused(
            path, f"is damaged ({type(error).__name__}: {str(error)[:120]})", "a readable spreadsheet"
        ) from error


def cell_text(value: object) -> str:
    """Return a cell as text: 12 and 12.0 give "12", None and NaN give "", dates give ISO text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        if math.isnan(value):
            return ""
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(sep=" ")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    text = str(value)
    # Half a surrogate pair cannot be written to any UTF-8 file.
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _refused(path: Path, fault: str, expected: str) -> DatasetError:
    return DatasetError(path, fault, expected, "download the table again from its owner")


def _kind(path: Path, data: bytes) -> Callable[[Path, bytes], Book]:
    if data.startswith(b"PK"):
        _refuse_foreign_archive(path, data)
        return _read_xlsx
    if data.startswith(_OLE):
        if "EncryptedPackage".encode("utf-16-le") in data:
            raise DatasetError(path, "is encrypted", "a table without a password", "save it without a password")
        return _read_xls
    if path.suffix.casefold() in (".csv", ".tsv", ".txt"):
        return _read_csv
    if data[:512].lstrip().lower().startswith((b"<!doctype html", b"<html", b"<table")):
        fault, remedy = "is a web page", "log in and download the table again, or save it as .xlsx"
        raise DatasetError(path, fault, "an .xlsx, .xls or .csv table", remedy)
    raise _refused(path, "is not a spreadsheet (neither a zip archive nor a BIFF file)", "an .xlsx, .xls or .csv table")


def _refuse_foreign_archive(path: Path, data: bytes) -> None:
    """Raise `DatasetError` for a zip archive that is no workbook: another program's, or the whole download."""
    if b"opendocument.spreadsheet" in data[:200]:
        raise DatasetError(path, "is an OpenDocument table", "an .xlsx, .xls or .csv table", "save it as .xlsx")
    with contextlib.suppress(zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError):  # told when it is read
        names = zipfile.ZipFile(io.BytesIO(data)).namelist()
        if "[Content_Types].xml" not in names and not any(name.startswith("xl/") for name in names):
            listed = ", ".join(names[:3])
            remedy = "unpack it, or save the table as .xlsx"
            raise DatasetError(path, f"is an archive of {listed}, not a workbook", "an .xlsx table", remedy)


class _Grid:
    """Collects one sheet and holds the limits."""

    def __init__(self, path: Path, budget: list[int]) -> None:
        self.path, self.budget, self.rows, self.blank = path, budget, list[list[str]](), 0
        self.spent = 0

    def add(self, cells: Iterable[str]) -> None:
        row = list(cells)
        told = len(row)
        while row and not row[-1].strip():
            row.pop()
        # Rows of blank cells cost time, and come from nowhere but a format.
        self.spent += told - len(row)
        if self.spent > BLANKS * MAX_CELLS:
            raise _refused(self.path, f"has more than {BLANKS * MAX_CELLS} blank cells", "an annotation table")
        if not row:
            # A format alone makes a row: one styled cell at the very bottom stands for a million blank ones.
            self.blank += 1
            if self.blank > LAST_ROW:
                raise _refused(self.path, f"has a row beyond {LAST_ROW}", "an annotation table")
            return
        blank, self.blank = self.blank, 0
        self.budget[0] -= len(row) + 1 + blank
        if len(self.rows) + blank >= MAX_ROWS or len(row) > MAX_COLUMNS or self.budget[0] < 0:
            raise _refused(
                self.path,
                f"has more than {MAX_ROWS} rows, {MAX_COLUMNS} columns or {MAX_CELLS} cells",
                "an annotation table",
            )
        self.rows += [[] for _ in range(blank)]
        self.rows.append(row)


def _check_archive(path: Path, data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > MAX_UNPACKED:
            raise _refused(path, f"would unpack to {unpacked / 1e6:.0f} MB", f"at most {MAX_UNPACKED // 10**6} MB")
        if any(member.flag_bits & 1 for member in archive.infolist()):
            raise DatasetError(path, "is encrypted", "a table without a password", "save it without a password")
        for member in archive.infolist():
            if member.filename.casefold().endswith((".xml", ".rels", ".vml")):
                _check_prolog(path, archive, member)


def _check_prolog(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    # A document type can only stand before the root element.
    head = b""
    with archive.open(member) as stream:
        while block := stream.read(4096):
            head += block
            if b"<!DOCTYPE" in head.upper() or b"<!ENTITY" in head.upper() or b"\0" in head[:4]:
                raise _refused(
                    path, f"has a document type or an unusual encoding in {member.filename}", "an .xlsx table"
                )
            if re.search(rb"<[A-Za-z]", head):
                return


def _read_xlsx(path: Path, data: bytes) -> Book:
    _check_archive(path, data)
    import openpyxl

    workbook = openpyxl.load_workbook(io.BytesIO(data), read_only=True)
    hidden = tuple(sheet.title for sheet in workbook.worksheets if sheet.sheet_state != "visible")
    book, formulas, dates = _xlsx_sheets(path, workbook)
    notes = []
    if formulas:
        cached = _xlsx_sheets(path, openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True))[0]
        lost = [place for place in formulas if not _cell(cached, place)]
        book = cached
        notes.append(f"{len(formulas)} cells are formulas, their stored values are read")
        if lost:
            notes.append(f"{len(lost)} formulas have no stored value and are read as blank: {_places(lost)}")
    return _book(book, notes + _date_notes(dates), hidden)


def _book(sheets: dict[str, list[list[str]]], notes: list[str], hidden: tuple[str, ...]) -> Book:
    ordered = sorted(sheets, key=lambda name: name in hidden)
    return Book({name: sheets[name] for name in ordered}, notes, hidden)


_Place = tuple[str, int, int]


def _xlsx_sheets(path: Path, book: Any) -> tuple[dict[str, list[list[str]]], list[_Place], list[_Place]]:
    sheets: dict[str, list[list[str]]] = {}
    formulas: list[_Place] = []
    dates: list[_Place] = []
    budget = [MAX_CELLS]
    for sheet in book.worksheets:
        # The declared extent of a sheet cannot be trusted; rows are read as they come.
        sheet.reset_dimensions()
        grid = _Grid(path, budget)
        for number, cells in enumerate(sheet.iter_rows(), start=1):
            for column, cell in enumerate(cells, start=1):
                if cell.value is None:
                    continue
                if cell.data_type == "f":
                    formulas.append((sheet.title, number, column))
                elif isinstance(cell.value, (datetime.date, datetime.time)):
                    dates.append((sheet.title, number, column))
            grid.add(cell_text(cell.value) for cell in cells)
        sheets[sheet.title] = grid.rows
    return sheets, formulas, dates


def _cell(sheets: dict[str, list[list[str]]], place: _Place) -> str:
    sheet, row, column = place
    rows = sheets.get(sheet, [])
    return rows[row - 1][column - 1] if row <= len(rows) and column <= len(rows[row - 1]) else ""


def _places(places: list[_Place], most: int = 5) -> str:
    shown = ", ".join(f"{sheet} row {row} column {column}" for sheet, row, column in places[:most])
    return shown + (f" and {len(places) - most} more" if len(places) > most else "")


def _date_notes(dates: list[_Place]) -> list[str]:
    told = f"{len(dates)} cells are dates, a spreadsheet program may have turned numbers into them: {_places(dates)}"
    return [told] if dates else []


def _read_xls(path: Path, data: bytes) -> Book:
    import xlrd

    try:
        book = xlrd.open_workbook(file_contents=data, logfile=io.StringIO(), ragged_rows=True)
    except xlrd.XLRDError as error:
        if "encrypted" in str(error).casefold() or "password" in str(error).casefold():
            raise DatasetError(
                path, "is encrypted", "a table without a password", "save it without a password"
            ) from error
        raise
    sheets: dict[str, list[list[str]]] = {}
    dates: list[_Place] = []
    budget = [MAX_CELLS]
    for sheet in book.sheets():
        grid = _Grid(path, budget)
        for number in range(sheet.nrows):
            for column, kind in enumerate(sheet.row_types(number), start=1):
                if kind == xlrd.XL_CELL_DATE:
                    dates.append((sheet.name, number + 1, column))
            grid.add(_xls_text(cell, book.datemode) for cell in sheet.row(number))
        sheets[sheet.name] = grid.rows
    return _book(sheets, _date_notes(dates), tuple(sheet.name for sheet in book.sheets() if sheet.visibility))


def _xls_text(cell: Any, datemode: int) -> str:
    import xlrd

    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return cell_text(bool(cell.value))
    if cell.ctype == xlrd.XL_CELL_ERROR:
        return xlrd.error_text_from_code.get(cell.value, "#ERROR")
    if cell.ctype == xlrd.XL_CELL_DATE:
        try:
            return cell_text(xlrd.xldate_as_datetime(cell.value, datemode))
        except (ValueError, OverflowError, xlrd.xldate.XLDateError):
            return cell_text(cell.value)
    return cell_text(cell.value)


def _read_csv(path: Path, data: bytes) -> Book:
    text, notes = _decoded(path, data)
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",;\t", key=first.count)
    grid = _Grid(path, [MAX_CELLS])
    for cells in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
        grid.add(cells)
    return Book({path.stem: grid.rows}, notes)


def _decoded(path: Path, data: bytes) -> tuple[str, list[str]]:
    """Return a text table's characters, and a note where it is not UTF-8."""
    try:
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            # What a spreadsheet program saves as "Unicode text".
            text, notes = data.decode("utf-16"), list[str]()
        else:
            text, notes = data.decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        if error.encoding.startswith("utf-16"):
            raise _refused(path, "is UTF-16, and damaged", "a text table") from error
        text, notes = data.decode("latin-1"), ["is not UTF-8; read as Latin-1"]
    if "\0" not in text:
        return text, notes
    if max(data[::2].count(0), data[1::2].count(0)) > len(data) // 4:
        fault, remedy = "looks like UTF-16 without a byte order mark", "save it as CSV UTF-8"
        raise DatasetError(path, fault, "a text table in UTF-8", remedy)
    raise _refused(path, "holds NUL characters", "a text table")
