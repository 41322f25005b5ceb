"""Folds from table to checkpoint on the stand-in for a CUDA device: the scores of the CPU, resuming, little memory."""

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from mer.core.errors import ConfigError
from mer.models import ststnet
from mer.testing.cuda_stand_in import stand_in
from mer.training import predict_new
from mer.training.checkpoint import load_checkpoint, read_metadata
from mer.training.experiment import checked
from mer.training.fit import fit_fold
from mer.training.many_folds import fit_folds
from mer.training.new_clips import NewClip
from mer.training.predict import predict_fold
from mer.training.recipe import Recipe

CLASSES = ("negative", "positive", "surprise")
RECIPE = Recipe(epochs=3, batch_size=16)


class Killed(Exception):
    """Stands for a job that ends in the middle."""


def quiet(line):
    """Take a line of the log."""


def experiment(device, recipe=RECIPE, model="ststnet"):
    return checked(model, None, recipe, CLASSES, 0, device=device, origin={"view": "emotion_3"})


def scores_of(path):
    with path.open(newline="") as file:
        return np.array([[float(row[f"score_{name}"]) for name in CLASSES] for row in csv.DictReader(file)])


def run(world, folder, device, recipe=RECIPE, model="ststnet", log=quiet, resume=None):
    """Train and apply one fold; return its scores and its checkpoint."""
    fold, chosen = world.folds()[0], experiment(device, recipe, model)
    out, outs = folder / f"{device}.safetensors", [folder / f"{device}-{name}.csv" for name in ("p", "x")]
    fit_fold(chosen, world.job(fold, out, resume=resume), world.containers(fold.train_sources), log, every=0.0)
    predict_fold(chosen, fold.name, out, world.tables(fold)[1], world.containers(fold.test_sources), outs, quiet)
    return scores_of(outs[0]), out


@pytest.mark.parametrize("precision", ["float32", "bf16", "tf32", "auto"])
def test_a_fold_from_table_to_scores(world, tmp_path, precision):
    wanted, _ = run(world, tmp_path, "cpu")
    with stand_in():
        made, out = run(world, tmp_path, "cuda", RECIPE.model_copy(update={"precision": precision}))
    computed = {"auto": "bf16"}.get(precision, precision)
    assert read_metadata(out)["precision"] == computed
    assert np.abs(made - wanted).max() < (3e-2 if computed == "bf16" else 1e-4)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_an_interrupted_training_goes_on(world, tmp_path, precision):
    recipe, lines = RECIPE.model_copy(update={"precision": precision}), []

    def dying(line):
        if "epoch 2/" in line:
            raise Killed

    with stand_in():
        _, whole = run(world, tmp_path, "cuda", recipe)
        expected, state = whole.read_bytes(), tmp_path / "state.safetensors"
        with pytest.raises(Killed):
            run(world, tmp_path, "cuda", recipe, log=dying, resume=state)
        assert state.is_file()
        _, again = run(world, tmp_path, "cuda", recipe, log=lines.append, resume=state)
    assert any("continues after epoch 2" in line for line in lines)
    assert again.read_bytes() == expected


@pytest.mark.parametrize("holds", [8, 1])
def test_folds_together_in_the_memory_there_is(world, tmp_path, monkeypatch, holds):
    together, lines, widths = ststnet.MODEL.fit_together, [], []

    def limited(features, shares, *rest, **options):
        widths.append(len(shares))
        if len(shares) > holds:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return together(features, shares, *rest, **options)

    monkeypatch.setattr(ststnet, "MODEL", dataclasses.replace(ststnet.MODEL, fit_together=limited))
    folds = [world.folds()[k] for k in (0, 1, 2)]
    jobs = [world.job(fold, tmp_path / f"{fold.name}.safetensors") for fold in folds]
    containers = world.containers(sorted({source for fold in folds for source in fold.train_sources}))
    with stand_in():
        fit_folds(experiment("cuda"), jobs, containers, log=lambda fold: lines.append)
    assert widths == ([3] if holds == 8 else [3, 1, 1, 1])
    assert (holds == 8) != any("no memory for 3 folds at once; 1 from here on" in line for line in lines)
    for fold, job in zip(folds, jobs, strict=True):
        alone = world.job(fold, tmp_path / "alone.safetensors")
        fit_fold(experiment("cpu"), alone, world.containers(fold.train_sources), quiet)
        wanted = load_checkpoint(alone.out)[0].arrays
        for key, array in load_checkpoint(job.out)[0].arrays.items():
            assert array == pytest.approx(wanted[key], abs=1e-4), key


def test_new_clips_by_all_folds(world, tmp_path, monkeypatch):
    paths = []
    for number, fold in enumerate(world.folds()[:2]):
        paths.append(tmp_path / f"m{number}.safetensors")
        fit_fold(experiment("cpu"), world.job(fold, paths[-1]), world.containers(fold.train_sources), quiet)
    meta = read_metadata(paths[0])
    product = Path(world.root) / f"{world.folds()[0].test_sources[0]}.h5"
    clips = [NewClip(row.sample_id, "", False, {}) for row in world.folds()[0].test]
    monkeypatch.setattr(predict_new, "_products", lambda *args: ({"motion": product}, {}))
    ensemble = predict_new.Ensemble(tuple(paths), meta)
    wanted = predict_new.predict_clips(ensemble, clips, tmp_path, tmp_path, quiet)
    with stand_in() as launches:
        made = predict_new.predict_clips(ensemble, clips, tmp_path, tmp_path, quiet, "cuda")
    assert launches["convolution"] and len(made) == len(clips)
    for one, other in zip(made, wanted, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-5) and one.agreement == other.agreement


def test_a_precision_that_the_place_has_not_is_refused(world, tmp_path):
    for precision in ("bf16", "tf32"):
        with (
            stand_in(bf16=False, name="an old card", capability=(7, 0)),
            pytest.raises(ConfigError, match=rf"train\.precision: an old card has no {precision}; expected float32"),
        ):
            run(world, tmp_path, "cuda", RECIPE.model_copy(update={"precision": precision}))
    with pytest.raises(ConfigError, match=r"a CPU has no tf32; expected float32 or auto"):
        run(world, tmp_path, "cpu", RECIPE.model_copy(update={"precision": "tf32"}))
