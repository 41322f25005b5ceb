"""Golden values of published confusion matrices and the properties that any score must have."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mer.core.errors import ModelError
from mer.metrics import recognition as rec

# The pooled result of a published per-sample log, rows = truth (specs/peers.md §3.1).
PUBLISHED = np.array([[219, 22, 9], [40, 62, 7], [21, 3, 59]])
CLASSES = ("negative", "positive", "surprise")


def labels_of(matrix):
    """Return truth and prediction whose confusion matrix is `matrix`."""
    truth, prediction = np.indices(matrix.shape)
    return np.repeat(truth.ravel(), matrix.ravel()), np.repeat(prediction.ravel(), matrix.ravel())


def test_published_log_golden():
    matrix = rec.confusion(*labels_of(PUBLISHED), 3)
    assert matrix.tolist() == PUBLISHED.tolist()
    assert rec.uf1(matrix) == pytest.approx(0.7353, abs=5e-5)
    assert rec.uar(matrix) == pytest.approx(0.7186, abs=5e-5)
    assert rec.accuracy(matrix) == pytest.approx(0.7692, abs=5e-5)
    assert rec.precision(matrix).mean() == pytest.approx(0.7605, abs=5e-5)


def test_swapped_arguments_give_the_misprinted_recall():
    truth, prediction = labels_of(PUBLISHED)
    swapped = rec.confusion(prediction, truth, 3)
    assert rec.uar(swapped) == pytest.approx(0.7605, abs=5e-5)
    assert rec.uf1(swapped) == pytest.approx(0.7353, abs=5e-5)


@pytest.mark.parametrize(
    ("counts", "uf1"),
    [((70, 51, 43), 0.199), ((92, 26, 15), 0.273), ((88, 32, 25), 0.252)],
    ids=["smic", "samm", "casme2"],
)
def test_always_negative_golden(counts, uf1):
    matrix = np.zeros((3, 3), int)
    matrix[:, 0] = counts
    assert rec.uf1(matrix) == pytest.approx(uf1, abs=6e-4)
    assert rec.uar(matrix) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("truth", "prediction", "expected"),
    [
        ([2], [0], (0, 0, 0)),
        ([1, 1], [1, 0], (0.33333, 0.25, 0.5)),
        ([0, 2, 2], [0, 2, 0], (0.44444, 0.5, 0.66667)),
        ([0, 0], [0, 2], (0.22222, 0.16667, 0.5)),
        ([0, 1, 2, 2], [0, 1, 2, 2], (1, 1, 1)),
        ([0], [0], (1, 1, 1)),
    ],
)
def test_source_rule_golden(truth, prediction, expected):
    matrix = rec.confusion(np.array(truth), np.array(prediction), 3)
    assert rec.source_scores(matrix).tolist() == pytest.approx(expected, abs=1e-5)


def test_mean_of_folds_differs_by_name():
    one_class, two_classes = np.diag([4, 0, 0]), np.array([[1, 1, 0], [0, 2, 0], [0, 0, 0]])
    folds = np.stack([one_class, two_classes])
    # Second fold: F1 2/3 and 4/5, recall 1/2 and 1.
    assert rec.mean_of_folds(folds, "present")["f1"] == pytest.approx((1 + (2 / 3 + 4 / 5) / 2) / 2)
    assert rec.mean_of_folds(folds, "all")["f1"] == pytest.approx((1 / 3 + (2 / 3 + 4 / 5) / 3) / 2)
    assert rec.mean_of_folds(folds, "present")["recall"] == pytest.approx((1 + 0.75) / 2)
    assert rec.mean_of_folds(folds, "all")["recall"] == pytest.approx((1 / 3 + 0.5) / 2)


def test_evaluate_restricts_the_same_predictions():
    truth, prediction = labels_of(PUBLISHED)
    datasets = np.array(["casme2", "samm"])[np.arange(len(truth)) % 2]
    groups = [f"{d}:{i % 7}" for i, d in enumerate(datasets)]
    result = rec.evaluate(truth, prediction, CLASSES, datasets, groups)
    assert sorted(result["per_dataset"]) == ["casme2", "samm"]
    parts = [np.array(block["confusion"]) for block in result["per_dataset"].values()]
    assert sum(parts).tolist() == PUBLISHED.tolist()
    assert sum(block["n"] for block in result["per_subject"].values()) == 442
    assert result["pooled"]["per_class"]["surprise"]["recall"] == pytest.approx(59 / 83)
    assert result["pooled"]["per_class"]["surprise"]["support"] == 83


def test_dataset_without_a_class_keeps_the_class_set():
    result = rec.evaluate(np.array([0, 0, 1, 2]), np.array([0, 0, 1, 2]), CLASSES, list("aabb"), list("wxyz"))
    assert result["pooled"]["uf1"] == 1.0
    assert result["per_dataset"]["a"]["uf1"] == pytest.approx(1 / 3)


pairs = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(pairs, st.randoms(use_true_random=False))
def test_order_of_rows_changes_nothing(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    results = []
    for clips in (rows, shuffled):
        truth, prediction = np.array(clips).T
        names = [f"g{3 * t + p}" for t, p in clips]
        results.append(rec.evaluate(truth, prediction, CLASSES, names, names))
    assert results[0] == results[1]


@settings(max_examples=60, deadline=None)
@given(pairs)
def test_bounds_and_relabelling(rows):
    truth, prediction = np.array(rows).T
    matrix = rec.confusion(truth, prediction, 3)
    scores = [rec.uf1(matrix), rec.uar(matrix), rec.accuracy(matrix), *rec.source_scores(matrix)]
    assert all(0.0 <= score <= 1.0 for score in scores)
    turned = np.array([2, 0, 1])
    other = rec.confusion(turned[truth], turned[prediction], 3)
    assert [rec.uf1(other), rec.uar(other)] == pytest.approx([rec.uf1(matrix), rec.uar(matrix)])


@given(st.permutations([0, 1, 2, 0, 1, 2, 2]))
def test_perfect_is_one(truth):
    matrix = rec.confusion(np.array(truth), np.array(truth), 3)
    assert rec.uf1(matrix) == rec.uar(matrix) == rec.accuracy(matrix) == 1.0


@pytest.mark.parametrize(
    ("truth", "prediction", "message"),
    [
        ([], [], "at least one clip"),
        ([0, 1], [0], "1 labels for 2 clips"),
        ([0, 3], [0, 1], "truth: label 3; expected labels from 0 to 2"),
        ([0, 1], [0, -1], "prediction: label -1"),
        ([0.0, 1.0], [0, 1], "type float64"),
        ([[0], [1]], [0, 1], "shape \\(2, 1\\)"),
    ],
)
def test_bad_labels(truth, prediction, message):
    with pytest.raises(ModelError, match=message):
        rec.confusion(np.array(truth), np.array(prediction), 3)


def test_one_class_and_wrong_groups():
    with pytest.raises(ModelError, match="1 class; expected at least 2"):
        rec.confusion(np.array([0]), np.array([0]), 1)
    with pytest.raises(ModelError, match="1 groups for 2 clips"):
        rec.grouped_confusion(np.array([0, 1]), np.array([0, 1]), ["a"], 2)


def test_classes_used_counts_them():
    counts = np.array([[5, 5, 5], [9, 0, 0], [4, 4, 0], [8, 1, 0]])
    assert rec.classes_used(counts) == pytest.approx([3, 1, 2, np.exp(-(8 / 9) * np.log(8 / 9) + np.log(9) / 9)])
