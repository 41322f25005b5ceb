"""CAS(ME)^2: a headerless sheet, coded people and films, offsets of 0."""

import pytest

from mer.core.errors import DatasetError
from mer.datasets.casme_sq import READER, Options, table_rows

read, samples_from = READER.read, READER.samples_from

ROWS = [
    [1, "anger1_1", 540, 570, 590, "4+6,24", "negative", "micro-expression", "anger"],
    [1, "happy5_2", 100, 120, 0, "NULL", "positive", "macro-expression", "happyiness"],
    [7, "happy1_1", 20, 25, 32, "14or23", "positive", "micro-expression", "happiness"],
    [7, "sorrow1_1", 20, 25, 32, 4, "others", "micro-expression", "sadness"],
    [30, "anger1_1", 20, 25, 32, 4, "others", "blink", "sadness"],
]


@pytest.fixture
def root(tmp_path, workbook, frames):
    sheets = {"naming rule1": [[15, "s15", 1]], "CASFEcode_final": ROWS}
    workbook(tmp_path / "CAS(ME)^2code_final.xlsx", sheets)
    raw = tmp_path / "rawpic"
    frames(raw / "s15" / "15_0401girlcrashing", range(1, 700), "img{:03d}.jpg")
    frames(raw / "s15" / "15_0508`funnydunkey`", range(1, 200), "img{:03d}.jpg")
    frames(raw / "s23" / "23_0502funnyerors", range(1, 60), "img{:03d}.jpg")
    frames(raw / "s19" / "23_0502funnyerrors", range(1, 60), "img{:03d}.jpg")
    selected = tmp_path / "selectedpic"
    frames(selected / "s15" / "anger1_1", range(540, 591))
    frames(selected / "s15" / "happy5_2", range(100, 121))
    frames(selected / "s23" / "happy1_1", range(20, 33))
    frames(tmp_path / "cropped" / "15" / "anger1_1", range(540, 591))
    return tmp_path


def test_selected(root, rules):
    first, second, third, fourth, fifth = read(root, Options()).samples
    assert (first.subject, first.sample_id, first.video_id) == ("s15", "s15/anger1_1", "s15/0401")
    assert (first.status, first.emotion_3, first.expression_type, first.au_numbers) == (
        "ok",
        "negative",
        "micro",
        (4, 6, 24),
    )
    assert (second.offset, second.errata, second.status) == (120, ("p1 happy5_2 offset 0->120 (apex)",), "ok")
    assert second.expression_type == "macro" and second.aus == () and "self-report: happyiness" in second.notes
    assert third.group == "casme_sq:s23" and [u.alternative for u in third.aus] == ["1.1", "1.2"]
    assert "video 'sorrow1_1' is not one of" in fourth.reason
    assert "participant '30' is not 1 to 22" in fifth.reason and "type 'blink'" in fifth.reason
    plain = read(root, Options(), errata=False).samples[1]
    assert plain.status == "excluded" and "onset 100 is not before offset 0" in plain.reason


def test_raw_matches_films_by_their_digits_and_skips_the_misplaced_copy(root, rules):
    reading = read(root, Options(view="raw"))
    assert [s.media_path for s in reading.samples[:3]] == [
        "rawpic/s15/15_0401girlcrashing",
        "rawpic/s15/15_0508`funnydunkey`",
        "rawpic/s23/23_0502funnyerors",
    ]
    assert (reading.samples[0].onset, reading.samples[0].last_file) == (540, 699)
    stray = next(p for p in reading.problems if p.rule == "V14")
    assert "1 folders have no annotation, e.g. s19/23_0502funnyerrors" in stray.message


def test_cropped_says_where_it_takes_what_it_lacks(root):
    first, second, *_ = read(root, Options(view="cropped")).samples
    assert (first.view, first.media_path) == ("cropped", "cropped/15/anger1_1")
    assert (second.view, second.media_path) == ("selected", "selectedpic/s15/happy5_2")
    assert any("the cropped tree lacks this clip; using selectedpic" in note for note in second.notes)


def test_types_leave_rows_out_without_a_problem(root):
    reading = read(root, Options(types="micro"))
    assert reading.samples[1].status == "excluded" and "left out by the option" in reading.samples[1].reason
    assert not any("left out" in p.message for p in reading.problems)


def test_known_corrections():
    row = dict(
        zip(
            ("participant", "video", "onset", "apex", "offset", "aus", "emotion", "type", "self_report"),
            ("11", "disgust1_5", "1221", "1230", "1224", "4", "negative", "macro-expression", ""),
            strict=True,
        )
    )
    assert samples_from([row], {}, Options(), "r").samples[0].offset == 1230
    assert "out of order" in samples_from([row], {}, Options(), "r", errata=False).samples[0].reason


def test_another_workbook_is_refused(tmp_path, workbook):
    with pytest.raises(
        DatasetError, match=r"none begins with rows of the coding table; expected sheet 'CASFEcode_final'"
    ):
        table_rows(workbook(tmp_path / "x.xlsx", {"a": [["Subject", "x"]], "b": []}), Options())
