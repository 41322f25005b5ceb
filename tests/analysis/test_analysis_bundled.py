"""The model that comes with mer: it loads, says what it is, and takes no blink for an expression, and learns from
ordinary footage what is usual."""

import shutil
from dataclasses import replace
from pathlib import Path

import analysis_world as world
import cv2
import numpy as np
import pytest

from mer.analysis.command import Options, run_analyze, with_own_threshold
from mer.analysis.ensemble import open_ensemble
from mer.analysis.face_models import BUNDLED
from mer.analysis.spotters import open_spotters
from mer.core.container import ContainerWriter, file_digest
from mer.core.errors import ConfigError, ModelError
from mer.simulate.habits import Habits
from mer.simulate.lifelike import lifelike
from mer.weights.locate import locate


def filmed(seed, seconds, **habits):
    """Return the frames of a simulated person who does what is asked for and nothing else."""
    still = {"micro": 0, "macro": 0, "blink": 0, "half_blink": 0, "double_blink": 0, "gaze": 0, "turn": 0, "nod": 0}
    done = Habits(**{**still, "sway": 0, "talk": 0, "swallow": 0, **habits})
    return list(lifelike(seed, seconds, 30.0, (320, 240), done, eyes=60).frames())


def test_it_says_what_it_was_trained_on():
    models = open_spotters()
    assert "simulated" in models.training.text and models.kinds == ("micro",) and len(models.classes) == 3
    card = locate(BUNDLED).with_suffix(".md").read_text(encoding="utf-8")
    scores = models.spotter.meta["scores"]["simulated"]
    found, given = scores["found"]["3 %"]
    assert f"{found}/{given}" in card and "not" in card
    assert f"{len(models.spotter.names)} features" in card and f"{len(models.spotter.trees.start) - 1} trees" in card


def test_fewer_alarms_are_a_higher_threshold():
    rates = (0.2, 1.0, 4.0)
    few, usual, many = (open_spotters(None, rate).threshold for rate in rates)
    assert 0 < many < usual < few < 1 and open_spotters().threshold == usual
    with pytest.raises(ConfigError, match="thresholds of their own"):
        open_spotters(Path("results/spotting/mine"), 0.5)


@pytest.mark.slow
def test_blinks_are_no_expressions(tmp_path):
    world.write_film(tmp_path / "blinks.mp4", filmed(11, 5.0, blink=60.0))
    found, complete = run_analyze([tmp_path / "blinks.mp4"], Options(tmp_path / "out", film=False), print)
    assert complete and found[0]["intervals"] == []


