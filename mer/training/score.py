"""Scoring an experiment: pooled scores, their uncertainty, what chance reaches, signs of a leak (specs/peers.md §3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mer.core.atomic import write_json, write_text
from mer.metrics import bootstrap, chance
from mer.metrics.recognition import classes_used, evaluate
from mer.training import oracle_score, outside
from mer.training.checkpoint import read_metadata
from mer.training.fit import COLLAPSED
from mer.training.fold_tables import read_table
from mer.training.predictions import Predictions, read_predictions
from mer.training.score_tables import confusion_csv, latex_table, per_subject_csv

Labels = Literal["true", "permuted"]
Inputs = Mapping[str, Sequence[str | Path]]
ORACLE_EPOCHS = (10, 200)
# Every honest three-class composite score that could be audited lies below (specs/peers.md §3.6, §5.1).
SUSPICIOUS_UF1 = 0.79
ORACLE_UNITS = "oracle: the held-out clips' own annotated action units chose their regions; no new clip has them"
COMPOSITE = {"smic_hs", "casme2", "samm"}


def score_task(inputs: Inputs, outs: Sequence[str | Path], **block: Any) -> list[str]:
    """Score as `score_experiment` and return what the log says: the score, and every reason to distrust it.

    Args:
        inputs: of every fold and seed.
        outs: `metrics.json`; the other tables are beside it.
        block: the other arguments of `score_experiment`.
    """
    result = score_experiment(inputs, outs[0], **block)
    lines = [f"pooled UF1 {result['summary']['pooled']['uf1']['mean']:.4f}"]
    if "average" in result:
        lines.append(f"pooled UF1 {result['average']['pooled']['uf1']:.4f} by the mean of all seeds' scores of a clip")
    return [*lines, *result["flags"]]


def score_experiment(
    inputs: Inputs,
    out: str | Path,
    *,
    classes: Sequence[str],
    name: str = "experiment",
    labels: Labels = "true",
    simulated: bool = False,
    draws: int = bootstrap.DEFAULT_DRAWS,
    seed: int = 0,
) -> dict[str, Any]:
    """Score all folds and seeds of an experiment and write the results beside `out`.

    Writes `out` (JSON), `per_subject.csv`, `confusion.csv` and `table.tex` in the same folder, each atomically, `out`
    last.

    Args:
        inputs: paths by kind, of every fold and seed: `predictions` and `excluded` of the predict jobs, `tests`, the
            test table of every fold, and perhaps `models`, the checkpoints, for the collapse monitor, and `epochs`,
            the tables of the oracle-epoch diagnostic where it was asked for.
        out: `metrics.json`.
        classes: the fixed class set.
        name: shown in the LaTeX table.
        labels: `permuted` for an experiment on shuffled labels.
        simulated: the clips are simulated, so that what is known of the real databases does not hold.
        draws: of the bootstrap and of the chance simulations.
        seed: of the same.

    Returns:
        What `out` holds: `summary` (mean, sd over seeds), `interval`, `datasets` (interval and chance of each),
        `per_seed`, `chance`, `monitor`, `oracle_epoch` (the diagnostic, or None), `excluded`, `flags`, `oracle`
        (the test tables name action units), where there are several seeds `average` (`averaged`), and, where they are
        from outside, `weights` (`mer.training.outside.told`).

    Raises:
        ModelError: as `read_predictions`.
    """
    data = read_predictions(inputs["predictions"], inputs["excluded"], inputs["tests"], classes)
    result = score(data, labels=labels, simulated=simulated, draws=draws, seed=seed)
    result["oracle"] = any(row.units for table in inputs["tests"] for row in read_table(table))
    if result["oracle"]:
        result["flags"].insert(0, ORACLE_UNITS)
    weights, distrusted = outside.told(inputs.get("models", ()))
    if weights is not None:
        result["weights"] = weights
    result["flags"] += distrusted
    result["monitor"] = monitor(data, inputs.get("models", ()))
    if result["monitor"]["collapsed"]:
        counted = f"{result['monitor']['collapsed']} of {len(result['monitor']['training'])} networks"
        result["flags"].append(f"collapsed: {counted} give nearly all their training clips one class")
    epochs = inputs.get("epochs", ())
    result["oracle_epoch"] = (
        oracle_score.diagnose(data, *oracle_score.read_epochs(epochs, data), seed) if epochs else None
    )
    result["name"] = name
    folder = Path(out).parent
    write_text(folder / "per_subject.csv", per_subject_csv(data))
    write_text(folder / "confusion.csv", confusion_csv(data))
    write_text(folder / "table.tex", latex_table(result))
    write_json(out, result)
    return result


def score(
    data: Predictions,
    *,
    labels: Labels = "true",
    simulated: bool = False,
    draws: int = bootstrap.DEFAULT_DRAWS,
    seed: int = 0,
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
    average = averaged(data, draws, seed)
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
        "interval": {"draws": draws, "level": bootstrap.LEVEL, "over_seeds": len(data.seeds) > 1, **spread},
        "datasets": by_dataset(data, draws, seed),
        "per_seed": per_seed,
        **({"average": average} if average else {}),
        "chance": reference,
        "flags": flags(data, summary, reference, labels, simulated, average),
    }


def by_dataset(data: Predictions, draws: int, seed: int) -> dict[str, Any]:
    """Return, for each dataset, its clips, subjects, interval, and what its labels in random order reach."""
    parts = {}
    for name in sorted(set(data.datasets)):
        part = data.restricted([key for key in data.keys if key[0] == name])
        n = len(part.classes)
        parts[name] = {
            "n_clips": len(part.keys),
            "n_subjects": len(set(part.groups)),
            "interval": bootstrap.interval(
                part.truth, part.predicted, part.groups, part.datasets, n, draws=draws, seed=seed
            ),
            "chance": {"permuted": chance.random_reference(part.truth, n, "permuted", draws, seed)},
        }
    return parts


def chance_levels(data: Predictions, draws: int, seed: int) -> dict[str, Any]:
    """Return what random labels, the majority class and the oracle epoch rule reach on these clips and folds."""
    n = len(data.classes)
    levels: dict[str, Any] = {
        sampler: chance.random_reference(data.truth, n, sampler, draws, seed) for sampler in chance.SAMPLERS
    }
    level = chance.majority(data.truth, n)
    levels["majority"] = {**level, "label": data.classes[int(level["label"])]}
    levels["own_predictions"] = chance.permutation_band(data.truth, data.predicted, data.datasets, n, draws, seed)
    levels["oracle_epoch"] = {
        str(epochs): chance.oracle_reference(data.truth, data.folds, n, epochs, seed=seed) for epochs in ORACLE_EPOCHS
    }
    return levels


SCALARS = ("uf1", "uar", "accuracy", "mean_precision")


def _scalars(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return every single number of one seed's `evaluate`, nested as there."""
    blocks = {name: {score: block[score] for score in SCALARS} for name, block in result["per_dataset"].items()}
    pooled = {score: result["pooled"][score] for score in SCALARS}
    return {"pooled": pooled, "per_dataset": blocks, **{name: result[name] for name in ("mean_of_folds", "source")}}


