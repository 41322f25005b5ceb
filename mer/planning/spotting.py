"""What the workflow plans for a spotting experiment: its recordings and folds, and what each of its jobs depends on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from mer.core.errors import DatasetError
from mer.core.sample import Sample
from mer.models import memory
from mer.planning import keys
from mer.planning.catalog import Catalog
from mer.planning.outside import Blocks, spotting_weights
from mer.planning.planned import PlannedExperiment, kept
from mer.spotting.experiment import crops_of
from mer.spotting.labels import half_length
from mer.spotting.recording_tables import Video, videos
from mer.spotting.task import SPOTTING
from mer.training.folds import Fold, loso
from mer.training.task import Task

#: Bytes of one position: (3, 42, 42) float32. MiB of everything else of a training, an estimate: compiled layers (270
#: as measured for the same layers in `mean`), contexts, crops.
POSITION, STEP = 3 * 42 * 42 * 4, 700


class PlannedSpotting(PlannedExperiment):
    """A spotting experiment: its rows are whole recordings, and one person is held out at a time."""

    def __init__(self, catalog: Catalog, name: str) -> None:
        block = catalog.config.spotting[name]
        inputs: dict[str, str] = {str(kind): product for kind, product in block.features.items()}
        if block.recognise == "own":
            variants = catalog.config.variants
            inputs |= {crops_of(kind): variants[product].source for kind, product in block.features.items()}
        super().__init__(catalog, name, SPOTTING.folder, block, inputs)
        self.kinds = tuple(sorted(block.features))

    @cached_property
    def videos(self) -> list[Video]:
        """All recordings, in the order of their keys."""
        rows: list[Video] = []
        for dataset in self.block.data:
            whole = [row for rows_ in self.catalog.recordings(dataset).values() for row in rows_]
            rows += videos(dataset, whole, self.catalog.reading(dataset).samples, self.view)
        return sorted(rows, key=lambda row: row.key)

    @cached_property
    def folds(self) -> list[Fold[Any]]:
        """One fold per person."""
        return list(loso(self.videos))

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that spotted intervals are given; empty when they are not named."""
        if self.block.recognise == "none":
            return ()
        return self.view.classes_of(row.dataset for row in self.videos)

    @property
    def naming(self) -> str:
        """The recognition experiment that names intervals, or ''."""
        return "" if self.block.recognise in ("own", "none") else str(self.block.recognise)

    def _own_classes(self) -> tuple[str, ...]:
        return self.classes if self.block.recognise == "own" else ()

    @cached_property
    def outside(self) -> Blocks:
        """The files that stand in for a training, by fold; empty where there is one (`mer.planning.outside`)."""
        block, where = self.block, f"{self.catalog.config.where}: spotting.{self.name}.weights"
        if block.weights is None:
            return {}
        told = self.kinds, block.model, block.protocol, self._own_classes()
        return spotting_weights(block.weights, self.folds, *told, where)

    def recordings(self) -> dict[str, tuple[Path, Sample]]:
        """Return the database's folder and the row of every recording, by its `sample_id`."""
        catalog = self.catalog
        rows = [(name, row) for name in self.block.data for rows in catalog.recordings(name).values() for row in rows]
        return {row.sample_id: (catalog.root(name), row) for name, row in rows}

    def naming_model(self, fold: str) -> Path:
        """Return the model of the recognition experiment that has not seen the fold's person.

        Raises:
            DatasetError: the experiment has no fold of that person.
        """
        if fold not in {fold.name for fold in self.catalog.folds(self.naming)}:
            found = f"experiment {self.naming} has no fold of {fold}, who has no expression in its view"
            raise DatasetError(f"spotting.{self.name}", found, "a fold of every person", "use recognise: own")
        config = self.catalog.config
        seed = config.experiments[self.naming].seeds[0]
        return config.results / "experiments" / self.naming / f"seed{seed}" / fold / "model.safetensors"

    def _halves(self) -> dict[str, int]:
        """Return k_p by kind over all annotations: what `ref` takes (specs/mean-softnet.md D5)."""
        if self.block.protocol != "ref":
            return {}
        spans = {kind: [(e.onset, e.offset) for row in self.videos for e in row.of_kind(kind)] for kind in self.kinds}
        return {kind: half_length(annotated) for kind, annotated in spans.items() if annotated}

    def tables(self) -> Iterator[tuple[Path, Sequence[Any]]]:
        """Yield the tables of every fold, and that of all recordings."""
        yield from super().tables()
        yield self.folder / "recordings.csv", self.videos

    def split_notes(self) -> Iterator[str]:
        """Yield what a reader of the tables must know."""
        yield f"{len(self.videos)} recordings, {len(self.folds)} folds"

    def split_block(self) -> str:
        """Return what the fold tables depend on."""
        return keys.as_text({"view": self.view.written, "data": self.block.data})

    @kept
    def fit_block(self, task: Task = SPOTTING) -> str:
        """Return what a fit depends on besides its inputs, and what its job reads the experiment from."""
        block = self.block.model_dump(mode="json", exclude={"seeds", "data", "weights"})
        given = {"weights": self.outside} if self.outside else {}
        told = {"classes": list(self._own_classes()), "halves": self._halves(), "chains": self.chains()}
        return keys.as_text({**block, **told, **given})

    def fit_mib(self, task: Task, folds: Sequence[Fold[Any]], workers: int = 1) -> int:
        """Return the memory, MiB, of a job that trains these folds: positions that it learns from, and a scaled copy.

        One kind of expression follows the other, and there are never more positions than frames, or `train.most`.
        """
        frames = sum(self._frames.get(video.sample_id, self.block.train.most) for video in folds[0].train)
        positions = min(self.block.train.most, frames)
        return memory.rounded(memory.PROCESS + memory.STEP_MARGIN * (2 * positions * POSITION / memory.MIB + STEP))

    def predict_mib(self, task: Task, folds: Sequence[Fold[Any]]) -> int:
        """Return the memory, MiB, of a job that predicts folds: it reads recordings in blocks."""
        return memory.rounded(memory.PROCESS + memory.STEP_MARGIN * STEP)

    @cached_property
    def _frames(self) -> dict[str, int]:
        """The number of frames of every recording whose files are numbered, by its `sample_id`."""
        rows = [row for name in self.block.data for some in self.catalog.recordings(name).values() for row in some]
        numbered = ((row.sample_id, row.first_file, row.last_file) for row in rows)
        return {name: last - first + 1 for name, first, last in numbered if first is not None and last is not None}

    def score_inputs(self) -> dict[str, list[Path]]:
        """Return the files that the score reads, by kind."""
        intervals = self.files("named.jsonl" if self.naming else "intervals.jsonl")
        excluded = self.files("excluded.jsonl")
        models = {"models": self.files("model.safetensors")} if self.block.weights else {}
        return {"recordings": [self.folder / "recordings.csv"], "intervals": intervals, "excluded": excluded, **models}

    def score_block(self) -> str:
        """Return what a score depends on besides its inputs: the arguments of `mer.spotting.evaluate.score_task`."""
        values = {"seeds": self.block.seeds, "kinds": self.kinds, "classes": self.classes}
        return keys.as_text({**values, "protocol": self.block.protocol})
