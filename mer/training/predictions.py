"""The predictions of an experiment read back as aligned arrays, none missing or double, and compared with another's."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mer.core.csvfile import read_csv
from mer.core.errors import ModelError
from mer.metrics import bootstrap
from mer.training.fold_tables import EXCLUDED_COLUMNS, PREDICTION_COLUMNS, Row, read_table

Key = tuple[str, str]


@dataclass(frozen=True)
class Predictions:
    """N clips sorted by (dataset, sample_id), scored by S seeds.

    `truth` (N,) and `predicted` (S, N) are int64 indices into `classes`. `excluded` maps clips without a prediction to
    the reason. `excluded_labels` are their true labels. `scores` (S, N, C) float64 are those that the predictions were
    made of, None where a table does not tell them.
    """

    keys: list[Key]
    subjects: list[str]
    groups: list[str]
    folds: list[str]
    classes: tuple[str, ...]
    truth: np.ndarray
    seeds: list[int]
    predicted: np.ndarray
    excluded: dict[Key, str]
    excluded_labels: dict[Key, str]
    scores: np.ndarray | None = None

    @property
    def datasets(self) -> list[str]:
        """Dataset of each clip."""
        return [dataset for dataset, _ in self.keys]

    def restricted(self, keys: Iterable[Key]) -> Predictions:
        """Return the same predictions for the clips in `keys` only, in this order."""
        wanted = set(keys)
        keep = [i for i, key in enumerate(self.keys) if key in wanted]
        return dataclasses.replace(
            self,
            keys=[self.keys[i] for i in keep],
            subjects=[self.subjects[i] for i in keep],
            groups=[self.groups[i] for i in keep],
            folds=[self.folds[i] for i in keep],
            truth=self.truth[keep],
            predicted=self.predicted[:, keep],
            scores=None if self.scores is None else self.scores[:, keep],
        )


Cells = dict[Key, dict[str, str]]


def _by_seed(paths: Sequence[str | Path], columns: Sequence[str]) -> dict[int, Cells]:
    seeds: dict[int, Cells] = {}
    for path in sorted(map(str, paths)):
        for number, cells in enumerate(read_csv(path, columns), start=2):
            key = (cells["dataset"], cells["sample_id"])
            try:
                clips = seeds.setdefault(int(cells["seed"]), {})
            except ValueError:
                raise ModelError(f"{path} line {number}", f"seed {cells['seed']!r}", "a whole number") from None
            if key in clips:
                found = f"clip {key[1]} of {key[0]} occurs a second time with seed {cells['seed']}"
                raise ModelError(f"{path} line {number}", found, "every clip once per seed")
            clips[key] = cells
    return seeds


def read_predictions(
    predictions: Sequence[str | Path],
    excluded: Sequence[str | Path],
    tests: Sequence[str | Path],
    classes: Sequence[str],
) -> Predictions:
    """Read an experiment whole.

    Args:
        predictions: `predictions.csv` of every fold and seed, in any order.
        excluded: `excluded.csv` of the same.
        tests: the test table of every fold: what must have been predicted.
        classes: the fixed class set.

    Raises:
        ModelError: a clip is missing, double, unexpected or differently labelled; a seed lacks clips; an unknown
            class; a clip excluded with one seed and predicted with another; or nothing is left to score.
    """
    expected = {row.key: row for path in sorted(map(str, tests)) for row in read_table(path)}
    given = _by_seed(predictions, PREDICTION_COLUMNS)
    left_out = _by_seed(excluded, EXCLUDED_COLUMNS)
    if not given:
        raise ModelError("predictions", "no prediction", "at least one clip", "see the exclusions of the experiment")
    seeds = sorted(given.keys() | left_out.keys())
    reasons = {key: cells["reason"] for key, cells in left_out.get(seeds[0], {}).items()}
    keys = sorted(given.get(seeds[0], {}))
    for seed in seeds:
        _complete(seed, given.get(seed, {}), left_out.get(seed, {}), expected)
        if sorted(given.get(seed, {})) != keys:
            raise ModelError("predictions", f"seeds {seeds[0]} and {seed} exclude different clips", "the same clips")
    lost = {key: expected[key].label for key in reasons}
    return _aligned(given, seeds, keys, classes, reasons, lost)


def read_scored(predictions: Sequence[str | Path], classes: Sequence[str], where: object) -> Predictions:
    """Read the predictions of an experiment that the score step has already proven complete.

    Args:
        predictions: `predictions.csv` of every fold and seed.
        classes: the class set of its metrics.
        where: the experiment in messages.

    Raises:
        ModelError: a clip lacks a seed or occurs twice, or a class is unknown.
    """
    given = _by_seed(predictions, PREDICTION_COLUMNS)
    seeds = sorted(given)
    keys = sorted(given[seeds[0]]) if seeds else []
    if not keys or any(sorted(given[seed]) != keys for seed in seeds):
        raise ModelError(where, "no prediction, or not every seed has every clip", "a whole run", "run the folds again")
    return _aligned(given, seeds, keys, classes)


def _aligned(
    given: Mapping[int, Cells],
    seeds: list[int],
    keys: list[Key],
    classes: Sequence[str],
    excluded: dict[Key, str] | None = None,
    excluded_labels: dict[Key, str] | None = None,
) -> Predictions:
    """Return the predictions of `keys` by every seed; each seed has every one of them."""
    codes = {name: i for i, name in enumerate(classes)}
    first = given[seeds[0]] if keys else {}
    predicted = [[_code(codes, given[seed][key]["prediction"], key) for key in keys] for seed in seeds]
    return Predictions(
        keys=keys,
        subjects=[first[key]["subject"] for key in keys],
        groups=[first[key]["group"] for key in keys],
        folds=[first[key]["fold"] for key in keys],
        classes=tuple(classes),
        truth=np.array([_code(codes, first[key]["label"], key) for key in keys], dtype=np.int64),
        seeds=seeds,
        predicted=np.array(predicted, dtype=np.int64).reshape(len(seeds), len(keys)),
        excluded=excluded or {},
        excluded_labels=excluded_labels or {},
        scores=_scores(given, seeds, keys, classes),
    )


def _scores(
    given: Mapping[int, Cells], seeds: Sequence[int], keys: Sequence[Key], classes: Sequence[str]
) -> np.ndarray | None:
    names = [f"score_{name}" for name in classes]
    lines = [given[seed][key] for seed in seeds for key in keys]
    if not all(cells.get(name) for cells in lines for name in names):
        return None
    try:
        told = [[float(cells[name]) for name in names] for cells in lines]
    except ValueError as error:
        raise ModelError("predictions", f"a score is no number ({error})", "the tables of the predict step") from None
    return np.array(told, np.float64).reshape(len(seeds), len(keys), len(names))


def _complete(seed: int, given: Cells, left_out: Cells, expected: dict[Key, Row]) -> None:
    both = given.keys() & left_out.keys()
    missing = expected.keys() - given.keys() - left_out.keys()
    extra = (given.keys() | left_out.keys()) - expected.keys()
    for keys, text in (
        (both, "both predicted and excluded"),
        (missing, "not predicted"),
        (extra, "not in any test table"),
    ):
        if keys:
            dataset, sample = min(keys)
            found = f"{len(keys)} clips {text}, such as {sample} of {dataset}"
            raise ModelError(f"predictions of seed {seed}", found, "every clip of the test tables once")
    for key, cells in given.items():
        if cells["label"] != expected[key].label or cells["group"] != expected[key].group:
            found = f"clip {key[1]} of {key[0]} is {cells['label']} of {cells['group']}"
            want = f"{expected[key].label} of {expected[key].group}, as in its test table"
            raise ModelError(f"predictions of seed {seed}", found, want, "run the predict step again")


def _code(codes: dict[str, int], name: str, key: Key) -> int:
    if name not in codes:
        raise ModelError(f"clip {key[1]} of {key[0]}", f"unknown class {name!r}", ", ".join(codes))
    return codes[name]


def compare(
    first: Predictions, second: Predictions, draws: int = bootstrap.DEFAULT_DRAWS, seed: int = 0
) -> dict[str, Any]:
    """Compare two experiments on the clips that both scored: first minus second, with the paired interval.

    Args:
        first: predictions of one experiment.
        second: of the other; it may have other seeds, and more or fewer.
        draws: of the subject bootstrap.
        seed: of the draws.

    Returns:
        `n_clips`, `only_first`, `only_second` (clips left aside), and per statistic `value`, `low`, `high`,
        `distinguishable` (`mer.metrics.bootstrap.paired_difference`).

    Raises:
        ModelError: different class sets, different true labels, or no clip in common.
    """
    if first.classes != second.classes:
        found = f"classes {', '.join(first.classes)} and {', '.join(second.classes)}"
        raise ModelError("comparison", found, "the same classes in both", "compare like with like")
    shared = set(first.keys) & set(second.keys)
    if not shared:
        raise ModelError("comparison", "no clip in common", "two experiments on the same clips")
    a, b = first.restricted(shared), second.restricted(shared)
    if not np.array_equal(a.truth, b.truth) or a.groups != b.groups:
        raise ModelError("comparison", "the same clips have other labels or subjects", "the same labels in both")
    result = bootstrap.paired_difference(
        a.truth, a.predicted, b.predicted, a.groups, a.datasets, len(a.classes), draws=draws, seed=seed
    )
    counts = {"n_clips": len(shared), "only_first": len(first.keys) - len(shared)}
    return {**counts, "only_second": len(second.keys) - len(shared), **result}
