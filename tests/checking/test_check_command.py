"""What `mer check` prints, as text and as JSON, with and without a terminal."""

import io
import json

import cv2
import numpy as np
import pytest
from small_release import SELECTED, TABLE, write_images

from mer.checking.check import check, run_check
from mer.checking.check_report import APPLIED, NO_ROW, OFF, OTHER_VALUE, corrections
from mer.checking.report_text import render
from mer.core import progress
from mer.core.errors import ConfigError
from mer.datasets import casme2, casme_sq
from mer.datasets.reading import Reading


def test_the_text_names_counts_images_and_verdict(release, small):
    text, status = run_check(release.write(), "casme2", licence_accepted=True)
    assert status == 0 and text.splitlines()[0] == f"casme2 · view selected · {TABLE}"
    assert str(release.root) in text.replace("\n", "")
    assert any(line.split() == ["rows", "4", "4", "verified", "ok"] for line in text.splitlines())
    assert "4 rows of 2 subjects: 4 ok" in text
    assert "80 files looked at, 12 of them decoded: 640x480 (80)" in text
    assert "no problems" in text and text.endswith("usable: 4 of 4 rows\n")
    assert "\x1b" not in text


def test_groups_of_counts_fold_and_examples_are_few(release, known):
    people = {"subject sub01": 2, "subject sub02": 2}
    known(casme2=[{"name": TABLE[:-5], "status": "verified", "counts": {"rows": 4, **people}}])
    root = release.write()
    folded = render(check(root, "casme2", licence_accepted=True))
    assert "rows of each subject (2)" in folded and "subject sub01" not in folded
    known(casme2=[{"name": TABLE[:-5], "status": "verified", "counts": {"subject sub01": 3, "subject sub02": 2}}])
    assert "subject sub01" in render(check(root, "casme2", licence_accepted=True))
    write_images(root / SELECTED / "sub02" / "EP02_01f", range(40, 60), size=(320, 240))
    for number in range(5):
        write_images(root / SELECTED / "sub02" / f"EP5{number}_01", range(3))
    report = check(root, "casme2", licence_accepted=True)
    assert "and 2 more" in render(report) and "EP54_01" not in render(report)
    assert "EP54_01" in render(report, everything=True)
    assert all(len(line) <= 70 for line in render(report, width=70).splitlines())


def test_json_holds_everything(release, small):
    release.rows[0][4] = 90
    text, status = run_check(release.write(), "casme2", as_json=True, strict=True)
    values = json.loads(text)
    assert status == values["exit_code"] == 2 and values["strict"] is True
    assert values["counts"][0] == {"what": "rows", "found": 4, "expected": 4, "status": "verified", "ok": True}
    assert values["rules"] == {"V07 error": 1, "V20 warning": 1}
    assert values["problems"][0]["row"] == 2 and values["problems"][0]["file"] == TABLE
    assert values["verdict"].startswith("unusable: strict: 2 problems")


def test_the_view_and_further_options(release, small):
    root = release.write()
    write_images(root / "Cropped" / "sub01" / "EP02_01f", range(10, 30), "reg_img{}.jpg", size=(280, 340))
    text, status = run_check(root, "casme2", "cropped", ["apex_missing=exclude"], licence_accepted=True)
    assert status == 1 and "view cropped" in text and "280x340 (20)" in text
    with pytest.raises(ConfigError, match="option 'fast': no '='; expected key=value"):
        run_check(root, "casme2", options=["fast"])
    with pytest.raises(ConfigError, match=r"option view: unknown to this database; valid names: alternatives, "):
        run_check(root, "samm", "cropped")


def test_a_release_by_its_own_name(tmp_path):
    write_images(
        tmp_path / "SMIC_all_raw" / "VIS" / "s1" / "micro" / "positive" / "s1_po_01", range(100, 110), "{}.bmp"
    )
    write_images(tmp_path / "SMIC_all_raw" / "VIS" / "s1" / "non_micro" / "s1_no_01", range(100, 110), "{}.bmp")
    report = check(tmp_path, "smic_vis", licence_accepted=True)
    assert report.rows == {"ok": 1} and report.exit_code == 0 and report.leftovers == ()
    assert {c.status for c in report.counts} == {"secondary"} and report.rules == {"V04 warning": 1}


