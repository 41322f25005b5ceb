"""What of a run can be read, and how it is found: rows, classes, folds and containers of a configuration."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mer.core.errors import ConfigError, ContainerError, DatasetError, MerError, ModelError
from mer.core.registry import nearest
from mer.core.sample import Sample, subject_key
from mer.notebook import arrays as clip_arrays
from mer.notebook.folds import RunFolds
from mer.notebook.located import Located
from mer.planning.catalog import Catalog, plan_dataset
from mer.planning.config import Config
from mer.planning.read_config import parse
from mer.training.fold_tables import Row, read_table
from mer.training.folds import Selection


class Results:
    """A configuration, and the folder of results that it leads to; `mer.notebook.run.Run` is what a user sees."""

    def __init__(self, located: Located) -> None:
        self._located = located
        self._catalog = Catalog(parse(located.raw, located.where, databases=False), indexed=True)

    @property
    def config(self) -> Config:
        """The checked configuration."""
        return self._catalog.config

    @property
    def results(self) -> Path:
        """The folder that the workflow writes into."""
        return self.config.results

    @property
    def datasets(self) -> list[str]:
        """The names of the databases."""
        return list(self.config.datasets)

    @property
    def experiments(self) -> list[str]:
        """The names of the recognition experiments."""
        return list(self.config.experiments)

    def folds(self, experiment: str) -> RunFolds:
        """Return the folds of a recognition experiment as a scikit-learn splitter.

        They are those of the workflow: made by the same function of the same rows, and held against the tables of the
        run where it has written them.

        Raises:
            ConfigError: no such experiment.
            DatasetError: a database was not read yet, or has no folds.
            ModelError: the tables of the run are of another configuration.

        >>> from sklearn.model_selection import cross_val_predict
        >>> from sklearn.svm import SVC
        >>> X, y, groups = run.arrays("flow/apex", experiment="ststnet", size=7)
        >>> p = cross_val_predict(SVC(), X, y, groups=groups, cv=run.folds("ststnet"))
        >>> mer.score(y, p, groups).shape
        (3, 6)
        """
        self._require_index(self._experiment(experiment).data)
        folds, folder = self._catalog.folds(experiment), self.results / "experiments" / experiment / "folds"
        for fold in folds:
            table = folder / fold.name / "test.csv"
            if table.exists() and _labels(read_table(table)) != _labels(fold.test):
                found = "other clips or labels than this configuration gives"
                raise ModelError(table, found, "the folds of this configuration", self._located.remedy())
        return RunFolds(experiment, folds)

    def select(
        self, view: str | None = None, experiment: str | None = None, data: Iterable[str] | None = None
    ) -> Selection:
        """Return the usable clips of some databases with their classes, as an experiment would take them.

        Args:
            view: a class scheme.
            experiment: take its databases, view and labels.
            data: the databases.

        Raises:
            MerError: as `arrays`.
        """
        if experiment is not None:
            block = self._experiment(experiment)
            if view not in (None, block.view) or not set(data or block.data) <= set(block.data):
                found, expected = f"{experiment} has view {block.view}, data {', '.join(block.data)}", "no other"
                raise ConfigError("experiment", found, expected, "name the experiment, or view and data")
            self._require_index(block.data)
            chosen = self._catalog.selection(experiment)
            tested = [row for fold in self._catalog.folds(experiment) for row in fold.test]
            rows = sorted(
                (row for row in tested if row.source.split("/")[0] in (data or block.data)), key=lambda r: r.key
            )
            return Selection(tuple(rows), chosen.classes, chosen.left_out)
        named = list(data or self.datasets)
        self._require_index(named)
        return self._catalog.select(named, self._known(view or self._only_view(), self.config.views, "view"))

    def path(self, product: str, row: Row) -> Path:
        """Return the container of a product that holds the clip of a row."""
        dataset, subject = row.source.split("/", 1)
        return self._catalog.product(dataset, product, subject)

    def find(self, product: str, rows: Sequence[Row]) -> clip_arrays.Source:
        """Return those of some clips that a product has, with a warning on the others; errors as `arrays`."""
        source = clip_arrays.find(rows, lambda row: self.path(product, row), self._missing, product)
        if source.excluded:
            warnings.warn(clip_arrays.told(source.excluded, product, len(rows)), stacklevel=4)
        return source

    def holders(self, product: str, data: str | Iterable[str] | None, among: Iterable[str] | None = None) -> list[str]:
        """Return the databases that are meant: as named, or all (of `among`) that the configuration makes a product of.

        Raises:
            ConfigError: an unknown product or dataset, or one that is not made of a database.
        """
        self._known(product, self.config.variants, "product")
        if self.config.unit(product) == "recordings":
            raise ConfigError(product, "holds whole recordings", "a product of clips of single expressions")
        makers = [name for name in among or self.datasets if product in self.config.products_of(name)]
        named = [data] if isinstance(data, str) else list(data or makers)
        for name in named:
            self._known(name, self.config.datasets, "dataset")
        absent = [name for name in named if name not in makers]
        if absent or not named:
            found = f"is not made of {', '.join(absent) or 'any database'}"
            raise ConfigError(product, found, "a product of the database", "add it to `products` of the dataset")
        return named

    def rows(self, dataset: str) -> list[Row]:
        """Return every usable clip of a database as a row without a label."""
        usable = [row for row in self._samples(dataset) if row.status == "ok"]
        return [Row(s.sample_id, s.dataset, s.subject, s.group, "", f"{dataset}/{subject_key(s)}") for s in usable]

    def data_of(self, experiment: str) -> list[str]:
        """Return the databases of an experiment; raises `ConfigError` where there is none of this name."""
        return list(self._experiment(experiment).data)

    def _only_view(self) -> str:
        views = {block.view for block in self.config.experiments.values()}
        if len(views) != 1:
            raise ConfigError(
                "view", "not named", "a class scheme, such as megc2019 or emotion_3", "name one by `view`"
            )
        return views.pop()

    def _experiment(self, name: str) -> Any:
        return self.config.experiments[self._known(name, self.config.experiments, "experiment")]

    def _known(self, name: str, names: Iterable[str], kind: str) -> str:
        if name not in set(names):
            raise ConfigError(self.config.where, f"no {kind} {name!r}", f"one of its {kind}s", nearest(name, names))
        return name

    def _require_index(self, data: Iterable[str]) -> None:
        for name in data:
            self._samples(name)

    def _samples(self, dataset: str) -> list[Sample]:
        path = self.results / self._known(dataset, self.config.datasets, "dataset") / "index.csv"
        if not path.exists():
            raise DatasetError(path, "not made yet", "", self._located.remedy(path))
        return self._catalog.reading(dataset).samples

    def _rows(self, dataset: str) -> list[Sample]:
        """Return the index; of a database that is simulated before there is one, what will be in it."""
        written = (self.results / dataset / "index.csv").exists()
        block = self.config.datasets[self._known(dataset, self.config.datasets, "dataset")]
        return plan_dataset(block).samples if block.simulate and not written else self._samples(dataset)

    def _missing(self, path: Path) -> MerError:
        kind = ContainerError if path.suffix == ".h5" else ModelError
        return kind(path, "not made yet", "", self._located.remedy(path))


def _labels(rows: Iterable[Row]) -> dict[tuple[str, str], str]:
    return {row.key: row.label for row in rows}
