"""What users really have: broken files. A bad clip is excluded with its reason; the others go on."""

import os
import subprocess
import sys

import cv2
import numpy as np
import openpyxl
import pytest
from skimage.data import astronaut

from mer.core.container import Container, ContainerWriter
from mer.core.errors import ContainerError, DatasetError
from mer.core.sample import by_subject, media_row
from mer.planning.blocks import DatasetBlock
from mer.planning.catalog import read_dataset
from mer.stages.exclusions import exclusions
from mer.stages.run import StageSpec, run_subject

pytestmark = pytest.mark.slow

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
CLIPS = ("EP01_01", "EP02_01", "EP03_01", "EP04_01", "EP05_01")


@pytest.fixture
def database(tmp_path):
    """Five clips of one person in the CASME II layout, all good."""
    face = cv2.resize(astronaut()[0:260, 90:360], (320, 308))[..., ::-1]
    book = openpyxl.Workbook()
    book.active.append(HEADER)
    for clip in CLIPS:
        book.active.append([1, clip, None, 1, 3, 4, None, "4", "disgust"])
        folder = tmp_path / "CASME2_RAW_selected" / "sub01" / clip
        folder.mkdir(parents=True)
        for number in range(1, 5):
            cv2.imwrite(str(folder / f"img{number}.jpg"), np.roll(face, number, axis=1))
    book.save(tmp_path / "CASME2-coding-20190701.xlsx")
    return tmp_path


def frames_of(database, clip):
    return database / "CASME2_RAW_selected" / "sub01" / clip


def run(database, log=lambda line: None):
    """Index, frames and align; return the index rows and both products."""
    reading = read_dataset(DatasetBlock(reader="casme2", root=database, part=True), database)
    usable = [row for row in reading.samples if row.status == "ok"]
    rows = [media_row(row) for rows in by_subject(usable).values() for row in rows]
    listed, aligned = database / "out" / "frames.h5", database / "out" / "align.h5"
    run_subject(StageSpec("frames", "", "list", {}), rows, listed, None, database, log)
    run_subject(StageSpec("align", "face", "dlib", {"size": 96}), rows, aligned, listed, database, log)
    return reading.samples, listed, aligned


def test_bad_clips_are_excluded_each_with_its_file_and_the_rest_goes_on(database):
    (frames_of(database, "EP01_01") / "img2.jpg").write_bytes(b"not an image")
    whole = (frames_of(database, "EP02_01") / "img3.jpg").read_bytes()
    (frames_of(database, "EP02_01") / "img3.jpg").write_bytes(whole[: len(whole) // 2])
    for number in range(1, 5):
        cv2.imwrite(str(frames_of(database, "EP03_01") / f"img{number}.jpg"), np.full((240, 320, 3), 90, np.uint8))
    for number in range(2, 5):
        (frames_of(database, "EP04_01") / f"img{number}.jpg").unlink()
    said = []
    samples, listed, aligned = run(database, said.append)
    lost = {row["sample_id"]: row for row in exclusions(samples, [listed, aligned])}
    assert set(lost) == {"sub01/EP01_01", "sub01/EP02_01", "sub01/EP03_01", "sub01/EP04_01"}
    assert "img2.jpg" in lost["sub01/EP01_01"]["reason"]
    assert "img3.jpg" in lost["sub01/EP02_01"]["reason"]
    assert "no face in the" in lost["sub01/EP03_01"]["reason"]
    assert lost["sub01/EP04_01"]["stage"] == "index"
    assert "frames missing" in lost["sub01/EP04_01"]["reason"]
    assert all("\n" not in row["reason"] for row in lost.values())
    with Container(aligned) as box:
        assert box.clip_ids == ["sub01/EP05_01"]
    assert any("EP03_01: excluded" in line for line in said)


def test_a_sheet_without_its_columns_stops_with_the_columns_found(database):
    book = openpyxl.Workbook()
    book.active.append(["Subject", "Clip", "Emotion"])
    book.active.append([1, "EP01_01", "disgust"])
    book.save(database / "CASME2-coding-20190701.xlsx")
    with pytest.raises(
        DatasetError, match=r"CASME2-coding-20190701.xlsx.*missing columns.*present: 'Subject', 'Clip', 'Emotion'"
    ):
        run(database)


def test_an_empty_or_cut_video_is_excluded_and_named(tmp_path):
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "noise.mp4").write_bytes(os.urandom(4096))
    reading = read_dataset(DatasetBlock(reader="videos", root=tmp_path), tmp_path)
    rows = [media_row(row) for row in reading.samples if row.status == "ok"]
    outcome = run_subject(StageSpec("frames", "", "list", {}), rows, tmp_path / "f.h5", None, tmp_path, print)
    reasons = {row.sample_id: row.reason for row in reading.samples if row.status != "ok"} | dict(outcome.failures)
    assert len(reasons) == 2
    assert "empty.mp4" in reasons["empty"] and "noise.mp4" in reasons["noise"]


def test_a_container_of_an_interrupted_job_is_refused_by_name(database):
    _, listed, _ = run(database)
    content = listed.read_bytes()
    listed.write_bytes(content[: len(content) // 2])
    spec = StageSpec("align", "face", "dlib", {"size": 96})
    with pytest.raises(ContainerError, match=r"frames.h5: not a readable HDF5 file.*move it away and run again"):
        run_subject(spec, [{"sample_id": "sub01/EP01_01"}], database / "x.h5", listed, database, print)
    assert not (database / "x.h5").exists()


def test_a_clip_lost_earlier_keeps_its_first_reason(tmp_path):
    with ContainerWriter(tmp_path / "a.h5", "align") as out:
        out.fail("x", "no face")
    outcome = run_subject(
        StageSpec("interpolate", "ten", "linear", {"frames": 4}),
        [{"sample_id": "x"}],
        tmp_path / "b.h5",
        tmp_path / "a.h5",
    )
    assert outcome.failures == {"x": "no face"}
    with Container(tmp_path / "b.h5") as box:
        assert box.failures == {"x": "no face"}


JOB = """
import sys
from mer.core.errors import ClipError
from mer.core.job_log import job_log
with job_log(sys.argv[1]) as say:
    say("working")
    raise ClipError("a.jpg", "is broken", "an image", "copy it again")
"""


def test_a_job_ends_in_one_line_on_both_sides(tmp_path):
    result = subprocess.run([sys.executable, "-c", JOB, tmp_path / "a.log"], capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr == "mer: a.jpg: is broken; expected an image; copy it again\n"
    assert "working\nmer: a.jpg: is broken" in (tmp_path / "a.log").read_text()
