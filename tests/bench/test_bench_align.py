"""The bench of alignment: both ways run over the same files, and the residual is that of the truth."""

import json

import cv2
import numpy as np
import pytest
from skimage.data import astronaut
from typer.testing import CliRunner

from mer.bench import align
from mer.bench.align import AlignRow, Listing, Recording
from mer.bench.measure import Clock, Measured
from mer.bench.table import shown
from mer.core.container import Container
from mer.core.errors import ClipError

KEYS = ["case", "frames", "residual", "frames_per_second", "cpu_ms", "peak_mib", "speed_ratio"]
SKULL = np.array([[100.0, 90], [140, 92], [120, 110]])


@pytest.fixture
def recording(tmp_path):
    """Three pictures of a face that moves right by a pixel each, and three points on it."""
    portrait = astronaut()[20:230, 120:330]
    files, rigid = [], []
    for k in range(3):
        frame = cv2.warpAffine(
            portrait, np.array([[1.0, 0, k], [0, 1, 0]]), (210, 210), borderMode=cv2.BORDER_REPLICATE
        )
        files.append(f"img{k}.png")
        cv2.imwrite(str(tmp_path / files[-1]), frame[..., ::-1])
        rigid.append(SKULL + (k, 0))
    return Recording(tmp_path, tuple(files), np.stack(rigid))


def test_frames_are_shown_to_and_fro_without_a_jump(recording):
    listing = recording.shown(9)
    with Container(listing.path) as box:
        files = [str(f) for f in box.clip("bench").read("files")]
    assert [int(name[3]) for name in files] == [0, 1, 2, 1, 0, 1, 2, 1, 0]
    np.testing.assert_array_equal(np.load(listing.rigid)[:, 0, 0], [100, 101, 102, 101, 100, 101, 102, 101, 100])


@pytest.mark.slow
def test_both_ways_are_judged_by_the_same_points(recording):
    listing = recording.shown(5)
    common = {"listing": listing.path, "root": listing.root, "rigid": listing.rigid}
    clock = Clock()
    ours = align.stage_task(clock, keys={"size": 112}, **common)["rigid points"]
    assert clock.units == 5 and clock.seconds > 0
    naive = align.naive_task(Clock(), **common)["rigid points"]
    assert ours[1] == naive[1] == "px RMS at 224"
    assert ours[0] < 0.1 < naive[0] < 5
    with Container(listing.path.with_name("align.h5")) as box:
        assert box.clip("bench").lazy("frames").shape == (5, 112, 112, 3)
    assert align.stage_task(Clock(), keys={}, **{**common, "rigid": None}) == {}


def test_a_clip_without_a_face_ends_the_bench_with_its_reason(tmp_path):
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((90, 120, 3), 90, np.uint8))
    listing = Recording(tmp_path, ("grey.png",), np.zeros((1, 3, 2))).shown(3)
    common = {"listing": listing.path, "root": listing.root}
    for task, more in ((align.stage_task, {"keys": {}}), (align.naive_task, {})):
        with pytest.raises(ClipError, match="no face"):
            task(Clock(), rigid=listing.rigid, **common, **more)
    assert align.naive_task(Clock(), rigid=None, **common) == {}  # in a video of the user's, faces come and go


def test_rows_hold_the_ratio_to_detection_on_every_frame(monkeypatch, tmp_path):
    costs = {"stage_task": 0.01, "naive_task": 0.05}
    monkeypatch.setattr(
        align, "run_alone", lambda task, **_: Measured({"rigid points": (0.2, "px")}, costs[task.split(":")[1]], 300.0)
    )
    listing = Listing(tmp_path, tmp_path, 7)
    ours, peer = align._rows("case", listing, {}, lambda line: None, peer=True)
    assert (ours.speed_ratio, peer.speed_ratio) == (pytest.approx(5), 1)
    assert (ours.frames_per_second, ours.cpu_ms, ours.residual) == (pytest.approx(100), pytest.approx(10), 0.2)
    (alone,) = align._rows("case", listing, {}, lambda line: None)
    assert list(alone.as_dict()) == KEYS and alone.as_dict()["speed_ratio"] is None


def test_the_command_prints_a_table_or_json(monkeypatch):
    from mer import cli

    row = AlignRow("640x480, hog", 120, 0.01, 110.0, 9.0, 280.0, 7.5)
    monkeypatch.setattr(align, "run_align_bench", lambda video, hours, fps, seed, log: [row])
    printed = CliRunner().invoke(cli.app, ["bench", "align", "--json"])
    assert [list(item) for item in json.loads(printed.stdout)] == [KEYS]
    assert "7.50×" in CliRunner().invoke(cli.app, ["bench", "align", "--hours", "1"]).stdout
    assert "110.0" in shown(AlignRow, [row])
