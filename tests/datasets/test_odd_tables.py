"""Tables and file names as strangers' programs leave them: read, or named for what they are."""

import time
import zipfile

import openpyxl
import pytest

from mer.core.errors import ClipError, DatasetError
from mer.core.filenames import file_number
from mer.datasets import casme2, casme3, casme_sq, files, spreadsheets, tables

HEADER = ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units", "Estimated Emotion"]
ROW = ["01", "EP02_01f", "46", "59", "86", "4", "disgust"]
TEXT = f"{','.join(HEADER)}\n{','.join(ROW)}\n"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_text_with_a_byte_order_mark(tmp_path, encoding):
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    (tmp_path / "t.csv").write_bytes((mark + TEXT.replace(",", "\t")).encode(encoding))
    table = tables.read_table(tmp_path / "t.csv")
    assert table.columns == HEADER and list(table.rows[0].values()) == ROW and table.notes == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (TEXT.encode("utf-16-le"), r"looks like UTF-16 without a byte order mark; .*save it as CSV UTF-8"),
        (b"\xff\xfeS\x00u", r"is UTF-16, and damaged"),
        (b"Subject,a\n\x00,1", r"holds NUL characters"),
        (b"\n<!DOCTYPE html><html>log in", r"holds|is a web page|no header"),
    ],
)
def test_text_that_cannot_be_read(tmp_path, data, message):
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(DatasetError, match=message):
        tables.read_table(tmp_path / "t.csv")


def test_a_web_page_an_open_document_and_an_archive(tmp_path):
    (tmp_path / "page.xls").write_bytes(b" <html><body>please log in</body></html>")
    with pytest.raises(DatasetError, match=r"page.xls: is a web page; .*log in and download the table again"):
        spreadsheets.read(tmp_path / "page.xls")
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
    with pytest.raises(DatasetError, match=r"is an OpenDocument table; .*save it as .xlsx"):
        spreadsheets.read(tmp_path / "t.xlsx")
    with zipfile.ZipFile(tmp_path / "all.xlsx", "w") as archive:
        archive.writestr("SAMM/table.csv", TEXT)
    with pytest.raises(DatasetError, match=r"is an archive of SAMM/table.csv, not a workbook; .*unpack it"):
        spreadsheets.read(tmp_path / "all.xlsx")


@pytest.mark.parametrize(
    "damage, told",
    [
        (lambda entry: entry[:6] + b"\xff\x00" + entry[8:], "zip file version 25.5"),
        (lambda entry: entry[:8] + b"\x00\x08" + entry[10:46] + b"\xff" + entry[47:], "can't decode byte 0xff"),
    ],
)
def test_an_index_of_an_archive_that_nobody_can_read(tmp_path, damage, told):
    """The version that unpacking needs, and a name that is not the UTF-8 it claims to be."""
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    data = (tmp_path / "t.xlsx").read_bytes()
    index = data.index(b"PK\x01\x02")
    (tmp_path / "t.xlsx").write_bytes(data[:index] + damage(data[index:]))
    with pytest.raises(DatasetError, match=f"is damaged .*{told}"):
        spreadsheets.read(tmp_path / "t.xlsx")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters_and_blank_columns(tmp_path, delimiter):
    lines = [delimiter.join([*HEADER, "", ""]), delimiter.join([*ROW, "", ""]), delimiter * 8]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    table = tables.read_table(tmp_path / "t.csv")
    assert table.columns == HEADER and len(table.rows) == 1


