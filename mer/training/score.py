"""Scoring an experiment: pooled scores, their uncertainty, what chance reaches, signs of a leak (specs/peers.md §3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mer.core.atomic import write_json, write_text
from mer.core.errors import ModelError
from mer.metrics import bootstrap, chance
from mer.metrics.recognition import evaluate
from mer.training.predictions import Predictions, read_predictions
from mer.training.score_tables import confusion_csv, latex_table, per_subject_csv

Labels = Literal["true", "permuted"]
ORACLE_EPOCHS = (10, 200)
# Every honest three-class composite score that could be audited lies below (specs/peers.md §3.6, §5.1).
SUSPICIOUS_UF1 = 0.79
COMPOSITE = {"smic_hs", "casme2", "samm"}


def score_experiment(
    predictions: Sequence[str | Path],
    excluded: Sequence[str | Path],
    test_tables: Sequence[str | Path],
    classes: Sequence[str],
    out: str | Path,
    *,
    name: str = "experiment",
    labels: Labels = "true",
    simulated: bool = False,
    draws: int = bootstrap.DRAWS,
    seed: int = 0,
) -> dict[str, Any]:
    """Score all folds and seeds of an experiment and write the results beside `out`.

    Writes `out` (JSON), `per_subject.csv`, `confusion.csv` and `table.tex` in the same folder, each atomically, `out`
    last.

    Args:
        predictions: `predictions.csv` of every fold and seed.
        excluded: `excluded.csv` of the same.
        test_tables: the test table of every fold.
        classes: the fixed class set.
        out: `metrics.json`.
        name: shown in the LaTeX table.
        labels: `permuted` for an experiment on shuffled labels.
        simulated: the clips are simulated, so that what is known of the real databases does not hold.
        draws: of the bootstrap and of the chance simulations.
        seed: of the same.

    Returns:
        What `out` holds: `summary` (mean, sd over seeds, 95 % interval), `per_seed`, `chance`, `excluded`, `flags`.

    Raises:
        ModelError: as `read_predictions`.
    """
    data = read_predictions(predictions, excluded, test_tables, classes)
    result = score(data, labels=labels, simulated=simulated, draws=draws, seed=seed)
    result["name"] = name
    folder = Path(out).parent
    write_text(folder / "per_subject.csv", per_subject_csv(data))
    write_text(folder / "confusion.csv", confusion_csv(data))
    write_text(folder / "table.tex", latex_table(result))
    write_json(out, result)
    return result


def score(
    data: Predictions, *, labels: Labels = "true", simulated: bool = False, draws: int = bootstrap.DRAWS, seed: int = 0
) -> dict[str, Any]:
    """Score aligned predictions; see `score_experiment` for arguments and result."""
    per_seed = {
        str(run): evaluate(data.truth, row, data.classes, data.datasets, data.groups, data.folds)
        for run, row in zip(data.seeds, data.predicted, strict=True)
    }
    spread = bootstrap.interval(
        data.truth, data.predicted, data.groups, data.datasets, len(data.classes), draws=draws, seed=seed
    )
    reference = chance_levels(data, draws, seed)
    summary = over_seeds(list(per_seed.values()))
    return {
        "classes": list(data.classes),
        "labels": labels,
        "seeds": data.seeds,
        "n_clips": len(data.keys),
        "n_subjects": len(set(data.groups)),
        "excluded": [
            {"dataset": key[0], "sample_id": key[1], "label": data.excluded_labels[key], "reason": reason}
            for key, reason in sorted(data.excluded.items())
        ],
        "summary": summary,
        "interval": {"draws": draws, "level": bootstrap.LEVEL, **spread},
        "per_seed": per_seed,
        "chance": reference,
        "flags": flags(data, summary, reference, labels, simulated),
    }


def chance_levels(data: Predictions, draws: int, seed: int) -> dict[str, Any]:
    """Return what random labels, the majority class and the oracle epoch rule reach on these clips and subjects."""
    n = len(data.classes)
    levels: dict[str, Any] = {
        sampler: chance.random_reference(data.truth, n, sampler, draws, seed) for sampler in chance.SAMPLERS
    }
    level = chance.majority(data.truth, n)
    levels["majority"] = {**level, "label": data.classes[int(level["label"])]}
    levels["oracle_epoch"] = {
        str(epochs): chance.oracle_reference(data.truth, data.groups, n, epochs, seed=seed) for epochs in ORACLE_EPOCHS
    }
    return levels


SCALARS = ("uf1", "uar", "accuracy", "mean_precision")


def _scalars(result: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], float]]:
    """Yield every single number of one seed's `evaluate` by its path."""
    blocks: list[tuple[tuple[str, ...], Mapping[str, Any]]] = [(("pooled",), result["pooled"])]
    blocks += [(("per_dataset", name), block) for name, block in result["per_dataset"].items()]
    for path, block in blocks:
        yield from (((*path, score), block[score]) for score in SCALARS)
    for variant, block in result["mean_of_folds"].items():
        yield from ((("mean_of_folds", variant, score), value) for score, value in block.items())
    yield from ((("source", score), value) for score, value in result["source"].items())


def over_seeds(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return mean and standard deviation (n - 1; None with one seed) over seeds of every single number."""
    values: dict[tuple[str, ...], list[float]] = {}
    for result in results:
        for path, value in _scalars(result):
            values.setdefault(path, []).append(value)
    tree: dict[str, Any] = {}
    for path, numbers in values.items():
        node = tree
        for step in path[:-1]:
            node = node.setdefault(step, {})
        sd = float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None
        node[path[-1]] = {"mean": float(np.mean(numbers)), "sd": sd}
    return tree


def flags(
    data: Predictions, summary: Mapping[str, Any], reference: Mapping[str, Any], labels: Labels, simulated: bool = False
) -> list[str]:
    """Return one line per reason to distrust the score; an empty list is the normal case.

    A shuffled-label run above the range of chance, a three-class composite score that no audited system reaches, a
    score no better than random, and predictions of one class only.
    """
    uf1 = summary["pooled"]["uf1"]["mean"]
    high = reference["permuted"]["uf1"]["high"]
    lines = []
    if labels == "permuted" and uf1 > high:
        lines.append(f"leak: UF1 {uf1:.3f} on permuted labels, above the {high:.3f} that random labels reach")
    # Subjects with one emotion make a small data set easy; the bound was audited on the composite only.
    composite = len(data.classes) == 3 and set(data.datasets) == COMPOSITE and not simulated
    if labels == "true" and composite and uf1 >= SUSPICIOUS_UF1:
        lines.append(f"suspicious: UF1 {uf1:.3f} on the MEGC2019 composite, where no audited system reached .79")
    if labels == "true" and uf1 <= high:
        lines.append(f"no better than chance: UF1 {uf1:.3f}, random labels reach {high:.3f}")
    for run, row in zip(data.seeds, data.predicted, strict=True):
        if len(np.unique(row)) == 1:
            lines.append(f"collapsed: seed {run} names {data.classes[row[0]]} for every clip")
    return lines


def compare(first: Predictions, second: Predictions, draws: int = bootstrap.DRAWS, seed: int = 0) -> dict[str, Any]:
    """Compare two experiments on the clips that both scored: first minus second, with the paired interval.

    Returns:
        `n_clips`, `only_first`, `only_second` (clips left aside), and per statistic `value`, `low`, `high`,
        `distinguishable` (`mer.metrics.bootstrap.paired_difference`).

    Raises:
        ModelError: different class sets, different true labels, or no clip in common.
    """
    if first.classes != second.classes:
        raise ModelError("comparison", f"classes {second.classes}", f"{first.classes}", "compare like with like")
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
