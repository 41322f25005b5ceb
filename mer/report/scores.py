"""Experiments as scored: metrics and predictions read back, verdicts, comparisons, and permuted twins."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mer.core.errors import ModelError
from mer.report.inputs import ExperimentInputs
from mer.training.predictions import Predictions, read_scored
from mer.training.predictions import compare as compare_predictions

STATISTICS = ("uf1", "uar", "accuracy")


@dataclass(frozen=True)
class Experiment:
    """One experiment: what the configuration says of it, its `metrics.json`, and its predictions."""

    name: str
    inputs: ExperimentInputs
    metrics: Mapping[str, Any]
    scored: Predictions

    @property
    def system(self) -> str:
        """Model and preset."""
        return f"{self.inputs.model}/{self.inputs.preset}" if self.inputs.preset else self.inputs.model

    @property
    def seeds(self) -> int:
        """The number of runs."""
        return len(self.metrics["seeds"])

    @property
    def permuted(self) -> bool:
        """Whether it was trained on shuffled labels."""
        return self.inputs.labels == "permuted"

    def mean_of_folds(self, classes: str) -> float:
        """Return the average over folds of each fold's macro F1: not UF1 (`mer.metrics.recognition.mean_of_folds`)."""
        return float(self.metrics["summary"]["mean_of_folds"][classes]["f1"]["mean"])


@dataclass(frozen=True)
class Score:
    """One row of the score table: each statistic as value, interval and the range of labels in random order."""

    experiment: Experiment
    dataset: str | None
    clips: int
    subjects: int
    value: Mapping[str, float]
    sd: Mapping[str, float | None]
    low: Mapping[str, float]
    high: Mapping[str, float]
    chance: Mapping[str, Mapping[str, float]]

    @property
    def verdict(self) -> str:
        """`above`, `unclear` (the interval reaches into the range of random labels) or `chance`.

        A run on permuted labels is judged by the band of its own predictions (`mer.metrics.chance.permutation_band`).
        """
        ceiling = self.chance["uf1"]["high"]
        if self.experiment.permuted and self.dataset is None:
            ceiling = self.experiment.metrics["chance"]["own_predictions"]["uf1"]["high"]
        if self.value["uf1"] <= ceiling:
            return "chance"
        return "above" if self.low["uf1"] > ceiling else "unclear"

    @property
    def warnings(self) -> list[str]:
        """The score step's reasons to distrust the experiment, but for chance level, which the verdict tells."""
        flags = [str(flag) for flag in self.experiment.metrics["flags"]]
        return [flag for flag in flags if self.verdict != "chance" or not flag.startswith("no better than chance")]


@dataclass(frozen=True)
class Comparison:
    """The difference first - second over shared clips (`mer.training.predictions`), or why there is none.

    `scores` maps each statistic to `value`, `low`, `high` (paired 95 % interval) and `distinguishable`.
    """

    first: str
    second: str
    clips: int = 0
    scores: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    problem: str = ""

    def reading(self, statistic: str) -> str:
        """Return which of the two is better by a statistic, or that the two cannot be told apart."""
        better = self.first if self.scores[statistic]["value"] > 0 else self.second
        return f"{better} is better" if self.scores[statistic]["distinguishable"] else "not distinguishable"


@dataclass(frozen=True)
class Twin:
    """An experiment on permuted labels beside its true twin; `true` is None where none is configured.

    `band` is what the permuted run's own predictions reach against labels in random order: UF1 as `mean`, `low`,
    `high` and `p`.
    """

    permuted: Score
    true: Score | None
    band: Mapping[str, float]

    @property
    def leaks(self) -> bool:
        """Whether the permuted run scores above its band."""
        return self.permuted.value["uf1"] > self.band["high"]


