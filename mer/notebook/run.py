"""A run in a notebook: its rows, clips, arrays, folds, predictions and scores, as the workflow made them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mer.core.errors import ConfigError
from mer.core.registry import nearest
from mer.core.sample import Sample, subject_key
from mer.notebook import arrays as clip_arrays
from mer.notebook.arrays import Arrays
from mer.notebook.clip import RunClip
from mer.notebook.located import locate, nearest_file
from mer.notebook.results import Results
from mer.planning.report_inputs import experiment_inputs, sources
from mer.training.folds import Selection

if TYPE_CHECKING:
    import pandas as pd

    from mer.notebook.torch_dataset import ClipDataset
    from mer.report.scores import Experiment

#: Columns of an index that are whole numbers, where they are known.
WHOLE = ("first_file", "last_file", "n_files", "onset", "apex", "offset", "objective_class")


def open_run(*paths: str | Path) -> Run:
    """Open a run by its configuration, or by its folder of results.

    Args:
        paths: one or more configuration files, each laid over the ones before, as snakemake does; or a folder of
            results, which holds the configuration of its last run. When none is named, the nearest `config.yaml` in
            this folder or above it. Relative paths in a configuration start from the folder that snakemake is run from:
            this one, or the first file's or one above it, whichever has the results in it.

    Raises:
        ConfigError: a file is missing or wrong, or the folder holds no configuration.

    >>> run = mer.open("config.yaml")  # doctest: +SKIP
    >>> run.experiments
    ['svm_flow', 'ststnet']
    """
    return Run(locate([Path(path) for path in paths] or [nearest_file()]))


class Run(Results):
    """What a configuration leads to, read from its folder of results; `mer.open` makes it.

    Nothing is computed here, and nothing is changed. What the workflow has not made yet is one error that names the
    file and the command that makes it.
    """

    def products(self, dataset: str) -> list[str]:
        """Return the products of a database, in the order of the journey, made or not."""
        return self.config.products_of(self._known(dataset, self.config.datasets, "dataset"))

    def index(self, dataset: str) -> pd.DataFrame:
        """Return the rows of a database as its reader has them, excluded ones with their reasons.

        Args:
            dataset: its name in the configuration.

        Returns:
            a row per annotated expression, indexed by dataset and sample_id; the columns are the fields of
            `mer.core.sample.Sample`, with `aus` as the numbers of the action units (held ones left out).

        Raises:
            ConfigError: no such dataset.
            DatasetError: it was not read yet.

        >>> run.index("casme2")[["subject", "onset", "apex", "emotion_norm", "aus"]].head(2).shape
        (2, 5)
        """
        import pandas as pd

        samples = self._samples(dataset)
        names = [field.name for field in fields(Sample) if field.name not in ("dataset", "sample_id")]
        rows = [{**{name: getattr(row, name) for name in names}, "aus": row.au_numbers} for row in samples]
        table = pd.DataFrame(
            rows, columns=names, index=clip_arrays.keys_index((r.dataset, r.sample_id) for r in samples)
        )
        return table.astype({**dict.fromkeys(WHOLE, "Int64"), "fps": "float64"})

    def excluded(self, dataset: str) -> pd.DataFrame:
        """Return the clips of a database that were left out: at which stage, and why; errors as `index`."""
        import pandas as pd

        path = self.results / self._known(dataset, self.config.datasets, "dataset") / "excluded.csv"
        if not path.exists():
            raise self._missing(path)
        return pd.read_csv(path, dtype=str, keep_default_na=False)

    def clip(self, sample_id: str, dataset: str | None = None) -> RunClip:
        """Return one clip: `clip["flow/apex"]["flow"]` is an array, read when it is asked for.

        Args:
            sample_id: its name, as in the index.
            dataset: where several have a clip of this name.

        Raises:
            ConfigError: no usable clip of this name, or several.

        >>> clip = run.clip("sub01/EP02_01f")
        >>> clip["flow/apex"]["flow"].shape
        (1, 1, 2, 96, 96)
        """
        names = self.datasets if dataset is None else [self._known(dataset, self.config.datasets, "dataset")]
        read = {name: self._rows(name) for name in names}
        rows = {name: row for name in names for row in read[name] if row.sample_id == sample_id}
        usable = {name: row for name, row in rows.items() if row.status == "ok"}
        if len(usable) > 1:
            raise ConfigError("clip", f"{', '.join(usable)} have a clip {sample_id!r}", "one", "name it: dataset=…")
        if not usable:
            known = [row.sample_id for name in names for row in read[name] if row.status == "ok"]
            reason = next((f"it is excluded: {row.reason or row.status}" for row in rows.values()), "")
            raise ConfigError("clip", f"no usable clip {sample_id!r}", "", reason or nearest(sample_id, known))
        ((name, row),) = usable.items()

        person = subject_key(row)
        paths = {product: self._catalog.product(name, product, person) for product in self.products(name)}
        return RunClip(name, row, paths, sources(self.config), self._missing)

    def arrays(
        self,
        product: str,
        view: str | None = None,
        *,
        experiment: str | None = None,
        data: str | Sequence[str] | None = None,
        array: str | None = None,
        size: int | None = None,
        flat: bool = True,
    ) -> Arrays:
        """Return clips of a product in scikit-learn's convention.

        Args:
            product: `stage/variant`.
            view: a class scheme; clips without a class in it take no part. Not needed where `experiment` is named, or
                where all experiments of the configuration have the same.
            experiment: take the databases, the view and the labels of this one.
            data: the databases; those of the experiment, else all that the configuration makes the product of.
            array: of the product. When None: `frames` of align, interpolate and magnify, `patches` of rois, and of flow
                `flow_strain`, u, v and strain as three channels.
            size: side in pixels that frames, flow or strain are averaged to, by area; None leaves them.
            flat: a row of numbers per clip, as estimators take it; False keeps the shape of the array, without the axes
                of a single factor and of a single pair.

        Returns:
            `X, y, groups`; see `mer.notebook.arrays.Arrays`. Clips that the product lacks are left out, with a warning.

        Raises:
            ConfigError: an unknown product, dataset, view or experiment.
            ContainerError: not made yet, no clip left, no such array, or arrays of different shapes.
            DatasetError: a database was not read yet, or no clip has a class.

        >>> X, y, groups = run.arrays("flow/apex", view="emotion_3", size=28)
        >>> X.shape, y.shape, groups.nunique()
        ((18, 2352), (18,), 5)
        """
        selection, source = self._source(product, view, experiment, data)
        values = clip_arrays.stacked(source, product, array, size)
        y, groups = clip_arrays.labels_of(source.rows, selection.classes)
        return Arrays(values.reshape(len(values), -1) if flat else values, y, groups)

    def dataset(
        self,
        product: str,
        view: str | None = None,
        *,
        experiment: str | None = None,
        data: str | Sequence[str] | None = None,
        array: str | None = None,
        size: int | None = None,
        transform: Callable[[Any], Any] | None = None,
        cache: bool = False,
    ) -> ClipDataset:
        """Return clips of a product as a `torch.utils.data.Dataset`, read one by one.

        Args:
            product, view, experiment, data, array, size: as `arrays`.
            transform: applied to every tensor.
            cache: keep every clip in memory once it was read.

        Raises:
            MerError: as `arrays`.

        >>> clips = run.dataset("interpolate/ten", view="emotion_3", data="casme2")
        >>> frames, label = clips[0]
        >>> len(clips), tuple(frames.shape), clips.classes[label]
        (11, (10, 3, 96, 96), 'surprise')
        """
        from mer.notebook.torch_dataset import ClipDataset

        selection, source = self._source(product, view, experiment, data)
        return ClipDataset(source, product, selection.classes, array, size, transform, cache)

    def predictions(self, experiment: str) -> pd.DataFrame:
        """Return what an experiment predicted for every clip while its person was held out.

        Returns:
            a row per clip and seed, indexed by dataset and sample_id: `subject`, `group`, `fold`, `seed`, `label` and
            `prediction`.

        Raises:
            ConfigError: no such experiment.
            ContainerError, ModelError: it has not run yet, or its files do not belong together.

        >>> run.predictions("svm_flow")[["label", "prediction"]].shape
        (18, 2)
        """
        from mer.notebook.scoring import as_table

        return as_table(self.scored(experiment).scored)

    def scores(self, *experiments: str) -> pd.DataFrame:
        """Return the scores of experiments, all when none is named, as the report has them.

        Returns:
            a row per experiment and database (`pooled` first): UF1, UAR and accuracy with their 95 % intervals, what
            labels in random order reach, and a verdict (docs/scores.md).

        Raises:
            MerError: as `predictions`.

        >>> int(run.scores("svm_flow").loc[("svm_flow", "pooled"), "clips"])
        18
        """
        import pandas as pd

        from mer.report.scores import score_rows
        from mer.report.tables import SCORE_COLUMNS, score_cells

        scored = [self.scored(name) for name in experiments or self.experiments]
        rows = [score_cells(row) for experiment in scored for row in score_rows(experiment)]
        return pd.DataFrame(rows, columns=list(SCORE_COLUMNS)).set_index(["experiment", "dataset"])

    def metrics(self, experiment: str) -> dict[str, Any]:
        """Return everything that the score step wrote of an experiment (docs/scores.md); errors as `predictions`."""
        return dict(self.scored(experiment).metrics)

    def export(
        self,
        product: str,
        format: str,
        output: str | Path,
        *,
        view: str | None = None,
        experiment: str | None = None,
        data: str | Sequence[str] | None = None,
        array: str | None = None,
        fps: float | None = None,
        force: bool = False,
    ) -> Path:
        """Write a product as files for other code, and return the folder (`mer.notebook.export`).

        Args:
            product, data: as `arrays`.
            format: `npz`, `png`, `mp4`, or `flow-images`, what public codes of flow-image networks read.
            output: the folder to make.
            view: only clips with a class in it, which the index then names.
            experiment: the clips, classes and folds of this one.
            array: of `npz`, the only array to write.
            fps: of `mp4`, frames per second; those of the clip when None.
            force: replace an earlier export at the same place.

        Raises:
            StorageError: the place is taken, or the disk is full.
            MerError: as `arrays`, or a product that the format cannot show.

        >>> run.export("flow/apex", "npz", folder / "flow", view="emotion_3").name
        'flow'
        """
        from mer.notebook.export import export

        options: dict[str, Any] = {"view": view, "experiment": experiment, "array": array, "fps": fps, "force": force}
        return export(self, product, format, Path(output), data=data, **options)

    def __repr__(self) -> str:
        names = f"{', '.join(self.datasets)}; experiments {', '.join(self.experiments) or 'none'}"
        return f"<run in {self.results}: {names}>"

    def _source(
        self, product: str, view: str | None, experiment: str | None, data: str | Sequence[str] | None
    ) -> tuple[Selection, clip_arrays.Source]:
        among = None if experiment is None else self.data_of(experiment)
        selection = self.select(view, experiment, self.holders(product, data, among))
        return selection, self.find(product, selection.rows)

    def scored(self, name: str) -> Experiment:
        """Return an experiment as the score step left it, for `mer.report`; errors as `predictions`."""
        from mer.report.scores import load_experiment

        self._require_index(self._experiment(name).data)
        inputs = experiment_inputs(self._catalog, name)
        for path in [inputs.metrics, *inputs.predictions]:
            if not Path(path).exists():
                raise self._missing(inputs.metrics)
        self.folds(name)  # Refuses predictions on other clips or classes than those of the configuration.
        return load_experiment(name, inputs)
