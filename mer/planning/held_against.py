"""What stands in a results folder, held against the plan by what the files say of themselves.

Snakemake keeps what made each file in `.snakemake/`; where that is lost, or a results folder was copied without it, it
takes every file that is there for the right one, and so it does when told to (`--touch`). Products and models record
how they were made, tables of rows can be written again and compared; what follows from these (predictions, scores,
lists, the report) cannot be told and is cheap.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mer.core.container import Container, file_digest
from mer.core.errors import ContainerError, MerError
from mer.core.made import difference, rows_digest
from mer.core.run_plan import record_plan, times_kept
from mer.core.sample import read_index
from mer.planning import keys, planned_files
from mer.planning.catalog import Catalog
from mer.planning.config import Variant
from mer.planning.experiments import Planned
from mer.planning.planned_files import Plans
from mer.training.checkpoint import read_metadata

#: Where Snakemake keeps what made each file, one record per file.
RECORDS = Path(".snakemake") / "metadata"
#: The longest name of a file that it writes there.
LONGEST = 254
WITHOUT_TIMES = (
    "copied without the times of its files: jobs may run again that need not. Run `snakemake --touch --cores 1` once, "
    "which refuses where a product is not as configured; next time copy by `cp -a` or `rsync -a`, with .snakemake/"
)


@dataclass
class Held:
    """What of the files that stand is as planned: `right`, made otherwise (with how), or not to be told."""

    right: list[Path] = field(default_factory=list)
    other: dict[Path, str] = field(default_factory=dict)
    untold: list[Path] = field(default_factory=list)

    def add(self, path: Path, why: str) -> None:
        """Take a file that was looked into."""
        if why:
            self.other[path] = why
        else:
            self.right.append(path)


def snakemake_knows(records: Path = RECORDS) -> Callable[[Path], bool]:
    """Return whether Snakemake has a record of a file, named as the workflow names it."""
    names = set(os.listdir(records)) if records.is_dir() else set()

    def known(path: Path) -> bool:
        name = base64.urlsafe_b64encode(path.as_posix().encode()).decode()
        return name in names if len(name) <= LONGEST else (records / f"@{name[:LONGEST]}").is_dir()

    return known


def held(catalog: Catalog, plans: Plans, known: Callable[[Path], bool] = lambda path: False) -> Held:
    """Hold every planned file that stands, and is not `known`, against the plan."""
    found = Held()

    def asked(path: Path) -> bool:
        return path.exists() and not known(path)

    for path, dataset, subject in planned_files.simulated(catalog):
        if asked(path):
            found.add(path, _simulated(catalog, path, dataset, subject))
    for dataset in catalog.config.datasets:
        path = catalog.config.results / dataset / "index.csv"
        if asked(path):
            found.add(path, _index(catalog, path, dataset))
    for path, dataset, subject, variant in planned_files.containers(catalog):
        if asked(path):
            found.add(path, _product(catalog, path, dataset, subject, variant))
    for path, owner, source in planned_files.kept_features(plans):
        if asked(path):
            found.add(path, _features(path, keys.digest(owner.features_block(source), owner.features_code())))
    for path, plan, rows in planned_files.fold_tables(plans):
        if asked(path):
            found.add(path, _table(path, plan, rows))
    for path, plan, task, fold in planned_files.models(plans):
        if asked(path):
            found.add(path, _model(path, plan.made(task), sorted(fold.held_out)))
    found.untold += [path for path in planned_files.conclusions(catalog, plans) if asked(path)]
    return found


def _same(made: str, wanted: str) -> str:
    return "" if made == wanted else "made with other settings or other code"


def _told(path: Path, question: Callable[[Container], str]) -> str:
    try:
        with Container(path) as box:
            return question(box)
    except MerError as error:
        return error.found


def _simulated(catalog: Catalog, path: Path, dataset: str, subject: str) -> str:
    if not subject:
        return _same(path.read_text(encoding="utf-8"), simulated_tables(catalog, dataset))
    block = catalog.config.datasets[dataset].simulate
    assert block is not None
    wanted = block.model_dump(exclude={"subjects"})
    wanted = {key: list(value) if isinstance(value, tuple) else value for key, value in wanted.items()}

    def question(box: Container) -> str:
        told = {key: value for key, value in box.parameters()["simulate"].items() if key != "subjects"}
        made, planned = ([{"stage": "simulate", "method": "", "params": one}] for one in (told, wanted))
        return difference(made, planned)

    return _told(path, question)


def simulated_tables(catalog: Catalog, dataset: str) -> str:
    """Return what stands in the file that says that the tables of a simulated database are written."""
    return keys.digest(keys.simulation(catalog, dataset), keys.simulation_code(catalog, dataset))


def _index(catalog: Catalog, path: Path, dataset: str) -> str:
    try:
        written = read_index(path)
    except MerError as error:
        return error.found
    planned = catalog.reading(dataset).samples
    if catalog.config.datasets[dataset].simulate:
        # Its table is not read before it is written: the plan has no digest of it.
        written, planned = ([dataclasses.replace(row, release="") for row in rows] for rows in (written, planned))
    return "" if written == planned else "holds other rows than its database"


def _product(catalog: Catalog, path: Path, dataset: str, subject: str, variant: Variant) -> str:
    def question(box: Container) -> str:
        other = difference(box.chain(), keys.chain(catalog.config, variant.key), code=True)
        if other or box.attributes.get("rows") == product_rows(catalog, dataset, subject, variant):
            return other
        return "made of other rows or files of its database"

    return _told(path, question)


def stands(catalog: Catalog, path: Path, source: Path | None, dataset: str, variant: Variant) -> bool:
    """Return whether the product of a subject is there as it would be made again: of this source, if it has one."""
    if not path.exists() or (source and not source.exists()) or _product(catalog, path, dataset, path.stem, variant):
        return False
    with Container(path) as box:
        return source is None or json.loads(box.attributes["inputs"]).get(source.name) == file_digest(source)


def product_stands(catalog: Catalog, path: Path) -> bool:
    """Return whether a product that a job of several persons makes is there as it would be made again."""
    for dataset, variant, subjects in catalog.batches():
        if path.stem in subjects and catalog.product(dataset, variant.key, path.stem) == path:
            return stands(catalog, path, catalog.source(dataset, variant, path.stem), dataset, variant)
    return False


def product_rows(catalog: Catalog, dataset: str, subject: str, variant: Variant) -> str:
    """Return the digest of the rows and files that a product must have been made of, as its container records it."""
    rows, behind = catalog.rows(dataset, subject, variant), None
    if variant.source != "index":
        behind = product_rows(catalog, dataset, subject, catalog.config.variants[variant.source])
        return rows_digest(rows, behind)
    seen = keys.files_seen(catalog, dataset, subject, variant, read=True)
    return rows_digest(rows, [one.content for one in seen.values()])


def _features(path: Path, made: str) -> str:
    return _told(path, lambda box: _same(str(box.attributes["code"]), made))


def _table(path: Path, plan: Planned, rows: Iterable[Any]) -> str:
    write = planned_files.tasks_of(plan)[0].table.load()
    with TemporaryDirectory(prefix="mer-plan-") as folder:
        write(Path(folder) / path.name, rows)
        same = (Path(folder) / path.name).read_bytes() == path.read_bytes()
    return "" if same else "holds other rows than the plan"


def _model(path: Path, made: str, held_out: list[str]) -> str:
    try:
        meta = read_metadata(path)
    except MerError as error:
        return error.found
    if sorted(meta.get("held_out", ())) != held_out:
        return f"leaves out {', '.join(meta.get('held_out', ())) or 'nobody'}, not {', '.join(held_out)}"
    return _same(str(meta.get("made")), made)


def made_again(catalog: Catalog, plans: Plans, touching: bool = False) -> list[str]:
    """Return the files that must be made again though Snakemake would leave them; standard error is told why.

    Args:
        catalog: of the configuration.
        plans: of its experiments.
        touching: the run only says that all files are up to date (`--touch`): then none may be otherwise.

    Raises:
        ContainerError: a file is otherwise, and the run would call it up to date.
    """
    results = catalog.config.results
    if touching:
        for path, why in held(catalog, plans).other.items():
            remedy = "leave out --touch: what is not as configured is made again"
            raise ContainerError(path, why, "a product of this configuration", remedy)
        record_plan(results, planned_files.model_names(plans))
        return []
    if not times_kept(results):
        print(f"mer: {results}: {WITHOUT_TIMES}", file=sys.stderr)
    found = held(catalog, plans, snakemake_knows())
    for line in _lines(found, results):
        print(f"mer: {line}", file=sys.stderr)
    return [path.as_posix() for path in (*found.other, *found.untold)]


def _lines(found: Held, results: Path) -> Iterator[str]:
    count = len(found.right) + len(found.other) + len(found.untold)
    if not count:
        return
    yield (
        f"{results}: of {count} files that stand here .snakemake/ has no record: it was lost, or results were copied "
        f"without it. {len(found.right)} products, models and tables say that they are as configured; they stay unless "
        f"what they were made of changes. {len(found.untold)} files that follow from them are made again (cheap)"
    )
    if found.other:
        path, why = next(iter(found.other.items()))
        yield f"{results}: {len(found.other)} are not as configured and are made again, the first: {path}: {why}"
