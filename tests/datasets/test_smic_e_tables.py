"""SMIC-E tables whose headers name the camera, or say nothing at all."""

import pytest

from mer.core.errors import DatasetError
from mer.datasets.smic_e import READER, Options, table_rows

read = READER.read

HEADER = [
    "Subject",
    "Filename",
    None,
    "OnsetF",
    "OffsetF",
    "Onset2F",
    "Offset2F",
    "Onset3F",
    "Offset3F",
    None,
    "FirstF",
]


def test_headers_that_name_the_camera(tmp_path, workbook, frames):
    header = [f"{text} NIR" if text else None for text in HEADER]
    top = tmp_path / "NIR_long" / "SMIC-NIR-E"
    rows = [["s11", "s11_sur_01", None, 105, 115, None, None, None, None, None, 101]]
    workbook(top / "SMIC-NIR-E_annotation.xlsx", {"Sheet1": [header, *rows]})
    frames(top / "NIR" / "s11" / "s11_sur_01", range(1, 50), "{}.jpg")
    reading = read(tmp_path, Options(modality="nir"))
    sample = reading.samples[0]
    assert (sample.onset, sample.offset, sample.index_base, sample.status) == (5, 15, -100, "ok")
    assert not [p for p in reading.problems if p.rule == "V03"]


@pytest.mark.parametrize(
    ("modality", "cells", "expected"),
    [
        ("hs", [2, "s2_ne_01", "", 1010, 1040, 1100, 1130, "", "", "", 1000, 1199], ["1010", "1040", "1100", "1000"]),
        ("vis", [2, "s2_ne_01", "", 1010, 1040, 1100, 1130, "", 1000, 1199], ["1010", "1040", "1100", "1000"]),
    ],
)
def test_columns_by_position_where_headers_say_nothing(tmp_path, workbook, modality, cells, expected):
    rows = [["编号", "clip", None, "a", "b"], cells, ["note", "three clips were lost"]]
    path = workbook(tmp_path / "t.xlsx", {"Sheet1": rows})
    rows_read, notes = table_rows(path, Options(modality=modality))
    assert [rows_read[0][name] for name in ("OnsetF", "OffsetF", "Onset2F", "FirstF")] == expected
    assert (rows_read[0].number, rows_read[0]["Subject"], rows_read[0]["Filename"]) == (2, "2", "s2_ne_01")
    assert notes == ["sheet 'Sheet1' has no headers like the released ones; columns read by position"]


def test_the_positional_rows_reach_the_reading(tmp_path, workbook, frames):
    top = tmp_path / "HS_long" / "SMIC-HS-E"
    rows = [["x", "y", None, "on", "off"], ["s01", "s1_ne_01", None, 1010, 1040, None, None, None, None, None, 1000]]
    workbook(top / "SMIC-HS-E_annotation.xlsx", {"Sheet1": [*rows, ["s01", "end of table"]]})
    frames(top / "HS" / "s01" / "s1_ne_01", range(1000, 1200), "image{:06d}.jpg")
    reading = read(tmp_path, Options())
    assert [(s.onset, s.offset, s.status) for s in reading.samples] == [(1010, 1040, "ok")]
    assert [p.message for p in reading.problems if p.rule == "V03"] == [
        "rows 3 hold no annotation and are ignored, e.g. 's01 | end of table'",
        "sheet 'Sheet1' has no headers like the released ones; columns read by position",
    ]


def test_a_table_of_something_else(tmp_path, workbook):
    path = workbook(tmp_path / "t.xlsx", {"a": [["x", "y"]], "b": []})
    with pytest.raises(DatasetError, match=r"has sheets 'a', 'b'; neither headers Filename, OnsetF, OffsetF nor clip"):
        table_rows(path, Options())
