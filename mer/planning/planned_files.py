"""Every file that a configuration leads to, by what tells whether it is as planned."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mer.planning.catalog import Catalog
from mer.planning.config import Variant
from mer.planning.experiments import TASKS, Planned
from mer.planning.recognition import PlannedRecognition
from mer.training.folds import Fold
from mer.training.task import ORACLE_EPOCHS, Task

Plans = Mapping[str, Mapping[str, Planned]]
REPORT_TABLES = ("scores.csv", "scores.tex", "methods.tex", "references.bib", "comparisons.csv", "cd6me.csv")
#: Of every database, besides its products.
DATASET_TABLES = ("index.csv", "problems.csv", "excluded.csv")


def every(plans: Plans) -> Iterator[Planned]:
    """Yield the plan of every experiment."""
    for some in plans.values():
        yield from some.values()


def tasks_of(plan: Planned) -> list[Task]:
    """Return the tasks whose jobs an experiment has."""
    tasks = [task for task in TASKS.values() if plan.folder.parent.name == task.folder]
    return [task for task in tasks if task is not ORACLE_EPOCHS or plan.block.diagnose.oracle_epoch]


def containers(catalog: Catalog) -> Iterator[tuple[Path, str, str, Variant]]:
    """Yield every product of every subject with its database, subject and variant, in the order of the journey."""
    for dataset in catalog.config.datasets:
        for key in catalog.config.products_of(dataset):
            for subject in catalog.subjects_of(dataset, key):
                yield catalog.product(dataset, key, subject), dataset, subject, catalog.config.variants[key]


def simulated(catalog: Catalog) -> Iterator[tuple[Path, str, str]]:
    """Yield what is written of simulated databases: the truth of every subject, and, of subject '', the tables."""
    for dataset in (name for name, block in catalog.config.datasets.items() if block.simulate):
        folder = catalog.config.results / dataset / "simulate"
        yield folder / "tables.done", dataset, ""
        for subject in catalog.subjects(dataset):
            yield folder / "truth" / f"{subject}.h5", dataset, subject


def kept_features(plans: Plans) -> Iterator[tuple[Path, PlannedRecognition, str]]:
    """Yield the kept features of every experiment that has some, with the source that they are of."""
    for plan in every(plans):
        if isinstance(plan, PlannedRecognition) and plan.keeps_features:
            sources = {source for fold in plan.folds for source in (*fold.train_sources, *fold.test_sources)}
            for boxes in plan.containers(sorted(sources)).values():
                yield from ((path, plan, source) for source, path in boxes.items())


def models(plans: Plans) -> Iterator[tuple[Path, Planned, Task, Fold[Any]]]:
    """Yield the checkpoint of every fold and seed."""
    for plan in every(plans):
        for task in tasks_of(plan):
            for seed in plan.block.seeds:
                for fold in plan.folds:
                    yield plan.folder / f"seed{seed}" / fold.name / task.fit.files[0], plan, task, fold


def model_names(plans: Plans) -> dict[str, list[str]]:
    """Return the models of every experiment that a run ends in, as `mer.core.run_plan` keeps them."""
    return {
        f"{plan.folder.parent.name}/{plan.name}": [
            path.relative_to(plan.folder).as_posix() for path in plan.files("model.safetensors")
        ]
        for plan in every(plans)
    }


def conclusions(catalog: Catalog, plans: Plans) -> Iterator[Path]:
    """Yield what is made of products and models: predictions, scores, lists of exclusions and the report."""
    results = catalog.config.results
    for plan in every(plans):
        for task in tasks_of(plan):
            for name in task.predict.files:
                yield from plan.files(name)
            if task.score is not None:
                yield from (plan.folder / name for name in task.score.files)
        yield from plan.files("named.jsonl") if getattr(plan, "naming", "") else ()
    yield from (results / name / "excluded.csv" for name in catalog.config.datasets)
    yield from (results / "report" / name for name in ("index.html", *REPORT_TABLES))


def every_file(catalog: Catalog, plans: Plans) -> Iterator[Path]:
    """Yield every file that a configuration leads to, but for logs and simulated pictures."""
    for found in (simulated(catalog), containers(catalog), kept_features(plans), fold_tables(plans), models(plans)):
        yield from (path for path, *_ in found)
    yield from conclusions(catalog, plans)
    yield from (catalog.config.results / name / table for name in catalog.config.datasets for table in DATASET_TABLES)


def fold_tables(plans: Plans) -> Iterator[tuple[Path, Planned, Iterable[Any]]]:
    """Yield the tables of every experiment with their rows."""
    for plan in every(plans):
        yield from ((path, plan, rows) for path, rows in plan.tables())
