"""From a video to intervals, tables and a page; what a re-run does again; what a bad video costs."""

import base64
import csv
import hashlib
import html
import json
import re
import shutil
from dataclasses import replace
from types import SimpleNamespace

import analysis_world as world
import numpy as np
import pytest
from typer.testing import CliRunner

from mer.analysis import parts as parts_module
from mer.analysis.command import Options, run_analyze
from mer.analysis.ensemble import Ensemble
from mer.analysis.expressions import Expression
from mer.analysis.page import _row
from mer.core.images import write_image

pytestmark = pytest.mark.slow

STEPS = [
    "align",
    "spotting features",
    "score and name",
    "motion, words and tables",
    "copy of the film",
    "pictures and page",
]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return world.write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def analysed(model, tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    world.write_film(root / "moves.mp4", world.film())
    lines = []
    found, complete = run_analyze([root / "moves.mp4"], Options(root / "out", model), lines.append)
    assert complete, lines
    return root, found[0], lines


def test_finds_the_expression_where_it_is(analysed):
    _, found, lines = analysed
    (interval,) = found["intervals"]
    assert 16 <= interval["onset"] < interval["apex"] < interval["offset"] <= 38
    assert interval["apex_s"] == pytest.approx(interval["apex"] / world.FPS, abs=1e-3)
    assert sum(interval["scores"].values()) == pytest.approx(1, abs=1e-4)
    assert interval["emotion"] in world.CLASSES
    assert list(found["cpu_seconds"]) == STEPS
    assert len(lines) == 1 and "1 candidate" in lines[0]


def test_motion_is_largest_where_the_face_moved(analysed):
    _, found, _ = analysed
    motion = found["intervals"][0]["motion"]
    assert min(motion["mouth"], motion["brows"]) > motion["cheeks"]
    assert max(motion, key=motion.get) in ("mouth", "brows")


def test_tables_agree_with_each_other(analysed):
    root, found, _ = analysed
    folder = root / "out" / "moves.mp4"
    assert json.loads((folder / "analysis.json").read_text())["intervals"] == found["intervals"]
    with open(folder / "intervals.csv", newline="") as handle:
        (row,) = csv.DictReader(handle)
    assert [int(row[name]) for name in ("onset", "apex", "offset")] == [
        found["intervals"][0][name] for name in ("onset", "apex", "offset")
    ]
    with open(folder / "scores.csv", newline="") as handle:
        scores = list(csv.DictReader(handle))
    assert len(scores) == found["frames"] == 45
    height = float(scores[found["intervals"][0]["apex"]]["score_micro"])
    assert height == pytest.approx(found["intervals"][0]["confidence"], abs=1e-5)
    from mer.spotting.interval_files import read_table

    assert not read_table(folder / "intervals.csv").problems


def test_the_page_stands_alone(analysed):
    root, _, _ = analysed
    page = (root / "out" / "moves.mp4" / "page.html").read_text()
    assert "default-src 'none'" in page
    # Nothing runs but the one script that the policy names.
    (script,) = re.findall("<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page and "unsafe-eval" not in page
    links = set(re.findall(r'(?:src|href)="(?!data:|#)([^"]*)"', page))
    assert links - {"intervals.eaf"} == {"analysis.json", "intervals.csv", "scores.csv", "megc.csv"}
    assert f"{found_command(root)}" in html.unescape(page) and "biometric" in page
    assert "films of one face, for a test" in page
    # Apex as filmed and enlarged, onset, apex, offset, regions, motion, wheel.
    assert page.count("<img") == 8 and page.count("<video") == 1


def found_command(root):
    return json.loads((root / "out" / "moves.mp4" / "analysis.json").read_text())["command"]


def test_a_second_run_uses_what_is_finished(analysed, model, monkeypatch):
    root, found, _ = analysed

    def never(*_, **__):
        raise AssertionError("a finished part was made again")

    monkeypatch.setattr(parts_module, "_align", never)
    monkeypatch.setattr(parts_module, "run_subject", never)
    again, complete = run_analyze([root / "moves.mp4"], Options(root / "out", model), print)
    assert complete and again[0]["intervals"] == found["intervals"]


def test_a_damaged_part_is_made_again(analysed, model):
    root, found, _ = analysed
    aligned = root / "out" / "moves.mp4" / "parts" / "part0000-align.h5"
    aligned.write_bytes(aligned.read_bytes()[:5000])
    again, complete = run_analyze([root / "moves.mp4"], Options(root / "out", model), print)
    assert complete and again[0]["intervals"] == found["intervals"]


def test_parts_give_what_the_whole_gives(analysed, model, monkeypatch, tmp_path):
    root, found, _ = analysed
    monkeypatch.setattr(parts_module, "PART_SECONDS", 0.75)
    again, _ = run_analyze([root / "moves.mp4"], Options(tmp_path / "out", model), print)
    assert len(list((tmp_path / "out" / "moves.mp4" / "parts").glob("*-align.h5"))) == 2
    (one,), (other,) = found["intervals"], again[0]["intervals"]
    assert abs(one["onset"] - other["onset"]) <= 2 and abs(one["offset"] - other["offset"]) <= 2


def test_a_folder_of_images_needs_its_frame_rate(model, tmp_path):
    folder = tmp_path / "shots"
    folder.mkdir()
    for k, frame in enumerate(world.film(30, onset=10)):
        write_image(folder / f"img{k + 101}.png", frame)
    found, complete = run_analyze([folder], Options(tmp_path / "out", model), print)
    assert not complete and "--fps" in found[0]["error"] and "\n" not in found[0]["error"]
    found, complete = run_analyze([folder], Options(tmp_path / "out", model, fps=30.0), print)
    assert complete and found[0]["intervals"][0]["onset"] > 101


def test_two_videos_of_one_name_and_a_bad_one(model, tmp_path):
    still = world.film(12, size=0.0)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        world.write_film(tmp_path / name / "clip.mp4", still if name == "a" else still[::-1])
    videos = [tmp_path / "a" / "clip.mp4", tmp_path / "none.mp4", tmp_path / "b" / "clip.mp4"]
    lines = []
    options = Options(tmp_path / "out", model)
    found, complete = run_analyze(videos, options, lines.append)
    assert not complete and [("error" in one) for one in found] == [False, True, False]
    assert found[0]["folder"] != found[2]["folder"]
    assert "file not found" in found[1]["error"]
    # In a run of its own, too, a video finds its own folder, and leaves that of the other alone.
    (again,), _ = run_analyze(videos[2:], options, lines.append)
    assert again["folder"] == found[2]["folder"] and again["path"] == str(videos[2].resolve())


def test_a_video_that_is_no_longer_one_leaves_no_page(model, tmp_path):
    film = world.write_film(tmp_path / "clip.mp4", world.film(20, size=0.0))
    options = Options(tmp_path / "out", model, keep_crops=False)
    (one,), complete = run_analyze([film], options, print)
    folder = tmp_path / "out" / "clip.mp4"
    assert complete and not (folder / "parts").exists() and "biometric" not in (folder / "page.html").read_text()
    assert one["command"].endswith("--discard-crops")
    # Too large for the page, and from before the film and the crops were to be left out.
    (folder / "film.mp4").write_bytes(b"a face")
    run_analyze([film], replace(options, keep_crops=True, film=False), print)
    assert (folder / "parts").exists() and not (folder / "film.mp4").exists()
    world.write_film(film, np.full((30, 240, 300, 3), 90, np.uint8))
    _, complete = run_analyze([film], options, print)
    assert not complete and not (folder / "parts").exists()
    film.write_bytes(b"no video")
    _, complete = run_analyze([film], options, print)
    assert not complete and [path.name for path in folder.iterdir()] == ["video.txt"]


def test_what_is_left_out_has_its_reason(analysed, model, monkeypatch, tmp_path):
    root, found, _ = analysed
    short = {**found["intervals"][0]}
    decode = Ensemble.decoding
    monkeypatch.setattr(Ensemble, "decoding", lambda *given: replace(decode(*given), longest=3, shortest=2))
    (one,), _ = run_analyze([root / "moves.mp4"], Options(tmp_path / "out", model), print)
    assert not one["intervals"]
    (left,) = [peak for peak in one["left_out"] if peak["onset"] <= short["apex"] <= peak["offset"]]
    assert "lasts longer" in left["reason"]
    page = (tmp_path / "out" / "moves.mp4" / "page.html").read_text()
    assert "every peak above the threshold was left out" in page and "lasts longer" in page


def test_a_changed_picture_of_a_folder_is_noticed(model, tmp_path):
    folder = tmp_path / "shots"
    folder.mkdir()
    frames = world.film(30, onset=10)
    for k, frame in enumerate(frames):
        write_image(folder / f"img{k + 101}.png", frame)
    options = Options(tmp_path / "out", model, fps=30.0)
    (before,), _ = run_analyze([folder], options, print)
    for k in range(8, 24):
        write_image(folder / f"img{k + 101}.png", np.zeros_like(frames[0]))
    (after,), _ = run_analyze([folder], options, print)
    assert before["intervals"] and not before["gaps"] and after["digest"] != before["digest"]
    assert after["gaps"] and after["intervals"] != before["intervals"]


def test_no_face_is_one_line(model, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (20, 120, 160, 3)).astype(np.uint8)
    found, complete = run_analyze(
        [world.write_film(tmp_path / "noise.mp4", noise)], Options(tmp_path / "out", model), print
    )
    assert not complete and "no face" in found[0]["error"] and "\n" not in found[0]["error"]
    assert "detector" not in found[0]["error"]  # an option that `mer analyze` does not have


def test_a_face_for_part_of_the_time_keeps_what_there_is(model, tmp_path):
    frames = world.film(45, onset=24)
    frames[:12] = 90
    path = world.write_film(tmp_path / "late.mp4", frames)
    found, complete = run_analyze([path], Options(tmp_path / "out", model), print)
    assert complete
    (gap,) = found[0]["gaps"]
    assert gap["from"] == 0 and 10 <= gap["to"] <= 20
    assert all(one["onset"] >= 12 for one in found[0]["intervals"]) and found[0]["intervals"]


def test_two_faces_are_said_so(model, tmp_path):
    frames = np.concatenate([world.film(), world.film(size=0.0)], axis=2)
    film = world.write_film(tmp_path / "two.mp4", frames)
    for face, who in (("right", "right"), ("left", "left")):
        found, complete = run_analyze([film], Options(tmp_path / "out", model, face=face), print)
        page = (tmp_path / "out" / "two.mp4" / "page.html").read_text()
        assert complete and page.count("--face chooses") == 1 and "largest and most central" not in page
        assert f"2 faces seen at a time: the {who} is followed (--face chooses)" in page
    assert found[0]["intervals"] and all(
        any("several faces" in text for text in one["warnings"]) for one in found[0]["intervals"]
    )


def test_nothing_is_spotted_across_a_cut(model, tmp_path):
    still = world.film(44, size=0.0)
    frames = np.concatenate([still[:22], np.roll(still[22:, :, ::-1], 70, axis=2)])
    found, complete = run_analyze(
        [world.write_film(tmp_path / "cut.mp4", frames)], Options(tmp_path / "out", model), print
    )
    assert complete and [cut["frame"] for cut in found[0]["cuts"]] == [22]
    assert not any(one["onset"] < 22 <= one["offset"] for one in found[0]["intervals"])


def test_the_command_prints_objects_and_fails_with_status_2(model, tmp_path):
    from mer.cli import app

    world.write_film(tmp_path / "moves.mp4", world.film(30, onset=8))
    given = [str(tmp_path / "moves.mp4"), "--experiment", str(model), "--output", str(tmp_path / "out"), "--json"]
    done = CliRunner().invoke(app, ["analyze", *given])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)[0]["video"] == "moves.mp4"
    world.write_sound(tmp_path / "sound.wav")
    done = CliRunner().invoke(app, ["analyze", str(tmp_path / "sound.wav"), "--experiment", str(model)])
    assert done.exit_code == 2 and "no video stream" in done.stderr


def test_two_processes_give_what_one_gives(analysed, model, monkeypatch, tmp_path):
    root, _, _ = analysed
    monkeypatch.setattr(parts_module, "PART_SECONDS", 0.75)
    one, _ = run_analyze([root / "moves.mp4"], Options(tmp_path / "one", model), print)
    two, _ = run_analyze([root / "moves.mp4"], Options(tmp_path / "two", model, jobs=2), print)
    assert one[0]["intervals"] == two[0]["intervals"]
    shutil.rmtree(tmp_path / "one")


def test_a_candidate_without_a_likely_class_is_not_named():
    even = Expression("micro", 3, 5, 9, 0.8, 1.0, scores={"negative": 0.4, "positive": 0.35, "surprise": 0.25})
    assert even.emotion == ""
    sure = Expression("micro", 3, 5, 9, 0.8, 1.0, scores={"negative": 0.6, "positive": 0.3, "surprise": 0.1})
    assert sure.emotion == "negative"
    times = {"when": lambda frame: frame / 30, "number": lambda frame: frame, "calibrated": True}
    result = SimpleNamespace(**times, footage=SimpleNamespace(fps=30.0))
    assert "no decision" in str(_row(result, 1, even)) and "negative, 60 %" in str(_row(result, 1, sure))
