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
        oracle_block(metrics),
        monitor_block(metrics),
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
    names["own_predictions"] = "these predictions, labels in random order within each database"
    rows = [[text, *(_range(chance[key][s]) for s in ("uf1", "uar"))] for key, text in names.items()]
    majority = chance["majority"]
    rows.append([f"always {majority['label']}", number(majority["uf1"]), number(majority["uar"])])
    for epochs, level in sorted(chance["oracle_epoch"].items(), key=lambda item: int(item[0])):
        text = f"random labels, best of {epochs} epochs chosen on each held-out part"
        rows.append([text, number(level["uf1"]), number(level["uar"])])
    rule = (
        "The last rows use the rule of many public codes: the epoch is chosen on the very clips that are scored, and "
        "folds are averaged. A published score under that rule has to be read against these levels."
    )
    return join([table(["labels", "UF1 [95 %]", "UAR [95 %]"], rows, numbers=(1, 2)), tag("p", rule, class_="grey")])


def oracle_block(metrics: Mapping[str, Any]) -> Markup | None:
    """Return what choosing the epoch on the held-out clips would have claimed; None where it was not asked for."""
    found = metrics.get("oracle_epoch")
    if not found:
        return None
    epochs, claimed, random = found["epochs"], found["claimed"], found["random"]
    rows = [
        [
            tag("strong", "the last epoch, as scored above"),
            number(found["honest"]["uf1"]),
            number(found["honest"]["uar"]),
        ],
        ["one best epoch for all clips, chosen on them", *(number(found["one_epoch"][s]) for s in ("uf1", "uar"))],
        ["best epoch per fold, its predictions pooled", *(number(claimed[f"pooled_{s}"]) for s in ("uf1", "uar"))],
        ["best epoch per fold, averaged over folds", *(number(claimed[s]) for s in ("uf1", "uar"))],
    ]
    for sampler, text in (("uniform", "uniform random labels"), ("prior", "random labels by class frequency")):
        level = random[sampler]
        rows.append([f"{text}, best per fold, pooled", *(number(level[f"pooled_{s}"]) for s in ("uf1", "uar"))])
        rows.append([f"{text}, best per fold, averaged", *(number(level[s]) for s in ("uf1", "uar"))])
    note = (
        f"Not a score of this experiment. {counted(len(epochs), 'epoch')} kept, {epochs[0]} to {epochs[-1]}; each "
        "held-out part takes the epoch that is best on its own labels, as several public codes do. Random labels are "
        "drawn anew for every kept epoch, on the same folds; real epochs resemble each other, so their level is an "
        "upper bound."
    )
    if found["agreement"] < 1:
        note += f" The diagnostic's last epoch repeats {100 * found['agreement']:.1f} % of the run's predictions."
    body = table(["diagnostic: the epoch chosen on the held-out clips", "UF1", "UAR"], rows, numbers=(1, 2))
    return folded(
        "Diagnostic: what choosing the epoch on the held-out clips would claim", body, tag("p", note, class_="grey")
    )


def monitor_block(metrics: Mapping[str, Any]) -> Markup | None:
    """Return the collapse monitor: how many classes the predictions use, held out and in training."""
    found = metrics.get("monitor")
    if not found:
        return None
    classes = len(metrics["classes"])
    rows = []
    for seed, used in found["held_out"].items():
        own = [entry for entry in found["training"] if str(entry["seed"]) == seed]
        counts = [entry["classes_used"] for entry in own if entry["classes_used"] is not None]
        right = [entry["training_accuracy"] for entry in own if entry["training_accuracy"] is not None]
        rows.append(
            [seed, f"{used:.2f}", _spread(counts), _spread(right), str(sum(c < found["threshold"] for c in counts))]
        )
    head = [
        "seed",
        "held-out predictions",
        "training clips: lowest, median",
        "training accuracy: lowest, median",
        "collapsed",
    ]
    note = (
        f"How many of the {classes} classes are used: the exponential of the entropy of the predicted classes, 1 where "
        f"one class is always named. A network below {found['threshold']:g} on its training clips counts as collapsed."
    )
    lead = "Collapse monitor" + (f": {found['collapsed']} collapsed" if found["collapsed"] else "")
    body = table(head, rows, numbers=range(5))
    return folded(lead, body, tag("p", note, class_="grey"), open_=bool(found["collapsed"]))


def _spread(values: Sequence[float]) -> str:
    return f"{min(values):.2f}, {float(np.median(values)):.2f}" if values else "–"


def _range(level: Mapping[str, float]) -> str:
    return f"{number(level['mean'])} [{number(level['low'])}, {number(level['high'])}]"


def _left_out(excluded: Sequence[Mapping[str, str]]) -> Markup | None:
    if not excluded:
        return None
    rows = [[e["dataset"], e["sample_id"], e["label"], e["reason"]] for e in excluded]
    return folded(
        f"{counted(len(rows), 'clip')} without a prediction", table(["dataset", "clip", "class", "reason"], rows)
    )
