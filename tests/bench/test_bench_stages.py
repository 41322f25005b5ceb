"""The bench measures what it says: against truth, in units, with the reference at a ratio of one."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from mer.bench import plots, stages, tasks
from mer.bench.measure import Clock, Row, run_alone, run_cases
from mer.bench.table import shown
from mer.stages.registry import METHODS

CHANGED = ("apex", "magnified_2")
KEYS = ["stage", "method", "case", "error", "unit", "speed_ratio", "cpu_seconds", "peak_mib"]


@pytest.fixture
def pair(tmp_path):
    """A textured square of which a disc moved by (1, 0) pixels."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: tasks.SIZE, : tasks.SIZE]
    waves = sum(np.sin(rng.normal(0, 0.5) * x + rng.normal(0, 0.5) * y + rng.uniform(0, 6)) for _ in range(20))
    image = np.clip(128 + 12 * waves, 0, 255)
    disc = np.hypot(x - 112, y - 112) < 40
    moved = np.where(disc, np.roll(image, 1, axis=1), image)
    rgb = [np.repeat(np.rint(a)[..., None], 3, axis=2).astype(np.uint8) for a in (image, moved)]
    flow = np.stack([disc, np.zeros_like(disc)]).astype(np.float32)
    path = tmp_path / "0.npz"
    np.savez(
        path, onset=rgb[0], apex=rgb[1], flow=flow, moving=np.hypot(x - 112, y - 112) < 30, valid=np.ones_like(disc)
    )
    return [path]


def test_flow_is_judged_by_its_distance_from_the_truth(pair):
    clock = Clock()
    errors = tasks.flow(clock, pair, "dis", {"preset": "accurate"}, 0.0)
    assert errors["moving"][0] < 0.25
    assert errors["moving"][1] == "px EPE"
    assert clock.units == 1 and clock.seconds > 0
    worse = tasks.flow(Clock(), pair, "dis", {"preset": "accurate"}, 25.0)
    assert worse["moving"][0] > errors["moving"][0]


def test_error_is_told_by_the_length_of_the_true_motion(pair):
    errors = tasks.flow(Clock(), pair, "dis", {"preset": "accurate"}, 0.0, by_motion=True)
    assert set(errors) == {"moving", "still", "moving 1-2 px"}
    assert errors["moving 1-2 px"] == errors["moving"]


def test_light_falls_on_the_second_image_alone(pair):
    with np.load(pair[0]) as clip:
        steady, lit = (tasks._judged(dict(clip), 0, 0.0, light, tasks.SIZE) for light in ("steady", "flicker"))
    np.testing.assert_array_equal(lit["first"], steady["first"])
    np.testing.assert_allclose(lit["second"], np.minimum(1.03 * steady["second"], 255), atol=0.6)
    x, y = np.meshgrid([-1, 0, 1], [-1, 0, 1])
    np.testing.assert_allclose(tasks.LIGHTS["drifting"](x, y)[[0, 1, 2], [0, 1, 2]], [1, 1, 1.04])


