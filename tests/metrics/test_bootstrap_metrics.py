"""The subject bootstrap: what it must keep, and that its interval behaves as an interval."""

import numpy as np
import pytest

from mer.core.errors import ModelError
from mer.metrics.bootstrap import (
    draw_weights,
    group_strata,
    interval,
    paired_difference,
    seed_weights,
    subject_matrices,
)


def experiment(seed=0, clips=240, persons=24, right=0.7):
    rng = np.random.default_rng(seed)
    groups = [f"p{i:02d}" for i in np.sort(rng.integers(persons, size=clips))]
    datasets = ["a" if int(g[1:]) < 10 else "b" for g in groups]
    truth = rng.integers(3, size=clips)
    wrong = rng.integers(3, size=clips)
    return truth, np.where(rng.random(clips) < right, truth, wrong), groups, datasets


def test_strata_keep_their_size():
    weights = draw_weights(["a", "b", "a", "a", "b"], 500, seed=3)
    assert (weights[:, [0, 2, 3]].sum(axis=1) == 3).all()
    assert (weights[:, [1, 4]].sum(axis=1) == 2).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(5), abs=0.15)


def test_person_of_two_datasets_is_one_stratum():
    assert group_strata(["x", "y", "x"], ["samm", "samm", "samm_lv"]) == ["samm+samm_lv", "samm"]


def test_interval_brackets_and_repeats():
    truth, guess, groups, datasets = experiment()
    first = interval(truth, guess, groups, datasets, 3, draws=400, seed=1)
    assert first == interval(truth, guess, groups, datasets, 3, draws=400, seed=1)
    assert first != interval(truth, guess, groups, datasets, 3, draws=400, seed=2)
    for score in first.values():
        assert score["low"] < score["value"] < score["high"]


def test_order_of_rows_changes_nothing():
    truth, guess, groups, datasets = experiment()
    order = np.random.default_rng(5).permutation(len(truth))
    shuffled = [np.asarray(column)[order] for column in (truth, guess, groups, datasets)]
    assert interval(*shuffled, 3, draws=300) == interval(truth, guess, groups, datasets, 3, draws=300)


def test_accuracy_interval_agrees_with_the_binomial():
    # One clip per person: the cluster bootstrap must then match the textbook standard error.
    rng = np.random.default_rng(0)
    truth = rng.integers(3, size=400)
    guess = np.where(rng.random(400) < 0.6, truth, (truth + 1) % 3)
    score = interval(truth, guess, [f"p{i}" for i in range(400)], ["a"] * 400, 3, draws=4000)["accuracy"]
    error = np.sqrt(score["value"] * (1 - score["value"]) / 400)
    assert (score["high"] - score["low"]) / (2 * 1.96) == pytest.approx(error, rel=0.07)


def test_clustered_errors_widen_the_interval():
    truth, _, groups, datasets = experiment()
    bad = np.array([int(g[1:]) % 3 == 0 for g in groups])
    clustered = np.where(bad, (truth + 1) % 3, truth)
    spread = np.random.default_rng(0).permutation(bad)
    scattered = np.where(spread, (truth + 1) % 3, truth)
    widths = [
        s["high"] - s["low"]
        for s in (interval(truth, g, groups, datasets, 3)["accuracy"] for g in (clustered, scattered))
    ]
    assert widths[0] > 1.5 * widths[1]


def test_seeds_are_averaged():
    truth, guess, groups, datasets = experiment()
    rows = np.stack([truth, guess])
    alone = [interval(truth, row, groups, datasets, 3, draws=200)["uf1"]["value"] for row in rows]
    assert interval(truth, rows, groups, datasets, 3, draws=200)["uf1"]["value"] == pytest.approx(np.mean(alone))
    assert subject_matrices(truth, rows, groups, 3).sum(axis=(0, 2, 3)).tolist() == [240, 240]


def test_paired_difference():
    truth, guess, groups, datasets = experiment(right=0.5)
    same = paired_difference(truth, guess, guess, groups, datasets, 3, draws=200)["uf1"]
    assert (same["value"], same["low"], same["high"], same["distinguishable"]) == (0, 0, 0, False)
    better = paired_difference(truth, truth, guess, groups, datasets, 3, draws=500)
    worse = paired_difference(truth, guess, truth, groups, datasets, 3, draws=500)
    assert better["uf1"]["distinguishable"] and worse["uf1"]["distinguishable"]
    assert worse["uar"]["low"] == pytest.approx(-better["uar"]["high"])


def test_one_clip_of_difference_is_not_distinguishable():
    truth, guess, groups, datasets = experiment()
    other = guess.copy()
    other[0] = (other[0] + 1) % 3
    result = paired_difference(truth, guess, other, groups, datasets, 3)
    assert not any(score["distinguishable"] for score in result.values())


def test_too_few_draws():
    with pytest.raises(ModelError, match="10 draws; expected at least 100"):
        interval(*experiment(), 3, draws=10)


def seeded(rng, seeds, spread, persons=30, clips=6):
    """Return one experiment whose seeds differ in skill by `spread`, and whose expected accuracy is .6."""
    person = np.repeat(np.arange(persons), clips)
    truth = rng.integers(3, size=len(person))
    skill = 0.6 + 0.15 * rng.normal(size=persons)[person]
    rows = []
    for _ in range(seeds):
        right = rng.random(len(person)) < np.clip(skill + spread * rng.normal(), 0, 1)
        rows.append(np.where(right, truth, (truth + rng.integers(1, 3, size=len(person))) % 3))
    return truth, np.array(rows), [f"p{i:02d}" for i in person], ["a"] * len(person)


def test_seeds_that_disagree_widen_the_interval():
    rng = np.random.default_rng(0)
    truth, rows, groups, datasets = seeded(rng, 5, 0.15)
    both = interval(truth, rows, groups, datasets, 3, draws=600)["accuracy"]
    same = interval(truth, np.repeat(rows[:1], 5, axis=0), groups, datasets, 3, draws=600)["accuracy"]
    one = interval(truth, rows[0], groups, datasets, 3, draws=600)["accuracy"]
    assert same == pytest.approx(one)
    assert both["high"] - both["low"] > 1.2 * (same["high"] - same["low"])
    assert both["value"] == pytest.approx(np.mean([(row == truth).mean() for row in rows]))


def test_interval_over_seeds_covers_what_the_interval_of_persons_misses():
    rng = np.random.default_rng(1)
    hits = np.zeros(2)
    for _ in range(120):
        truth, rows, groups, datasets = seeded(rng, 5, 0.1)
        found = interval(truth, rows, groups, datasets, 3, draws=200)["accuracy"]
        weights = draw_weights(group_strata(groups, datasets), 200, 0)
        fixed = (weights @ (rows == truth).mean(axis=0).reshape(30, 6).sum(axis=1)) / len(truth)
        low, high = np.quantile(fixed, [0.025, 0.975])
        hits += [found["low"] <= 0.6 <= found["high"], low <= 0.6 <= high]
    assert hits[0] / 120 > 0.86 > hits[1] / 120


def test_the_seeds_of_two_experiments_are_drawn_apart():
    shares = [seed_weights(4, 500, 0, which) for which in (0, 1)]
    assert all(share.sum(axis=1) == pytest.approx(1) for share in shares)
    assert abs(np.corrcoef(shares[0][:, 0], shares[1][:, 0])[0, 1]) < 0.15
