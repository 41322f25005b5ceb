"""The number of epochs chosen on persons of the training part only."""

import dataclasses

import numpy as np
import pytest
from pydantic import ValidationError

from mer.core.errors import ConfigError, ModelError
from mer.models import ststnet
from mer.training.checkpoint import load_checkpoint
from mer.training.epoch_choice import choose, splits, tried
from mer.training.experiment import checked
from mer.training.fit import fit_fold
from mer.training.recipe import Inner, Recipe, settle

CLASSES = ("negative", "positive", "surprise")


def quiet(line):
    """Take a line of the log."""


class Told:
    """An attempt whose predictions at each number of epochs are given."""

    def __init__(self, guesses):
        self.guesses, self.asked = guesses, []

    def __call__(self, epochs):
        self.asked.append(epochs)
        return np.array(self.guesses[epochs])


def test_the_highest_pooled_score_wins_and_the_fewest_epochs_among_equals():
    truths = [np.array([0, 1]), np.array([1, 0])]
    first = Told({1: [0, 0], 2: [0, 1], 3: [0, 1], 4: [0, 1]})
    second = Told({1: [0, 0], 2: [1, 1], 3: [1, 0], 4: [1, 0]})
    choice = choose([first, second], truths, 2, 4, Inner(folds=2, steps=4), quiet)
    assert choice["epochs"] == 3
    assert [score for _, score in choice["curve"]] == pytest.approx([1 / 3, 11 / 15, 1, 1])


def test_patience_ends_the_search():
    attempt = Told({k: [0, 1] if k == 2 else [0, 0] for k in range(1, 9)})
    choice = choose([attempt], [np.array([0, 1])], 2, 8, Inner(folds=2, steps=8, patience=3), quiet)
    assert choice["epochs"] == 2 and attempt.asked == [1, 2, 3, 4, 5]


def test_tried_numbers_end_at_the_budget():
    assert tried(40, 4) == [10, 20, 30, 40]
    assert tried(3, 10) == [1, 2, 3]


@pytest.mark.parametrize("inner", [Inner(folds=3), Inner(share=0.25)])
def test_no_person_is_on_both_sides(inner):
    groups = np.array([f"p{i % 8}" for i in range(48)])
    labels = np.arange(48) % 3
    pairs = splits(groups, labels, inner, seed=4)
    assert len(pairs) == (3 if inner.folds else 1)
    for train, test in pairs:
        assert not set(groups[train]) & set(groups[test])
        assert sorted([*train, *test]) == list(range(48))
    if inner.share:
        assert len(pairs[0][1]) == pytest.approx(12, abs=6)


def test_too_few_persons_or_classes():
    with pytest.raises(ModelError, match="one training subject; expected at least two"):
        splits(np.array(["p"] * 4), np.array([0, 1, 0, 1]), Inner(folds=2), 0)
    with pytest.raises(ModelError, match="no inner training part has two classes"):
        splits(np.array(["a", "a", "b", "b"]), np.array([0, 0, 1, 1]), Inner(folds=2), 0)


@pytest.mark.parametrize("values", [{}, {"folds": 2, "share": 0.2}, {"folds": 1}, {"share": 0.9}])
def test_folds_or_share(values):
    with pytest.raises(ValidationError):
        Inner(**values)


def test_only_what_is_trained_in_epochs_has_the_keys_of_the_loop():
    for key, value in (("precision", "bf16"), ("gradient_clip", 1.0), ("inner", Inner(folds=2))):
        assert settle("mean", None, Recipe(**{key: value}), "e", 3)[0] == "small"
        with pytest.raises(ConfigError, match=f"train.{key}: model svm_flow has no such setting"):
            settle("svm_flow", None, Recipe(**{key: value}), "e", 3)


@pytest.mark.slow
def test_a_fold_is_trained_for_as_many_epochs_as_its_inner_subjects_chose(world, tmp_path, monkeypatch):
    fold = world.folds()[1]
    recipe = Recipe(epochs=4, batch_size=16, inner=Inner(folds=2, steps=2))
    seen, fit_plainly = [], ststnet.MODEL.fit

    def watched(features, labels, groups, n_classes, preset, *rest):
        seen.append((preset.epochs, frozenset(groups.tolist())))
        return fit_plainly(features, labels, groups, n_classes, preset, *rest)

    monkeypatch.setattr(ststnet, "MODEL", dataclasses.replace(ststnet.MODEL, fit=watched))

    def fit(out, recipe, log=quiet, every=60.0, **options):
        experiment = checked("ststnet", None, recipe, CLASSES, 0)
        fit_fold(experiment, world.job(fold, out, **options), world.containers(fold.train_sources), log, every=every)
        return load_checkpoint(out)

    state, meta = fit(tmp_path / "m.safetensors", recipe)
    chosen = meta["inner"]["epochs"]
    assert chosen in (2, 4) and [point[0] for point in meta["inner"]["curve"]] == [2, 4]
    everyone = {row.group for row in fold.train}
    assert seen[-1] == (chosen, everyone)
    assert all(groups < everyone and not groups & set(fold.held_out) for _, groups in seen[:-1])
    plain, _ = fit(tmp_path / "plain.safetensors", Recipe(epochs=chosen, batch_size=16))
    assert all(np.array_equal(state.arrays[key], plain.arrays[key]) for key in plain.arrays)
    # Interrupted after the choice, it is not made again.
    lines = []

    def dying(line):
        if "epoch 1/" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "again.safetensors", recipe, dying, resume=tmp_path / "s", every=0.0)
    again, _ = fit(tmp_path / "again.safetensors", recipe, lines.append, resume=tmp_path / "s", every=0.0)
    assert any("before the interruption" in line for line in lines)
    assert all(np.array_equal(again.arrays[key], plain.arrays[key]) for key in plain.arrays)
    assert not list(tmp_path.glob("s*"))
