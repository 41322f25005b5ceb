"""`mer clean --stale`: what stands in a results folder that no plan names, or that was made otherwise than planned.

Only files that the workflow writes are looked at: products, tables, folds, models, predictions, logs and benchmarks.
Simulated pictures, the report and whatever else a user keeps there stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mer.core.on_disk import beside
from mer.planning import planned_files
from mer.planning.catalog import Catalog
from mer.planning.held_against import held
from mer.planning.planned_files import DATASET_TABLES, Plans
from mer.stages.registry import STAGES
from mer.training.task import RECOGNITION

TASK_FOLDERS = ("experiments", "spotting")
RECORD_FOLDERS = ("logs", "benchmarks")
#: Of jobs that take several folds or persons: how many there are may depend on the machine.
SEVERAL = re.compile(r"(?:folds|persons)\d+")


def leftovers(catalog: Catalog, plans: Plans) -> dict[Path, str]:
    """Return the files that no plan names, or that were made otherwise than planned, each with the reason."""
    results = catalog.config.results
    files, jobs = {*planned_files.every_file(catalog, plans)}, set(_jobs(catalog, plans))
    files |= {beside(path) for path, *_ in planned_files.containers(catalog)}
    found = {}
    for path in sorted(_written(results, set(catalog.config.datasets))):
        top, *below = path.relative_to(results).parts
        planned = _is_job(below, jobs) if top in RECORD_FOLDERS else path in files
        if not planned:
            found[path] = "no plan names it"
    return found | {path: why for path, why in held(catalog, {}).other.items() if path.suffix == ".h5"}


def _written(results: Path, datasets: set[str]) -> Iterator[Path]:
    """Yield every file that a run, this one or an earlier one, has written into the results."""
    folders = [results / name for name in (*TASK_FOLDERS, *RECORD_FOLDERS)]
    for folder in (path for path in sorted(results.iterdir()) if path.is_dir() and path not in folders):
        if folder.name in datasets or (folder / "index.csv").is_file():
            folders += [folder / stage for stage in STAGES]
            yield from (folder / table for table in DATASET_TABLES if (folder / table).is_file())
    for folder in folders:
        yield from (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _jobs(catalog: Catalog, plans: Plans) -> Iterator[str]:
    """Yield the path of the log of every job, below its folder and without its ending."""
    for path, dataset, subject, variant in planned_files.containers(catalog):
        place = (variant.stage, dataset, variant.name)
        yield from ("/".join(filter(None, place + (name,))) for name in (path.stem, ""))
        yield f"simulate/{dataset}/{subject}"
    for dataset in catalog.config.datasets:
        yield from (f"index/{dataset}", f"exclusions/{dataset}", f"simulate/{dataset}/tables")
    for path, owner, _ in planned_files.kept_features(plans):
        yield f"features/{owner.name}/{path.parent.name}/{path.stem}"
    for plan in planned_files.every(plans):
        for task in planned_files.tasks_of(plan):
            score = task.score or RECOGNITION.score
            yield from (f"{step.rule}/{plan.name}" for step in (task.table, score) if step)
            for rule in (task.fit.rule, task.predict.rule, "spot_name"):
                for seed in plan.block.seeds:
                    names = [*(fold.name for fold in plan.folds), ""]
                    yield from (f"{rule}/{plan.name}/seed{seed}/{name}" for name in names)
    yield "report"


def _is_job(parts: list[str], jobs: set[str]) -> bool:
    """Return whether a file below the logs is of a job, or of something that the job keeps beside its log."""
    for count in range(1, len(parts) + 1):
        *folders, name = parts[:count]
        while name:
            numbered = "" if SEVERAL.fullmatch(name) else name
            if "/".join([*folders, name]) in jobs or "/".join([*folders, numbered]) in jobs:
                return True
            name = name.rpartition(".")[0]
    return False


def told(found: dict[Path, str], results: Path) -> Iterator[str]:
    """Yield lines on leftovers, a folder each, with their number, size and the first reason."""
    folders: dict[Path, list[Path]] = {}
    for path in found:
        folders.setdefault(path.parent, []).append(path)
    for folder, paths in sorted(folders.items()):
        size = sum(path.stat().st_size for path in paths) / 2**20
        names = paths[0].name if len(paths) == 1 else f"{len(paths)} files"
        yield f"{folder.relative_to(results).as_posix()}/: {names}, {size:.1f} MiB: {found[paths[0]]}"


def remove(found: dict[Path, str], results: Path) -> None:
    """Remove leftovers, and the folders that they leave empty."""
    for path in found:
        path.unlink(missing_ok=True)
        for folder in path.relative_to(results).parents:
            if folder != Path() and (results / folder).is_dir() and not any((results / folder).iterdir()):
                (results / folder).rmdir()
