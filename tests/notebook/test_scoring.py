"""Anyone's predictions are scored and compared as the workflow's own."""

import json

import numpy as np
import pandas as pd
import pytest

import mer
from mer.core.errors import ModelError

Y = pd.Categorical(["a", "b", "c"] * 6, categories=["a", "b", "c", "d"])
GROUPS = np.repeat(list("uvwxyz"), 3)


def test_a_perfect_and_a_constant_predictor():
    perfect = mer.score(Y, list(Y), GROUPS)
    assert perfect.loc["accuracy", ["value", "low", "high"]].tolist() == [1, 1, 1]
    assert perfect.loc["uf1", "value"] == pytest.approx(3 / 4)  # the fourth class of the set has no clip
    three = mer.score(list(Y), list(Y), GROUPS)
    assert three.loc["uf1", "value"] == 1
    constant = mer.score(list(Y), ["a"] * 18, GROUPS)
    assert constant.loc["uar", "value"] == pytest.approx(1 / 3)
    assert 0.2 < constant.loc["uar", "chance"] < 0.45 and constant.loc["uar", "chance_low"] < 1 / 3


def test_runs_of_several_seeds_and_numbers_as_classes():
    y = np.array([0, 1, 2] * 6)
    p = np.stack([y, np.roll(y, 1)])
    table = mer.score(y, p, GROUPS, classes=[0, 1, 2])
    assert table.loc["accuracy", "value"] == pytest.approx(0.5)
    assert table.loc["accuracy", "low"] == 0 and table.loc["accuracy", "high"] == 1  # either seed, drawn twice


@pytest.mark.parametrize(
    ("y", "p", "groups", "message"),
    [
        (list("ab"), list("ax"), list("uv"), r"p: class 'x'; expected one of a, b, for every clip"),
        (list("ab"), ["a", None], list("uv"), r"p: class None"),
        (list("ab"), ["a", float("nan")], list("uv"), r"p: class nan"),
        (list("ab"), list("aba"), list("uv"), r"p: 3 clips; expected 2, as y"),
        (list("ab"), list("ab"), list("u"), r"groups: 1 clips; expected 2, as y"),
        (pd.Series(list("ab"), [1, 2]), list("ab"), pd.Series(list("uv"), [2, 1]), "groups: is of other clips than y"),
    ],
)
def test_what_cannot_be_scored_is_one_line(y, p, groups, message):
    with pytest.raises(ModelError, match=message):
        mer.score(y, p, groups)


@pytest.mark.slow
def test_the_run_is_scored_as_the_workflow_scored_it(run, project):
    for name in ("svm_flow", "ststnet"):
        table = run.predictions(name)
        metrics = json.loads((project / "results" / "experiments" / name / "metrics.json").read_text())
        seeds = [part for _, part in table.groupby("seed")]
        y, groups = seeds[0]["label"], seeds[0]["group"]
        p = np.stack([part["prediction"] for part in seeds])
        mine = mer.score(y, p, groups, draws=metrics["interval"]["draws"])
        for statistic in ("uf1", "uar", "accuracy"):
            assert mine.loc[statistic, ["value", "low", "high"]].to_dict() == metrics["interval"][statistic]
            band = metrics["chance"]["permuted"][statistic]
            assert mine.loc[statistic, ["chance", "chance_low", "chance_high"]].tolist() == [
                band["mean"], band["low"], band["high"],
            ]  # fmt: skip
        shown = run.scores(name).loc[(name, "pooled")]
        assert shown["uf1"] == metrics["summary"]["pooled"]["uf1"]["mean"] and shown["clips"] == metrics["n_clips"]
        assert run.metrics(name) == metrics


@pytest.mark.slow
def test_one_s_own_predictions_are_compared_with_the_run_s(run):
    theirs = run.predictions("svm_flow")
    own = mer.predictions(theirs["label"], theirs["prediction"], theirs["group"])
    same = mer.compare(own, theirs)
    assert (same[["value", "low", "high"]] == 0).all(axis=None) and not same["distinguishable"].any()
    assert same.attrs == {"n_clips": 18, "only_first": 0, "only_second": 0}
    fewer = mer.compare(run.predictions("ststnet"), theirs.sample(frac=1, random_state=0))
    assert fewer.attrs == {"n_clips": 11, "only_first": 0, "only_second": 7}
    right = mer.predictions(theirs["label"], theirs["label"], theirs["group"])
    wrong = mer.predictions(theirs["label"], np.roll(theirs["label"].to_numpy(), 1), theirs["group"])
    assert mer.compare(right, wrong).loc["accuracy", "distinguishable"]
    with pytest.raises(ModelError, match="a: label missing; expected predictions"):
        mer.compare(theirs.drop(columns="label"), theirs)
    with pytest.raises(ModelError, match="not every seed has every clip once"):
        mer.compare(pd.concat([theirs, theirs.iloc[:1]]), theirs)
