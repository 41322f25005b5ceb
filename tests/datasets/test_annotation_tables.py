"""Spreadsheets: cells as text, headers wherever they are, hostile files refused in one line."""

import datetime
import io
import zipfile

import openpyxl
import pytest
import xlwt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mer.core.errors import DatasetError
from mer.datasets import spreadsheets, tables
from mer.datasets.spreadsheets import cell_text

COLUMNS = {"subject": ("subject",), "onset": ("onset",), "emotion": ("estimatedemotion",)}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12, "12"),
        (12.0, "12"),
        (123.5, "123.5"),
        (None, ""),
        (float("nan"), ""),
        (" 12 ", " 12 "),
        (True, "TRUE"),
        ("\ud800é", "?é"),
    ]
    + [(datetime.datetime(2013, 2, 1), "2013-02-01"), (1e300, "1e+300"), ("NULL", "NULL"), ("01", "01")],
)
def test_cells_become_text(value, text):
    assert cell_text(value) == text


def test_header_below_a_preamble_blank_columns_and_row_numbers(tmp_path, workbook):
    rows = [["Title"]] + [[None]] * 11 + [["key:", "?"], ["Subject", None, " Onset_Frame ", "Estimated Emotion"]]
    rows += [["006", None, 12.0, "Other "], [None], [7, "x", "13", "anger"], [" ", None]]
    table = tables.read_table(workbook(tmp_path / "t.xlsx", {"Empty": [], "Sheet": rows}))
    assert table.sheet == "Sheet"
    rows = tables.aligned(table.rows, COLUMNS, "t.xlsx")
    assert [dict(row) for row in rows] == [
        {"subject": "006", "onset": "12", "emotion": "Other "},
        {"subject": "7", "onset": "13", "emotion": "anger"},
    ]
    assert [row.number for row in rows] == [15, 17]


def test_a_named_sheet_goes_first(tmp_path, workbook):
    path = workbook(tmp_path / "t.xlsx", {"a": [["Subject"], ["1"]], "b": [["Subject"], ["2"]]})
    assert tables.read_table(path).rows[0]["Subject"] == "1"
    assert tables.read_table(path, sheets=("B",)).rows[0]["Subject"] == "2"


def test_xls_integers_dates_and_floats(tmp_path):
    book = xlwt.Workbook()
    sheet = book.add_sheet("List 1")
    for column, name in enumerate(["Subject", "Onset", "AU"]):
        sheet.write(0, column, name)
    style = xlwt.easyxf(num_format_str="YYYY-MM-DD")
    sheet.write(1, 0, 5)
    sheet.write(1, 1, 17.0)
    sheet.write(1, 2, datetime.datetime(2013, 2, 1), style)
    sheet.write(2, 0, 6)
    sheet.write(2, 2, 1.2)
    book.save(str(tmp_path / "t.xls"))
    table = tables.read_table(tmp_path / "t.xls")
    assert [list(row.values()) for row in table.rows] == [["5", "17", "2013-02-01"], ["6", "", "1.2"]]
    assert any("dates" in note and "row 2 column 3" in note for note in table.notes)


def test_csv_with_mark_semicolons_and_old_encoding(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("Subject;Onset\n006;'é'\n".encode("latin-1"))
    table = tables.read_table(path)
    assert [dict(r) for r in table.rows] == [{"Subject": "006", "Onset": "'é'"}]
    assert table.notes == ["is not UTF-8; read as Latin-1"]
    path.write_text("\ufeffSubject,Onset\n006,1\n", encoding="utf-8")
    assert tables.read_table(path).columns == ["Subject", "Onset"]


def test_formulas_without_a_stored_value_are_named(tmp_path, workbook):
    path = workbook(tmp_path / "t.xlsx", {"s": [["Subject", "Onset"], ["1", "=1+2"]]})
    table = tables.read_table(path)
    assert table.rows[0]["Onset"] == ""
    assert any("1 formulas have no stored value" in note and "row 2 column 2" in note for note in table.notes)


def test_repeated_columns_are_named_and_the_first_is_read(tmp_path, workbook):
    table = tables.read_table(workbook(tmp_path / "t.xlsx", {"s": [["Subject", "Subject"], ["1", "2"]]}))
    assert table.rows[0]["Subject"] == "1"
    assert any("more than once" in note for note in table.notes)


def test_missing_header_and_missing_columns(tmp_path, workbook):
    with pytest.raises(DatasetError, match=r"has sheets 's'; no header cell 'subject' in the first 30 rows"):
        tables.read_table(workbook(tmp_path / "t.xlsx", {"s": [["a"]]}))
    with pytest.raises(DatasetError, match=r"missing columns onset, emotion; present: 'Subject'"):
        tables.aligned([{"Subject": "1"}], COLUMNS, "t.xlsx")


def archive(path, members, declared=None):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in members.items():
            out.writestr(name, data)
    if declared is not None:
        data = bytearray(path.read_bytes())
        at = data.rfind(b"PK\x01\x02")
        data[at + 24 : at + 28] = declared.to_bytes(4, "little")
        path.write_bytes(bytes(data))
    return path


def test_a_bomb_is_refused_from_its_directory_before_anything_is_unpacked(tmp_path, monkeypatch):
    path = archive(tmp_path / "bomb.xlsx", {"xl/workbook.xml": b"<a/>"}, declared=4_000_000_000)
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("unpacked"))
    with pytest.raises(DatasetError, match="would unpack to 4000 MB; expected at most 200 MB"):
        spreadsheets.read(path)