def test_list_options_are_separated_by_commas(tmp_path, known):
    known()
    (tmp_path / "All_Gestures_Deceptive and Truthful.csv").write_text("id,class\ntrial_lie_001,deceptive\n")
    write_video(tmp_path / "Clips" / "trial_lie_001.mp4")
    options = ["allow_speaker_leak=true", "leave_out=trial_lie_001,trial_lie_002"]
    text, status = run_check(tmp_path, "rld", options=options, as_json=True)
    assert (status, json.loads(text)["left_out"]) == (2, 1)
    assert json.loads(text)["verdict"] == "unusable: no row has its frames"
    assert run_check(tmp_path, "rld")[1] == 2


def write_video(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 25, (64, 48))
    for level in range(10):
        writer.write(np.full((48, 64, 3), level * 20, np.uint8))
    writer.release()


def test_videos_that_do_not_open(tmp_path):
    write_video(tmp_path / "good.mp4")
    (tmp_path / "bad.mp4").write_bytes(b"not a video at all" * 50)
    report = check(tmp_path, "videos")
    assert (report.exit_code, report.images, report.sizes) == (1, 2, {"64x48": 1})
    (problem,) = report.problems
    assert (problem.rule, problem.file, problem.sample_id) == ("V15", "bad.mp4", "bad")


def test_the_bar_shows_on_a_terminal_only():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal, file = Terminal(), io.StringIO()
    with progress.bar("looking", terminal) as step:
        step(5, None)
        step(3, 12)
    assert "looking" in terminal.getvalue()
    with progress.bar("looking", file) as step:
        step(3, 12)
    assert file.getvalue() == ""


def test_progress_counts_files(release, small):
    steps = []
    check(release.write(), "casme2", progress=lambda done, total: steps.append((done, total)))
    assert steps == [(20, 80), (40, 80), (60, 80), (80, 80)]


def test_what_became_of_every_known_fault(release, small):
    name = "sub16/EP01_08 offset 110->96"
    header = [text for text in release.header if text]
    row = dict(zip(header, ["16", "EP01_08", "73", "94", "110", "4", "disgust"], strict=True))
    options = casme2.Options()
    files = {("sub16", "EP01_08"): [f"x/img{n}.jpg" for n in range(73, 97)]}

    def state(row, errata=True):
        reading = casme2.READER.samples_from([row], files, options, "r", errata)
        return [(c.name, c.state) for c in corrections(reading, "selected", errata)]

    assert state(row) == [(name, APPLIED)]
    assert state({**row, "OffsetFrame": "95"}) == [(name, OTHER_VALUE)]
    assert state({**row, "Filename": "EP01_09"}) == [(name, NO_ROW)]
    assert state(row, errata=False) == [(name, OFF)]
    assert corrections(Reading("casme2", "r"), "raw") == []


def test_what_a_reader_mended_by_rule_is_listed_too():
    cells = ["1", "anger1_1", "10", "20", "0", "4", "negative", "macro-expression", "anger"]
    row = dict(zip(casme_sq.COLUMNS, cells, strict=True))
    reading = casme_sq.READER.samples_from([row], {}, casme_sq.Options(), "r")
    listed = corrections(reading, "selected")
    assert [(c.name, c.reason, c.state) for c in listed if c.state == APPLIED] == [
        ("p1 anger1_1 offset 0->20 (apex)", "a rule of the reader", APPLIED)
    ]
    assert {c.state for c in listed} == {APPLIED, NO_ROW}


def test_many_differing_counts_are_summed_up(release, known, monkeypatch):
    # Wider than any line, so that no terminal wraps what is looked for.
    monkeypatch.setenv("COLUMNS", "1000")
    people = {f"subject sub{n:02d}": 7 for n in range(1, 9)}
    known(casme2=[{"name": TABLE[:-5], "status": "verified", "counts": {"rows": 56, **people}}])
    text, status = run_check(release.write(), "casme2", licence_accepted=True)
    assert status == 2 and "subject …, 5 more" in text and "subject sub04" not in text
    assert f"{TABLE}: 9 counts differ, see above" in text
    text, _ = run_check(release.root, "casme2", licence_accepted=True, everything=True)
    assert "subject sub08" in text
