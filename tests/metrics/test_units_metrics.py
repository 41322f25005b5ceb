"""The averages of CD6ME, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from mer.core.errors import ModelError
from mer.metrics.units import binary_macro, unit_averages


def problem(seed=0, units=3, clips=240, persons=24, seeds=2):
    rng = np.random.default_rng(seed)
    person = np.sort(rng.integers(persons, size=clips))
    groups = [f"p{i:02d}" for i in person]
    datasets = ["a" if i < 8 else "b" if i < 16 else "c" for i in person]
    truth = {f"AU{u}": (rng.random(clips) < 0.2 + 0.2 * u).astype(int) for u in range(units)}
    predicted = {
        name: np.array([np.where(rng.random(clips) < 0.7, own, rng.integers(2, size=clips)) for _ in range(seeds)])
        for name, own in truth.items()
    }
    return truth, predicted, groups, datasets


def test_averages_agree_with_scikit_learn():
    truth, predicted, groups, datasets = problem()
    found = unit_averages(truth, predicted, groups, datasets, draws=200)
    where = np.array(datasets)
    for k, kind in (("binary", "binary"), ("macro", "macro")):
        score = {
            name: np.mean([f1_score(own, row, average=kind) for row in predicted[name]]) for name, own in truth.items()
        }
        assert {name: entry[k] for name, entry in found["units"].items()} == pytest.approx(score)
        assert found["average"]["units"][k]["value"] == pytest.approx(np.mean(list(score.values())))
        by_dataset = {
            part: np.mean([
                f1_score(own[where == part], row[where == part], average=kind)
                for name, own in truth.items()
                for row in predicted[name]
            ])
            for part in ("a", "b", "c")
        }  # fmt: skip
        assert {name: entry[k] for name, entry in found["datasets"].items()} == pytest.approx(by_dataset)
        assert found["average"]["datasets"][k]["value"] == pytest.approx(np.mean(list(by_dataset.values())))
        spread = found["average"]["datasets"][k]
        assert spread["low"] < spread["value"] < spread["high"]


def test_naming_every_unit_everywhere():
    truth, predicted, groups, datasets = problem()
    found = unit_averages(truth, predicted, groups, datasets, draws=100)
    expected = np.mean([f1_score(own, np.ones_like(own)) for own in truth.values()])
    assert found["all_present"]["units"]["binary"] == pytest.approx(expected)
    assert found["all_present"]["units"]["macro"] == pytest.approx(expected / 2)


def test_a_unit_that_a_database_lacks():
    matrices = np.array([[[9, 0], [0, 0]], [[7, 2], [0, 0]], [[0, 0], [1, 3]]])
    assert binary_macro(matrices)[:, 0] == pytest.approx([0, 0, 6 / 7])
    assert binary_macro(matrices)[:, 1] == pytest.approx([1, 0.5 * 14 / 16, 0.5 * 6 / 7])


def test_units_may_differ_in_seeds_but_not_in_name():
    truth, predicted, groups, datasets = problem()
    one = {name: rows[:1] if name == "AU1" else rows for name, rows in predicted.items()}
    assert set(unit_averages(truth, one, groups, datasets, draws=100)["units"]) == set(truth)
    with pytest.raises(ModelError, match="different units"):
        unit_averages(truth, {"AU0": predicted["AU0"]}, groups, datasets)


def test_rows_in_another_order_change_nothing():
    truth, predicted, groups, datasets = problem()
    order = np.random.default_rng(1).permutation(len(groups))
    again = unit_averages(
        {name: own[order] for name, own in truth.items()}, {name: rows[:, order] for name, rows in predicted.items()},
        [groups[i] for i in order], [datasets[i] for i in order], draws=150,
    )  # fmt: skip
    assert again == unit_averages(truth, predicted, groups, datasets, draws=150)