def load_experiment(name: str, inputs: ExperimentInputs) -> Experiment:
    """Read an experiment.

    Raises:
        ModelError: a file is missing or unreadable, or metrics and predictions do not belong together.
    """
    try:
        metrics = json.loads(Path(inputs.metrics).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(inputs.metrics, "metrics not found", remedy="run the score step first") from None
    except ValueError as error:
        raise ModelError(
            inputs.metrics, f"not JSON ({error})", "metrics.json of the score step", "score again"
        ) from None
    scored = read_scored(inputs.predictions, metrics["classes"], where=inputs.metrics)
    if len(scored.keys) != metrics["n_clips"]:
        found = f"scores {metrics['n_clips']} clips, the predictions have {len(scored.keys)}"
        raise ModelError(inputs.metrics, found, "the predictions that were scored", "score again")
    return Experiment(name, inputs, metrics, scored)


def score_rows(experiment: Experiment) -> list[Score]:
    """Return the pooled score, then one row per dataset where there is more than one."""
    metrics = experiment.metrics
    rows = [_score(experiment, None, metrics, metrics["summary"]["pooled"])]
    parts = metrics["datasets"]
    for name in sorted(parts) if len(parts) > 1 else []:
        rows.append(_score(experiment, name, parts[name], metrics["summary"]["per_dataset"][name]))
    return rows


def _score(experiment: Experiment, dataset: str | None, part: Mapping[str, Any], summary: Mapping[str, Any]) -> Score:
    spread, level = part["interval"], part["chance"]["permuted"]
    return Score(
        experiment, dataset, int(part["n_clips"]), int(part["n_subjects"]),
        value={s: summary[s]["mean"] for s in STATISTICS},
        sd={s: summary[s]["sd"] for s in STATISTICS},
        low={s: spread[s]["low"] for s in STATISTICS},
        high={s: spread[s]["high"] for s in STATISTICS},
        chance={s: level[s] for s in STATISTICS},
    )  # fmt: skip


def comparisons(experiments: Sequence[Experiment]) -> list[Comparison]:
    """Compare every two experiments on true labels that have the same classes."""
    true = [e for e in experiments if e.inputs.labels == "true"]
    pairs = [(a, b) for i, a in enumerate(true) for b in true[i + 1 :]]
    return [compare(a, b) for a, b in pairs if a.inputs.view == b.inputs.view]


@dataclass(frozen=True)
class Overview:
    """Systems by databases: `rows` holds an experiment's name and its score of each column, None where it has none."""

    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Score | None]]]


def overview(scores: Sequence[Score]) -> Overview:
    """Return the scores on true labels as a table of experiments by databases, the pooled score first."""
    true = [score for score in scores if not score.experiment.permuted]
    columns: dict[str | None, str] = {None: "all"}
    for score in true:
        known = score.dataset or next(iter(score.experiment.metrics["datasets"]))
        columns.setdefault(known, known)
    found: dict[str, dict[str | None, Score]] = {}
    for score in true:
        row = found.setdefault(score.experiment.name, {})
        row[score.dataset] = score
        if len(score.experiment.metrics["datasets"]) == 1:
            row[next(iter(score.experiment.metrics["datasets"]))] = score
    return Overview(list(columns.values()), [(name, [row.get(c) for c in columns]) for name, row in found.items()])


def compare(first: Experiment, second: Experiment) -> Comparison:
    """Compare two experiments; `problem` says why where they cannot be compared."""
    names = (first.name, second.name)
    try:
        differences = compare_predictions(first.scored, second.scored, int(first.metrics["interval"]["draws"]))
    except ModelError as error:
        return Comparison(*names, problem=error.found)
    return Comparison(*names, differences["n_clips"], {s: differences[s] for s in STATISTICS})


def twins(experiments: Sequence[Experiment]) -> list[Twin]:
    """Return every experiment on permuted labels with the one that differs from it in nothing else."""
    true = {e.inputs.recipe: e for e in experiments if e.inputs.labels == "true"}
    pairs = []
    for experiment in experiments:
        if experiment.permuted:
            other = true.get(experiment.inputs.recipe)
            band = experiment.metrics["chance"]["own_predictions"]["uf1"]
            pairs.append(Twin(score_rows(experiment)[0], score_rows(other)[0] if other else None, band))
    return pairs
