"""Training one fold: from a train table and the containers of its clips to one checkpoint.

The held-out persons' files are not among the arguments, and a train table that names one of them is refused. The number
of epochs is fixed in advance or chosen on inner subjects; whatever needs a score is scored inside the training part,
by person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from mer import __version__
from mer.core.container import file_digest
from mer.models.state import State
from mer.training.checkpoint import fold_metadata, save_checkpoint
from mer.training.closed_files import closed, folders_of
from mer.training.experiment import Experiment
from mer.training.fold_tables import training_rows
from mer.training.gather import Gathered, gather
from mer.training.outside import trunk_of
from mer.training.products import Containers
from mer.training.separation import FoldJob
from mer.training.training_part import TrainingPart
from mer.weights.locate import sha256

# So close to 1 that all but a few in a hundred clips got the same class (specs/dual-branch.md §9, D22).
COLLAPSED = 1.2


def fit_fold(
    experiment: Experiment,
    job: FoldJob,
    containers: Containers,
    log: Callable[[str], None] = print,
    every: float = 60.0,
) -> None:
    """Train on the clips of the job's train table and write its checkpoint.

    Args:
        experiment: what is trained.
        job: the fold.
        containers: `{input: {source: path}}`; nothing else is opened.
        log: takes one line at a time.
        every: seconds between two writings of the job's resume file.

    Raises:
        ConfigError: the device cannot be used here.
        ModelError: a held-out person or an unknown class in the table, one class only, or unusable features.
        ContainerError, StorageError: as their readers and writers.
    """
    folders = folders_of(containers, [job.train_table])
    with closed(folders, [*(path for boxes in containers.values() for path in boxes.values()), job.train_table]):
        rows = training_rows(job.train_table, job.held_out, experiment.classes)
        given = rows, containers, experiment.card, experiment.settings
        data = gather(*given, device=experiment.device, chains=experiment.chains)
    with closed(folders, [job.train_table]):
        train_fold(experiment, job, data, log, every)


def train_fold(
    experiment: Experiment,
    job: FoldJob,
    data: Gathered,
    log: Callable[[str], None],
    every: float = 60.0,
    keeps_end: bool = False,
) -> None:
    """Train on gathered clips, all of them training clips of the fold, and write the checkpoint; as `fit_fold`.

    `keeps_end`: the last state of the training is left behind, for a job of several folds that is killed in a later
    one; such a job forgets the states when all are over.
    """
    for row, reason in data.excluded:
        log(f"training clip {row.sample_id} of {row.dataset} left out: {reason}")
    for name in sorted(set(experiment.classes) - {row.label for row in data.rows}):
        log(f"fold {job.fold}: no training clip of class {name}")
    begun = begun_with(experiment, job)
    training_part = TrainingPart(experiment, job.fold, data, log)
    if experiment.card.in_epochs:
        # Only what is trained in epochs needs torch.
        from mer.training.fit_in_epochs import fit_in_epochs

        state, extra = fit_in_epochs(training_part, job, every, keeps_end)
    else:
        state, extra = training_part.fit(experiment.settings), {}
    if begun:
        log(f"fold {job.fold}: begins with the trunk of {experiment.trunks[job.fold]}")
        begun["train_groups"] = sorted({row.group for row in data.rows} | set(begun["train_groups"]))
    write_fold(experiment, job, data, state, {**extra, **begun}, log)
    if not keeps_end:
        job.forget()


def begun_with(experiment: Experiment, job: FoldJob) -> dict[str, Any]:
    """Return what a checkpoint says of the trunk that its fold begins with; nothing where it begins with none.

    Raises:
        ModelError: as `mer.training.outside.trunk_of`.
    """
    if not experiment.trunks:
        return {}
    path = experiment.trunks[job.fold]
    meta = trunk_of(path, job.fold, job.held_out)[1]
    told: dict[str, Any] = {"train_groups": meta["train_groups"], "trunk": {"file": path, "sha256": sha256(path)}}
    return {**told, "weights": meta["weights"]} if meta.get("weights") else told


def write_fold(
    experiment: Experiment,
    job: FoldJob,
    data: Gathered,
    state: State,
    extra: dict[str, Any],
    log: Callable[[str], None],
) -> None:
    """Write the checkpoint of a trained fold, and warn when its network has collapsed."""
    used = state.meta.get("classes_used")
    if used is not None and used < COLLAPSED:
        log(f"warning: fold {job.fold}: the network has collapsed, its training clips get {used:.2f} classes")
    counts = Counter(row.label for row in data.rows)
    metadata = {
        **fold_metadata(job, data.rows, experiment.classes, experiment.seed),
        "model": experiment.model,
        "preset": experiment.preset,
        "recipe": experiment.recipe.overrides(),
        "settings": experiment.settings.model_dump(),
        "class_counts": {name: counts[name] for name in experiment.classes},
        "n_train": len(data.rows),
        "train_table": file_digest(job.train_table),
        "excluded": {f"{row.dataset}/{row.sample_id}": reason for row, reason in data.excluded},
        "inputs": data.inputs,
        "versions": {"mer": __version__, **{name: version(name) for name in experiment.card.libraries}},
        "device": experiment.device,
        "origin": dict(experiment.origin),
        "made": experiment.made,
        **extra,
    }
    save_checkpoint(job.out, state, metadata)
