"""The interpolation bench: held-out frames, split by how far things move."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from mer.bench import interpolate as bench
from mer.bench.measure import Clock
from mer.bench.table import shown
from mer.cli import app
from mer.core.errors import MediaError

VIDEO = Path(__file__).parents[3] / "shared/data/videos/pexels_woman.mp4"


def moving(count, step, size=64):
    """Frames of a texture that moves `step` pixels to the right per frame."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size].astype(float)
    waves = [(rng.normal(0, 0.3), rng.normal(0, 0.3), rng.uniform(0, 6)) for _ in range(20)]
    planes = [128 + 12 * sum(np.cos(a * (x - k * step) + b * y + c) for a, b, c in waves) for k in range(count)]
    return np.clip(np.rint(np.repeat(np.stack(planes)[..., None], 3, axis=3)), 0, 255).astype(np.uint8)


def test_psnr_by_hand():
    black = np.zeros((4, 4, 3), np.uint8)
    assert bench.psnr(black, black + 5) == pytest.approx(20 * np.log10(255 / 5))
    assert bench.psnr(black, black) == pytest.approx(68.1308, abs=1e-3)


def test_steps_are_told_apart_by_their_length(tmp_path):
    assert bench.step(*moving(2, 0.4)) == pytest.approx(0.4, abs=0.1)
    np.savez(tmp_path / "slow.npz", rise=moving(5, 0.15))
    np.savez(tmp_path / "fast.npz", rise=moving(5, 2.0))
    slow = bench.interpolate(Clock(), [tmp_path / "slow.npz"], "linear", {}, 0.0)
    assert set(slow) == {"steps under 1 px"} and slow["steps under 1 px"][1] == "dB PSNR"
    clock = Clock()
    both = bench.interpolate(clock, [tmp_path / "slow.npz", tmp_path / "fast.npz"], "linear", {}, 0.0)
    assert set(both) == {"steps under 1 px", "steps over 1 px"}
    assert both["steps under 1 px"][0] > both["steps over 1 px"][0] + 6
    # Two frames at a stride of one and one at two, of each clip.
    assert clock.units == 6


def test_noise_is_given_to_the_method_and_not_to_the_truth(tmp_path):
    np.savez(tmp_path / "still.npz", rise=np.repeat(moving(1, 0), 3, axis=0))
    found = bench.interpolate(Clock(), [tmp_path / "still.npz"], "linear", {}, 4.0)
    # The mean of two noisy frames has half their variance.
    assert found["steps under 1 px"][0] == pytest.approx(20 * np.log10(255 / (4 / 2**0.5)), abs=0.3)


def test_following_the_motion_scores_better(tmp_path):
    np.savez(tmp_path / "fast.npz", rise=moving(3, 1.5))
    scores = {
        name: bench.interpolate(Clock(), [tmp_path / "fast.npz"], name, {}, 0.0)["steps over 1 px"][0]
        for name in ("linear", "flow", "rife")
    }
    assert scores["flow"] > scores["linear"] + 3 and scores["rife"] > scores["linear"] + 3


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, (64, 64))
    for frame in moving(24, 1.0):
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()
    return path


def test_real_video_is_measured_with_every_method(video):
    run = CliRunner().invoke(app, ["bench", "interpolate", str(video), "--windows", "2", "--json"])
    rows = json.loads(run.stdout)
    assert {row["method"] for row in rows} >= {"linear", "tim", "flow", "rife"}
    assert {row["case"] for row in rows} == {"steps over 1 px"} and {row["frames"] for row in rows} == {4}
    score = {row["method"]: row["psnr"] for row in rows}
    assert score["flow"] > score["linear"] and score["rife"] > score["linear"]
    assert "PSNR dB" in shown(bench.RealRow, [bench.RealRow("linear", "steps over 1 px", 40.0, 4, 0.1)])


def test_a_short_video_is_refused_in_one_line(video):
    with pytest.raises(MediaError, match="24 frames; expected at least 41"):
        bench.real(video, stride=5)


@pytest.mark.slow
@pytest.mark.skipif(not VIDEO.is_file(), reason="the filmed face of shared/data/videos is not there")
def test_on_a_filmed_face_motion_pays():
    rows = {(row.method, row.case): row.psnr for row in bench.real(VIDEO, windows=3, log=lambda line: None)}
    case = "steps over 1 px"
    assert rows["flow", case] > rows["linear", case] + 1
    assert rows["rife", case] > rows["flow", case] - 0.1
