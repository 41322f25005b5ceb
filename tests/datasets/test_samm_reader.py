"""SAMM: preamble, paddings, alternatives and the apex that is none, on invented rows."""

import pytest

from mer.core.errors import DatasetError
from mer.datasets.samm import READER, Options
from mer.datasets.views import view_of

read, samples_from = READER.read, READER.samples_from

HEADER = ["Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame", "Duration", "Micro"]
HEADER += ["Action Units", "Estimated Emotion", "Objective Classes", "Notes"]


def row(subject, name, onset, apex, offset, aus="12", emotion="Happiness", objective=1, duration=None):
    length = offset - onset + 1 if duration is None else duration
    return [subject, name, 1, onset, apex, offset, length, "Micro - 1/2", aus, emotion, objective, None]


def cells(values):
    return dict(zip(HEADER, ("" if v is None else str(v) for v in values), strict=True))


def clips(*items):
    return {(n[:3], n): [f"SAMM/{n[:3]}/{n}/{n[:3]}_{k:05d}.jpg" for k in range(a, b + 1)] for n, a, b in items}


def test_a_release_with_its_quirks(tmp_path, workbook, frames, rules):
    rows = [
        row("006", "006_1_2", 562, 580, 600, "L12A"),
        row(11, "011_2_3", 90, 95, 120, "(R6 or R12)+R15", "Other ", 7),
        row("011", "011_2_4", 90, -1, 121, "7B+ ref(43)", "Contempt", 6),
        row("011", "012_1_1", 90, 95, 120),
    ]
    preamble = [["SAMM"]] + [[None]] * 11 + [["key", '"?" unclear']]
    workbook(
        tmp_path / "SAMM_Micro_FACS_Codes_v2.xlsx", {"MICRO_ONLY": [*preamble, HEADER, *rows, [None, "end of list"]]}
    )
    frames(tmp_path / "SAMM" / "006" / "006_1_2", range(562, 601), "006_{:05d}.jpg")
    frames(tmp_path / "SAMM" / "011" / "011_2_3", range(90, 121), "011_{:04d}.jpg")
    frames(tmp_path / "SAMM" / "011" / "011_2_4", range(90, 122), "011_{:04d}.jpg")
    reading = read(tmp_path, Options())
    first, second, third, fourth = reading.samples
    assert (first.subject, first.group, first.sample_id) == ("006", "samm:006", "006/006_1_2")
    assert (first.first_file, first.n_files, first.fps, first.objective_class) == (562, 39, 200.0, 1)
    assert (first.aus[0].side, first.aus[0].intensity) == ("L", "A")
    assert (second.subject, second.emotion_raw, second.emotion_norm, second.n_files) == ("011", "Other ", "others", 31)
    assert (third.apex, third.apex_source, third.aus[1].ref) == (105, "midpoint", True)
    assert fourth.status == "excluded" and "Subject '011' but Filename '012_1_1'" in fourth.reason
    assert [view_of("megc2019").class_of(s) for s in reading.samples[:3]] == ["positive", None, "negative"]
    assert rules(reading) == {
        ("V03", ""),
        ("V04", ""),
        ("V06", "011/011_2_4"),
        ("V09", "011/012_1_1"),
        ("V13", "011/012_1_1"),
    }
    assert next(p for p in reading.problems if p.rule == "V06").row == 17


@pytest.mark.parametrize(
    ("name", "apex", "frame", "source", "errata"),
    [
        ("028_4_1", 1134, 1105, "errata", 1),
        ("028_4_1", -1, 1105, "errata", 1),
        ("028_4_1", 1143, 1105, "errata", 1),
        ("028_4_1", 1105, 1105, "annotated", 0),
        ("028_4_1", 1110, 1110, "annotated", 0),
        ("028_9_9", 1134, 1102, "midpoint", 0),
        ("028_9_9", 2000, 1102, "midpoint", 0),
    ],
)
def test_an_apex_that_is_none(name, apex, frame, source, errata):
    reading = samples_from([cells(row(28, name, 1071, apex, 1134))], clips((name, 1071, 1134)), Options(), "r")
    sample = reading.samples[0]
    assert (sample.apex, sample.apex_source, len(sample.errata), sample.status) == (frame, source, errata, "ok")
    strict = samples_from(
        [cells(row(28, name, 1071, apex, 1134))], {}, Options(apex_missing="exclude"), "r", errata=False
    )
    assert (strict.samples[0].status == "excluded") == (apex in (-1, 1143, 2000))


def test_offset_from_duration_unless_the_disk_agrees_with_the_table():
    values = [cells(row("006", "006_1_1", 100, 120, 193, duration=40))]
    mended = samples_from(values, clips(("006_1_1", 100, 139)), Options(), "r").samples[0]
    assert (mended.offset, mended.status) == (139, "ok")
    assert mended.errata == ("006_1_1 offset 193->139 (onset + Duration - 1)",)
    kept = samples_from(values, clips(("006_1_1", 100, 193)), Options(), "r").samples[0]
    assert (kept.offset, kept.errata) == (193, ())
    off = samples_from(values, clips(("006_1_1", 100, 139)), Options(), "r", errata=False).samples[0]
    assert (off.offset, off.status) == (193, "missing_media")
    known = samples_from([cells(row(13, "013_1_9", 5700, 5720, 5793, duration=40))], {}, Options(), "r").samples[0]
    assert (known.offset, known.errata) == (5739, ("013_1_9 offset 5793->5739",))


@pytest.mark.parametrize(
    ("policy", "numbers"), [("all", (6, 12, 15)), ("first", (6, 15)), ("none", (15,)), ("resolved", (12, 15))]
)
def test_alternatives(policy, numbers):
    table = [cells(row("007", "007_6_1", 10, 20, 30, "(R6 or R12)+R15"))]
    sample = samples_from(table, {}, Options(alternatives=policy), "r").samples[0]
    assert sample.au_numbers == numbers and sample.au_raw == "(R6 or R12)+R15"
    assert any("au_choice" in e for e in sample.errata) == (policy == "resolved")


def test_no_clip_folder(tmp_path, workbook):
    workbook(tmp_path / "SAMM_Micro_FACS_Codes_v2.xlsx", {"s": [HEADER, row("006", "006_1_2", 1, 2, 3)]})
    with pytest.raises(
        DatasetError,
        match=r"no folder SAMM/; found: SAMM_Micro_FACS_Codes_v2.xlsx; expected folders like SAMM/006/006_1_2/",
    ):
        read(tmp_path, Options())
    with pytest.raises(DatasetError, match="SAMM: no such folder"):
        read(tmp_path, Options(folder="SAMM"))
