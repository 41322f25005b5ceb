"""What labels without information reach: analytic values, and the published table of the oracle rule."""

import numpy as np
import pytest

from mer.core.errors import ModelError
from mer.metrics.chance import majority, oracle_epoch, oracle_reference, permutation_band, random_reference
from mer.metrics.recognition import confusion, grouped_confusion, source_scores, uf1

# Clips per class of each subject. Invented: only the class totals, the number of subjects and of one-class subjects,
# and the always-negative row of specs/dual-branch.md §6.4 are those of the real data sets.
SMIC = """0 1 2, 0 1 2, 0 1 2, 0 2 0, 0 4 10, 0 5 2, 2 2 1, 2 2 3, 2 6 0, 4 4 0, 4 11 2, 5 0 1, 7 0 1, 9 7 0, 10 2 6,
25 3 11"""
SAMM = """0 1 0, 0 3 1, 1 0 0, 1 0 0, 1 0 0, 1 0 0, 1 0 0, 1 7 0, 1 9 0, 2 0 0, 2 0 0, 2 0 0, 2 0 2, 2 3 0, 3 0 0,
3 0 0, 3 0 0, 3 0 1, 3 0 1, 3 0 2, 3 1 0, 4 0 1, 4 0 1, 4 1 0, 7 0 4, 8 1 0, 9 0 0, 18 0 2"""
CASME2 = """0 1 0, 0 1 0, 1 0 1, 1 0 2, 1 1 0, 1 1 2, 2 0 0, 2 0 0, 2 0 0, 2 0 1, 2 3 1, 3 0 0, 3 0 0, 3 0 0, 3 2 0,
3 3 1, 3 3 5, 5 0 1, 5 2 3, 6 0 3, 6 3 1, 8 1 0, 10 0 0, 16 11 4"""
TABLE = [
    # name, structure, totals, always negative, 1 epoch, 10 epochs, 200 epochs (UF1, UAR, ACC)
    (SMIC, (70, 51, 43), (0.153, 0.240, 0.324), (0.244, 0.261, 0.325), (0.520, 0.535, 0.613), (0.748, 0.751, 0.821)),
    (SAMM, (92, 26, 15), (0.574, 0.631, 0.743), (0.251, 0.249, 0.340), (0.620, 0.614, 0.733), (0.880, 0.881, 0.929)),
    (CASME2, (88, 32, 25), (0.454, 0.521, 0.619), (0.242, 0.245, 0.327), (0.610, 0.623, 0.707), (0.865, 0.877, 0.906)),
]


def structure(text):
    counts = np.array([[int(n) for n in cell.split()] for cell in text.replace("\n", " ").split(",")])
    subject, label = np.indices(counts.shape)
    groups = np.array([f"s{i:02d}" for i in np.repeat(subject.ravel(), counts.ravel())])
    return np.repeat(label.ravel(), counts.ravel()), groups


@pytest.mark.parametrize("row", TABLE, ids=["smic", "samm", "casme2"])
def test_always_negative_row_golden(row):
    truth, groups = structure(row[0])
    assert tuple(np.bincount(truth)) == row[1]
    matrices = grouped_confusion(truth, np.zeros_like(truth), groups, 3)[1]
    assert source_scores(matrices).mean(axis=0) == pytest.approx(row[2], abs=0.01)


@pytest.mark.parametrize("row", TABLE, ids=["smic", "samm", "casme2"])
@pytest.mark.parametrize(("epochs", "column", "repeats"), [(1, 3, 300), (10, 4, 100), (200, 5, 20)])
def test_oracle_reference_reproduces_the_table(row, epochs, column, repeats):
    truth, groups = structure(row[0])
    level = oracle_reference(truth, groups, 3, epochs, repeats=repeats)
    assert [level["uf1"], level["uar"], level["accuracy"]] == pytest.approx(row[column], abs=0.02)


def test_honest_random_labels_stay_low_where_the_oracle_rule_is_high():
    truth, groups = structure(SMIC)
    honest = random_reference(truth, 3, "uniform", draws=500)
    leaky = oracle_reference(truth, groups, 3, 200)
    assert honest["uf1"]["high"] < 0.42 and leaky["pooled_uf1"] > 0.65


@pytest.mark.parametrize("sampler", ["uniform", "prior", "permuted"])
def test_uar_of_random_labels_is_one_in_c(sampler):
    truth = np.repeat([0, 1, 2], [250, 109, 83])
    level = random_reference(truth, 3, sampler, draws=3000)
    assert level["uar"]["mean"] == pytest.approx(1 / 3, abs=0.004)
    assert level["uf1"]["low"] < level["uf1"]["mean"] < level["uf1"]["high"]


