"""What the workflow plans for a recognition experiment: its clips and folds, and what each of its jobs depends on."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from mer.models.registry import MODELS
from mer.planning import keys
from mer.planning.catalog import Catalog
from mer.planning.checks import spotting_named
from mer.planning.outside import Blocks, recognition_weights, trunks
from mer.planning.planned import PlannedExperiment
from mer.planning.spotting import PlannedSpotting
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
    def trunks(self) -> dict[str, str]:
        """By fold, the checkpoint of the spotting experiment that `train.trunk` names; empty where it names none."""
        name = spotting_named(self.block.train.trunk)
        if not name or self.block.train.weights is not None:
            return {}
        spotting = PlannedSpotting(self.catalog, name)
        folder, where = spotting.folder / f"seed{spotting.block.seeds[0]}", f"experiments.{self.name}.train.trunk"
        return trunks(self.folds, spotting.folds, folder, f"{self.catalog.config.where}: {where}")

    def trunk(self, fold: str) -> list[Path]:
        """Return the checkpoint of the spotting experiment that the training of a fold begins with."""
        return [Path(self.trunks[fold])] if self.trunks else []

    @cached_property
    def outside(self) -> Blocks:
        """The file that stands in for a training, by fold; empty where there is one (`mer.planning.outside`)."""
        told = self.block.train.weights
        if told is None:
            return {}
        settled, classes = self.catalog.config.settled[self.name], self.catalog.selection(self.name).classes
        where = f"{self.catalog.config.where}: experiments.{self.name}.train.weights"
        return recognition_weights(told, self.folds, classes, where, self.block.model, settled)

    @property
    def gpu(self) -> int:
        """How many GPUs a fit job asks for."""
        return 0 if self.block.train.weights else keys.gpu(self.catalog, self.name)

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
        if self.trunks:
            named["trunks"] = self.trunks
        elif block.train.trunk is not None and not spotting_named(block.train.trunk):
            named["trunk"] = describe(block.train.trunk)
        if self.outside:
            named["weights"] = self.outside
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