def test_a_styled_cell_at_the_very_bottom(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(HEADER)
    book.active.append(ROW)
    book.active.cell(1_048_576, 1).font = openpyxl.styles.Font(bold=True)
    book.active.cell(1, 16_384).font = openpyxl.styles.Font(bold=True)
    book.save(tmp_path / "t.xlsx")
    start = time.process_time()
    table = tables.read_table(tmp_path / "t.xlsx")
    assert len(table.rows) == 1 and table.columns == HEADER
    assert time.process_time() - start < 10
    book.active.cell(1_048_576, 1).value = "end"
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(DatasetError, match="more than 100000 rows"):
        tables.read_table(tmp_path / "t.xlsx")


def test_a_blank_row_keeps_the_numbers_of_the_rows_below(tmp_path, workbook):
    table = tables.read_table(workbook(tmp_path / "t.xlsx", {"s": [HEADER, [None], [None], ROW]}))
    assert [row.number for row in table.rows] == [4]


def test_a_hidden_sheet_gives_way_and_is_named_when_it_is_read(tmp_path):
    book = openpyxl.Workbook()
    old, new = book.active, book.create_sheet("new")
    for sheet, emotion in ((old, "fear"), (new, "disgust")):
        sheet.append(HEADER)
        sheet.append([*ROW[:-1], emotion])
    old.sheet_state = "hidden"
    book.save(tmp_path / "t.xlsx")
    table = tables.read_table(tmp_path / "t.xlsx")
    assert (table.sheet, table.rows[0]["Estimated Emotion"], table.notes) == ("new", "disgust", [])
    new.title, new["A1"].value = "other", "Person"
    book.save(tmp_path / "t.xlsx")
    assert tables.read_table(tmp_path / "t.xlsx").notes == ["the sheet 'Sheet', which is read, is hidden"]


def test_a_sheet_of_another_name(tmp_path, workbook):
    header = ["Subject", "Filename", "Onset", "Apex", "Offset", "AU", "emotion"]
    row = ["spNO.1", "a", "10", "12", "20", "4", "sad"]
    blink = [["Subject", "Filename", "Onset", "Offset"], ["spNO.1", "a", "1", "5"]]
    wanted = [casme3.READER.columns[name] for name in ("subject", "filename", "onset", "apex", "offset")]
    path = workbook(tmp_path / "t.xlsx", {"eye blink": blink, "mine": [header, row]})
    table = tables.read_table(path, sheets=("label",), wanted=wanted)
    assert table.sheet == "mine" and table.notes == ["no sheet 'label': 'mine' is read"]
    path = workbook(tmp_path / "t.xlsx", {"a": [header, row], "mine": [header, row]})
    with pytest.raises(DatasetError, match=r"has sheets 'a', 'mine', which all look like the table; expected a"):
        tables.read_table(path, sheets=("label",), wanted=wanted)
    assert tables.read_table(path).notes == ["sheets 'mine' look like the table too; 'a' is read"]
    path = workbook(tmp_path / "t.xlsx", {"a": [header, row], "Label ": [header, row]})
    assert tables.read_table(path, sheets=("label",)).sheet == "Label "


def test_the_headerless_table_under_another_sheet_name(tmp_path, workbook):
    row = [1, "anger1_1", 557, 560, 570, "4", "negative", "micro-expression", "anger"]
    names = [[15, "s15", 1], [16, "s16", 2]]
    path = workbook(tmp_path / "t.xlsx", {"naming rule1": names, "Tabelle1": [row]})
    rows, notes = casme_sq.table_rows(path, casme_sq.Options())
    assert rows[0]["video"] == "anger1_1" and notes == ["no sheet 'CASFEcode_final': 'Tabelle1' is read"]


def test_objective_classes_in_the_table_itself():
    header = [*HEADER, "Objective Classes"]
    rows = [dict(zip(header, [*ROW, cell], strict=True)) for cell in ("III", "4")]
    rows[1]["Filename"] = "EP03_02"
    beside = [{"Subject": "1", "Filename": "EP03_02", "Objective Class": "V"}]
    reading = casme2.READER.samples_from(rows, {}, casme2.Options(), "r", objective=beside)
    assert [row.objective_class for row in reading.samples] == [3, 5]
    assert any("'V' in the workbook beside the table, '4' in the table" in note for note in reading.samples[1].notes)


def test_a_column_that_every_reader_knows_is_not_passed_over_without_a_word():
    row = dict(zip([*HEADER, "Emotion", "FPS"], [*ROW, "fear", "200"], strict=True))
    reading = casme2.READER.samples_from([row], {}, casme2.Options(), "t.xlsx")
    told = [p.message for p in reading.problems if p.rule == "V03"]
    assert told == ["columns 'Emotion', 'FPS' are not read: this table is not known to have them"]
    reading = casme2.READER.samples_from([{**row, "Emotion": " ", "FPS": ""}], {}, casme2.Options(), "t.xlsx")
    assert not [p for p in reading.problems if p.rule == "V03"]


@pytest.mark.parametrize(
    ("name", "number"),
    [("img46 (1).jpg", 46), ("img46(2).JPG", 46), ("img46 - Copy.jpg", 46), ("img46 - Copy (3).jpg", 46)]
    + [("reg_img046 copy 2.jpg", 46), ("img46 (1) (1).png", 46), ("img46 - Kopie.bmp", 46), ("img46_copy.jpg", 46)]
    + [("frame (12).jpg", 12), ("copy.jpg", None), ("copy 3.jpg", 3), ("img46 crop.jpg", 46), ("12345.bmp", 12345)],
)
def test_the_mark_of_a_copy_is_no_frame_number(name, number):
    assert file_number(name) == number


def test_a_second_download_of_a_frame_is_named(tmp_path, frames):
    frames(tmp_path / "clip", range(46, 49))
    for name in ("img46 (1).jpg", "._img46.jpg", "Thumbs.db", "desktop.ini"):
        (tmp_path / "clip" / name).touch()
    names = files.entries(tmp_path, tmp_path / "clip")[1]
    assert names == ["img46 (1).jpg", "img46.jpg", "img47.jpg", "img48.jpg"]
    with pytest.raises(ClipError, match=r"'img46 \(1\).jpg' and 'img46.jpg' are both frame 46; .*remove one"):
        files.numbered(names, "clip")


def test_a_table_under_another_name_is_shown(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("CASME2-coding-20190701 (1).xlsx", "~$CASME2-coding-20190701.xlsx", "notes.txt"):
        (tmp_path / "a" / "b" / name).touch()
    with pytest.raises(DatasetError) as caught:
        files.find_table(tmp_path, "casme2", "", casme2.DATABASE.tables)
    assert "; tables: 'a/b/CASME2-coding-20190701 (1).xlsx'; expected" in caught.value.line()
    assert "name it in `table` (V02)" in caught.value.line()


def test_a_merged_cell_of_several_rows(tmp_path, frames):
    book = openpyxl.Workbook()
    for row in (HEADER, ROW, ["", "EP03_02", *ROW[2:]], ["", "EP04_02", *ROW[2:]]):
        book.active.append(row)
    book.active.merge_cells("A2:A4")
    book.save(tmp_path / "CASME2-coding-20190701.xlsx")
    frames(tmp_path / "CASME2_RAW_selected" / "sub01" / "EP02_01f", range(46, 87))
    reading = casme2.READER.read(tmp_path, casme2.Options())
    assert [row.status for row in reading.samples] == ["ok", "excluded", "excluded"]
    (told,) = [problem for problem in reading.problems if problem.rule == "V03"]
    assert (told.row, told.message) == (
        3,
        "rows 3, 4 name no person; a merged cell has its text in its first row alone: split it",
    )
