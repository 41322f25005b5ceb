"""One experiment in detail: confusion matrices, scores per class and subject, and what chance reaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mer.report.charts import confusion_table, subject_chart
from mer.report.markup import Markup, counted, folded, join, table, tag
from mer.report.scores import Experiment
from mer.report.tables import number


def experiment_block(experiment: Experiment) -> Markup:
    """Return the section of one experiment."""
    metrics = experiment.metrics
    runs = [metrics["per_seed"][str(seed)] for seed in metrics["seeds"]]
    blocks = [run["pooled"] for run in runs]
    note = f"Counts are summed over {len(runs)} seeds." if len(runs) > 1 else ""
    per_class = tag("div", tag("h4", "Per class"), class_table(blocks, metrics["classes"]))
    pooled = tag(
        "div", tag("h4", "Pooled confusion"), confusion_table(summed(blocks), metrics["classes"]), class_="block"
    )
    return join([
        tag("h3", experiment.name, " ", tag("span", experiment.system, class_="grey")),
        tag("p", note, class_="grey") if note else None,
        tag("div", pooled, per_class, class_="columns"),
        _per_dataset(runs, metrics["classes"]),
        tag("h4", "Subjects"),
        subject_chart(subject_scores(runs)),
        folded("Every subject", subject_table(runs, metrics["classes"])),
        folded("What labels without information reach on these clips", reference_table(metrics)),
        _left_out(metrics["excluded"]),
    ])  # fmt: skip


def summed(blocks: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """Return the sum over seeds of their confusion matrices."""
    return np.sum([block["confusion"] for block in blocks], axis=0).tolist()


def class_table(blocks: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> Markup:
    """Return precision, recall and F1 per class, averaged over seeds, with the number of clips."""
    rows = []
    for name in classes:
        own = [block["per_class"][name] for block in blocks]
        means = [float(np.mean([entry[part] for entry in own])) for part in ("precision", "recall", "f1")]
        rows.append([name, str(own[0]["support"]), *map(number, means)])
    return table(["class", "clips", "precision", "recall", "F1"], rows, numbers=range(1, 5))


def _per_dataset(runs: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> Markup | None:
    names = sorted(runs[0]["per_dataset"])
    if len(names) < 2:
        return None
    parts = []
    for name in names:
        blocks = [run["per_dataset"][name] for run in runs]
        parts.append(tag("div", tag("h4", name), confusion_table(summed(blocks), classes), class_="block"))
    return folded("Confusion per dataset", tag("div", *parts, class_="columns"))


def subject_scores(runs: Sequence[Mapping[str, Any]]) -> list[tuple[str, float, int]]:
    """Return (subject, accuracy averaged over seeds, clips) in the order of their names."""
    return [
        (
            name,
            float(np.mean([run["per_subject"][name]["accuracy"] for run in runs])),
            runs[0]["per_subject"][name]["n"],
        )
        for name in sorted(runs[0]["per_subject"])
    ]


def subject_table(runs: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> Markup:
    """Return accuracy and clips per class of every subject; a subject has no UF1 of its own."""
    rows = []
    for name, accuracy, clips in subject_scores(runs):
        support = runs[0]["per_subject"][name]["per_class"]
        rows.append([name, str(clips), number(accuracy), *(str(support[c]["support"]) for c in classes)])
    head = ["subject", "clips", "accuracy", *classes]
    return table(head, rows, numbers=range(1, len(head)))


def reference_table(metrics: Mapping[str, Any]) -> Markup:
    """Return UF1 and UAR of random labels, of the majority class, and of random labels under the oracle-epoch rule."""
    chance = metrics["chance"]
    names = {"uniform": "uniform labels", "prior": "labels by class frequency", "permuted": "labels in random order"}
    rows = [[text, *(_range(chance[key][s]) for s in ("uf1", "uar"))] for key, text in names.items()]
    majority = chance["majority"]
    rows.append([f"always {majority['label']}", number(majority["uf1"]), number(majority["uar"])])
    for epochs, level in sorted(chance["oracle_epoch"].items(), key=lambda item: int(item[0])):
        text = f"random labels, best of {epochs} epochs chosen on the held-out subject"
        rows.append([text, number(level["uf1"]), number(level["uar"])])
    rule = (
        "The last rows use the rule of many public codes: the epoch is chosen on the very subject that is scored, and "
        "subjects are averaged. A published score under that rule has to be read against these levels."
    )
    return join([table(["labels", "UF1 [95 %]", "UAR [95 %]"], rows, numbers=(1, 2)), tag("p", rule, class_="grey")])


def _range(level: Mapping[str, float]) -> str:
    return f"{number(level['mean'])} [{number(level['low'])}, {number(level['high'])}]"


def _left_out(excluded: Sequence[Mapping[str, str]]) -> Markup | None:
    if not excluded:
        return None
    rows = [[e["dataset"], e["sample_id"], e["label"], e["reason"]] for e in excluded]
    return folded(
        f"{counted(len(rows), 'clip')} without a prediction", table(["dataset", "clip", "class", "reason"], rows)
    )
