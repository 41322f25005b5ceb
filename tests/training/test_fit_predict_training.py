"""One fold at a time: what is opened, what is refused, and that nothing but the clips decides the result."""

import dataclasses
import json
import random

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from mer.core.errors import ConfigError, ContainerError, ModelError
from mer.metrics.recognition import confusion, uf1
from mer.training.checkpoint import load_checkpoint
from mer.training.experiment import checked
from mer.training.fit import fit_fold
from mer.training.fold_tables import permute_labels, write_table
from mer.training.folds import loso
from mer.training.predict import predict_fold
from mer.training.recipe import Recipe, settle

CLASSES = ("negative", "positive", "surprise")
QUICK = {"svm_flow": Recipe(), "ststnet": Recipe(epochs=3)}


def quiet(line):
    """Take a line of the log."""


def fit(world, fold, out, model="svm_flow", recipe=None, seed=0, **changes):
    experiment = checked(model, None, QUICK[model] if recipe is None else recipe, CLASSES, seed)
    log, containers = changes.pop("log", quiet), changes.pop("containers", world.containers(fold.train_sources))
    fit_fold(experiment, dataclasses.replace(world.job(fold, out), **changes), containers, log)
    return out


def predict(world, fold, checkpoint, folder, model="svm_flow", recipe=None, seed=0, preset=None):
    _, test = world.tables(fold)
    experiment = checked(model, preset, QUICK[model] if recipe is None else recipe, CLASSES, seed)
    paths = folder / f"{fold.name}.csv", folder / f"{fold.name}.excluded.csv"
    predict_fold(experiment, fold.name, checkpoint, test, world.containers(fold.test_sources), paths, quiet)
    return tuple(pd.read_csv(path, dtype=str, keep_default_na=False) for path in paths)


def run(world, folds, folder, model, recipe=None, seed=0):
    tables = []
    for fold in folds:
        checkpoint = fit(world, fold, folder / f"{fold.name}.safetensors", model, recipe, seed)
        tables.append(predict(world, fold, checkpoint, folder, model, recipe, seed)[0])
    return pd.concat(tables)


def score(table):
    codes = [table[column].map(CLASSES.index).to_numpy() for column in ("label", "prediction")]
    return float(uf1(confusion(*codes, 3)))


@pytest.mark.parametrize("model", ["svm_flow", pytest.param("ststnet", marks=pytest.mark.slow)])
def test_separable_blobs_are_learned(world, tmp_path, model):
    recipe = {"svm_flow": Recipe(), "ststnet": Recipe(epochs=30, batch_size=16, learning_rate=3e-3)}[model]
    table = run(world, world.folds(), tmp_path, model, recipe)
    assert score(table) > 0.9
    assert len(table) == 54 and table["fold"].nunique() == 6


@pytest.mark.slow
@pytest.mark.parametrize(("model", "permutations"), [("svm_flow", 6), ("ststnet", 3)])
def test_permuted_labels_stay_at_chance(world, tmp_path, model, permutations):
    recipe = {"svm_flow": Recipe(), "ststnet": Recipe(epochs=10, batch_size=16, learning_rate=3e-3)}[model]
    scores = []
    for seed in range(permutations):
        folds = loso(permute_labels(world.selection.rows, seed))
        (tmp_path / str(seed)).mkdir()
        scores.append(score(run(world, folds, tmp_path / str(seed), model, recipe)))
    assert np.mean(scores) == pytest.approx(1 / 3, abs=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["svm_flow", "ststnet"])
def test_fold_alone_equals_fold_in_any_order(world, tmp_path, model):
    folds = world.folds()
    alone = fit(world, folds[3], tmp_path / "alone.safetensors", model).read_bytes()
    order = list(folds)
    random.Random(1).shuffle(order)
    for fold in order:
        fit(world, fold, tmp_path / f"{fold.name}.safetensors", model)
    assert (tmp_path / f"{folds[3].name}.safetensors").read_bytes() == alone
    shuffled = list(world.selection.rows)
    random.Random(2).shuffle(shuffled)
    again = fit(world, loso(shuffled)[3], tmp_path / "again.safetensors", model)
    assert again.read_bytes() == alone