def over_seeds(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return mean and standard deviation (n - 1; None with one seed) over seeds of every single number."""

    def joined(parts: Sequence[Any]) -> dict[str, Any]:
        if isinstance(parts[0], Mapping):
            return {name: joined([part[name] for part in parts]) for name in parts[0]}
        return {"mean": float(np.mean(parts)), "sd": float(np.std(parts, ddof=1)) if len(parts) > 1 else None}

    return joined([_scalars(result) for result in results])


def averaged(data: Predictions, draws: int, seed: int) -> dict[str, Any]:
    """Return the scores of one answer per clip: the class with the largest mean of all seeds' scores of it.

    The mean takes in every model of the clip's fold, none of which has seen its person.

    Returns:
        `pooled`, `per_dataset` and `mean_of_folds` as `evaluate`, and the `interval` over persons; empty with one seed
        or where the predictions came without scores.
    """
    if data.scores is None or len(data.seeds) < 2:
        return {}
    guess = data.scores.mean(axis=0).argmax(axis=1)
    result = evaluate(data.truth, guess, data.classes, data.datasets, data.groups, data.folds)
    spread = bootstrap.interval(
        data.truth, guess[None], data.groups, data.datasets, len(data.classes), draws=draws, seed=seed
    )
    return {**_scalars(result), "interval": spread}


def flags(
    data: Predictions,
    summary: Mapping[str, Any],
    reference: Mapping[str, Any],
    labels: Labels,
    simulated: bool = False,
    average: Mapping[str, Any] | None = None,
) -> list[str]:
    """Return one line per reason to distrust the score; an empty list is the normal case.

    A shuffled-label run above the range of chance, a three-class composite score that no audited system reaches, a
    score no better than random, and predictions of one class only.
    """
    uf1 = summary["pooled"]["uf1"]["mean"]
    # A permuted run may have learned how often a database has each class; its band is that of its own predictions.
    high = reference["own_predictions" if labels == "permuted" else "permuted"]["uf1"]["high"]
    lines = []
    if labels == "permuted" and uf1 > high:
        lines.append(f"leak: UF1 {uf1:.3f} on permuted labels, above the {high:.3f} that random labels reach")
    # Subjects with one emotion make a small data set easy; the bound was audited on the composite only.
    composite = len(data.classes) == 3 and set(data.datasets) == COMPOSITE and not simulated
    most = max(uf1, average["pooled"]["uf1"]) if average else uf1
    if labels == "true" and composite and most >= SUSPICIOUS_UF1:
        lines.append(f"suspicious: UF1 {most:.3f} on the MEGC2019 composite, where no audited system reached .79")
    if labels == "true" and uf1 <= high:
        lines.append(f"no better than chance: UF1 {uf1:.3f}, random labels reach {high:.3f}")
    for run, row in zip(data.seeds, data.predicted, strict=True):
        if len(np.unique(row)) == 1:
            lines.append(f"collapsed: seed {run} names {data.classes[row[0]]} for every clip")
    return lines


def held_out_use(data: Predictions) -> dict[str, float]:
    """Return, for each seed, how many classes the predictions of the held-out clips use (1 to C)."""
    n = len(data.classes)
    return {
        str(seed): float(classes_used(np.bincount(row, minlength=n)))
        for seed, row in zip(data.seeds, data.predicted, strict=True)
    }


def training_use(models: Sequence[str | Path]) -> list[dict[str, Any]]:
    """Return what each network said of its own training clips after the last epoch.

    Args:
        models: checkpoints of every fold and seed.

    Returns:
        one entry per checkpoint that tells, sorted by seed and fold: `seed`, `fold`, `classes_used` (None where its
        model does not count them) and `training_accuracy`; machines without these numbers have no entry.
    """
    entries = []
    for path in models:
        meta = read_metadata(path)
        told = meta.get("state") or {}
        used, right = told.get("classes_used"), told.get("training_accuracy")
        if used is not None or right is not None:
            entries.append(
                {"seed": meta["seed"], "fold": meta["fold"], "classes_used": used, "training_accuracy": right}
            )
    return sorted(entries, key=lambda entry: (entry["seed"], entry["fold"]))


def monitor(data: Predictions, models: Sequence[str | Path]) -> dict[str, Any]:
    """Tell whether the networks of a run still tell classes apart (specs/dual-branch.md §9, D22).

    Returns `held_out` (`held_out_use`), `training` (`training_use`) and `collapsed`, the number of such networks.
    """
    training = training_use(models)
    collapsed = sum(e["classes_used"] is not None and e["classes_used"] < COLLAPSED for e in training)
    return {"held_out": held_out_use(data), "training": training, "collapsed": collapsed, "threshold": COLLAPSED}
