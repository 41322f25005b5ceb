"""What the workflow plans for a recognition experiment: its clips and folds, and what each of its jobs depends on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from mer.core.params import Params
from mer.core.sample import Sample
from mer.datasets.views import shipped_views
from mer.models import memory
from mer.models.contract import Model
from mer.models.registry import MODELS, model
from mer.planning import keys, minutes
from mer.planning.catalog import Catalog
from mer.planning.checks import spotting_named
from mer.planning.outside import Blocks, recognition_weights, trunks
from mer.planning.planned import PlannedExperiment, kept
from mer.planning.spotting import PlannedSpotting
from mer.provenance import code_digest
from mer.training import kept_features
from mer.training.folds import Fold, notes
from mer.training.recipe import trains_together
from mer.training.task import ORACLE_EPOCHS, RECOGNITION, Task
from mer.weights.locate import describe

#: Where `folds_per_job` is `auto` and there is no GPU: from so many folds on, and in how many jobs.
MANY_FOLDS, JOBS_OF_MANY = 100, 10


class PlannedRecognition(PlannedExperiment):
    """A recognition experiment, with its oracle-epoch diagnostic where that is asked for."""

    indexed = True

    def __init__(self, catalog: Catalog, name: str) -> None:
        block = catalog.config.experiments[name]
        super().__init__(catalog, name, RECOGNITION.folder, block, block.inputs)
        self.models = (MODELS[block.model],)

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
        return keys.as_text({"model": self.block.model, "settings": seen, "clips": clips, "chains": self.chains()})

    @kept
    def features_code(self) -> str:
        """Return the digest of the code that makes kept features."""
        return keys.script("features", code_digest("mer.training.kept_features", *self.models))

    @cached_property
    def _model(self) -> tuple[Model, str, Params]:
        """The model's card, the name of the preset, and its settings with the recipe in place."""
        return (model(self.block.model, self.name), *self.catalog.config.settled[self.name])

    @cached_property
    def folds_per_job(self) -> int:  # type: ignore[override]
        """Number of folds that one job trains."""
        if self.block.folds_per_job != "auto":
            return int(self.block.folds_per_job)
        if not self.gpus(RECOGNITION):
            # Each job names the files of all its persons: of many folds that is more than can be planned.
            return 1 if len(self.folds) < MANY_FOLDS else -(-len(self.folds) // JOBS_OF_MANY)
        clips, together = len(self.folds[0].train), trains_together(self._model[0], self.block.train)
        return memory.folds_of_a_gpu(*self._model, clips, len(self.folds), together)

    def gpus(self, task: Task) -> int:
        """Return how many GPUs a fit job of a task asks for: one where the run has some and the preset gains by it.

        Folds that are trained together gain by it whatever the preset; the oracle's job trains one.
        """
        if self.block.train.weights:
            return 0
        card, preset, _ = self._model
        together = task is RECOGNITION and trains_together(card, self.block.train)
        return int(self.catalog.config.gpu and (preset in card.gpu or together))

    def fit_mib(self, task: Task, folds: Sequence[Fold[Any]], workers: int = 1) -> int:
        """Return the memory, MiB, of a job that trains these folds, on a CPU in so many processes."""
        # The clips of several folds together are those of all persons.
        clips = len(folds[0].train) + (len(folds[0].test) if len(folds) > 1 else 0)
        side_by_side = min(workers, len(folds))
        asked = memory.fit_mib(*self._model, clips, len(folds), side_by_side, self.gpus(task))
        return asked + (memory.rounded(3 * self._kept_mib()) if task is ORACLE_EPOCHS else 0)

    def predict_mib(self, task: Task, folds: Sequence[Fold[Any]]) -> int:
        """Return the memory, MiB, of a job that predicts these folds, one after the other."""
        asked = memory.predict_mib(*self._model, max(len(fold.test) for fold in folds))
        return asked + (memory.rounded(2 * self._kept_mib()) if task is ORACLE_EPOCHS else 0)

    def fit_minutes(self, task: Task, folds: Sequence[Fold[Any]], workers: int = 1) -> int:
        """Return the minutes of a job that trains these folds, on a CPU in so many processes."""
        in_turn = -(-len(folds) // workers)
        return minutes.fit_minutes(*self._model, len(folds[0].train), in_turn, self.gpus(task))

    def predict_minutes(self, task: Task, folds: Sequence[Fold[Any]]) -> int:
        """Return the minutes of a job that predicts these folds, one after the other."""
        epochs = int(self._model[2].model_dump().get("epochs", 1)) if task is ORACLE_EPOCHS else 1
        return minutes.predict_minutes(*self._model, epochs * sum(len(fold.test) for fold in folds))

    def _kept_mib(self) -> float:
        """Return the size of the weights of all epochs that the oracle keeps, MiB."""
        card, preset, settings = self._model
        epochs = int(settings.model_dump().get("epochs", 1))
        kept = epochs // int(self.block.diagnose.oracle_epoch or epochs) + 2
        return kept * memory.footprint(card, preset, settings).learned / 4

    @property
    def simulated(self) -> bool:
        """Whether no clip is of a real person."""
        return all(self.catalog.config.datasets[name].simulate is not None for name in self.block.data)

    def split_block(self) -> str:
        """Return what the fold tables depend on."""
        block = self.block
        values = {name: getattr(block, name) for name in ("data", "protocol", "labels")}
        values["view"] = self.view.written
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
        rows = ", ".join(sorted(filter(None, {row.emotion_norm for row in self._rows()}))) or "none"
        for word in self.unheard_words():
            yield f"view {self.view.name}: no row has the emotion {word!r}; the rows have {rows}"

    def unheard_words(self) -> list[str]:
        """Return the emotions that a class of the user's own view names, and no row has: misspelt, perhaps."""
        if self.view.name in shipped_views():
            return []
        named = {word for dataset in {row.dataset for row in self._rows()} for word in self.view.words(dataset)}
        return sorted(named - {row.emotion_norm for row in self._rows()})

    def _rows(self) -> list[Sample]:
        return [row for name in self.block.data for row in self.catalog.reading(name).samples]

    @kept
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
