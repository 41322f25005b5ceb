"""Scoring an experiment from its files: completeness, the golden matrix end to end, flags, comparison."""

import json
import random
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from mer.core.errors import ModelError
from mer.training.fold_tables import Row, write_table
from mer.training.predictions import compare, read_predictions
from mer.training.score import score, score_experiment
from mer.training.score_tables import latex_table, per_subject_csv

CLASSES = ("negative", "positive", "surprise")
# The published log of specs/peers.md §3.1, rows = truth.
PUBLISHED = np.array([[219, 22, 9], [40, 62, 7], [21, 3, 59]])
DATASETS = ("casme2", "samm", "smic_hs")


class Files:
    """Files of an invented experiment: `rows` with truth, one prediction per clip and seed."""

    def __init__(self, folder, truth, seeds, persons=34, datasets=DATASETS):
        self.folder = folder
        rng = np.random.default_rng(0)
        order = rng.permutation(len(truth))
        self.rows = [
            Row(f"c{i:03d}", datasets[p % len(datasets)], f"s{p}", f"x:s{p}", CLASSES[truth[j]], f"mine/x-s{p}")
            for i, (j, p) in enumerate(zip(order, rng.integers(persons, size=len(truth)), strict=True))
        ]
        self.guess = {seed: [CLASSES[guess[j]] for j in order] for seed, guess in seeds.items()}
        self.out = {"predictions": [], "excluded": [], "tests": []}

    def write(self, excluded=(), change=None):
        frames = []
        for seed, guess in self.guess.items():
            frame = pd.DataFrame([vars(row) for row in self.rows]).drop(columns="source")
            frame["fold"], frame["seed"], frame["prediction"] = frame["subject"], seed, guess
            frames.append(frame)
        whole = pd.concat(frames, ignore_index=True)
        whole["reason"] = "no face"
        whole = whole if change is None else change(whole)
        for subject, seed in sorted({(r.subject, s) for r in self.rows for s in self.guess}):
            part = whole[(whole["subject"] == subject) & (whole["seed"] == seed)]
            out = part["sample_id"].isin(excluded)
            self._save("predictions", part[~out].drop(columns="reason"), subject, seed)
            self._save("excluded", part[out].drop(columns="prediction"), subject, seed)
        for subject in sorted({row.subject for row in self.rows}):
            path = self.folder / "tables" / f"{subject}.csv"
            write_table(path, [row for row in self.rows if row.subject == subject])
            self.out["tests"].append(path)
        return self.out

    def _save(self, kind, frame, subject, seed):
        path = self.folder / kind / f"{subject}-{seed}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.to_csv(path, index=False)
        self.out[kind].append(path)


def published(folder, seeds=(0,), **options):
    truth, guess = np.indices((3, 3)).reshape(2, -1).repeat(PUBLISHED.ravel(), axis=1)
    return Files(folder, truth, dict.fromkeys(seeds, guess), **options)


def read(paths, **changes):
    return read_predictions(**{**paths, "classes": CLASSES, **changes})


def test_golden_matrix_through_the_files(tmp_path):
    paths = published(tmp_path, seeds=(0, 1)).write()
    for files in paths.values():
        random.Random(0).shuffle(files)
    result = score_experiment(paths, tmp_path / "out" / "metrics.json", classes=CLASSES, name="log_1", draws=300)
    pooled = result["summary"]["pooled"]
    assert pooled["uf1"]["mean"] == pytest.approx(0.7353, abs=5e-5)
    assert pooled["uar"]["mean"] == pytest.approx(0.7186, abs=5e-5)
    assert pooled["accuracy"]["mean"] == pytest.approx(0.7692, abs=5e-5)
    assert pooled["uf1"]["sd"] == 0.0 and result["seeds"] == [0, 1]
    assert result["per_seed"]["1"]["pooled"]["confusion"] == PUBLISHED.tolist()
    assert set(result["summary"]["per_dataset"]) == set(DATASETS)
    assert result["interval"]["uf1"]["low"] < pooled["uf1"]["mean"] < result["interval"]["uf1"]["high"]
    assert result["flags"] == []
    assert json.loads((tmp_path / "out" / "metrics.json").read_text()) == result


def test_written_tables(tmp_path):
    paths = published(tmp_path).write()
    score_experiment(paths, tmp_path / "out" / "metrics.json", classes=CLASSES, name="log_1", draws=200)
    subjects = pd.read_csv(tmp_path / "out" / "per_subject.csv")
    assert subjects["clips"].sum() == 442 and subjects["right"].sum() == 340
    assert subjects[[f"n_{name}" for name in CLASSES]].sum().tolist() == [250, 109, 83]
    matrices = pd.read_csv(tmp_path / "out" / "confusion.csv").set_index(["dataset", "truth", "prediction"])["clips"]
    assert matrices["all"]["positive"]["negative"] == 40
    assert sum(matrices[name]["positive"]["negative"] for name in DATASETS) == 40
    tex = (tmp_path / "out" / "table.tex").read_text()
    assert r"log\_1, pooled & .7353 [." in tex and "& .7186 [." in tex and r"smic\_hs &" in tex
    assert tex.count(r"\\") == 6


