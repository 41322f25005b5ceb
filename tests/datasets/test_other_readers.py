"""SMIC-E, MEVIEW, 4DME and the deception clips, on invented rows."""

import datetime

import pytest
import xlwt

from mer.core.errors import DatasetError
from mer.datasets import casme, fourdme, meview, rld, smic_e
from mer.datasets.views import view_of


def test_smic_e_several_expressions_in_a_clip(tmp_path, workbook, frames, rules):
    header = [
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
        "LastF",
    ]
    header += ["TotalMF1", "TotalVL", "Emotion"]
    rows = [
        ["s01", "s1_ne_01", None, 1010, 1040, 1100, 1130, None, None, None, 1000, 1199, 31, 200, "negative"],
        ["s03", "s3_po_02", None, 510, 540, None, None, None, None, None, 500, 599, 31, 100, "surprise"],
        ["three clips were lost", None],
    ]
    top = tmp_path / "SMIC-E_raw image" / "HS_long" / "SMIC-HS-E"
    workbook(top / "SMIC-HS-E_annotation.xlsx", {"Sheet1": [header, *rows]})
    frames(top / "HS" / "s01" / "s1_ne_01", range(1000, 1200), "image{:06d}.jpg")
    frames(top / "HS" / "s03" / "s3_po_02", range(1, 101), "image {}.jpg")
    reading = smic_e.READER.read(tmp_path, smic_e.Options())
    first, second, third = reading.samples
    assert (first.sample_id, second.sample_id, third.sample_id) == ("s01/s01_ne_01", "s01/s01_ne_01-2", "s03/s03_po_02")
    assert (first.onset, first.apex, first.offset, first.apex_source) == (1010, 1025, 1040, "midpoint")
    assert (second.onset, second.video_id, second.group) == (1100, "s01/s01_ne_01", "smic:s01")
    assert (third.index_base, third.onset, third.offset, third.status) == (-499, 11, 41, "ok")
    assert third.emotion_norm == "positive" and "the name is followed" in third.notes[0]
    assert ("V03", "") in rules(reading)


def test_smic_e_nir_headers(tmp_path, frames):
    table = [
        {"Subject NIR": "s11", "Filename NIR": "s11_sur_01", "OnsetF NIR": "5", "OffsetF NIR": "15", "FirstF NIR": "1"}
    ]
    listing = {("s11", "s11_sur_01"): [f"x/{n}.jpg" for n in range(1, 50)]}
    sample = smic_e.READER.samples_from(table, listing, smic_e.Options(modality="nir"), "r").samples[0]
    assert (sample.dataset, sample.onset, sample.fps, sample.status) == ("smic_e_nir", 5, 25.0, "ok")