def stills(kind):
    """Return a film of a picture of a face that does nothing, as people film such pictures."""
    rng = np.random.default_rng(3)
    picture = world.face()
    if kind == "drawing":
        picture = cv2.stylization(picture, sigma_s=40, sigma_r=0.5)
        picture = (picture // 48 * 48 + 24).astype(np.uint8)
    for k in range(60):
        image = picture
        if kind == "photograph moved by hand":
            across, down = 3 * np.sin(k / 9), 2 * np.cos(k / 13)
            shift = np.array([[1, 0, across], [0, 1, down]])
            image = cv2.warpAffine(picture, shift, picture.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
        noise = 0.0 if kind == "photograph" else 2.0
        yield np.clip(np.rint(image + rng.normal(0, noise, image.shape)), 0, 255).astype(np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["photograph", "photograph with noise", "photograph moved by hand", "drawing"])
def test_in_a_picture_of_a_face_nothing_is_found(tmp_path, kind):
    film = world.write_film(tmp_path / "still.mp4", list(stills(kind)))
    (found,), complete = run_analyze([film], Options(tmp_path / "out", film=False), print)
    assert complete and found["intervals"] == []
    assert any("still picture" in remark for remark in found["remarks"]), found["remarks"]


@pytest.mark.slow
def test_ordinary_footage_of_ones_own_decides_the_threshold(tmp_path):
    folder = tmp_path / "quiet"
    folder.mkdir()
    world.write_film(folder / "a.mp4", filmed(12, 5.0, sway=0.5))
    said = []
    options = Options(tmp_path / "out", alarms_per_minute=20.0, film=False)
    models = with_own_threshold(open_spotters(None, 20.0), replace(options, negatives=folder), said.append)
    assert models.negative_minutes == pytest.approx(5 / 60, rel=0.1) and "minutes of 1 films" in said[-1]
    assert 0 < models.threshold < 1
    short = replace(options, alarms_per_minute=1.0, negatives=folder)
    with pytest.raises(ConfigError, match=r"at least 1\.0 minutes"):
        with_own_threshold(open_spotters(), short, said.append)
    assert list((tmp_path / "out" / "negatives").rglob("*.h5"))
    own = tmp_path / "out" / "negatives" / "of a user.txt"
    own.write_text("kept")
    discarding = replace(options, negatives=folder, keep_crops=False)
    with_own_threshold(open_spotters(None, 20.0), discarding, said.append)
    assert list((tmp_path / "out" / "negatives").iterdir()) == [own]
    own.unlink()
    with_own_threshold(open_spotters(None, 20.0), discarding, said.append)
    assert not (tmp_path / "out" / "negatives").exists()
    (tmp_path / "out").mkdir(exist_ok=True)
    with pytest.raises(ConfigError, match="holds no video"):
        with_own_threshold(open_spotters(), replace(short, negatives=tmp_path / "out"), said.append)


def test_a_folder_without_models_is_refused_in_one_line(tmp_path):
    with pytest.raises(ModelError, match="holds no model"):
        open_ensemble(tmp_path)
    with pytest.raises(ModelError, match="no such folder"):
        open_ensemble(tmp_path / "none")


def experiment(root, tmp_path):
    """Lay a trained model out as the workflow leaves an experiment; return its folder."""
    results, folder = root / "results", root / "results" / "spotting" / "mine"
    model = world.write_model(tmp_path, named=False)
    for fold in ("db-s1", "db-s2"):
        (folder / "seed0" / fold).mkdir(parents=True)
        shutil.copy(model, folder / "seed0" / fold / "model.safetensors")
    shutil.copy(tmp_path / "train.csv", folder / "recordings.csv")
    aligned, features = results / "db" / "align" / "a" / "s0.h5", results / "db" / "spot" / "v" / "s0.h5"
    keys = {"method": "dlib", "size": 96, "clips": "recordings"}
    with ContainerWriter(aligned, "align", "a", keys) as out, out.clip("s0/f-whole") as clip:
        clip.attributes({"fps": 60.0})
    inputs = {"s0.h5": file_digest(aligned)}
    with ContainerWriter(features, "spot", "v", world.SPOT, inputs) as out, out.clip("s0/f-whole") as clip:
        clip.attributes({"fps": 60.0, "distance": 6})
    return folder


@pytest.mark.slow
def test_an_experiment_brings_its_own_alignment_and_frame_rate(tmp_path):
    folder = experiment(tmp_path, tmp_path)
    models = open_ensemble(folder)
    assert len(models.paths) == 2 and "mean of 2 models of seed0" in models.name
    assert models.training.fps == 60.0 and models.training.align["size"] == 96
    assert "3 recordings of 3 people of db" in models.training.text
    one = open_ensemble(tmp_path / "model.safetensors")
    features = np.random.default_rng(0).standard_normal((4, 3, 42, 42)).astype(np.float32)
    scores = [both.curve("micro", both.traces("micro", features), 60.0) for both in (models, one)]
    np.testing.assert_allclose(*scores)
    assert models.decoding("micro", 60.0) == one.decoding("micro", 30.0)
    shutil.rmtree(tmp_path / "results" / "db")
    with pytest.raises(ModelError, match="how its faces were aligned"):
        open_ensemble(folder)