def test_every_subject_has_accuracy_and_the_published_uf1_and_uar():
    """The test vectors of specs/dual-branch.md §11, as two speakers and a third who is right throughout."""
    data = SimpleNamespace(
        groups=np.array(["rld:a", "rld:a", "rld:b", "rld:b", "rld:c"]),
        datasets=np.array(["rld"] * 5),
        classes=("deceptive", "truthful"),
        seeds=[0],
        truth=np.array([1, 1, 0, 0, 1]),
        predicted=np.array([[1, 0, 0, 1, 1]]),
    )
    lines = per_subject_csv(data).splitlines()
    assert lines[0] == "seed,group,dataset,clips,right,accuracy,source_uf1,source_uar,n_deceptive,n_truthful"
    assert lines[1:] == [
        "0,rld:a,rld,2,1,0.500000,0.333333,0.250000,0,2",
        "0,rld:b,rld,2,1,0.500000,0.333333,0.250000,2,0",
        "0,rld:c,rld,1,1,1.000000,1.000000,1.000000,0,1",
    ]


def test_mean_and_deviation_over_seeds(tmp_path):
    files = published(tmp_path, seeds=(0, 1))
    files.guess[1] = [row.label for row in files.rows]
    result = score(read(files.write()), draws=200)
    uf1 = result["summary"]["pooled"]["uf1"]
    assert uf1["mean"] == pytest.approx((0.7353 + 1) / 2, abs=1e-4)
    assert uf1["sd"] == pytest.approx((1 - 0.7353) / np.sqrt(2), abs=1e-4)
    assert result["interval"]["uf1"]["value"] == pytest.approx(uf1["mean"])


def test_the_mean_of_the_scores_is_one_answer_per_clip(tmp_path):
    files = published(tmp_path, seeds=(0, 1, 2))
    codes = [CLASSES.index(row.label) for row in files.rows]
    # Two seeds are wrong by a little, the third is right by more than both: together they are always right.
    for seed in (0, 1):
        files.guess[seed] = [CLASSES[(code + 1) % 3] for code in codes]
    files.guess[2] = [CLASSES[code] for code in codes]

    def scored(whole):
        right = whole["label"] == whole["prediction"]
        for name in CLASSES:
            named = whole["prediction"] == name
            whole[f"score_{name}"] = np.where(right & named, 0.9, np.where(~right & named, 0.5, 0.0))
            whole.loc[(whole["label"] == name) & ~right, f"score_{name}"] = 0.4
        return whole

    data = read(files.write(change=scored))
    result = score(data, draws=200) | {"name": "mine"}
    assert result["summary"]["pooled"]["uf1"]["mean"] == pytest.approx(1 / 3)
    assert result["average"]["pooled"]["uf1"] == result["average"]["interval"]["uar"]["low"] == 1.0
    assert r"mine, mean of 3 seeds' scores & 1.0000 [1.0000, 1.0000]" in latex_table(result)
    part = data.restricted([key for key in data.keys if key[0] == "samm"])
    assert part.scores.shape == (3, len(part.keys), 3)
    assert score(part, draws=200)["average"]["pooled"]["accuracy"] == 1.0
    # As suspicious as a score of one seed would be.
    assert any(line.startswith("suspicious: UF1 1.000") for line in result["flags"])


def test_no_mean_of_the_scores_of_one_seed_or_of_answers_alone(tmp_path):
    assert "average" not in score(read(published(tmp_path / "two", seeds=(0, 1)).write()), draws=200)

    def scored(whole):
        return whole.assign(**{f"score_{name}": 1.0 for name in CLASSES})

    assert "average" not in score(read(published(tmp_path / "one").write(change=scored)), draws=200)
    broken = published(tmp_path / "broken").write(change=lambda whole: scored(whole).assign(score_positive="high"))
    with pytest.raises(ModelError, match="a score is no number"):
        read(broken)


def test_one_seed_has_no_deviation(tmp_path):
    result = score(read(published(tmp_path).write()), draws=200)
    assert result["summary"]["pooled"]["uar"]["sd"] is None
    names = {"uniform", "prior", "permuted", "majority", "own_predictions", "oracle_epoch"}
    assert names == set(result["chance"])
    assert result["chance"]["majority"]["label"] == "negative"
    assert result["chance"]["oracle_epoch"]["200"]["uf1"] > 0.5 > result["chance"]["uniform"]["uf1"]["high"]


