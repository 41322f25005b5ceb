"""The oddities of each database that its layout imitates: in the table, and in what the reader makes of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from layout_cases import layout, params, planned
from openpyxl import load_workbook

from mer.core.sample import Sample
from mer.datasets.reading import Reading


def row_of(reading: Reading, sample_id: str) -> Sample:
    return next(sample for sample in reading.samples if sample.sample_id == sample_id)


def rules(reading: Reading, sample_id: str) -> set[str]:
    return {problem.rule for problem in reading.problems if problem.sample_id == sample_id}


def sheet(path: Path, name: str) -> list[tuple]:
    return list(load_workbook(path)[name].iter_rows(values_only=True))


def test_samm(tmp_path: Path) -> None:
    given = params("samm", subjects=6, clips=12)
    reading = planned(given)
    assert {sample.subject for sample in reading.samples} == {"006", "007", "009", "010", "011", "012"}
    either = row_of(reading, "006/006_7_19")
    assert either.emotion_norm == "others" and [u.alternative for u in either.aus] == ["1.1", "1.2", ""]
    assert rules(reading, "007/007_7_19") == {"V06"} and row_of(reading, "007/007_7_19").apex_source == "midpoint"
    assert "onset + Duration - 1" in row_of(reading, "009/009_7_19").errata[0]
    assert [u.ref for u in row_of(reading, "010/010_7_19").aus] == [False, True]
    assert row_of(reading, "011/011_7_19").au_raw != row_of(reading, "011/011_7_19").au_raw.strip()
    assert any(re.search(r"\d[A-E]", s.au_raw) for s in reading.samples)
    rows = sheet(layout("samm").write_tables(given, tmp_path)[0], "MICRO_ONLY")
    assert rows[13][0] == "Subject" and {type(row[0]) for row in rows[14:]} == {int, str}
    digits = {len(Path(path).stem.split("_")[1]) for paths in layout("samm").listing(given).values() for path in paths}
    assert digits == {4, 5}
    assert {sample.objective_class for sample in reading.samples} >= {1, 2, 4}


def test_smic() -> None:
    high, low = layout("smic_hs").listing(params("smic_hs")), layout("smic_vis").listing(params("smic_vis"))
    assert re.fullmatch(
        r"SMIC_all_raw/HS/s1/micro/(negative|positive|surprise)/s1_(ne|po|sur)_01/image\d{6}\.bmp",
        next(iter(high.values()))[0],
    )
    assert re.fullmatch(r"SMIC_all_raw/VIS/s1/micro/\w+/s1_\w+_01/\d{5}\.bmp", next(iter(low.values()))[0])
    assert not any("non_micro" in path for paths in high.values() for path in paths)
    rest = layout("smic_hs").listing(params("smic_hs"), "non_micro")
    assert len(rest) == 2 and all("/non_micro/" in path for paths in rest.values() for path in paths)


def test_mmew() -> None:
    given = params("mmew", subjects=12, clips=12)
    reading = planned(given)
    longer, fixed = row_of(reading, "S01/S01-04-041"), row_of(reading, "S04/S04-01-001")
    assert longer.emotion_norm == "others" and "/repression/" in longer.media_path
    assert rules(reading, longer.sample_id) == {"V11"} and longer.last_file == (longer.offset or 0) + 6
    assert (fixed.apex, fixed.offset, len(fixed.errata)) == (40, 75, 2)
    assert all(sample.onset == 1 for sample in reading.samples)
    sided = [sample.au_raw for sample in reading.samples if re.search("[LR]", sample.au_raw)]
    assert {bool(re.match("[LR]", cell)) for cell in sided} == {True, False}


def test_casme_sq(tmp_path: Path) -> None:
    given = params("casme_sq", subjects=3, clips=6, raw=True)
    reading = planned(given)
    plans = {plan.sample_id: plan for plan in layout("casme_sq").plan(given)}
    mended = next(s for s in reading.samples if s.errata)
    assert mended.subject == "s15" and mended.offset == mended.apex == plans[mended.sample_id].apex
    assert {s.au_raw for s in reading.samples if not s.aus} == {"NULL", "null"}
    assert {s.expression_type for s in reading.samples} == {"micro", "macro"}
    spare = [s for s in planned(given, view="cropped").samples if s.view == "selected"]
    assert [s.subject for s in spare] == ["s16"] and "selectedpic" in spare[0].media_path
    raw = planned(given, view="raw")
    stray = next(problem for problem in raw.problems if problem.rule == "V14")
    assert "2 folders" in stray.message and "s15/0508" in stray.message and "s16/15_0101" in stray.message
    book = load_workbook(layout("casme_sq").write_tables(given, tmp_path)[0])
    assert book.sheetnames == ["CASFEcode_final", "naming rule1", "naming rule2"]
    first = next(book["CASFEcode_final"].iter_rows(values_only=True))
    assert len(first) == 9 and first[:2] == (1, "disgust1_1")
    assert list(book["naming rule1"].iter_rows(values_only=True))[1] == (16, "s16", 2)


def test_samm_lv(tmp_path: Path) -> None:
    given = params("samm_lv", subjects=3, clips=4)
    reading = planned(given)
    names = [sample.sample_id.rpartition("-")[0] for sample in reading.samples]
    assert [name for name in set(names) if names.count(name) == 2] == ["006/006_1_1"]
    began = row_of(reading, "007/007_1_31-macro")
    assert began.status == "excluded" and "began before" in began.reason
    assert [s.sample_id for s in reading.samples if "V10" in rules(reading, s.sample_id)] == ["009/009_1_2-micro"]
    assert row_of(reading, "007/007_7_19-micro").apex_source == "midpoint"
    rows = sheet(layout("samm_lv").write_tables(given, tmp_path)[0], "FACS_Movement_Only")
    assert rows[9][0] == "Subject" and any(isinstance(row[3], float) and row[3] % 1 == 0.5 for row in rows[10:])
    assert (tmp_path / "SAMM_Micro_FACS_Codes_v2.xlsx").is_file()


def test_casme3(tmp_path: Path) -> None:
    given = params("casme3", subjects=3, clips=6)
    reading = planned(given)
    assert all(
        isinstance(cell, str)
        for row in layout("casme3").tables(given, layout("casme3").recordings(given))[0].rows
        for cell in row
    )
    assert {row["Filename"] for row in layout("casme3").table(given)} == {"a", "J", "b", "c"}
    assert [s.subject for s in reading.samples if s.status == "excluded"] == ["spNO.2"]
    assert [s.subject for s in reading.samples if s.emotion_raw == "Others"] == ["spNO.1"]
    assert [s.subject for s in reading.samples if "V08" in rules(reading, s.sample_id)] == ["spNO.3"]
    assert any("V10" in rules(reading, s.sample_id) for s in reading.samples)
    assert all(s.first_file == 8 and s.media_path.endswith("/color") for s in reading.samples)
    clips = planned(given, view="clip").samples
    assert {s.media_path.split("/")[2][:4] for s in clips} == {"spNO", "spNo"}
    v1, every = (params(name, subjects=3, clips=6) for name in ("casme3_v1", "casme3_all"))
    assert [s.sample_id for s in planned(v1).samples] == [s.sample_id for s in reading.samples]
    both = planned(every, types="both").samples
    assert {s.expression_type for s in both} == {"micro", "macro"} and not any(s.emotion_norm for s in both)
    assert set(load_workbook(layout("casme3_all").write_tables(every, tmp_path)[0]).sheetnames) == {
        "AU+Emotion",
        "eye blink",
    }
    header = sheet(layout("casme3_v1").write_tables(v1, tmp_path)[0], "Sheet1")
    assert len(header[1]) == 10 and header[0][8:] == (None, None) and isinstance(header[1][2], int)


def test_smic_e() -> None:
    for name in ("smic_e_hs", "smic_e_vis", "smic_e_nir"):
        given = params(name, subjects=4, clips=6)
        reading = planned(given)
        second = [s for s in reading.samples if s.sample_id.endswith("-2")]
        assert second and all(s.status == "ok" for s in reading.samples)
        for sample in second:
            first = row_of(reading, sample.sample_id.removesuffix("-2"))
            assert sample.media_path == first.media_path and (sample.onset or 0) > (first.offset or 0)
        header = [cell for cell in layout(name).tables(given, layout(name).recordings(given))[0].header if cell]
        assert ("OnsetF NIR" in header) == (name == "smic_e_nir") and ("Onset3F" in header) == (name == "smic_e_hs")
        assert {s.index_base != 0 for s in reading.samples} == {name != "smic_e_hs"}
    spaced = next(iter(layout("smic_e_vis").listing(params("smic_e_vis")).values()))[0]
    assert re.search(r"/VIS/s01/s1_\w+_01/image \d+\.jpg$", spaced)


def test_casme() -> None:
    reading = planned(params("casme", subjects=3, clips=4))
    assert [s.emotion_3 for s in reading.samples if s.emotion_norm == "tense"] == [None] * 3
    assert all(re.fullmatch(r"Cropped/sub\d\d/EP\d\d_\d", s.media_path) for s in reading.samples)


def test_meview() -> None:
    given = params("meview", subjects=4, clips=8)
    reading = planned(given)
    dated = row_of(reading, "sub01/sub01-9")
    assert re.fullmatch(r"2005-02-01", dated.au_raw) and dated.au_numbers == (1, 2, 5)
    nothing = row_of(reading, "sub02/sub02-9")
    assert nothing.status == "excluded" and "no event" in nothing.reason
    assert {s.emotion_norm for s in reading.samples} >= {"", "fear?", "contempt", "happiness"}
    decimals = [s for s in reading.samples if re.fullmatch(r"\d+\.\d+", s.au_raw)]
    assert decimals and all(len(s.aus) == 2 for s in decimals)
    assert {s.emotion_raw for s in reading.samples} >= {"comtempt", "happy"}


def test_rld(tmp_path: Path) -> None:
    given = params("rld", subjects=3, clips=4)
    reading = planned(given)
    assert [s.sample_id for s in reading.samples if s.status == "missing_media"] == ["trial_truth_999"]
    assert {s.group for s in reading.samples} == {"rld:p01", "rld:p02", "rld:p03"}
    labels = [s.emotion_norm for s in reading.samples]
    assert labels == sorted(labels, reverse=True) and set(labels) == {"truthful", "deceptive"}
    rates = {round(plan.fps, 2) for plan in layout("rld").plan(given)}
    assert rates == {25.0, 29.97}
    assert layout("rld").write_tables(given, tmp_path)[0].read_text().startswith("id,OtherGestures,")


def test_fourdme(tmp_path: Path) -> None:
    given = params("fourdme", subjects=4, clips=6)
    reading = planned(given)
    several = [s for s in reading.samples if "+" in s.emotion_raw]
    assert [s.emotion_raw for s in several] == ["Surprise+Positive"] * 2
    assert all(s.emotion_3 is None and s.status == "ok" for s in several)
    held = [u.number for s in reading.samples for u in s.aus if u.kept]
    assert held and set(held) == {17}
    rows = sheet(layout("fourdme").write_tables(given, tmp_path)[0], "Sheet1")
    assert rows[0][1] == "sub_ID'" and rows[1][1] == "S01'"
    assert rows[-1][0] == "Total" and sum(rows[-1][8:13]) == rows[-1][13] == len(reading.samples) + 2


@pytest.mark.parametrize("name", ["samm", "casme_sq", "casme3", "rld", "meview", "smic_e_nir"])
def test_tables_repeat_byte_for_byte(name: str, tmp_path: Path) -> None:
    first, second = (layout(name).write_tables(params(name), tmp_path / folder) for folder in "ab")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second] != []
