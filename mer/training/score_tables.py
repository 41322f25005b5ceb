"""Tables of a scored experiment as text: per subject, confusion matrices, and LaTeX rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mer.core.csvfile import csv_text
from mer.core.latex import escape
from mer.metrics.recognition import accuracy, confusion, grouped_confusion, source_scores
from mer.training.predictions import Predictions


def per_subject_csv(data: Predictions) -> str:
    """Return one line per seed and person: clips, right ones, accuracy, and the source rule's UF1 and UAR.

    The last two follow specs/dual-branch.md §6.2 and are named so; the pooled UF1 has no per-subject value.
    """
    dataset_of: dict[str, set[str]] = {}
    for group, dataset in zip(data.groups, data.datasets, strict=True):
        dataset_of.setdefault(group, set()).add(dataset)
    lines = []
    for seed, row in zip(data.seeds, data.predicted, strict=True):
        names, matrices = grouped_confusion(data.truth, row, data.groups, len(data.classes))
        for group, matrix, scores in zip(names, matrices, source_scores(matrices), strict=True):
            right = int(np.trace(matrix))
            counts = matrix.sum(axis=1).tolist()
            rounded = [f"{value:.6f}" for value in (float(accuracy(matrix)), scores[0], scores[1])]
            lines.append([seed, group, "+".join(sorted(dataset_of[group])), matrix.sum(), right, *rounded, *counts])
    head = ["seed", "group", "dataset", "clips", "right", "accuracy", "source_uf1", "source_uar"]
    return csv_text([*head, *(f"n_{name}" for name in data.classes)], lines)


def confusion_csv(data: Predictions) -> str:
    """Return every confusion matrix in long form: seed, dataset (`all`: pooled), truth, prediction, clips."""
    lines = []
    for seed, row in zip(data.seeds, data.predicted, strict=True):
        n = len(data.classes)
        names, matrices = grouped_confusion(data.truth, row, data.datasets, n)
        blocks = [("all", confusion(data.truth, row, n)), *zip(names, matrices, strict=True)]
        for name, matrix in blocks:
            for i, truth in enumerate(data.classes):
                lines += [[seed, name, truth, guess, matrix[i, j]] for j, guess in enumerate(data.classes)]
    return csv_text(["seed", "dataset", "truth", "prediction", "clips"], lines)


def _number(value: float) -> str:
    return f"{value:.4f}".lstrip("0") if 0 <= value < 1 else f"{value:.4f}"


def _cell(score: Mapping[str, Any], bounds: Mapping[str, float] | None = None) -> str:
    text = _number(score["mean"])
    if score["sd"] is not None:
        text += rf" $\pm$ {_number(score['sd'])}"
    if bounds is not None:
        text += f" [{_number(bounds['low'])}, {_number(bounds['high'])}]"
    return text


def latex_table(result: Mapping[str, Any]) -> str:
    """Return a `tabular` of one experiment: pooled with 95 % interval, each dataset, and the permuted-label level.

    Args:
        result: what `mer.training.score.score` returns, with `name`.
    """
    summary, bounds, level = result["summary"], result["interval"], result["chance"]["permuted"]
    scores = ("uf1", "uar", "accuracy")
    name = escape(result["name"]) + (" (oracle AU)" if result.get("oracle") else "")
    rows = [[f"{name}, pooled", *(_cell(summary["pooled"][s], bounds[s]) for s in scores)]]
    if average := result.get("average"):
        cells = ({"mean": average["pooled"][s], "sd": None} for s in scores)
        bounded = (_cell(cell, average["interval"][s]) for cell, s in zip(cells, scores, strict=True))
        rows.append([f"{name}, mean of {len(result['seeds'])} seeds' scores", *bounded])
    rows += [
        [escape(name), *(_cell(block[s]) for s in scores)] for name, block in sorted(summary["per_dataset"].items())
    ]
    rows.append(
        [
            "permuted labels",
            *(f"{_number(level[s]['mean'])} [{_number(level[s]['low'])}, {_number(level[s]['high'])}]" for s in scores),
        ]
    )
    body = "".join(" & ".join(row) + " \\\\\n" for row in rows)
    return "\\begin{tabular}{lccc}\n & UF1 & UAR & accuracy \\\\\n\\hline\n" + body + "\\end{tabular}\n"