def test_excluded_clips_are_listed(tmp_path):
    result = score(read(published(tmp_path, seeds=(0, 1)).write(excluded=("c007", "c100"))), draws=200)
    assert result["n_clips"] == 440
    assert {clip["sample_id"] for clip in result["excluded"]} == {"c007", "c100"}
    assert result["excluded"][0]["reason"] == "no face" and result["excluded"][0]["label"] in CLASSES


def drop(clip, seed):
    return lambda frame: frame[~((frame["sample_id"] == clip) & (frame["seed"] == seed))]


def assign(clip, column, value):
    return lambda frame: frame.assign(**{column: frame[column].where(frame["sample_id"] != clip, value)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("c005", 1), "predictions of seed 1: 1 clips not predicted, such as c005"),
        (assign("c005", "sample_id", "c999"), "not predicted, such as c005"),
        (assign("c005", "prediction", "joy"), "clip c005 of .*: unknown class 'joy'"),
        (assign("c005", "label", "other"), "clip c005 of .* is other of .*run the predict step again"),
        (assign("c005", "sample_id", "c006"), "second time with seed|not predicted"),
        (assign("c005", "group", "x:nobody"), "of x:nobody"),
    ],
)
def test_incomplete_or_foreign_predictions(tmp_path, change, message):
    paths = published(tmp_path, seeds=(0, 1)).write(change=change)
    with pytest.raises(ModelError, match=message):
        read(paths)


def test_double_and_unexpected_predictions(tmp_path):
    paths = published(tmp_path).write()
    with pytest.raises(ModelError, match="occurs a second time with seed 0"):
        read(paths, predictions=[*paths["predictions"], paths["predictions"][0]])
    with pytest.raises(ModelError, match="not in any test table"):
        read(paths, tests=paths["tests"][1:])
    with pytest.raises(ModelError, match="no prediction"):
        read(paths, predictions=[])


def test_clip_excluded_with_one_seed_only(tmp_path):
    paths = published(tmp_path, seeds=(0, 1)).write()
    moved = next(path for path in paths["predictions"] if path.name.endswith("-1.csv"))
    frame = pd.read_csv(moved)
    frame.iloc[:1].assign(reason="x").to_csv(tmp_path / "more.csv", index=False)
    frame.iloc[1:].to_csv(moved, index=False)
    with pytest.raises(ModelError, match="seeds 0 and 1 exclude different clips"):
        read(paths, excluded=[*paths["excluded"], tmp_path / "more.csv"])


def flagged(tmp_path, right, labels="true", datasets=DATASETS, constant=False):
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], [250, 109, 83])
    guess = np.where(rng.random(442) < right, truth, rng.integers(3, size=442)) if not constant else np.zeros(442, int)
    return score(read(Files(tmp_path, truth, {0: guess}, datasets=datasets).write()), labels=labels, draws=200)["flags"]


@pytest.mark.slow
def test_flags(tmp_path):
    leak = flagged(tmp_path / "a", 0.5, labels="permuted")
    assert len(leak) == 1 and leak[0].startswith("leak: UF1")
    assert flagged(tmp_path / "b", 0.0, labels="permuted") == []
    assert flagged(tmp_path / "c", 0.9)[0].startswith("suspicious: UF1")
    assert flagged(tmp_path / "d", 0.9, datasets=("casme3a",)) == []
    assert flagged(tmp_path / "e", 0.0)[0].startswith("no better than chance")
    assert any(
        line == "collapsed: seed 0 names negative for every clip" for line in flagged(tmp_path / "f", 0, constant=True)
    )


def test_comparison_uses_the_shared_clips(tmp_path):
    first = read(published(tmp_path / "a").write(excluded=("c001",)))
    perfect = published(tmp_path / "b")
    perfect.guess[0] = [row.label for row in perfect.rows]
    second = read(perfect.write(excluded=("c002", "c003")))
    result = compare(second, first, draws=300)
    assert (result["n_clips"], result["only_first"], result["only_second"]) == (439, 1, 2)
    assert result["uf1"]["distinguishable"] and result["uf1"]["value"] == pytest.approx(1 - 0.7353, abs=0.01)
    assert not compare(first, first, draws=300)["uar"]["distinguishable"]


def test_comparison_of_different_things(tmp_path):
    first = read(published(tmp_path / "a").write())
    other = published(tmp_path / "b")
    other.rows = [Row(r.sample_id, r.dataset, r.subject, r.group, CLASSES[0], r.source) for r in other.rows]
    with pytest.raises(ModelError, match="other labels or subjects"):
        compare(first, read(other.write()))
    with pytest.raises(ModelError, match="no clip in common"):
        compare(first, first.restricted([]))
