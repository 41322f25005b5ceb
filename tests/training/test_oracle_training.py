"""The oracle-epoch diagnostic: the same training, held-out files unopened, and the rule beside its random reference."""

import json

import numpy as np
import pytest

from mer.core.errors import ConfigError, ModelError
from mer.training.checkpoint import load_checkpoint, read_metadata
from mer.training.experiment import checked
from mer.training.fit import fit_fold
from mer.training.oracle_epochs import fit_epochs, of_epoch, predict_epochs
from mer.training.oracle_score import diagnose, read_epochs
from mer.training.predict import predict_fold
from mer.training.predictions import read_predictions
from mer.training.recipe import Recipe
from mer.training.score import monitor, score_experiment

pytestmark = pytest.mark.slow

CLASSES = ("negative", "positive", "surprise")
RECIPE = Recipe(epochs=12, batch_size=16, learning_rate=3e-3)


def planned(model="ststnet", recipe=RECIPE, seed=0, every=3):
    return checked(model, None, recipe, CLASSES, seed, keep_every=every)


def quiet(line):
    """Take a line of the log."""


def silent(fold):
    return quiet


def run(world, folder, every=3, seeds=(0,)):
    """Fit, predict and diagnose every fold; return the paths that the score step reads."""
    paths = {"predictions": [], "excluded": [], "tests": [], "models": [], "epochs": []}
    for fold in world.folds():
        _, test = world.tables(fold)
        paths["tests"].append(test)
        for seed in seeds:
            base = folder / f"seed{seed}" / fold.name
            experiment, containers = planned(seed=seed, every=every), world.containers(fold.train_sources)
            model, epochs = (world.job(fold, base / f"{name}.safetensors") for name in ("model", "epochs"))
            fit_fold(experiment, model, containers, quiet)
            fit_epochs(experiment, [epochs], containers, log=silent)
            held, outs = world.containers(fold.test_sources), (base / "predictions.csv", base / "excluded.csv")
            predict_fold(experiment, fold.name, model.out, test, held, outs, quiet)
            predict_epochs(experiment, fold.name, epochs.out, test, held, [base / "epochs.csv"], quiet)
            for kind, name in (("predictions", "predictions.csv"), ("excluded", "excluded.csv"),
                               ("models", "model.safetensors"), ("epochs", "epochs.csv")):  # fmt: skip
                paths[kind].append(base / name)
    return paths


@pytest.fixture(scope="module")
def finished(world, tmp_path_factory):
    return run(world, tmp_path_factory.mktemp("oracle"), seeds=(0, 1))


def read(paths):
    return read_predictions(paths["predictions"], paths["excluded"], paths["tests"], CLASSES)


def test_the_last_kept_epoch_is_the_run_bit_for_bit(finished):
    data = read(finished)
    epochs, predicted = read_epochs(finished["epochs"], data)
    assert epochs == [3, 6, 9, 12] and predicted.shape == (2, 4, 54)
    assert (predicted[:, -1] == data.predicted).all()
    model = load_checkpoint(finished["models"][0])[0]
    kept, meta = load_checkpoint(finished["epochs"][0].with_name("epochs.safetensors"))
    last = of_epoch(kept, 12)
    assert meta["epochs"] == epochs and last.arrays.keys() == model.arrays.keys()
    assert all(np.array_equal(last.arrays[name], model.arrays[name]) for name in model.arrays)
    assert not np.array_equal(of_epoch(kept, 3).arrays["head.weight"], model.arrays["head.weight"])


def test_the_rule_claims_at_least_what_the_run_scored(finished):
    data = read(finished)
    found = diagnose(data, *read_epochs(finished["epochs"], data))
    assert found["agreement"] == 1.0
    assert found["claimed"]["pooled_uf1"] >= found["honest"]["uf1"]
    assert found["one_epoch"]["uf1"] >= found["honest"]["uf1"]
    assert found["random"]["uniform"]["uf1"] > 0.4


def test_held_out_files_are_not_opened_by_the_diagnostic_fit(make_world, tmp_path):
    world = make_world(clips=6)
    fold = world.folds()[2]
    world.containers(fold.test_sources)["motion"][fold.test_sources[0]].unlink()
    everything = world.containers((*fold.train_sources, *fold.test_sources))
    fit_epochs(planned(every=6), [world.job(fold, tmp_path / "e")], everything, log=silent)
    assert fold.held_out[0] not in json.dumps(load_checkpoint(tmp_path / "e")[1]["inputs"])
    assert not (tmp_path / "e.last").exists()


def test_a_model_without_epochs_or_a_file_without_them_is_one_line(finished, world, tmp_path):
    fold = world.folds()[0]
    _, test = world.tables(fold)
    with pytest.raises(ConfigError, match="svm_flow is not trained in epochs"):
        fit_epochs(planned("svm_flow", Recipe()), [world.job(fold, tmp_path / "e")], {}, log=silent)
    with pytest.raises(ModelError, match="holds no epochs"):
        predict_epochs(planned(), fold.name, finished["models"][0], test, {}, [tmp_path / "e.csv"])


def test_incomplete_or_foreign_epoch_tables(finished, tmp_path):
    data = read(finished)
    with pytest.raises(ModelError, match="not every clip has every epoch and seed"):
        read_epochs(finished["epochs"][1:], data)
    with pytest.raises(ModelError, match="occurs twice"):
        read_epochs([*finished["epochs"], finished["epochs"][0]], data)
    changed = tmp_path / "changed.csv"
    changed.write_text(finished["epochs"][0].read_text().replace("sub00_c0", "sub99_c0"))
    with pytest.raises(ModelError, match="the experiment's own clips"):
        read_epochs([changed, *finished["epochs"][1:]], data)


def test_metrics_hold_the_diagnostic_and_the_monitor(finished, tmp_path):
    result = score_experiment(finished, tmp_path / "metrics.json", classes=CLASSES, draws=200)
    assert result["oracle_epoch"]["epochs"] == [3, 6, 9, 12]
    training = result["monitor"]["training"]
    assert len(training) == 12 and {entry["seed"] for entry in training} == {0, 1}
    assert all(1 <= entry["classes_used"] <= 3 for entry in training)
    assert set(result["monitor"]["held_out"]) == {"0", "1"}
    without = score_experiment(finished | {"epochs": []}, tmp_path / "b.json", classes=CLASSES, draws=200)
    assert without["oracle_epoch"] is None and without["summary"] == result["summary"]


def test_the_monitor_counts_collapsed_networks(finished, tmp_path):
    text = finished["models"][0].read_bytes()
    used = read_metadata(finished["models"][0])["state"]["classes_used"]
    collapsed = tmp_path / "m.safetensors"
    # Same length, so that the header's size field stays right.
    collapsed.write_bytes(text.replace(str(used).encode(), "1".ljust(len(str(used)), " ").encode(), 1))
    found = monitor(read(finished), [collapsed, *finished["models"][1:]])
    assert found["collapsed"] == 1 and len(found["training"]) == 12
    collapsed.write_bytes(b"no")
    with pytest.raises(ModelError, match="not a checkpoint"):
        monitor(read(finished), [collapsed])