def test_expected_accuracy_of_each_sampler():
    counts = np.array([250, 109, 83])
    truth = np.repeat([0, 1, 2], counts)
    agreement = float(((counts / 442) ** 2).sum())
    assert random_reference(truth, 3, "uniform")["accuracy"]["mean"] == pytest.approx(1 / 3, abs=0.003)
    assert random_reference(truth, 3, "prior")["accuracy"]["mean"] == pytest.approx(agreement, abs=0.003)
    assert random_reference(truth, 3, "permuted")["accuracy"]["mean"] == pytest.approx(agreement, abs=0.003)


def test_permuted_labels_depend_on_the_seed_only():
    truth = np.repeat([0, 1, 2], [20, 10, 5])
    assert random_reference(truth, 3, "permuted", 200, seed=4) == random_reference(truth, 3, "permuted", 200, seed=4)
    assert random_reference(truth, 3, "permuted", 200, seed=4) != random_reference(truth, 3, "permuted", 200, seed=5)


def test_majority_golden():
    level = majority(np.repeat([0, 1, 2], [88, 32, 25]), 3)
    assert level["label"] == 0
    assert level["uf1"] == pytest.approx(0.252, abs=6e-4)
    assert level["uar"] == pytest.approx(1 / 3)


def test_oracle_takes_the_first_best_epoch():
    truth, groups = np.array([0, 1, 0, 2]), ["a", "a", "b", "b"]
    epochs = np.array([[0, 0, 0, 0], [0, 1, 2, 2], [0, 1, 0, 2]])
    assert oracle_epoch(truth, epochs[:1], groups, 3)["accuracy"] == 0.5
    whole = oracle_epoch(truth, epochs, groups, 3)
    assert whole == {"uf1": 1.0, "uar": 1.0, "accuracy": 1.0, "pooled_uf1": 1.0, "pooled_uar": 1.0}


def test_more_epochs_never_lower_the_oracle():
    rng = np.random.default_rng(0)
    truth, groups = structure(SMIC)
    runs = rng.integers(3, size=(30, len(truth)))
    scores = [oracle_epoch(truth, runs[:n], groups, 3)["uf1"] for n in (1, 3, 10, 30)]
    assert scores == sorted(scores) and scores[0] < scores[-1]


def test_wrong_shape():
    with pytest.raises(ModelError, match=r"shape \(2,\); expected \(epochs, 2\)"):
        oracle_epoch(np.array([0, 1]), np.array([0, 1]), ["a", "b"], 2)


def test_the_band_of_predictions_that_know_nothing_holds_their_score():
    rng = np.random.default_rng(0)
    truth, strata = np.repeat([0, 1, 2], [120, 60, 40]), rng.choice(["a", "b"], 220)
    inside = 0
    for trial in range(60):
        rows = rng.choice(3, size=(3, 220), p=[0.5, 0.3, 0.2])
        band = permutation_band(truth, rows, strata, 3, draws=200, seed=trial)["uf1"]
        score = np.mean([uf1(confusion(truth, row, 3)) for row in rows])
        inside += band["low"] <= score <= band["high"]
        assert (band["p"] < 0.03) == (score > band["high"]) or abs(score - band["high"]) < 0.01
    assert inside >= 52


def test_the_band_keeps_what_naming_the_database_gives():
    # Each database has mostly one class: predictions that only tell databases apart score well, and the band says so.
    truth = np.repeat([0, 1, 1, 0], [45, 5, 45, 5])
    strata = np.repeat(["a", "b"], 50)
    naming = np.repeat([0, 1], 50)
    band = permutation_band(truth, naming[None], strata, 2, draws=300)["uf1"]
    assert band["low"] == band["high"] == pytest.approx(0.9) and band["p"] == 1.0
    assert random_reference(truth, 2, "permuted", draws=300)["uf1"]["high"] < 0.65


def test_a_skilled_system_lies_outside_the_band():
    truth = np.repeat([0, 1, 2], 40)
    guess = np.where(np.random.default_rng(0).random(120) < 0.7, truth, 0)
    band = permutation_band(truth, guess[None], ["a"] * 120, 3, draws=400)
    assert all(level["p"] == pytest.approx(1 / 401) for level in band.values())
    assert band == permutation_band(truth, guess[None], ["a"] * 120, 3, draws=400)
