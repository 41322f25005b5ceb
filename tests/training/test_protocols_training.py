"""Every protocol through the same fit, predict and score: what is held out, and that each clip is scored once."""

import dataclasses
import json

import pytest

from mer.core.errors import DatasetError
from mer.training.checkpoint import load_checkpoint
from mer.training.experiment import checked
from mer.training.fit import fit_fold
from mer.training.fold_tables import write_table
from mer.training.folds import make_folds
from mer.training.predict import predict_fold
from mer.training.recipe import Recipe
from mer.training.score import score_experiment
from mer.training.separation import FoldJob

CLASSES = ("negative", "positive", "surprise")
FAMILIES = {
    "sub00": "casme2",
    "sub01": "casme2",
    "sub02": "samm",
    "sub03": "samm",
    "sub04": "smic_hs",
    "sub05": "smic_hs",
}


@pytest.fixture(scope="module")
def composite(world):
    """The rows of the world as if its six persons came from three databases."""
    return [
        dataclasses.replace(
            row, dataset=FAMILIES[row.subject], group=f"{FAMILIES[row.subject].removesuffix('_hs')}:{row.subject}"
        )
        for row in world.selection.rows
    ]


def run(world, folds, folder, seeds=(0,), labels="true"):
    """Fit, predict and score every fold with every seed; return the metrics and the checkpoints' held-out groups."""
    paths, held = {"predictions": [], "excluded": [], "tests": [], "models": []}, {}
    for fold in folds:
        train, test = folder / fold.name / "train.csv", folder / fold.name / "test.csv"
        write_table(train, fold.train)
        write_table(test, fold.test)
        paths["tests"].append(test)
        for seed in seeds:
            base = folder / f"seed{seed}" / fold.name
            experiment = checked("svm_flow", None, Recipe(), CLASSES, seed)
            job = FoldJob(fold.name, fold.held_out, train, base / "m.safetensors")
            fit_fold(experiment, job, world.containers(fold.train_sources), lambda line: None)
            held_out, outs = world.containers(fold.test_sources), (base / "p.csv", base / "e.csv")
            predict_fold(experiment, fold.name, job.out, test, held_out, outs, lambda line: None)
            held[fold.name] = load_checkpoint(base / "m.safetensors")[1]["held_out"]
            for kind, name in (("predictions", "p.csv"), ("excluded", "e.csv"), ("models", "m.safetensors")):
                paths[kind].append(base / name)
    return score_experiment(paths, folder / "metrics.json", classes=CLASSES, labels=labels, draws=200), held


@pytest.mark.parametrize(("protocol", "count"), [("loso", 6), ("kfold", 3), ("database", 3)])
def test_a_protocol_scores_every_clip_once(world, composite, tmp_path, protocol, count):
    folds = make_folds(composite, protocol, 3, "true", 0)
    result, held = run(world, folds, tmp_path)
    assert len(folds) == count and sum(map(len, held.values())) == 6
    assert result["n_clips"] == 54 and result["n_subjects"] == 6
    assert {name: part["n_clips"] for name, part in result["datasets"].items()} == dict.fromkeys(FAMILIES.values(), 18)
    assert result["summary"]["pooled"]["uf1"]["mean"] > 0.9
    if protocol == "database":
        assert held == {name: sorted({row.group for row in composite if row.group.startswith(name)}) for name in held}
    with open(tmp_path / "metrics.json", encoding="utf-8") as handle:
        assert json.load(handle)["interval"]["over_seeds"] is False


def test_the_composite_is_recognised_and_a_score_too_good_for_it_named(world, composite, tmp_path):
    result, _ = run(world, make_folds(composite, "loso", 3, "true", 0), tmp_path)
    assert any(flag.startswith("suspicious") for flag in result["flags"])


def test_seeds_run_through_and_are_summed_up(world, composite, tmp_path):
    result, _ = run(world, make_folds(composite, "kfold", 2, "true", 0), tmp_path, seeds=(0, 1, 2))
    assert result["seeds"] == [0, 1, 2] and set(result["per_seed"]) == {"0", "1", "2"}
    assert result["summary"]["pooled"]["uf1"]["sd"] is not None and result["interval"]["over_seeds"]
    scores = [result["per_seed"][str(seed)]["pooled"]["uf1"] for seed in (0, 1, 2)]
    assert result["interval"]["uf1"]["value"] == pytest.approx(sum(scores) / 3)


@pytest.mark.parametrize("protocol", ["loso", "database"])
def test_permuted_labels_stay_in_their_band_under_every_protocol(world, composite, tmp_path, protocol):
    result, _ = run(world, make_folds(composite, protocol, 3, "permuted", 1), tmp_path, labels="permuted")
    band = result["chance"]["own_predictions"]["uf1"]
    assert result["summary"]["pooled"]["uf1"]["mean"] <= band["high"] and result["flags"] == []
    assert 0.2 < band["mean"] < 0.45


def test_one_database_cannot_be_held_out(composite):
    alone = [row for row in composite if row.dataset == "samm"]
    with pytest.raises(DatasetError):
        make_folds(alone, "database", 3, "true", 0)
