"""CAS(ME)^3 part A: dropped frames, letters, clips named by their onset."""

import pytest
import xlwt

from mer.datasets.casme3 import READER, Options

read, samples_from = READER.read, READER.samples_from

HEADER = ["Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion"]


def cells(*values):
    return dict(zip(HEADER, map(str, values), strict=True))


def test_recordings_and_clips(tmp_path, workbook, frames, rules):
    rows = [
        ["spNO.1", "a", "8", "12", "20", "4+r18", "III", "Others"],
        ["spNO.1", "J", "30", "35", "40", "L4+T25", "I", "happy"],
        ["spNO.2", "b", "100", "105", "115", "1+2", "VII", "sad"],
    ]
    workbook(tmp_path / "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx", {"Sheet1": [], "label": [HEADER, *rows]})
    top = tmp_path / "part_A_split" / "part_A"
    frames(top / "spNO.1" / "a" / "color", range(9, 60), "{}.jpg")
    frames(top / "spNO.1" / "a" / "depth", range(9, 60), "{}.png")
    frames(top / "spNO.1" / "j" / "color", [n for n in range(8, 60) if n not in (33, 34)], "{}.jpg")
    frames(tmp_path / "Part_A_ME_clip" / "frame" / "spNo.1_a_8", range(8, 21), "{}.jpg")
    frames(tmp_path / "Part_A_ME_clip" / "depth" / "spNO.1_a_8", range(8, 21), "{}.png")
    reading = read(tmp_path, Options())
    first, second, third = reading.samples
    assert (first.sample_id, first.video_id, first.media_path) == (
        "spNO.1/a/8",
        "spNO.1/a",
        "part_A_split/part_A/spNO.1/a/color",
    )
    assert (first.emotion_norm, first.emotion_7, first.objective_class, first.status) == ("others", "others", 3, "ok")
    assert (second.sample_id, second.status, second.emotion_3) == ("spNO.1/j/30", "ok", "positive")
    assert "2 of 11 frames missing: 33, 34" in second.notes[0]
    assert third.status == "missing_media" and third.emotion_norm == "sadness"
    assert read(tmp_path, Options(may_miss=0.1)).samples[1].status == "missing_media"
    clip = read(tmp_path, Options(view="clip")).samples[0]
    assert (clip.media_path, clip.view, clip.n_files) == ("Part_A_ME_clip/frame/spNo.1_a_8", "selected", 13)


def test_the_table_of_both_types_has_no_emotion(tmp_path, frames):
    book = xlwt.Workbook()
    sheet = book.add_sheet("AU+Emotion")
    rows = [
        ["Subject", "Filename", "Expression type", "Onset", "Apex", "Offset", "AU"],
        ["spNO.1", "a", "Macro-expression", 8, 20, 70, 12],
    ]
    rows += [["spNO.1", "a", "micro-expression", 8, 12, 20, "4+7"], ["spNO.1", "b", "blink", 8, 12, 20, "4+7"]]
    for r, values in enumerate(rows):
        for c, value in enumerate(values):
            sheet.write(r, c, value)
    book.save(str(tmp_path / "CAS(ME)3_part_A_v2.xls"))
    frames(tmp_path / "spNO.1" / "a" / "color", range(8, 90), "{}.jpg")
    samples = read(tmp_path, Options(types="both")).samples
    assert [(s.expression_type, s.status) for s in samples[:1]] == [("macro", "ok")]
    assert [s.sample_id for s in samples[:2]] == ["spNO.1/a/8-macro", "spNO.1/a/8"]
    assert samples[2].status == "excluded" and "type 'blink'" in samples[2].reason
    assert [s.status for s in read(tmp_path, Options()).samples[:2]] == ["excluded", "ok"]


def test_what_is_left_out_needs_no_frames_and_stops_nothing():
    columns = ("Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Expression type")
    rows = [("spNO.1", "a", "8", "12", "20", "4", "Micro"), ("spNO.1", "a", "30", "60", "50", "4", "Macro")]
    table = [dict(zip(columns, row, strict=True)) for row in rows]
    files = {("spNO.1", "a"): [f"a/{n}.jpg" for n in range(8, 21)]}
    micro = samples_from(table, files, Options(), "r")
    assert [s.status for s in micro.samples] == ["ok", "excluded"] and micro.left_out == {1}
    assert [(p.rule, p.severity) for p in micro.problems] == [("V07", "warning")]
    both = samples_from(table, files, Options(types="both"), "r")
    assert {(p.rule, p.severity) for p in both.problems} == {("V07", "error"), ("V10", "error")}


@pytest.mark.parametrize(
    ("row", "fixed"),
    [
        (("spNO.216", "d", 3647, 2668, 2694), (2647, 2668, 2694)),
        (("spNO.40", "e", 1812, 1820, 0), (1812, 1820, 1845)),
        (("spNO.214", "c", 5, 15, 3460), (5, 15, 34)),
        (("spNO.149", "d", 112, 83, 358), (112, 160, 358)),
    ],
)
def test_known_corrections(row, fixed):
    table = [cells(*row, "4", "I", "fear")]
    sample = samples_from(table, {}, Options(), "r").samples[0]
    assert (sample.onset, sample.apex, sample.offset) == fixed and sample.errata
    clip = {("spNO.216", "d_2647"): [f"spNO.216_d_2647/{n}.jpg" for n in range(2647, 2695)]}
    both = [{**table[0], "Expression type": "Micro-expression"}]
    assert samples_from(both, {}, Options(), "CAS(ME)3_part_A_v2.xls").samples[0].offset == fixed[2]
    if row[0] == "spNO.216":
        assert samples_from(table, clip, Options(view="clip"), "r").samples[0].status == "ok"
    assert samples_from(table, {}, Options(), "r", errata=False).samples[0].status == "excluded" or row[0] == "spNO.214"
