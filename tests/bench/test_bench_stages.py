"""The bench measures what it says: against truth, in units, with the reference at a ratio of one."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from mer.bench import tasks
from mer.bench.measure import Clock, Row, run_alone
from mer.bench.table import render_rows

KEYS = ["stage", "method", "case", "error", "unit", "speed_ratio", "cpu_seconds", "peak_mib"]


@pytest.fixture
def pair(tmp_path):
    """A textured square of which a disc moved by (1, 0) pixels."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:96, :96]
    waves = sum(np.sin(rng.normal(0, 0.5) * x + rng.normal(0, 0.5) * y + rng.uniform(0, 6)) for _ in range(20))
    image = np.clip(128 + 12 * waves, 0, 255)
    disc = np.hypot(x - 48, y - 48) < 20
    moved = np.where(disc, np.roll(image, 1, axis=1), image)
    rgb = [np.repeat(np.rint(a)[..., None], 3, axis=2).astype(np.uint8) for a in (image, moved)]
    flow = np.stack([disc, np.zeros_like(disc)]).astype(np.float32)
    path = tmp_path / "0.npz"
    np.savez(path, onset=rgb[0], apex=rgb[1], flow=flow, moving=np.hypot(x - 48, y - 48) < 14, valid=np.ones_like(disc))
    return [path]


def test_flow_is_judged_by_its_distance_from_the_truth(pair):
    clock = Clock()
    errors = tasks.flow(clock, pair, "dis", {"preset": "accurate"}, 0.0)
    assert errors["moving"][0] < 0.25
    assert errors["moving"][1] == "px EPE"
    assert clock.units == 1 and clock.seconds > 0
    worse = tasks.flow(Clock(), pair, "dis", {"preset": "accurate"}, 25.0)
    assert worse["moving"][0] > errors["moving"][0]


def test_held_out_frames_are_compared_with_what_was_filmed(tmp_path):
    ramp = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.full((1, 8, 8, 3), 10, np.uint8)
    np.savez(tmp_path / "0.npz", rise=ramp)
    assert tasks.interpolate(Clock(), [tmp_path / "0.npz"], "linear", 0.0)["mid-frames"][0] == 0
    bent = ramp.copy()
    bent[1] += 4
    np.savez(tmp_path / "1.npz", rise=bent)
    assert tasks.interpolate(Clock(), [tmp_path / "1.npz"], "linear", 0.0)["mid-frames"][0] == pytest.approx(8**0.5)


def test_boxes_that_miss_the_motion_are_told_so(tmp_path):
    from mer.bench.tasks import SIZE

    landmarks = np.tile([[112.0, 20.0]], (68, 1)).astype(np.float32)
    flow = np.zeros((2, SIZE, SIZE), np.float32)
    flow[0, 200:210, 10:20] = 1
    np.savez(tmp_path / "0.npz", landmarks=landmarks, flow=flow, moving=flow[0] > 0)
    assert tasks.rois(Clock(), [tmp_path / "0.npz"], "patches30")["motion missed"][0] == pytest.approx(100)


def test_a_task_runs_in_a_process_of_its_own(pair):
    measured = run_alone("mer.bench.tasks:flow", files=pair, method="dis", options={}, sigma=0.0)
    assert measured.errors == tasks.flow(Clock(), pair, "dis", {}, 0.0)
    assert measured.peak_mib > 20


def test_rows_print_as_a_table_and_as_json(monkeypatch):
    from mer import cli
    from mer.bench import stages

    row = Row("flow", "dis (fast)", "moving, noise 0", 0.3, "px EPE", 20.0, 0.01, 120.0)
    monkeypatch.setattr(stages, "run_bench", lambda pairs, seed, log: [row])
    printed = CliRunner().invoke(cli.app, ["bench", "stages", "--json"])
    assert [list(item) for item in json.loads(printed.stdout)] == [KEYS]
    assert "20.00×" in CliRunner().invoke(cli.app, ["bench", "stages"]).stdout
    assert "moving, noise 0" in render_rows([row])


def test_the_command_ends_a_mistake_in_one_line(tmp_path, monkeypatch, capsys):
    from mer import cli

    monkeypatch.setattr("sys.argv", ["mer", "show", "x", "--dataset", "y", "--config", str(tmp_path / "none.yaml")])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert capsys.readouterr().err.strip().endswith("expected a YAML file; name one with --config")
