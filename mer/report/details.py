"""One experiment in detail: confusion matrices, scores per class and subject, and what chance reaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mer.metrics.recognition import source_scores
from mer.report.charts import Chart, subject_chart
from mer.report.scores import Experiment
from mer.report.wording import number

RANDOM_LABELS = {
    "uniform": "uniform labels",
    "prior": "labels by class frequency",
    "permuted": "labels in random order",
    "own_predictions": "these predictions, labels in random order within each database",
}
RANDOM_EPOCHS = {"uniform": "uniform random labels", "prior": "random labels by class frequency"}
BOTH = ("uf1", "uar")
Rows = list[list[Any]]


@dataclass(frozen=True)
class Details:
    """One experiment as its section shows it: rows of cells, and matrices (C, C) of counts summed over seeds."""

    experiment: Experiment

    @cached_property
    def runs(self) -> list[Mapping[str, Any]]:
        """The metrics of each seed."""
        return [self.experiment.metrics["per_seed"][str(seed)] for seed in self.experiment.metrics["seeds"]]

    @property
    def classes(self) -> list[str]:
        """The classes in their order."""
        return list(self.experiment.metrics["classes"])

    @property
    def confusion(self) -> list[list[int]]:
        """The matrix of all clips."""
        return _summed([run["pooled"] for run in self.runs])

    @property
    def confusion_by_dataset(self) -> dict[str, list[list[int]]]:
        """The matrix of each dataset, where there are several."""
        names = sorted(self.runs[0]["per_dataset"])
        return {name: _summed([run["per_dataset"][name] for run in self.runs]) for name in names if len(names) > 1}

    @property
    def class_rows(self) -> Rows:
        """Class, clips, precision, recall and F1; the last three are averaged over seeds."""
        rows = []
        for name in self.classes:
            scores = [run["pooled"]["per_class"][name] for run in self.runs]
            means = [float(np.mean([score[part] for score in scores])) for part in ("precision", "recall", "f1")]
            rows.append([name, scores[0]["support"], *map(number, means)])
        return rows

    @property
    def subjects(self) -> list[tuple[str, float, int]]:
        """Subject, accuracy averaged over seeds, and clips, in the order of their names."""
        first = self.runs[0]["per_subject"]
        means = {name: float(np.mean([run["per_subject"][name]["accuracy"] for run in self.runs])) for name in first}
        return [(name, means[name], first[name]["n"]) for name in sorted(first)]

    @property
    def subject_rows(self) -> Rows:
        """Subject, clips, accuracy, UF1 and UAR by the source's rule averaged over seeds, and clips per class."""
        rows = []
        for name, accuracy, clips in self.subjects:
            matrices = np.array([run["per_subject"][name]["confusion"] for run in self.runs])
            uf1, uar, _ = source_scores(matrices).mean(axis=0)
            rows.append([name, clips, *map(number, (accuracy, uf1, uar)), *matrices[0].sum(axis=1).tolist()])
        return rows

    @property
    def chart(self) -> Chart:
        """The accuracies of the subjects."""
        return subject_chart(self.subjects)

    @property
    def random_rows(self) -> Rows:
        """UF1 and UAR of random labels, of the majority class, and of random labels under the oracle-epoch rule."""
        chance = self.experiment.metrics["chance"]
        rows = [[text, *(_range(chance[key][s]) for s in BOTH)] for key, text in RANDOM_LABELS.items()]
        rows.append([f"always {chance['majority']['label']}", *_both(chance["majority"])])
        for epochs, level in sorted(chance["oracle_epoch"].items(), key=lambda item: int(item[0])):
            rows.append([f"random labels, best of {epochs} epochs chosen on each held-out part", *_both(level)])
        return rows

    @property
    def oracle_rows(self) -> Rows:
        """What an epoch chosen on the held-out clips would have claimed."""
        return oracle_rows(self.experiment.metrics.get("oracle_epoch"))

    @property
    def monitor_rows(self) -> Rows:
        """How many classes the predictions use."""
        return monitor_rows(self.experiment.metrics.get("monitor"))


def _summed(blocks: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    return np.sum([block["confusion"] for block in blocks], axis=0).tolist()


def oracle_rows(oracle: Mapping[str, Any] | None) -> Rows:
    """Return UF1 and UAR that choosing the epoch on the held-out clips would have claimed, beside the honest ones."""
    if oracle is None:
        return []
    rows = [
        ["the last epoch, as scored above", *_both(oracle["honest"])],
        ["one best epoch for all clips, chosen on them", *_both(oracle["one_epoch"])],
        ["best epoch per fold, its predictions pooled", *_both(oracle["claimed"], "pooled_")],
        ["best epoch per fold, averaged over folds", *_both(oracle["claimed"])],
    ]
    for sampler, text in RANDOM_EPOCHS.items():
        rows.append([f"{text}, best per fold, pooled", *_both(oracle["random"][sampler], "pooled_")])
        rows.append([f"{text}, best per fold, averaged", *_both(oracle["random"][sampler])])
    return rows


def monitor_rows(monitor: Mapping[str, Any] | None) -> Rows:
    """Return, per seed, how many classes the predictions use, held out and in training, and how many fits collapsed."""
    if monitor is None:
        return []
    rows = []
    for seed, used in monitor["held_out"].items():
        fits = [fit for fit in monitor["training"] if str(fit["seed"]) == seed]
        counts = [fit["classes_used"] for fit in fits if fit["classes_used"] is not None]
        right = [fit["training_accuracy"] for fit in fits if fit["training_accuracy"] is not None]
        collapsed = sum(count < monitor["threshold"] for count in counts)
        rows.append([seed, f"{used:.2f}", _lowest_and_median(counts), _lowest_and_median(right), collapsed])
    return rows


def _both(level: Mapping[str, float], prefix: str = "") -> list[str]:
    return [number(level[prefix + statistic]) for statistic in BOTH]


def _lowest_and_median(values: Sequence[float]) -> str:
    return f"{min(values):.2f}, {float(np.median(values)):.2f}" if values else "–"


def _range(level: Mapping[str, float]) -> str:
    return f"{number(level['mean'])} [{number(level['low'])}, {number(level['high'])}]"