@pytest.fixture
def poker(tmp_path):
    book = xlwt.Workbook()
    sheet = book.add_sheet("List 1")
    header = [
        "Subject",
        "Filename",
        "OnsetFrame",
        "OffsetFrame",
        "VideoFile",
        "Length",
        "Action Units",
        "Emotion",
        "Note",
    ]
    day = xlwt.easyxf(num_format_str="YYYY-MM-DD")
    rows = [
        [1, "sub01-1", 10, 22, "x.mp4", 12, 1.2, "comtempt", ""],
        [5, "sub05-1", 10, 22, "x.mp4", 12, datetime.datetime(2013, 2, 1), "fear?", "macro"],
        [7, "sub07-1", 0, 0, "x.mp4", 0, "", "", ""],
        [8, "sub09-1", 3, 9, "x.mp4", 6, "4+7", "happy", ""],
    ]
    for r, values in enumerate([header, *rows]):
        for c, value in enumerate(values):
            sheet.write(r, c, value, day) if isinstance(value, datetime.datetime) else sheet.write(r, c, value)
    book.save(str(tmp_path / "MEVIEW.xls"))
    for name in ("sub01-1.mp4", "sub05-1.AVI", "sub07-1.mp4", "sub09-1.mp4", "copy/sub09-1.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_meview_decimals_dates_and_no_event(poker):
    first, second, third, fourth = meview.READER.read(poker, meview.Options()).samples
    assert (first.au_numbers, first.emotion_norm, first.emotion_3) == ((1, 2), "contempt", "negative")
    assert (first.media_kind, first.media_path, first.apex, first.status) == ("video", "sub01-1.mp4", 16, "ok")
    assert (second.au_numbers, second.emotion_norm, second.emotion_3) == ((1, 2, 13), "fear?", None)
    assert second.media_path == "sub05-1.AVI" and "note of the table: macro" in second.notes
    assert (third.status, third.reason) == ("excluded", "no event: onset and offset are 0")
    assert fourth.status == "excluded" and "2 videos" in fourth.reason and "Subject '8'" in fourth.reason


def test_fourdme_codes_held_units_and_several_emotions(tmp_path, workbook, frames):
    header = ["fold", "sub_ID'", "fold_name'", "Onset", "Apex", "Offset", "AUs", "Emotion", "Positive", "Total"]
    rows = [
        [1, "S13'", "S13_001'", 10, 15, 20, "4(k)+5", "Negative", 0, 1],
        [1, "S13'", "S13_002'", 30, 35, 45, "12", "Surprise+Positive", 1, 2],
        [None, None, None, None, None, None, None, "total", 1, 3],
    ]
    workbook(tmp_path / "4DME_Labelling_Micro_release v1.xlsx", {"Sheet1": [header, *rows]})
    frames(tmp_path / "gray_micro" / "S13" / "S13_001", range(10, 21), "Frame_{:09d}.jpg")
    frames(tmp_path / "gray_micro" / "S13" / "S13_002", range(30, 46), "Frame_{:09d}.jpg")
    first, second = fourdme.READER.read(tmp_path, fourdme.Options()).samples
    assert (first.sample_id, first.status, first.au_numbers, len(first.aus)) == ("S13/S13_001", "ok", (5,), 2)
    assert (second.status, second.emotion_norm) == ("ok", "surprise+positive")
    assert [view_of("emotion_3").class_of(s) for s in (first, second)] == ["negative", None]


def test_a_subject_in_two_cases_is_one_person():
    header = ("sub_ID", "fold_name", "Onset", "Apex", "Offset", "AUs", "Emotion")
    rows = [("S13", "a", "1", "2", "3", "4", "Negative"), ("s13", "b", "1", "2", "3", "4", "Negative")]
    table = [dict(zip(header, row, strict=True)) for row in rows]
    listing = {("S13", clip): [f"x/{clip}/{n}.jpg" for n in (1, 2, 3)] for clip in "ab"}
    reading = fourdme.READER.samples_from(table, listing, fourdme.Options(), "r")
    assert [(s.group, s.sample_id, s.status) for s in reading.samples] == [
        ("fourdme:S13", "S13/a", "ok"),
        ("fourdme:S13", "S13/b", "ok"),
    ]
    assert [(p.rule, p.severity) for p in reading.problems] == [("V13", "warning")]


@pytest.fixture
def trials(tmp_path):
    lines = [
        "id,Smile,class",
        "trial_truth_001.mp4,1,truthful",
        "trial_lie_002.mp4,0,deceptive",
        "trial_lie_003.mp4,0,deceptive",
    ]
    (tmp_path / "All_Gestures_Deceptive and Truthful.csv").write_text("\n".join(lines))
    for name in ("Deceptive/trial_lie_002.mp4", "Truthful/trial_truth_001.mp4"):
        (tmp_path / "Clips" / name).parent.mkdir(parents=True)
        (tmp_path / "Clips" / name).touch()
    return tmp_path


def test_rld_needs_subject_ids(trials):
    with pytest.raises(DatasetError, match=r"no subjects.csv; clips share speakers, so a clip-wise split would leak"):
        rld.READER.read(trials, rld.Options())
    alone = rld.READER.read(trials, rld.Options(allow_speaker_leak=True)).samples
    assert [s.group for s in alone] == ["rld:trial_truth_001", "rld:trial_lie_002", "rld:trial_lie_003"]
    assert [s.status for s in alone] == ["ok", "ok", "missing_media"]
    (trials / "subjects.csv").write_text("video,subject\ntrial_truth_001,p1\ntrial_lie_002.mp4,p1\n")
    first, second, third = rld.READER.read(trials, rld.Options(leave_out=("trial_lie_002",))).samples
    assert (first.group, first.emotion_norm, first.media_kind, first.onset) == ("rld:p1", "truthful", "video", None)
    assert first.media_path == "Clips/Truthful/trial_truth_001.mp4"
    assert (second.status, second.reason) == ("excluded", "left out by the option `leave_out`")
    assert third.status == "excluded" and "has no subject in subjects.csv" in third.reason


def test_casme_reads_the_first_apex(tmp_path, workbook, frames):
    header = ["Subject", "Filename", None, "OnsetF", "ApexF1", "ApexF2", "OffsetF", None, "AUs", "Emotion"]
    rows = [
        [1, "EP50_1", None, 3, 9, 11, 20, None, "4+L12", "Tense"],
        [2, "EP50_1", None, 3, 0, 0, 60, None, 4, "disgust"],
    ]
    workbook(tmp_path / "coding.xlsx", {"Sheet1": [header, *rows]})
    frames(tmp_path / "sub01" / "EP50_1", range(1, 30), "reg_EP50_1-{}.jpg")
    frames(tmp_path / "sub02" / "EP50_1", range(1, 30), "reg_EP50_1-{}.jpg")
    first, second = casme.READER.read(tmp_path, casme.Options(table="coding.xlsx")).samples
    assert (first.onset, first.apex, first.offset, first.status, first.emotion_4) == (3, 9, 20, "ok", "others")
    assert (first.group, first.n_files, first.fps) == ("casme:sub01", 29, 60.0)
    assert second.status == "missing_media" and "on disk 1..29" in second.reason