def test_seeds_and_folds_differ(world, tmp_path):
    fold = world.folds()[0]
    first = load_checkpoint(fit(world, fold, tmp_path / "a.safetensors", "ststnet", seed=0))[0]
    second = load_checkpoint(fit(world, fold, tmp_path / "b.safetensors", "ststnet", seed=1))[0]
    assert not np.array_equal(first.arrays["head.weight"], second.arrays["head.weight"])


@pytest.mark.parametrize("state", ["absent", "garbage"])
def test_held_out_file_is_never_opened(make_world, tmp_path, state):
    world = make_world(clips=6)
    fold = world.folds()[2]
    held = world.containers(fold.test_sources)["motion"][fold.test_sources[0]]
    held.unlink()
    if state == "garbage":
        held.write_bytes(b"not HDF5")
    checkpoint = fit(
        world, fold, tmp_path / "m.safetensors", containers=world.containers((*fold.train_sources, *fold.test_sources))
    )
    assert fold.held_out[0] not in json.dumps(load_checkpoint(checkpoint)[1]["inputs"])
    with pytest.raises(ContainerError, match=held.name):
        predict(world, fold, checkpoint, tmp_path)


def test_train_table_with_the_held_out_subject_is_refused(world, tmp_path):
    fold = world.folds()[1]
    write_table(tmp_path / "train.csv", [*fold.train, fold.test[0]])
    with pytest.raises(ModelError, match="belongs to the held-out subject casme2:sub01"):
        fit(world, fold, tmp_path / "m", train_table=tmp_path / "train.csv")
    with pytest.raises(ModelError, match="no held-out subject named"):
        fit(world, fold, tmp_path / "m", held_out=())
    assert not (tmp_path / "m").exists()


def test_checkpoint_of_another_run_is_refused(world, tmp_path):
    first, second = world.folds()[:2]
    checkpoint = fit(world, first, tmp_path / "m.safetensors")
    with pytest.raises(ModelError, match="trained with preset float_flow; expected preset minmax_image"):
        predict(world, first, checkpoint, tmp_path, preset="minmax_image")
    with pytest.raises(ModelError, match="trained with model svm_flow; expected model ststnet"):
        predict(world, first, checkpoint, tmp_path, "ststnet")
    with pytest.raises(ModelError, match="trained with seed 0; expected seed 1"):
        predict(world, first, checkpoint, tmp_path, seed=1)
    with pytest.raises(ModelError, match="trained with settings"):
        predict(world, first, checkpoint, tmp_path, recipe=Recipe(c_grid=(5.0,)))
    with pytest.raises(ModelError, match="trained with fold casme2-sub00; expected fold casme2-sub01"):
        predict(world, second, checkpoint, tmp_path)
    with pytest.raises(ModelError, match="was trained on casme2:sub01"):
        predict(world, dataclasses.replace(second, name=first.name), checkpoint, tmp_path)


def test_checkpoint_says_where_it_comes_from(world, tmp_path):
    fold = world.folds()[0]
    state, meta = load_checkpoint(fit(world, fold, tmp_path / "m.safetensors", recipe=Recipe(c_grid=(0.5,))))
    assert meta["classes"] == list(CLASSES) and meta["settings"]["c_grid"] == [0.5]
    assert meta["recipe"] == {"c_grid": [0.5]} and meta["preset"] == "float_flow"
    assert meta["inputs"]["motion"]["parameters"] == {"method": "tvl1"}
    assert set(meta["inputs"]["motion"]["digests"]) == set(fold.train_sources)
    assert meta["train_groups"] == sorted({row.group for row in fold.train})
    assert {"mer", "numpy", "scikit-learn"} == set(meta["versions"])
    assert state.meta["cost"] == 0.5


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickled", b"\xff" * 64])
def test_hostile_checkpoint(world, tmp_path, content):
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="not a checkpoint of mer"):
        load_checkpoint(path)


