"""Experiments as scored: metrics and predictions read back, intervals per dataset, verdicts and comparisons."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mer.core.errors import ModelError
from mer.metrics import bootstrap, chance
from mer.report.inputs import ExperimentInputs
from mer.training.tables import read_csv

COLUMNS = ("sample_id", "dataset", "group", "seed", "label", "prediction")
STATISTICS = ("uf1", "uar", "accuracy")
NAMES = {"uf1": "UF1", "uar": "UAR", "accuracy": "accuracy"}


@dataclass(frozen=True)
class Scored:
    """N clips in the order of (dataset, sample_id): `truth` (N,) and `predicted` (S, N) index the class set."""

    keys: tuple[tuple[str, str], ...]
    groups: tuple[str, ...]
    truth: np.ndarray
    predicted: np.ndarray

    @property
    def datasets(self) -> list[str]:
        """Dataset of each clip."""
        return [dataset for dataset, _ in self.keys]

    def only(self, keep: np.ndarray) -> Scored:
        """Return the clips at the positions `keep`."""
        return Scored(
            tuple(self.keys[i] for i in keep), tuple(self.groups[i] for i in keep),
            self.truth[keep], self.predicted[:, keep],
        )  # fmt: skip


@dataclass(frozen=True)
class Experiment:
    """One experiment: what the configuration says of it, its `metrics.json`, and its predictions."""

    name: str
    inputs: ExperimentInputs
    metrics: Mapping[str, Any]
    scored: Scored

    @property
    def system(self) -> str:
        """Model and preset."""
        return f"{self.inputs.model}/{self.inputs.preset}" if self.inputs.preset else self.inputs.model


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


@dataclass(frozen=True)
class Comparison:
    """The difference first - second of UF1 over shared clips, with its paired 95 % interval; or why there is none."""

    first: str
    second: str
    clips: int = 0
    value: float = 0.0
    low: float = 0.0
    high: float = 0.0
    distinguishable: bool = False
    problem: str = ""


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
    paths = [inputs.predictions] if isinstance(inputs.predictions, Path) else list(inputs.predictions)
    scored = read_scored(paths, metrics["classes"], where=inputs.metrics)
    if len(scored.keys) != metrics["n_clips"]:
        found = f"scores {metrics['n_clips']} clips, the predictions have {len(scored.keys)}"
        raise ModelError(inputs.metrics, found, "the predictions that were scored", "score again")
    return Experiment(name, inputs, metrics, scored)


def read_scored(paths: Sequence[Path], classes: Sequence[str], where: object) -> Scored:
    """Read the predictions of all folds and seeds; `where` names the experiment in messages.

    Raises:
        ModelError: a clip lacks a seed or occurs twice, or a class is unknown.
    """
    code = {name: index for index, name in enumerate(classes)}
    cells: dict[tuple[str, str], dict[int, Mapping[str, str]]] = {}
    for source, row in ((path, row) for path in paths for row in read_csv(path, COLUMNS)):
        own = cells.setdefault((row["dataset"], row["sample_id"]), {})
        if int(row["seed"]) in own or not {row["label"], row["prediction"]} <= code.keys():
            found = f"clip {row['sample_id']} occurs twice with one seed, or has a class not in the metrics"
            raise ModelError(source, found, "one prediction per clip and seed", "score again")
        own[int(row["seed"])] = row
    keys = tuple(sorted(cells))
    seeds = sorted({seed for own in cells.values() for seed in own})
    if not keys or any(len(own) != len(seeds) for own in cells.values()):
        raise ModelError(where, "no prediction, or not every seed has every clip", "a whole run", "run the folds again")
    first = [cells[key][seeds[0]] for key in keys]
    predicted = [[code[cells[key][seed]["prediction"]] for key in keys] for seed in seeds]
    truth = np.array([code[row["label"]] for row in first])
    return Scored(keys, tuple(row["group"] for row in first), truth, np.array(predicted))


def score_rows(experiment: Experiment) -> list[Score]:
    """Return the pooled score, then one row per dataset where there is more than one."""
    metrics, scored = experiment.metrics, experiment.scored
    pooled = metrics["summary"]["pooled"]
    rows = [
        _score(experiment, None, scored, pooled, metrics["interval"], metrics["chance"]["permuted"]),
    ]
    datasets = sorted(metrics["summary"]["per_dataset"])
    for name in datasets if len(datasets) > 1 else []:
        part = scored.only(np.flatnonzero(np.array(scored.datasets) == name))
        classes, draws = len(metrics["classes"]), int(metrics["interval"]["draws"])
        spread = bootstrap.interval(part.truth, part.predicted, part.groups, part.datasets, classes, draws)
        level = chance.random_reference(part.truth, classes, "permuted", draws)
        rows.append(_score(experiment, name, part, metrics["summary"]["per_dataset"][name], spread, level))
    return rows


def _score(
    experiment: Experiment,
    dataset: str | None,
    part: Scored,
    summary: Mapping[str, Any],
    spread: Mapping[str, Any],
    level: Mapping[str, Any],
) -> Score:
    return Score(
        experiment, dataset, len(part.keys), len(set(part.groups)),
        value={s: summary[s]["mean"] for s in STATISTICS},
        sd={s: summary[s]["sd"] for s in STATISTICS},
        low={s: spread[s]["low"] for s in STATISTICS},
        high={s: spread[s]["high"] for s in STATISTICS},
        chance={s: level[s] for s in STATISTICS},
    )  # fmt: skip


def verdict(score: Score) -> str:
    """Return `above`, `unclear` (the interval reaches into the range of random labels) or `chance`."""
    ceiling = score.chance["uf1"]["high"]
    if score.value["uf1"] <= ceiling:
        return "chance"
    return "above" if score.low["uf1"] > ceiling else "unclear"


def warnings(score: Score) -> list[str]:
    """Return the score step's reasons to distrust an experiment, but for chance level, which the verdict tells."""
    flags = [str(flag) for flag in score.experiment.metrics["flags"]]
    return [flag for flag in flags if verdict(score) != "chance" or not flag.startswith("no better than chance")]


def comparisons(experiments: Sequence[Experiment]) -> list[Comparison]:
    """Compare every two experiments on true labels: UF1 on the clips that both scored, same bootstrap draws."""
    true = [e for e in experiments if e.inputs.labels == "true"]
    return [compare(a, b) for i, a in enumerate(true) for b in true[i + 1 :]]


def compare(first: Experiment, second: Experiment) -> Comparison:
    """Compare two experiments; `problem` says why where they cannot be compared."""
    names = (first.name, second.name)
    if first.metrics["classes"] != second.metrics["classes"]:
        return Comparison(*names, problem="their class sets differ")
    shared = sorted(set(first.scored.keys) & set(second.scored.keys))
    if not shared:
        return Comparison(*names, problem="they share no clip")
    a, b = (_restricted(e.scored, shared) for e in (first, second))
    if not np.array_equal(a.truth, b.truth) or a.groups != b.groups:
        return Comparison(*names, problem="the same clips have other labels or subjects")
    draws = int(first.metrics["interval"]["draws"])
    found = bootstrap.paired_difference(
        a.truth, a.predicted, b.predicted, a.groups, a.datasets, len(first.metrics["classes"]), draws
    )["uf1"]
    return Comparison(*names, len(shared), found["value"], found["low"], found["high"], found["distinguishable"])


def _restricted(scored: Scored, keys: Sequence[tuple[str, str]]) -> Scored:
    place = {key: index for index, key in enumerate(scored.keys)}
    return scored.only(np.array([place[key] for key in keys]))