def test_smaller_pairs_have_smaller_motion(pair):
    with np.load(pair[0]) as clip:
        whole, half = (tasks._judged(dict(clip), 0, 0.0, "steady", size) for size in (tasks.SIZE, tasks.SIZE // 2))
    assert half["first"].shape == half["moving"].shape == (tasks.SIZE // 2,) * 2
    middle = tasks.SIZE // 2
    assert half["flow"][0, middle // 2, middle // 2] == whole["flow"][0, middle, middle] / 2


def test_together_and_one_by_one_are_the_same_flow(pair):
    errors = [tasks.flow(Clock(), pair * 2, "micro", {}, 1.0, together=many)["moving"][0] for many in (True, False)]
    assert errors[0] == pytest.approx(errors[1], abs=1e-3)


def test_peer_is_timed_and_agrees(pair):
    clock = Clock()
    clock.warm = True
    errors = tasks.compared_flow(clock, pair, "black_anandan", stages.SCIPY, 32)
    assert errors["largest difference from black_anandan"][0] < 0.01
    assert clock.units == 1


def test_every_method_that_estimates_flow_is_listed():
    found = [(method, preset) for method, preset, _ in stages.flow_methods()]
    assert {method for method, _ in found} == set(METHODS["flow"]) - {"published"}
    assert {("farneback", ""), ("black_anandan", ""), ("micro", "fast"), ("micro", "accurate")} <= set(found)


def test_every_registered_method_is_measured(tmp_path):
    files = [tmp_path / f"{k}.npz" for k in range(40)]
    bench = stages.Bench(files, files[:20], files[:2], files[:2], stages.Folder(tmp_path, (), None), files[:2])
    found = list(stages.tasks(bench))
    for stage in ("align", "interpolate", "magnify", "rois"):
        assert {task.method.split(" ")[0] for task in found if task.stage == stage} == set(METHODS[stage])
    micro, slow = (next(task for task in found if task.method == name) for name in ("micro (fast)", "tvl1 (opencv)"))
    assert [f"noise {sigma:g}, 40 pairs" in micro.cases for sigma in stages.NOISES] == [True] * 4
    assert f"noise 0, {stages.SLOW} pairs" in slow.cases and "head drift, noise 1, 20 pairs" in micro.cases
    assert slow.cases[f"noise 0, {stages.SLOW} pairs"]["files"] == files[: stages.SLOW]


@pytest.mark.slow
def test_pairs_are_rendered_with_their_truth(tmp_path):
    from mer.bench.clips import prepare

    files = prepare(tmp_path / "pairs", 2, 3, (0.5, 2.0), factors=(2.0,), rise=True)
    peaks = []
    for path in files:
        with np.load(path) as clip:
            peaks.append(float(np.hypot(*clip["flow"])[clip["moving"]].max()))
            np.testing.assert_array_equal(clip["rise"][0], clip["onset"])
            np.testing.assert_array_equal(clip["rise"][-1], clip["apex"])
            assert clip["magnified_2"].shape == clip["onset"].shape == (224, 224, 3)
            assert not (clip["moving"] & ~clip["valid"]).any()
            change = [np.abs(clip[name].astype(float) - clip["onset"])[clip["moving"]].mean() for name in CHANGED]
        assert change[1] > 1.2 * change[0] > 0
    assert 0.1 < peaks[0] < peaks[1]


def test_boxes_that_miss_the_motion_are_told_so(tmp_path):
    from mer.bench.tasks import SIZE

    landmarks = np.tile([[112.0, 20.0]], (68, 1)).astype(np.float32)
    flow = np.zeros((2, SIZE, SIZE), np.float32)
    flow[0, 200:210, 10:20] = 1
    np.savez(tmp_path / "0.npz", landmarks=landmarks, flow=flow, moving=flow[0] > 0)
    assert tasks.rois(Clock(), [tmp_path / "0.npz"], "patches30")["motion missed"][0] == pytest.approx(100)


@pytest.mark.slow
def test_a_task_runs_in_a_process_of_its_own(pair):
    measured = run_alone("mer.bench.tasks:flow", files=pair, method="dis", options={}, sigma=0.0)
    assert measured.errors == tasks.flow(Clock(), pair, "dis", {}, 0.0)
    assert measured.peak_mib > 20
    cases = [{"sigma": 0.0}, {"sigma": 25.0}]
    first, second = run_cases("mer.bench.tasks:flow", cases, files=pair, method="dis", options={})
    assert first.errors == measured.errors
    assert second.errors["moving"][0] > first.errors["moving"][0]


def test_rows_print_as_a_table_and_as_json(monkeypatch):
    from mer import cli

    row = Row("flow", "dis (fast)", "moving, noise 0", 0.3, "px EPE", 20.0, 0.01, 120.0)
    monkeypatch.setattr(stages, "run_bench", lambda pairs, seed, log: [row])
    printed = CliRunner().invoke(cli.app, ["bench", "stages", "--json"])
    assert [list(item) for item in json.loads(printed.stdout)] == [KEYS]
    assert "20.00×" in CliRunner().invoke(cli.app, ["bench", "stages"]).stdout
    assert "moving, noise 0" in shown(Row, [row])


def flow_row(method, case, error, seconds=0.01):
    return Row("flow", method, case, error, "px EPE", 1.0, seconds, 100.0)


ROWS = [
    flow_row("b", "moving 1-2 px, noise 0, 9 pairs", 0.4),
    flow_row("b", "moving 0.1-0.5 px, noise 0, 9 pairs", 0.1),
    flow_row("b", "moving, noise 0, 9 pairs", 0.2),
    flow_row("b", "moving, noise 0, 128 px, 9 pairs", 0.05),
    flow_row("b", "moving, noise 2, 9 pairs", 0.3, 0.02),
    flow_row("b", "still, noise 2, 9 pairs", 0.7),
    flow_row("c", "moving, noise 2, 9 pairs", 0.5, 0.4),
    Row("rois", "d", "moving, noise 2, 9 pairs", 9.0, "%", 1.0, 1.0, 100.0),
]


def test_plots_show_the_rows():
    assert plots.motion_lines(ROWS) == {"b": [(0.3, 0.1), (1.5, 0.4)]}
    assert plots.noise_lines(ROWS) == {"b": [(0.0, 0.2), (2.0, 0.3)]}
    assert plots.timed_points(ROWS) == {"b": [(20.0, 0.3)], "c": [(400.0, 0.5)]}


@pytest.mark.slow
def test_plots_are_files_and_one_page_that_holds_them(tmp_path):
    import cv2

    page = plots.write_plots(ROWS, tmp_path / "plots")
    assert sorted(path.name for path in page.parent.iterdir()) == ["index.html", "motion.png", "noise.png", "time.png"]
    assert cv2.imread(str(page.with_name("time.png"))).std() > 5
    text = page.read_text()
    assert text.count("data:image/png;base64,") == 3 and "http" not in text
    empty = plots.write_plots([], tmp_path / "none")
    assert empty.exists()


def test_clip_rows_print_as_a_table_and_as_json(monkeypatch):
    from mer import cli
    from mer.bench import clip

    monkeypatch.setattr(clip, "run_alone", lambda task, **_: clip_measured(task))
    monkeypatch.setattr(clip, "write_clips", lambda *_, **__: stages.Folder("root", (), None))
    monkeypatch.setattr(clip, "prepare", lambda *_: [])
    printed = json.loads(CliRunner().invoke(cli.app, ["bench", "clip", "--json"]).stdout)
    assert [list(item) for item in printed] == [["stage", "method", "made", "cpu_seconds", "tvl1_pairs"]] * 4
    assert printed[1] == {"stage": "interpolate", "method": "rife", "made": "10", "cpu_seconds": 4, "tvl1_pairs": 2}
    assert printed[-1]["cpu_seconds"] == 9
    assert "with rife" in CliRunner().invoke(cli.app, ["bench", "clip"]).stdout


def clip_measured(task):
    """What a process would have measured of the clip's chain, or of the reference."""
    from mer.bench.measure import Measured

    made = {"interpolate tim": (1, "10"), "interpolate rife": (4, "10"), "flow black_anandan": (5, "9")}
    return Measured(made if task.endswith("chain") else {}, 2, 100.0)


def test_the_command_ends_a_mistake_in_one_line(tmp_path, monkeypatch, capsys):
    from mer import cli

    monkeypatch.setattr("sys.argv", ["mer", "show", "x", "--dataset", "y", "--config", str(tmp_path / "none.yaml")])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert capsys.readouterr().err.strip().endswith("expected a YAML file; name one with --config")