def test_a_document_type_is_refused(tmp_path, workbook):
    good = workbook(tmp_path / "good.xlsx", {"s": [["Subject"], ["1"]]})
    members = {}
    with zipfile.ZipFile(good) as source:
        members = {name: source.read(name) for name in source.namelist()}
    text = members["xl/worksheets/sheet1.xml"]
    members["xl/worksheets/sheet1.xml"] = b"<!-- " + b"x" * 9000 + b' --><!DOCTYPE a [<!ENTITY b "c">]>' + text
    with pytest.raises(DatasetError, match=r"document type .* in xl/worksheets/sheet1.xml"):
        spreadsheets.read(archive(tmp_path / "bad.xlsx", members))


def test_a_sheet_that_claims_a_million_rows_is_read_by_its_cells(tmp_path, workbook):
    good = workbook(tmp_path / "good.xlsx", {"s": [["Subject"], ["1"]]})
    with zipfile.ZipFile(good) as source:
        members = {name: source.read(name) for name in source.namelist()}
    sheet = members["xl/worksheets/sheet1.xml"]
    members["xl/worksheets/sheet1.xml"] = sheet.replace(b'ref="A1:A2"', b'ref="A1:XFD1048576"')
    assert members["xl/worksheets/sheet1.xml"] != sheet
    assert spreadsheets.read(archive(tmp_path / "wide.xlsx", members)).sheets == {"s": [["Subject"], ["1"]]}
    members["xl/worksheets/sheet1.xml"] = sheet.replace(b'r="2"', b'r="999999999999"').replace(
        b'"A2"', b'"A999999999999"'
    )
    with pytest.raises(DatasetError, match="has a row beyond 1048576"):
        spreadsheets.read(archive(tmp_path / "far.xlsx", members))


def test_sizes_kinds_and_encryption(tmp_path):
    big = tmp_path / "big.xlsx"
    with open(big, "wb") as out:
        out.truncate(101 * 10**6)
    with pytest.raises(DatasetError, match="is 101 MB; expected an annotation table of at most 100 MB"):
        spreadsheets.read(big)
    for name, data, message in [
        ("a.xlsx", b"PK not a zip", "is damaged"),
        ("b.xlsx", b"hello", "is not a spreadsheet"),
        ("c.xlsx", b"", "is empty"),
        ("d.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "is damaged"),
        ("e.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "is encrypted"),
        ("f.csv", b"Subject,a\n\x00,1", "NUL"),
    ]:
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DatasetError, match=message):
            spreadsheets.read(tmp_path / name)
    with pytest.raises(DatasetError, match="cannot be read"):
        spreadsheets.read(tmp_path / "absent.xlsx")


VALUES = st.one_of(
    st.none(),
    st.text(max_size=12).filter(lambda t: openpyxl.cell.cell.ILLEGAL_CHARACTERS_RE.search(t) is None),
    st.integers(-(10**18), 10**18),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.dates(datetime.date(1950, 1, 1), datetime.date(2090, 1, 1)),
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.lists(VALUES, max_size=4), max_size=6),
    flip=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=3),
)
def test_any_workbook_and_any_damaged_one_gives_text_or_one_error(tmp_path, rows, flip):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    data = bytearray(buffer.getvalue())
    for place, byte in flip:
        data[place % len(data)] = byte
    path = tmp_path / "t.xlsx"
    path.write_bytes(bytes(data))
    try:
        grid = spreadsheets.read(path).sheets
    except DatasetError as error:
        assert flip, error.line()
        return
    assert all(isinstance(cell, str) for rows in grid.values() for row in rows for cell in row)
