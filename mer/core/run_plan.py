"""Which models a run has planned, and when it said so: `plan.json` of a results folder.

A results folder keeps the models of protocols, seeds and experiments that were taken out of the configuration, so a
reader asks here which ones count. The workflow writes it when a run begins, after the configuration that the run is of.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from mer.core.atomic import write_text
from mer.core.errors import ModelError

FILE = "plan.json"
#: Seconds by which a file system, or a copy that keeps the times of files, may be off.
SLACK = 3


def record_plan(results: Path, models: Mapping[str, Sequence[str]]) -> None:
    """Write which models a run has planned.

    Args:
        results: folder of the run.
        models: of every experiment, named as its folder is (`experiments/svm`), paths below that folder.

    Raises:
        StorageError: the disk is full or not writable.
    """
    now = int(time.time())
    path = results / FILE
    write_text(path, json.dumps({"models": models, "written": now}, indent=1, sort_keys=True) + "\n")
    os.utime(path, (now, now))


def times_kept(results: Path) -> bool:
    """Return whether the files of a results folder have the times at which they were written, as far as is known."""
    path = results / FILE
    written = _read(path).get("written")
    return not isinstance(written, int) or abs(path.stat().st_mtime - written) <= SLACK


def planned_models(experiment: Path) -> list[Path] | None:
    """Return the models that the last run has planned for an experiment; None where nobody says.

    Args:
        experiment: its folder, `<results>/<task>/<name>`.
    """
    folder = experiment.resolve()
    models = _read(folder.parent.parent / FILE).get("models")
    names = models.get(f"{folder.parent.name}/{folder.name}") if isinstance(models, dict) else None
    return [experiment / name for name in names] if isinstance(names, list) else None


def models_of(experiment: Path, found: Sequence[Path]) -> list[Path]:
    """Return those of the models found in a folder that count: the planned ones, all where it is no run's.

    Raises:
        ModelError: none of the planned ones is there.
    """
    planned = planned_models(experiment)
    if planned is None:
        return list(found)
    kept = [path for path in found if path in set(planned)]
    if not kept and found:
        fault = f"holds {len(found)} models, none of which the last run has planned"
        raise ModelError(experiment, fault, f"such as {planned[0].relative_to(experiment)}", "run snakemake to its end")
    return kept


def _read(path: Path) -> dict[str, object]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}
