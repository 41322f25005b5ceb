"""One experiment in detail: confusion matrices, scores per class and subject, and what chance reaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

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
    """One experiment as its section shows it.

    Matrices (C, C) of counts hold the truth in rows, summed over seeds; tables are rows of cells.
    """

    name: str
    system: str
    seeds: int
    classes: Sequence[str]
    confusion: Sequence[Sequence[int]]
    confusion_by_dataset: Mapping[str, Sequence[Sequence[int]]]
    class_rows: Rows
    chart: Chart
    subject_rows: Rows
    random_rows: Rows
    oracle: Mapping[str, Any] | None
    oracle_rows: Rows
    monitor: Mapping[str, Any] | None
    monitor_rows: Rows
    excluded: Sequence[Mapping[str, str]]


def details(experiment: Experiment) -> Details:
    """Return what the section of an experiment shows."""
    metrics = experiment.metrics
    runs = [metrics["per_seed"][str(seed)] for seed in metrics["seeds"]]
    pooled, classes = [run["pooled"] for run in runs], metrics["classes"]
    datasets = sorted(runs[0]["per_dataset"])
    oracle, monitor = metrics.get("oracle_epoch"), metrics.get("monitor")
    return Details(
        name=experiment.name,
        system=experiment.system,
        seeds=experiment.seeds,
        classes=classes,
        confusion=summed(pooled),
        confusion_by_dataset={
            name: summed([run["per_dataset"][name] for run in runs]) for name in datasets if len(datasets) > 1
        },
        class_rows=class_rows(pooled, classes),
        chart=subject_chart(subject_scores(runs)),
        subject_rows=subject_rows(runs, classes),
        random_rows=random_rows(metrics["chance"]),
        oracle=oracle,
        oracle_rows=oracle_rows(oracle) if oracle else [],
        monitor=monitor,
        monitor_rows=monitor_rows(monitor) if monitor else [],
        excluded=metrics["excluded"],
    )


def summed(blocks: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """Return the sum over seeds of their confusion matrices."""
    return np.sum([block["confusion"] for block in blocks], axis=0).tolist()


def class_rows(blocks: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> Rows:
    """Return class, clips, precision, recall and F1; the last three are averaged over seeds."""
    rows = []
    for name in classes:
        runs = [block["per_class"][name] for block in blocks]
        means = [float(np.mean([run[part] for run in runs])) for part in ("precision", "recall", "f1")]
        rows.append([name, runs[0]["support"], *map(number, means)])
    return rows


def subject_scores(runs: Sequence[Mapping[str, Any]]) -> list[tuple[str, float, int]]:
    """Return (subject, accuracy averaged over seeds, clips) in the order of their names."""
    subjects = {name: [run["per_subject"][name] for run in runs] for name in sorted(runs[0]["per_subject"])}
    return [(name, float(np.mean([s["accuracy"] for s in seeds])), seeds[0]["n"]) for name, seeds in subjects.items()]


def subject_rows(runs: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> Rows:
    """Return subject, clips, accuracy and clips per class; a subject has no UF1 of its own."""
    rows = []
    for name, accuracy, clips in subject_scores(runs):
        support = runs[0]["per_subject"][name]["per_class"]
        rows.append([name, clips, number(accuracy), *(support[label]["support"] for label in classes)])
    return rows


def random_rows(chance: Mapping[str, Any]) -> Rows:
    """Return UF1 and UAR of random labels, of the majority class, and of random labels under the oracle-epoch rule."""
    rows = [[text, *(_range(chance[key][s]) for s in BOTH)] for key, text in RANDOM_LABELS.items()]
    rows.append([f"always {chance['majority']['label']}", *_both(chance["majority"])])
    for epochs, level in sorted(chance["oracle_epoch"].items(), key=lambda item: int(item[0])):
        rows.append([f"random labels, best of {epochs} epochs chosen on each held-out part", *_both(level)])
    return rows


def oracle_rows(oracle: Mapping[str, Any]) -> Rows:
    """Return UF1 and UAR that choosing the epoch on the held-out clips would have claimed, beside the honest ones."""
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


def monitor_rows(monitor: Mapping[str, Any]) -> Rows:
    """Return, per seed, how many classes the predictions use, held out and in training, and how many fits collapsed."""
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
