"""CASME II: every trap of the release on invented rows."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mer.core.errors import DatasetError
from mer.core.sample import dumps_index
from mer.datasets import casme2
from mer.datasets.casme2 import READER, Options
from mer.datasets.views import view_of

read, samples_from = READER.read, READER.samples_from

HEADER = [
    "Subject",
    "Filename",
    None,
    "OnsetFrame",
    "ApexFrame",
    "OffsetFrame",
    None,
    "Action Units",
    "Estimated Emotion",
]


def row(subject, name, onset, apex, offset, aus="4", emotion="disgust"):
    return [subject, name, None, onset, apex, offset, None, aus, emotion]


def cells(*values):
    return {name: "" if value is None else str(value) for name, value in zip(HEADER, values, strict=True) if name}


def listing(*clips, folder="CASME2_RAW_selected"):
    return {
        (subject, clip): [f"{folder}/{subject}/{clip}/img{n}.jpg" for n in range(first, last + 1)]
        for subject, clip, first, last in clips
    }


@pytest.fixture
def root(tmp_path, workbook, frames):
    rows = [
        row("01", "EP02_01f", 40, 61, 90, 4, "happiness"),
        row(1, "EP06_02_01", 10, "/", 30, "4+L12", "Others"),
        row("02", "EP02_01f", 5, 12, 20, "14", "surprise"),
        row("02", "EP09f", 5, 12, 104, "none", "repression"),
        row("02", "EP03_19", 5, 12, 44, "4", "sadness"),
    ]
    workbook(
        tmp_path / "CASME2" / "CASME2-coding-20190701.xlsx", {"Sheet1": [HEADER, *rows, [None], [" "]], "Sheet2": []}
    )
    workbook(
        tmp_path / "CASME2" / "CASME2-ObjectiveClasses.xlsx",
        {"Sheet1": [["Subject", "Filename", "Objective Class"], [1, "EP02_01f", "III"], [2, "EP02_01f", 2]]},
    )
    selected = tmp_path / "CASME2" / "CASME2_RAW_selected" / "CASME2_RAW_selected"
    frames(selected / "sub01" / "EP02_01f", range(40, 91))
    frames(selected / "sub01" / "EP06_02_01", range(10, 31), "img{:03d}.JPG")
    frames(selected / "sub02" / "EP02_01f", range(5, 21))
    frames(selected / "sub02" / "EP09f", [n for n in range(5, 105) if n not in (50, 51)])
    frames(selected / "sub02" / "EP99_01", range(5, 21))
    frames(tmp_path / "CASME2" / "Cropped" / "sub01" / "EP02_01f", range(40, 91), "reg_img{}.jpg")
    return tmp_path / "CASME2"


def test_a_release_with_its_quirks(root, rules):
    reading = read(root, Options())
    first, second, third, fourth, fifth = reading.samples
    assert first.sample_id == "sub01/EP02_01f" and third.sample_id == "sub02/EP02_01f"
    assert (first.group, first.subject, first.fps, first.view) == ("casme2:sub01", "sub01", 200.0, "selected")
    assert (first.onset, first.apex, first.offset, first.apex_source) == (40, 61, 90, "annotated")
    assert (first.first_file, first.last_file, first.n_files) == (40, 90, 51)
    assert first.media_path == "CASME2_RAW_selected/CASME2_RAW_selected/sub01/EP02_01f"
    assert (first.objective_class, third.objective_class, second.objective_class) == (3, 2, None)
    assert (first.emotion_raw, first.emotion_3, first.emotion_5) == ("happiness", "positive", "happiness")
    assert (second.apex, second.apex_source, second.emotion_raw, second.emotion_norm) == (
        20,
        "midpoint",
        "Others",
        "others",
    )
    assert second.au_numbers == (4, 12) and fourth.aus == () and fourth.au_notes == ()
    assert fourth.status == "ok" and any("V10: 2 of 100 frames missing: 50, 51" in note for note in fourth.notes)
    assert fifth.status == "missing_media" and fifth.reason.startswith("no frames found")
    assert first.release.startswith("CASME2-coding-20190701.xlsx sha256:")
    assert rules(reading) == {
        ("V06", "sub01/EP06_02_01"),
        ("V10", "sub02/EP09f"),
        ("V09", "sub02/EP03_19"),
        ("V14", ""),
        ("V04", ""),
    }
    v06 = next(p for p in reading.problems if p.rule == "V06")
    assert v06.row == 3 and "CASME2-coding-20190701.xlsx row 3" in v06.line()
    v09 = next(p for p in reading.problems if p.rule == "V09")
    assert "row 6 (sub02/EP03_19): no frames found" in v09.line()
    assert v09.severity == "error"


def test_the_pure_function_gives_what_reading_gives(root):
    table = [
        cells(*row("01", "EP02_01f", 40, 61, 90, 4, "happiness")),
        cells(*row(1, "EP06_02_01", 10, "/", 30, "4+L12", "Others")),
    ]
    pure = samples_from(table, READER.scan(root, Options()), Options(), "r").samples
    full = read(root, Options()).samples[:2]
    same = [dataclasses.replace(s, release="", objective_class=None) for s in full]
    assert [dataclasses.replace(s, release="") for s in pure] == same


def test_views_choose_the_tree(root):
    reading = read(root, Options(view="cropped"))
    assert reading.samples[0].media_path == "Cropped/sub01/EP02_01f" and reading.samples[0].view == "cropped"
    with pytest.raises(
        DatasetError, match=r"no such folder; found: CASME2_RAW_selected/, Cropped/.*set view to selected, cropped"
    ):
        read(root, Options(view="raw"))


def test_the_2019_table_goes_first_and_another_can_be_named(root, workbook):
    workbook(root / "CASME2-coding-20140508.xlsx", {"Sheet1": [HEADER, row("01", "EP02_01f", 40, 60, 90)]})
    assert len(read(root, Options()).samples) == 5
    assert read(root, Options(table="CASME2-coding-20140508.xlsx")).samples[0].apex == 60
    with pytest.raises(DatasetError, match="annotation not found"):
        read(root, Options(table="other.xlsx"))
    with pytest.raises(DatasetError, match="not a path below the dataset root"):
        read(root, Options(table="../x.xlsx"))


def test_missing_table_and_missing_root(tmp_path):
    with pytest.raises(
        DatasetError, match=r"annotation not found; holds nothing; expected CASME2-coding-20190701.xlsx or"
    ):
        read(tmp_path, Options())
    with pytest.raises(DatasetError, match="no such folder"):
        read(tmp_path / "absent", Options())


def one(*values, errata=True, options=None, clips=None):
    table = [cells(*values)]
    subject, clip = casme2.subject_of(str(values[0])) or "sub01", values[1]
    reading = samples_from(table, listing(*(clips or [(subject, clip, 1, 400)])), options or Options(), "r", errata)
    return reading.samples[0], [p.rule for p in reading.problems]


def test_apex_policies():
    slash = row("04", "EP12_01f", 261, "/", 321)
    assert one(*slash)[0].apex == 291
    assert one(*slash, options=Options(apex_missing="exclude"))[0].reason == "no usable apex"
    kept, _ = one(*slash, options=Options(apex_missing="keep"))
    assert (kept.apex, kept.apex_source, kept.status) == (None, "none", "ok")
    equal = row("05", "EP09_05f", 69, 69, 123)
    sample, problems = one(*equal)
    assert (sample.apex, sample.apex_source, problems) == (96, "midpoint", ["V08"])
    assert one(*equal, options=Options(apex_at_onset="exclude"))[0].status == "excluded"
    assert one(*equal, options=Options(apex_at_onset="keep"))[0].apex == 69
    sample, problems = one(*row("12", "EP09_06", 100, 140, 140))
    assert (sample.apex, sample.status, problems) == (140, "ok", ["V08"])


def test_the_short_clip_is_corrected_where_the_tail_was_not_released():
    values, short = row("16", "EP01_08", 73, 94, 110), [("sub16", "EP01_08", 73, 96)]
    sample, problems = one(*values, clips=short)
    assert (sample.offset, sample.status, problems) == (96, "ok", [])
    assert sample.errata == ("sub16/EP01_08 offset 110->96",)
    sample, problems = one(*values, clips=short, errata=False)
    assert (sample.offset, sample.status, problems) == (110, "missing_media", ["V10"])
    assert "14 of 38 frames missing: 97, 98, 99, 100, 101, …; on disk 73..96" in sample.reason
    sample, _ = one(*values, options=Options(view="raw"), clips=[("sub16", "EP01_08", 1, 150)])
    assert (sample.offset, sample.errata) == (110, ())
    sample, problems = one(*row("16", "EP01_08", 73, 94, 96), clips=short)
    assert (sample.offset, sample.errata, problems) == (96, (), [])
    sample, problems = one(*row("16", "ep01_08", 73, 94, 110), clips=short)
    assert (sample.offset, len(sample.errata), problems) == (96, 1, [])
    sample, problems = one(*row("16", "EP01_08", 73, 94, 95), clips=short)
    assert (sample.offset, problems) == (95, ["V18"])


@pytest.mark.parametrize(
    ("values", "rule", "reason"),
    [
        (row("01", "EP01", 10, 40, 30), "V07", "onset 10, apex 40, offset 30 are out of order"),
        (row("01", "EP01", 30, 20, 10), "V07", "onset 30 is not before offset 10"),
        (row("01", "EP01", "x", 20, 30), "V07", "onset 'x', offset '30': not frame numbers"),
        (row("01", "EP01", 10, 20, "1e99"), "V07", "not frame numbers"),
        (row("01", "EP01", 10, 20, 30, emotion="boredom"), "V05", "emotion 'boredom' is not in disgust, fear"),
        (row("s-x", "EP01", 10, 20, 30), "V13", "Subject 's-x' is not a subject number"),
    ],
)
def test_bad_rows_are_excluded_with_the_reason(values, rule, reason):
    sample, problems = one(*values)
    assert sample.status == "excluded" and reason in sample.reason and rule in problems


def test_repeated_rows():
    clips = listing(("sub01", "EP01", 1, 50))
    same = samples_from([cells(*row("01", "EP01", 10, 20, 30))] * 2, clips, Options(), "r")
    assert [(s.sample_id, s.status) for s in same.samples] == [("sub01/EP01", "ok"), ("sub01/EP01-copy2", "excluded")]
    rows = [cells(*row("01", "EP01", 10, 20, 30)), cells(*row("1", "EP01", 10, 20, 30, emotion="fear"))]
    other = samples_from(rows, clips, Options(), "r")
    assert [s.status for s in other.samples] == ["excluded", "excluded"]
    assert "occurs 2 times (rows 2, 3) with different cells" in other.samples[0].reason


def test_two_copies_of_a_frame_exclude_the_clip():
    clips = {("sub01", "EP01"): [f"a/img{n}.jpg" for n in range(10, 31)] + ["a/img010.jpg"]}
    reading = samples_from([cells(*row("01", "EP01", 10, 20, 30))], clips, Options(), "r")
    assert reading.samples[0].status == "excluded" and "are both frame 10" in reading.samples[0].reason


def test_a_clip_in_two_folders_is_an_error(root, frames):
    frames(root / "CASME2_RAW_selected" / "copy" / "sub01" / "EP02_01f", [40])
    with pytest.raises(DatasetError, match=r"clip sub01/EP02_01f is there twice"):
        read(root, Options())


def test_the_protocol_view_follows_the_labels_of_2014():
    names = [("04", "EP12_01f", "disgust"), ("05", "EP09_05f", "disgust"), ("24", "EP07_01", "surprise")]
    names += [
        ("24", "EP07_04f", "sadness"),
        ("24", "EP10_03", "surprise"),
        ("24", "EP01_08", "surprise"),
        ("09", "EP13_02", "fear"),
    ]
    names += [("01", "EP01", "repression"), ("01", "EP02", "others"), ("02", "EP01", "happiness")]
    rows = [cells(*row(s, n, 10, 20, 30, emotion=e)) for s, n, e in names]
    samples = samples_from(rows, {}, Options(), "r").samples
    composite = [view_of("megc2019").class_of(s) for s in samples]
    assert composite == [None] * 5 + ["surprise", None, "negative", None, "positive"]
    assert [view_of("emotion_3").class_of(s) for s in samples] == [
        *(
            "negative",
            "negative",
            "surprise",
            "negative",
            "surprise",
            "surprise",
            "negative",
            "negative",
            None,
            "positive",
        )
    ]


CELL = st.one_of(
    st.sampled_from(
        ["", "1", "01", "12", "/", "-1", "0", "12.0", "None", "NaN", "1e308", "9" * 30, "../..", "=A1", "\x00", "sub01"]
    ),
    st.text(max_size=8),
    st.integers(-5, 400).map(str),
)
EMOTION = st.sampled_from(["disgust", "Happiness ", "OTHERS", "fear?", "", "contempt", "happy", "surprise"])


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries({"s": CELL, "f": CELL, "on": CELL, "ap": CELL, "off": CELL, "au": CELL, "e": EMOTION}),
        max_size=6,
    ),
    st.permutations(
        ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units", "Estimated Emotion"]
    ),
)
def test_mutated_sheets_never_raise_and_never_mislabel(rows, columns):
    keys = dict(zip((name for name in HEADER if name), ("s", "f", "on", "ap", "off", "au", "e"), strict=True))
    table = [{column: r[keys[column]] for column in columns} for r in rows]
    reading = samples_from(table, listing(("sub01", "1", 1, 400), ("sub12", "12", 1, 400)), Options(), "r")
    kept = [r for r in rows if sum(bool(r[k].strip()) for k in ("s", "f", "on", "off")) >= 2]
    assert len(reading.samples) == len(kept)
    ids = [s.sample_id.casefold() for s in reading.samples]
    assert len(set(ids)) == len(ids)
    for sample, r in zip(reading.samples, kept, strict=True):
        assert sample.emotion_raw == r["e"]
        assert ".." not in sample.sample_id.split("/") and not sample.media_path.startswith(("/", ".."))
        if sample.status == "ok":
            assert 0 <= sample.onset <= sample.apex <= sample.offset
            assert sample.emotion_norm == {"happy": "happiness"}.get(r["e"].strip().lower(), r["e"].strip().lower())
        else:
            assert sample.reason
            assert any(
                p.sample_id in (sample.sample_id, sample.sample_id.rpartition("-copy")[0]) for p in reading.problems
            )
    assert dumps_index(reading.samples)


def test_reordered_columns_change_nothing():
    values = cells(*row("01", "EP01", 10, 20, 30))
    a = samples_from([values], {}, Options(), "r").samples
    b = samples_from([dict(reversed(values.items()))], {}, Options(), "r").samples
    assert a == b
