"""The model that comes with mer: it loads, says what it is, and takes no blink for an expression."""

import shutil

import analysis_world as world
import numpy as np
import pytest

from mer.analysis.command import Options, run_analyze
from mer.analysis.ensemble import BUNDLED, open_ensemble
from mer.core.container import ContainerWriter, file_digest
from mer.core.errors import ModelError
from mer.pretrain import spotter
from mer.simulate.contract import Layout
from mer.simulate.footage import Footage
from mer.simulate.layouts.casme_sq import LAYOUT
from mer.weights.locate import locate


def blinking(count, seed=7, fps=30.0):
    """Return the first frames of a simulated recording in which someone blinks and does nothing else, and its truth."""
    values = {"seed": seed, "subjects": 1, "clips": 1, "width": 320, "height": 240, "seconds": 8.0, "blink": 1.0}
    params = spotter.world_params({**values, "fps": fps})
    quiet = next(one for one in LAYOUT.recordings(params) if not one.events)
    footage = Footage(params, quiet)
    frames = [footage.film(params, "colour", number) for number in quiet.numbers[:count]]
    return frames, [footage.closure(number) for number in quiet.numbers[:count]]


def test_it_says_what_it_was_trained_on():
    models = open_ensemble(None)
    assert "simulated" in models.training.text and models.training.fps == spotter.FPS
    assert models.kinds == spotter.KINDS and len(models.classes) == 3
    card = locate(BUNDLED).with_suffix(".md").read_text(encoding="utf-8")
    assert "simulated" in card and "not" in card
    scores = models.spotters[0].meta["scores"]
    assert f"{scores['f1_spotting']:.2f}" in card


@pytest.mark.slow
def test_blinks_are_no_expressions(tmp_path):
    frames, closure = blinking(60)
    assert max(closure) > 0.9
    world.write_film(tmp_path / "blinks.mp4", frames)
    found, complete = run_analyze([tmp_path / "blinks.mp4"], Options(tmp_path / "out"), print)
    assert complete and found[0]["intervals"] == []


def test_widths_follow_the_frame_rate():
    models = open_ensemble(None)
    slow, fast = models.decoding("micro", 30.0), models.decoding("micro", 120.0)
    assert fast.half == 4 * slow.half and fast.longest == 4 * slow.longest and fast.threshold == slow.threshold
    _, keys = models.keys_of("spot0", 120.0)
    assert keys["distance_frames"] is None and keys["distance"] == 0.2


def test_the_people_of_a_world_are_those_that_it_simulates(monkeypatch, tmp_path):
    made = []
    monkeypatch.setattr(Layout, "write_tables", lambda *_: None)
    monkeypatch.setattr(Layout, "write_subject", lambda layout, params, subject, *_: made.append(subject))
    monkeypatch.setattr(spotter, "run_subject", lambda spec, rows, *_: made.append((spec.stage, len(rows))))
    values = {"subjects": 1, "clips": 6, "width": 160, "height": 120, "seconds": 9.0}
    person = spotter.make_person("tiny", values, "s15", tmp_path, print)
    plans = LAYOUT.recordings(spotter.world_params(values))
    assert made == ["s15", ("frames", len(plans)), ("align", len(plans)), ("spot", len(plans))]
    assert {video.group for video in person.videos} == {"tiny:s15"}
    assert sum(not video.events for video in person.videos) == sum(not plan.events for plan in plans)


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
