"""What the workflow plans for a recognition experiment: its clips and folds, and what each of its jobs depends on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from mer.models.registry import MODELS, model
from mer.planning import keys
from mer.planning.catalog import Catalog
from mer.planning.planned import PlannedExperiment
from mer.provenance import code_digest
from mer.training import kept_features
from mer.training.folds import Fold, notes
from mer.training.task import ORACLE_EPOCHS, RECOGNITION, Task
from mer.weights.locate import describe


class PlannedRecognition(PlannedExperiment):
    """A recognition experiment, with its oracle-epoch diagnostic where that is asked for."""

    indexed = True

    def __init__(self, catalog: Catalog, name: str) -> None:
        block = catalog.config.experiments[name]
        super().__init__(catalog, name, RECOGNITION.folder, block, block.inputs)
        self.folds_per_job, self.models = block.folds_per_job, (MODELS[block.model],)

    @cached_property
    def folds(self) -> list[Fold[Any]]:
        """Every split of the clips that have a class in the experiment's view."""
        return list(self.catalog.folds(self.name))

    @cached_property
    def keeps_features(self) -> bool:
        """Whether features are computed once per clip and kept (`mer.training.kept_features`)."""
        return self.catalog.config.settled[self.name].preset in model(self.block.model, self.name).costly

    def containers(self, sources: Iterable[str]) -> dict[str, dict[str, Path]]:
        """Return `{input: {"dataset/subject": container}}`; the one input is `features` where these are kept."""
        if not self.keeps_features:
            return super().containers(sources)
        return {kept_features.INPUT: {source: self.folder / "features" / f"{source}.h5" for source in sources}}

    def features_inputs(self, source: str) -> dict[str, dict[str, Path]]:
        """Return `{input: {source: container}}` of the products that kept features of a subject are made of."""
        return super().containers([source])

    def features_block(self, source: str) -> str:
        """Return what kept features of a subject depend on besides their inputs."""
        settings = self.catalog.config.settled[self.name].settings
        seen = kept_features.settings_seen(model(self.block.model, self.name), settings)
        if seen.get("trunk") is not None:
            seen["weights"] = describe(seen["trunk"])
        rows = self.catalog.selection(self.name).rows
        clips = sorted(row.sample_id for row in rows if row.source == source)
        return keys.as_text({"model": self.block.model, "settings": seen, "clips": clips})

    def features_code(self) -> str:
        """Return the digest of the code that makes kept features."""
        return keys.script("features", code_digest("mer.training.kept_features", *self.models))

    @property
    def gpu(self) -> int:
        """How many GPUs a fit job asks for."""
        return keys.gpu(self.catalog, self.name)

    @property
    def simulated(self) -> bool:
        """Whether no clip is of a real person."""
        return all(self.catalog.config.datasets[name].simulate is not None for name in self.block.data)

    def split_block(self) -> str:
        """Return what the fold tables depend on."""
        block = self.block
        values = {name: getattr(block, name) for name in ("data", "view", "protocol", "labels")}
        if block.protocol == "kfold":
            values["folds"] = block.folds
        if block.protocol == "kfold" or block.labels == "permuted":
            values["seed"] = self.catalog.config.seed
        if block.train.regions == "annotation":
            values["oracle"] = 1
        return keys.as_text({**values, "names": [fold.name for fold in self.folds]})

    def split_notes(self) -> Iterator[str]:
        """Yield what a reader of the tables must know."""
        for fold in self.folds:
            yield from notes(fold)
        for reason, count in self.catalog.selection(self.name).left_out.items():
            yield f"{count} clips left out, {reason}"

    def fit_block(self, task: Task = RECOGNITION) -> str:
        """Return what a fit depends on besides its inputs, and what its job reads the experiment from."""
        block = self.block
        named = {
            "model": block.model,
            "preset": self.catalog.config.settled[self.name].preset,
            "train": block.train.model_dump(mode="json", exclude_none=True),
            "classes": list(self.catalog.selection(self.name).classes),
            "origin": keys.origin(self.catalog, self.name),
        }
        if block.train.trunk is not None:
            named["trunk"] = describe(block.train.trunk)
        if task is ORACLE_EPOCHS:
            named["keep_every"] = block.diagnose.oracle_epoch
        return keys.as_text(named)

    def score_inputs(self) -> dict[str, list[Path]]:
        """Return the files that the score reads, by kind."""
        wanted = {"predictions": "predictions.csv", "excluded": "excluded.csv", "models": "model.safetensors"}
        if self.block.diagnose.oracle_epoch:
            wanted["epochs"] = "epochs.csv"
        tests = [path for path, _ in self.tables() if path.name == "test.csv"]
        return {**{kind: self.files(name) for kind, name in wanted.items()}, "tests": tests}

    def score_block(self) -> str:
        """Return what a score depends on besides its inputs: the arguments of `mer.training.score.score_task`."""
        values = {
            "name": self.name,
            "classes": list(self.catalog.selection(self.name).classes),
            "labels": self.block.labels,
            "simulated": self.simulated,
            "draws": self.catalog.config.bootstrap,
            "seed": self.catalog.config.seed,
        }
        return keys.as_text(values)
