"""Which rows, subjects, folds and files a configuration leads to: all that the workflow plans with.

The rows of a real database come from its annotation table and folders; those of a simulated one follow from
its configuration, before a frame is rendered, through the same reader. Nothing heavier than pandas is
imported here, because every Snakemake process runs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mer.core.errors import DatasetError
from mer.core.sample import Sample, by_subject, media_row, read_index
from mer.datasets.reading import Reading
from mer.datasets.recordings import NOTHING, recordings
from mer.datasets.registry import reader
from mer.datasets.usable import require_usable
from mer.planning import minutes
from mer.planning.blocks import DatasetBlock
from mer.planning.config import Config, Variant
from mer.simulate.contract import Layout
from mer.simulate.registry import layout
from mer.training.folds import Fold, Selection, make_folds, select
from mer.training.recipe import count_class_weights

#: Where `subjects_per_job` is `auto`: enough for the machines that there are, few enough to plan.
JOBS_OF_A_PRODUCT = 25


def read_dataset(block: DatasetBlock, root: Path) -> Reading:
    """Read a database from its folder with the reader and options of its block.

    Raises:
        DatasetError: it cannot be read, or, unless it is simulated, not be used as it is (`mer.datasets.usable`).
    """
    chosen = reader(block.reader)
    options = chosen.options.model_validate(block.options)
    reading = chosen.read(root, options, block.errata)
    if block.simulate is None:
        require_usable(reading, chosen.database(options), root, block.part)
    return reading


def layout_of(block: DatasetBlock) -> Layout:
    """Return the layout that a simulated database is written in."""
    assert block.simulate is not None
    return layout(block.simulate.layout)


def plan_dataset(block: DatasetBlock) -> Reading:
    """Return the reading that a simulated database will give once it is written."""
    assert block.simulate is not None
    chosen = reader(block.reader)
    options = chosen.options.model_validate(block.options)
    given = layout_of(block).reader_input(block.simulate, options.model_dump())
    return chosen.samples_from(given.table, given.listing, options, "simulated", block.errata, **given.extra)


def expressions(rows: Sequence[Sample]) -> list[Sample]:
    """Return the rows of expressions, without those that say that a recording holds none."""
    return [row for row in rows if row.expression_type != NOTHING]


class Catalog:
    """The rows behind a configuration, and the paths of every product.

    Args:
        config: the checked configuration.
        indexed: take the rows from the index files that the workflow has written, not from the databases: what jobs
            after the index stage do.

    Raises:
        DatasetError: a database cannot be read, or holds no usable row.
    """

    def __init__(self, config: Config, indexed: bool = False) -> None:
        self.config = config
        self._indexed = indexed
        self._readings: dict[str, Reading] = {}
        self._subjects: dict[str, dict[str, list[Sample]]] = {}
        self._folds: dict[tuple[object, ...], list[Fold]] = {}
        self._selections: dict[str, Selection] = {}
        self._recordings: dict[str, dict[str, list[Sample]]] = {}
        self._products: dict[tuple[str, str, str], Path] = {}

    def reading(self, dataset: str) -> Reading:
        """Return what the reader found, read once per process."""
        if dataset not in self._readings:
            self._readings[dataset] = self._read(dataset)
        return self._readings[dataset]

    def _read(self, dataset: str) -> Reading:
        block = self.config.datasets[dataset]
        if self._indexed:
            return Reading(dataset, "", read_index(self.config.results / dataset / "index.csv"))
        return plan_dataset(block) if block.simulate else read_dataset(block, self.root(dataset))

    def root(self, dataset: str) -> Path:
        """Return the folder of a database; a simulated one lives below the results."""
        block = self.config.datasets[dataset]
        return block.root if block.root is not None else self.config.results / dataset / "simulate"

    def subjects(self, dataset: str) -> dict[str, list[Sample]]:
        """Return the usable rows of each subject that has any."""
        if dataset not in self._subjects:
            self._subjects[dataset] = self._usable(dataset)
        return self._subjects[dataset]

    def _usable(self, dataset: str) -> dict[str, list[Sample]]:
        rows = [row for row in self.reading(dataset).samples if row.status == "ok"]
        if not rows:
            where = self.config.datasets[dataset].root or dataset
            raise DatasetError(where, "holds no usable clip", "at least one", "see the problems in its index")
        return by_subject(rows)

    def recordings(self, dataset: str) -> dict[str, list[Sample]]:
        """Return the whole recordings of each subject, those without any expression included."""
        if dataset not in self._recordings:
            self._recordings[dataset] = by_subject(recordings(self.reading(dataset)))
        return self._recordings[dataset]

    def wanted_recordings(self, dataset: str) -> list[Sample]:
        """Return the rows of all whole recordings that some product of a database is made from."""
        if not any(self.config.unit(key) == "recordings" for key in self.config.products_of(dataset)):
            return []
        return [row for rows in self.recordings(dataset).values() for row in rows]

    def rows(self, dataset: str, subject: str, variant: Variant) -> list[dict[str, object]]:
        """Return the label-free rows of one subject that a variant is made from: the parameters of its job."""
        return [media_row(sample) for sample in self.samples(dataset, subject, variant)]

    def samples(self, dataset: str, subject: str, variant: Variant) -> list[Sample]:
        """Return the rows of one subject that a variant is made from."""
        units = {self.config.unit(variant.key)}
        if variant.stage == "frames":
            units = {self.config.unit(key) for key in self.config.products_of(dataset)}
        rows = expressions(self.subjects(dataset).get(subject, [])) if "expressions" in units else []
        if "recordings" in units:
            rows = rows + self.recordings(dataset).get(subject, [])
        return rows

    def subject_name(self, dataset: str, key: str) -> str:
        """Return the subject, as its owner writes it, behind the name of a container."""
        return self.subjects(dataset)[key][0].subject

    def product(self, dataset: str, key: str, subject: str) -> Path:
        """Return the container of one product (`frames` or `stage/variant`) of one subject."""
        # Every fold names nearly all of them, and putting a path together takes longer than the rest of naming it.
        asked = dataset, key, subject
        if asked not in self._products:
            self._products[asked] = self.config.results / dataset / key / f"{subject}.h5"
        return self._products[asked]

    def products(self, dataset: str) -> list[Path]:
        """Return every container that the configuration asks for of one database."""
        keys = self.config.products_of(dataset)
        return [self.product(dataset, key, subject) for key in keys for subject in self.subjects_of(dataset, key)]

    def subjects_of(self, dataset: str, product: str) -> list[str]:
        """Return the subjects that have a container of one product, sorted."""
        units = {self.config.unit(product)}
        if product == "frames":
            units = {self.config.unit(key) for key in self.config.products_of(dataset)}
        subjects = (
            {key for key, rows in self.subjects(dataset).items() if expressions(rows)}
            if "expressions" in units
            else set()
        )
        return sorted(subjects | (set(self.recordings(dataset)) if "recordings" in units else set()))

    def batches(self) -> Iterator[tuple[str, Variant, list[str]]]:
        """Yield the persons of every job that takes several, with their database and the variant it makes."""
        for dataset in self.config.datasets:
            for key in self.config.products_of(dataset):
                subjects, variant = self.subjects_of(dataset, key), self.config.variants[key]
                size = self.config.subjects_per_job or self._persons_of_a_job(dataset, subjects, variant)
                for start in range(0, len(subjects), size) if size > 1 else ():
                    yield dataset, variant, subjects[start : start + size]

    def _persons_of_a_job(self, dataset: str, subjects: Sequence[str], variant: Variant) -> int:
        most = len(subjects) // JOBS_OF_A_PRODUCT
        if most < 2:
            return 1
        rows = [row for subject in subjects for row in self.samples(dataset, subject, variant)]
        seconds = minutes.stage_seconds(variant.stage, rows, self.config.unit(variant.key) == "recordings")
        return max(1, min(most, int(60 * minutes.SHARED / (minutes.MARGIN * seconds / len(subjects)))))

    def source(self, dataset: str, variant: Variant, subject: str) -> Path | None:
        """Return the container that a stage job reads; None when it reads the owner's media."""
        return None if variant.source == "index" else self.product(dataset, variant.source, subject)

    def selection(self, experiment: str) -> Selection:
        """Return the clips that take part in an experiment, and the class set of its view."""
        if experiment not in self._selections:
            block = self.config.experiments[experiment]
            where = f"{self.config.where}: experiments.{experiment}"
            count = len(self.classes(block.data, block.view))
            count_class_weights(self.config.settled[experiment], block.train, count, where)
            self._selections[experiment] = self.select(block.data, block.view)
        return self._selections[experiment]

    def classes(self, data: Iterable[str], view: str) -> tuple[str, ...]:
        """Return the classes of a view that the databases of some configured datasets can have, in their order."""
        return self.config.views[view].classes_of({row.dataset for name in data for row in self.reading(name).samples})

    def select(self, data: Sequence[str], view: str) -> Selection:
        """Return the usable clips of some configured datasets that have a class in a view (`mer.training.folds`)."""
        rows = {name: self.reading(name).samples for name in data}
        return select(rows, self.config.views[view], self.classes(data, view))

    def folds(self, experiment: str) -> list[Fold]:
        """Return the folds of an experiment over the subjects that have a class in its view."""
        block, rows = self.config.experiments[experiment], self.selection(experiment).rows
        oracle = block.train.regions == "annotation"
        # Experiments are compared on the same folds, and those of a thousand persons hold every row a thousand times.
        key = (*block.data, block.view, block.protocol, block.folds, block.labels, oracle)
        if key not in self._folds:
            self._folds[key] = make_folds(rows, block.protocol, block.folds, block.labels, self.config.seed, oracle)
        return self._folds[key]