def test_a_flipped_bit_anywhere_in_a_checkpoint_is_found(world, tmp_path):
    path = tmp_path / "m.safetensors"
    whole = fit(world, world.folds()[0], path).read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(whole), 200):
        spoilt = bytearray(whole)
        spoilt[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(spoilt)
        with pytest.raises(ModelError, match=r"m\.safetensors"):
            load_checkpoint(path)
    path.write_bytes(whole)
    load_checkpoint(path)


def test_foreign_and_truncated_checkpoint(world, tmp_path):
    save_file({"a": np.zeros(3)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ModelError, match="not a checkpoint of mer"):
        load_checkpoint(tmp_path / "foreign.safetensors")
    save_file({"a": np.zeros(3)}, tmp_path / "other.safetensors", {"mer": '{"format": 99}'})
    with pytest.raises(ModelError, match="a checkpoint of format 99; expected format 1"):
        load_checkpoint(tmp_path / "other.safetensors")
    whole = fit(world, world.folds()[0], tmp_path / "m.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[:-9])
    with pytest.raises(ModelError, match="not a checkpoint of mer"):
        load_checkpoint(tmp_path / "cut.safetensors")
    with pytest.raises(ModelError, match="checkpoint not found"):
        load_checkpoint(tmp_path / "none.safetensors")


def test_failed_clips_are_listed_on_both_sides(make_world, tmp_path):
    world = make_world(clips=4, broken=("sub00_c1", "sub02_c3"))
    fold, lines = world.folds()[0], []
    checkpoint = fit(world, fold, tmp_path / "m.safetensors", log=lines.append)
    assert any("sub02_c3" in line and "no face found" in line for line in lines)
    assert list(load_checkpoint(checkpoint)[1]["excluded"]) == ["casme2/sub02_c3"]
    predicted, excluded = predict(world, fold, checkpoint, tmp_path)
    assert list(predicted["sample_id"]) == ["sub00_c0", "sub00_c2", "sub00_c3"]
    assert excluded[["sample_id", "label", "reason"]].values.tolist() == [
        ["sub00_c1", "positive", "motion: frame 3: no face found"]
    ]


def test_subject_whose_clips_all_failed(make_world, tmp_path):
    world = make_world(clips=3, broken=("sub05_c0", "sub05_c1", "sub05_c2"))
    fold = world.folds()[5]
    predicted, excluded = predict(world, fold, fit(world, fold, tmp_path / "m.safetensors"), tmp_path)
    assert len(predicted) == 0 and len(excluded) == 3
    assert list(predicted.columns[-3:]) == ["score_negative", "score_positive", "score_surprise"]


def test_clip_that_no_one_explains(make_world, tmp_path):
    world = make_world(clips=3)
    fold, table = world.folds()[0], tmp_path / "train.csv"
    table.write_text(world.tables(fold)[0].read_text().replace("sub01_c0", "sub01_c9"))
    with pytest.raises(ContainerError, match="no clip sub01_c9: not among its clips"):
        fit(world, fold, tmp_path / "m", train_table=table)


def test_nan_features_name_the_clip(make_world, tmp_path):
    world = make_world(clips=3, nan=("sub03_c1",))
    with pytest.raises(ModelError, match=r"casme2-sub03\.h5: features of clip sub03_c1 are not finite"):
        fit(world, world.folds()[0], tmp_path / "m.safetensors")


@pytest.mark.parametrize("model", ["svm_flow", "ststnet"])
def test_class_absent_from_the_training_part(make_world, tmp_path, model):
    # Only the first person shows surprise, and has all of it.
    world = make_world(clips=6, labels=lambda s, c: c % 3 if s == 0 else c % 2)
    fold, lines = world.folds()[0], []
    checkpoint = fit(world, fold, tmp_path / "m.safetensors", model, log=lines.append)
    assert any("no training clip of class surprise" in line for line in lines)
    predicted, _ = predict(world, fold, checkpoint, tmp_path, model)
    assert "surprise" in set(predicted["label"])
    if model == "svm_flow":
        assert set(predicted["score_surprise"]) == {"-1"}


@pytest.mark.parametrize("model", ["svm_flow", "ststnet"])
def test_training_part_of_one_class(make_world, tmp_path, model):
    world = make_world(clips=6, subjects=2, labels=lambda s, c: c % 3 if s == 0 else 0)
    with pytest.raises(ModelError, match="clips of one class only"):
        fit(world, world.folds()[0], tmp_path / "m.safetensors", model)


def test_subject_with_one_clip(make_world, tmp_path):
    world = make_world(clips=lambda s: 1 if s == 4 else 6)
    fold = world.folds()[4]
    predicted, _ = predict(world, fold, fit(world, fold, tmp_path / "m.safetensors"), tmp_path)
    assert len(predicted) == 1


def test_a_training_clip_matters_and_a_test_clip_does_not(make_world, tmp_path):
    world = make_world(clips=6)
    fold = world.folds()[0]
    before = fit(world, fold, tmp_path / "a.safetensors").read_bytes()
    paths = world.containers([*fold.test_sources, *fold.train_sources])["motion"]
    donor = paths[fold.train_sources[0]].read_bytes()
    paths[fold.test_sources[0]].write_bytes(donor)
    assert fit(world, fold, tmp_path / "b.safetensors").read_bytes() == before


def test_inputs_must_fit(world, make_world, tmp_path):
    fold = world.folds()[0]
    with pytest.raises(ModelError, match="inputs clip; expected motion"):
        fit(world, fold, tmp_path / "m", containers={"clip": {}})
    with pytest.raises(ModelError, match="no container for mine/casme2-sub01"):
        fit(world, fold, tmp_path / "m", containers={"motion": {}})


def test_containers_made_differently_are_refused(make_world, tmp_path):
    world, other = make_world(clips=3), make_world(clips=3, parameters={"method": "dis"})
    fold = other.folds()[0]
    checkpoint = fit(other, fold, tmp_path / "m.safetensors")
    make_world(clips=3)
    with pytest.raises(ModelError, match="differ from those of the training part"):
        predict(world, fold, checkpoint, tmp_path)


# recipe


def test_recipe_overrides_the_preset():
    recipe = Recipe(epochs=5, class_weights=(1, 2, 3))
    preset, chosen = settle("ststnet", "published", recipe, "experiments.a", 3)
    assert preset == "published"
    assert (chosen.epochs, chosen.class_weights, chosen.batch_size) == (5, (1.0, 2.0, 3.0), 256)


@pytest.mark.parametrize(
    ("model", "preset", "recipe", "message"),
    [
        ("ststnett", None, Recipe(), "experiments.a.model: unknown model 'ststnett'.*did you mean 'ststnet'"),
        ("ststnet", "cleen", Recipe(), "a.preset: unknown preset 'cleen'.*one of clean, published.*mean 'clean'"),
        ("svm_flow", None, Recipe(epochs=3), "a.train.epochs: model svm_flow has no such setting"),
        ("ststnet", None, Recipe(class_weights=(1, 2)), "a.train.class_weights: 2 weights; expected 3"),
        (
            "dual_branch_msmh",
            "smic",
            Recipe(regions="predicted"),
            "a.train.regions: bad value 'predicted': this preset",
        ),
        ("dual_branch", "icip2024", Recipe(), None),
        ("dual_branch_msmh", "lie", Recipe(), "a.train.class_weights: 2 weights in preset lie; expected 3"),
        ("dual_branch_msmh", "lie", Recipe(class_weights="none"), None),
    ],
)
def test_recipe_mistakes(model, preset, recipe, message):
    if message is None:
        settle(model, preset, recipe, "experiments.a", 3)
        return
    with pytest.raises(ConfigError, match=message) as caught:
        settle(model, preset, recipe, "experiments.a", 3)
    assert "\n" not in str(caught.value)


def test_class_weights_are_not_counted_before_the_classes_are_known():
    assert settle("ststnet", None, Recipe(class_weights=(1, 2)), "a")[1].class_weights == (1, 2)


def test_default_preset_is_the_first():
    assert settle("ststnet", None, Recipe(), "experiments.a")[0] == "clean"


@pytest.mark.parametrize("bad", [{"epochs": 0}, {"learning_rate": -1}, {"learning_rate": float("nan")}, {"epoch": 3}])
def test_recipe_values(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        Recipe(**bad)
