"""Training one fold: from a train table and the containers of its clips to one checkpoint.

The held-out persons' files are not among the arguments, and a train table that names one of them is refused. The number
of epochs is fixed in advance or chosen on inner subjects; whatever needs a score is scored inside the training part,
by person.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from mer import __version__
from mer.core.container import file_digest
from mer.core.errors import ModelError
from mer.core.params import Params
from mer.core.seeds import derive_seed
from mer.models import registry
from mer.models.contract import Model
from mer.models.state import Features, State
from mer.provenance import code_digest
from mer.training.checkpoint import save_checkpoint
from mer.training.gather import Containers, Gathered, gather, subset
from mer.training.recipe import Recipe, settle
from mer.training.tables import Row, read_table

# So close to 1 that all but a few in a hundred clips got the same class (specs/dual-branch.md §9, D22).
COLLAPSED = 1.2


@dataclass(frozen=True)
class Plan:
    """What every fold of an experiment has in common; `origin` is what `mer predict` needs (`keys.origin`)."""

    model: str
    preset: str
    recipe: Recipe
    settings: Params
    classes: tuple[str, ...]
    seed: int
    device: str
    origin: Mapping[str, Any] = field(default_factory=dict)

    @property
    def card(self) -> Model:
        """The model."""
        return registry.model(self.model, "model")


@dataclass(frozen=True)
class FoldJob:
    """One fold to train.

    Attributes:
        fold: its name; with the seed it decides every random number.
        held_out: groups that must not be in the table.
        train_table: written by `mer.training.tables.write_table`.
        out: the checkpoint, `.safetensors`.
        resume: where the state is kept while training, so that a killed job goes on; None for nowhere.
        board: folder of TensorBoard event files; None for none.
    """

    fold: str
    held_out: tuple[str, ...]
    train_table: Path
    out: Path
    resume: Path | None = None
    board: Path | None = None


def plan(
    model: str,
    preset: str | None,
    recipe: Recipe,
    classes: Sequence[str],
    seed: int,
    device: str,
    where: str,
    origin: Mapping[str, Any] | None = None,
) -> Plan:
    """Return the checked plan of an experiment; raises `ConfigError` as `mer.training.recipe.settle`."""
    preset, chosen = settle(model, preset, recipe, where, len(classes))
    return Plan(model, preset, recipe, chosen, tuple(classes), seed, device, origin or {})


def fit_fold(
    model: str,
    preset: str | None,
    recipe: Recipe,
    train_table: str | Path,
    containers: Containers,
    out: str | Path,
    *,
    classes: Sequence[str],
    fold: str,
    held_out: Sequence[str],
    seed: int,
    device: str = "cpu",
    log: Callable[[str], None] = print,
    resume: str | Path | None = None,
    board: str | Path | None = None,
    progress: bool = False,
    every: float = 60.0,
    origin: Mapping[str, Any] | None = None,
) -> None:
    """Train `model` on the clips of `train_table` and write its checkpoint.

    Args:
        model: name in `mer.models.registry.MODELS`.
        preset: name of one of its presets; its first when None.
        recipe: overrides.
        train_table: written by `mer.training.tables.write_table`.
        containers: `{input: {source: path}}`; nothing else is opened.
        out: the checkpoint, `.safetensors`.
        classes: the fixed class set, in the order of the scores.
        fold: name of the fold; with `seed` it decides every random number.
        held_out: groups that must not be in the table.
        seed: of the experiment's run.
        device: `cpu` or `cuda`.
        log: takes one line at a time.
        resume: where the state is kept while training; deleted when the checkpoint is written.
        board: folder of TensorBoard event files.
        progress: show a bar on standard error when that is a terminal.
        every: seconds between two writings of `resume`.
        origin: what `mer predict` needs to apply the model to a new clip (`mer.planning.keys.origin`).

    Raises:
        ConfigError: unknown model, preset, setting or device.
        ModelError: a held-out person or an unknown class in the table, one class only, or unusable features.
        ContainerError, StorageError: as `gather` and `save_checkpoint`.
    """
    own = plan(model, preset, recipe, classes, seed, device, f"fold {fold}", origin)
    paths = (None if path is None else Path(path) for path in (resume, board))
    job = FoldJob(fold, tuple(held_out), Path(train_table), Path(out), *paths)
    rows = training_rows(job, own.classes)
    data = gather(rows, containers, own.card, own.settings)
    train_fold(own, job, data, log, progress, every)


def training_rows(job: FoldJob, classes: Sequence[str]) -> list[Row]:
    """Read the train table of a fold.

    Raises:
        ModelError: no held-out person named, one of them in the table, or a class that is not in the set.
    """
    rows, where = read_table(job.train_table), job.train_table
    if not job.held_out:
        raise ModelError(where, "no held-out subject named", "the groups that the fold leaves out")
    for row in rows:
        if row.group in job.held_out:
            found = f"clip {row.sample_id} belongs to the held-out subject {row.group}"
            raise ModelError(where, found, "clips of other subjects only", "write the fold's tables again")
        if row.label not in classes:
            raise ModelError(where, f"clip {row.sample_id} has class {row.label!r}", ", ".join(classes))
    return rows


def train_fold(
    own: Plan,
    job: FoldJob,
    data: Gathered,
    log: Callable[[str], None],
    progress: bool = False,
    every: float = 60.0,
) -> None:
    """Train on gathered clips, all of them training clips of the fold, and write the checkpoint; as `fit_fold`."""
    for row, reason in data.excluded:
        log(f"training clip {row.sample_id} of {row.dataset} left out: {reason}")
    for name in sorted(set(own.classes) - {row.label for row in data.rows}):
        log(f"fold {job.fold}: no training clip of class {name}")
    trial = Trial(own, job.fold, data, log)
    if own.card.in_epochs:
        # Only what is trained in epochs needs torch.
        from mer.training.loops import fit_in_epochs

        state, extra = fit_in_epochs(trial, job, progress, every)
    else:
        state, extra = trial.fit(own.settings), {}
    write(own, job, data, state, extra, log)
    for path in leftovers(job.resume) if job.resume is not None else ():
        path.unlink(missing_ok=True)


def leftovers(resume: Path) -> tuple[Path, Path]:
    """Return the files that an interrupted job leaves: the state of its training, and the choice of epochs."""
    return resume, resume.with_suffix(".inner.json")


def write(
    own: Plan, job: FoldJob, data: Gathered, state: State, extra: dict[str, Any], log: Callable[[str], None]
) -> None:
    """Write the checkpoint of a trained fold, and warn when its network has collapsed."""
    used = state.meta.get("classes_used")
    if used is not None and used < COLLAPSED:
        log(f"warning: fold {job.fold}: the network has collapsed, its training clips get {used:.2f} classes")
    metadata = _record(data, own.classes, own.card.libraries, job.train_table)
    metadata |= {"model": own.model, "preset": own.preset, "recipe": own.recipe.overrides()}
    metadata |= {"settings": own.settings.model_dump(), "seed": own.seed, "device": own.device, **extra}
    metadata |= {"fold": job.fold, "held_out": sorted(job.held_out), "origin": dict(own.origin)}
    save_checkpoint(job.out, state, metadata)


@dataclass(frozen=True)
class Trial:
    """One training part, ready to be fitted once or, on parts of it, several times."""

    own: Plan
    fold: str
    data: Gathered
    log: Callable[[str], None]

    @property
    def labels(self) -> np.ndarray:
        """(N,) int64 class of each clip."""
        return np.array([self.own.classes.index(row.label) for row in self.data.rows], dtype=np.int64)

    @property
    def groups(self) -> np.ndarray:
        """(N,) str person of each clip."""
        return np.array([row.group for row in self.data.rows])

    @property
    def seed(self) -> int:
        """The fold's own seed, the same whichever folds are trained beside it."""
        return derive_seed(self.own.seed, self.own.model, self.own.preset, self.fold)

    def fit(self, chosen: Params, clips: np.ndarray | None = None) -> State:
        """Train the model on all clips, or on those with the given indices."""
        card, rows = self.own.card, self.data.rows
        taken = np.arange(len(rows)) if clips is None else clips
        features = self.data.features if clips is None else subset(self.data.features, clips)
        coded = {}
        if "fit" in card.units:
            coded = {"units": [rows[i].unit_numbers for i in taken]}
        labels, groups = self.labels[taken], self.groups[taken]
        n_classes, device = len(self.own.classes), self.own.device
        return card.fit(features, labels, groups, n_classes, chosen, self.seed, self.log, device, **coded)

    def scores(self, state: State, clips: np.ndarray) -> np.ndarray:
        """Return (N, C) scores of some clips of the training part."""
        return self.own.card.predict(state, subset(self.data.features, clips), self.own.device)

    def digest(self) -> str:
        """Return what decides the result, as one number: settings, seed, clips, features, device, code."""
        recipe, chosen = self.own.recipe.model_dump(mode="json"), self.own.settings.model_dump(mode="json")
        named = [self.own.model, self.own.preset, recipe, chosen, self.own.classes, self.seed, self.own.device]
        versions = {name: version(name) for name in self.own.card.libraries}
        rows = [(*row.key, row.group, row.label, row.units) for row in self.data.rows]
        code = code_digest("mer.training.fit", "mer.training.loops", registry.MODELS[self.own.model])
        digest = hashlib.sha256(json.dumps([named, rows, versions, code], default=str).encode())
        for array in _arrays(self.data.features):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def _arrays(features: Features) -> list[np.ndarray]:
    return [features[name] for name in sorted(features)] if isinstance(features, dict) else [features]


def _record(data: Gathered, classes: Sequence[str], libraries: Sequence[str], table: str | Path) -> dict[str, Any]:
    counts = Counter(row.label for row in data.rows)
    return {
        "classes": list(classes),
        "class_counts": {name: counts[name] for name in classes},
        "n_train": len(data.rows),
        "train_groups": sorted({row.group for row in data.rows}),
        "train_table": file_digest(table),
        "excluded": {f"{row.dataset}/{row.sample_id}": reason for row, reason in data.excluded},
        "inputs": data.inputs,
        "versions": {"mer": __version__, **{name: version(name) for name in libraries}},
    }
