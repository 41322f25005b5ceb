"""Which recordings, folds and files a spotting experiment leads to: what the workflow plans with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mer.core.errors import DatasetError
from mer.datasets.labels import classes_for
from mer.planning.catalog import Catalog
from mer.planning.config import Config
from mer.planning.keys import as_text
from mer.provenance import code_digest
from mer.spotting.media import Medium
from mer.spotting.settings import SpottingBlock
from mer.spotting.truth import Video, videos


@dataclass(frozen=True)
class SpotFold:
    """One person held out: the name is that of the person's containers."""

    name: str
    held_out: tuple[str, ...]
    train: tuple[Video, ...]
    test: tuple[Video, ...]


class SpotPlan:
    """The plan of one spotting experiment.

    Args:
        catalog: of the configuration.
        name: of the experiment.
    """

    def __init__(self, catalog: Catalog, name: str) -> None:
        self.catalog, self.name = catalog, name
        self.block: SpottingBlock = catalog.config.spotting[name]
        self.kinds = tuple(sorted(self.block.features))
        rows: list[Video] = []
        for dataset in self.block.data:
            whole = [row for own in catalog.recordings(dataset).values() for row in own]
            rows += videos(dataset, whole, catalog.reading(dataset).samples, self.block.view)
        self.videos = sorted(rows, key=lambda row: row.key)
        if len({row.group for row in rows}) < 2:
            raise DatasetError(f"spotting.{name}", "recordings of fewer than two subjects", "two or more", "add some")

    @property
    def config(self) -> Config:
        """The configuration."""
        return self.catalog.config

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that spotted intervals are given; empty when they are not named."""
        if self.block.recognise == "none":
            return ()
        return tuple(classes_for(self.block.view, {row.dataset for row in self.videos}))

    @property
    def own_classes(self) -> tuple[str, ...]:
        """The classes of the network's own second head."""
        return self.classes if self.block.recognise == "own" else ()

    def folds(self) -> list[SpotFold]:
        """Return one fold per person, sorted by name."""
        found = {}
        for group in sorted({row.group for row in self.videos}):
            test = tuple(row for row in self.videos if row.group == group)
            train = tuple(row for row in self.videos if row.group != group)
            name = test[0].source.rpartition("/")[2]
            found[name] = SpotFold(name, (group,), train, test)
        return [found[name] for name in sorted(found)]

    def fold(self, name: str) -> SpotFold:
        """Return one fold by its name."""
        return next(fold for fold in self.folds() if fold.name == name)

    def containers(self, rows: tuple[Video, ...]) -> tuple[dict[str, dict[str, Path]], dict[str, dict[str, Path]]]:
        """Return features and aligned crops of recordings, `{kind: {source: container}}` each."""
        found: tuple[dict[str, dict[str, Path]], dict[str, dict[str, Path]]] = ({}, {})
        for kind, product in self.block.features.items():
            for place, key in enumerate((product, self.config.variants[product].source)):
                sources = {row.source for row in rows}
                found[place][kind] = {s: self.catalog.product(*_split(s, key)) for s in sorted(sources)}
        return found

    def inputs(self, rows: tuple[Video, ...]) -> list[Path]:
        """Return the containers that a job over recordings reads; crops only when intervals are named by the head."""
        features, aligned = self.containers(rows)
        chosen = [features, aligned] if self.own_classes else [features]
        return sorted({path for part in chosen for boxes in part.values() for path in boxes.values()})

    def media(self) -> dict[str, Medium]:
        """Return where every recording is, by its `sample_id`."""
        found: dict[str, Medium] = {}
        for dataset in self.block.data:
            root = self.catalog.root(dataset)
            for rows in self.catalog.recordings(dataset).values():
                found |= {row.sample_id: Medium(root, row.media_path, row.media_kind, row.fps) for row in rows}
        return found

    @property
    def second(self) -> str:
        """The recognition experiment that names intervals, or ''."""
        return "" if self.block.recognise in ("own", "none") else self.block.recognise

    @property
    def found_file(self) -> str:
        """The name of a fold's file of intervals in its final form."""
        return "named.jsonl" if self.second else "intervals.jsonl"

    def second_model(self, fold: str) -> Path:
        """Return the model of the recognition experiment that has not seen the fold's person.

        Raises:
            DatasetError: the experiment has no fold of that person.
        """
        folds = {fold.name for fold in self.catalog.folds(self.second)}
        if fold not in folds:
            found = f"experiment {self.second} has no fold of {fold}, who has no expression in its view"
            raise DatasetError(f"spotting.{self.name}", found, "a fold of every person", "use recognise: own")
        seed = self.config.experiments[self.second].seeds[0]
        return self.config.results / "experiments" / self.second / f"seed{seed}" / fold / "model.safetensors"

    def folder(self) -> Path:
        """Return where the results of the experiment are."""
        return self.config.results / "spotting" / self.name

    def halves(self) -> dict[str, int]:
        """Return k_p by kind over all annotations: what `ref` takes (specs/mean-softnet.md D5)."""
        from mer.spotting.labels import half_length

        spans = {kind: [(e.onset, e.offset) for row in self.videos for e in row.of_kind(kind)] for kind in self.kinds}
        return {kind: half_length(found) for kind, found in spans.items() if found}

    def fit_block(self) -> str:
        """Return what a fit depends on besides its inputs."""
        block = self.block.model_dump(mode="json", exclude={"seeds", "data"})
        return as_text({**block, "classes": list(self.own_classes), "halves": self._published_halves()})

    def _published_halves(self) -> dict[str, int]:
        return self.halves() if self.block.protocol == "ref" else {}


def fit_code() -> str:
    """Return the digest of the code that trains and applies spotting networks."""
    return code_digest("mer.spotting.fit", "mer.spotting.predict")


def _split(source: str, key: str) -> tuple[str, str, str]:
    dataset, _, subject = source.partition("/")
    return dataset, key, subject
