"""Training many folds in one job, with the results of one fold at a time.

The clips of all folds are gathered once (`mer.training.shared_clips`). On a CPU a fold is given a copy of its training
clips' features, in a process of one thread; on a GPU the row numbers of its training clips, for models that train
several folds at once (`fit_together`; not with an inner choice of epochs, clipping, bf16 or tf32).

Checkpoints from a CPU are the same bytes as from `mer.training.fit.fit_fold`. Those from a GPU agree within rounding
whichever folds are trained together: scores to about 1e-4 in float32.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np

from mer.core.errors import ModelError
from mer.models.state import State
from mer.training.closed_files import closed, folders_of
from mer.training.convert import convert_folds
from mer.training.experiment import Experiment
from mer.training.fit import train_fold, write_fold
from mer.training.fold_processes import fit_in_processes
from mer.training.gather import Gathered
from mer.training.products import Containers
from mer.training.recipe import trains_together
from mer.training.separation import FoldJob
from mer.training.shared_clips import SharedClips, share
from mer.training.training_part import TrainingPart

Log = Callable[[str], None]


def fit_folds(
    experiment: Experiment,
    jobs: Sequence[FoldJob],
    containers: Containers,
    *,
    workers: int = 1,
    log: Callable[[str], Log],
    every: float = 60.0,
) -> None:
    """Train several folds and write their checkpoints, with the arguments of a task (`mer.training.task`).

    `every`: seconds between two writings of a fold's resume file.

    Raises:
        ConfigError, ModelError, ContainerError, StorageError: as `fit_fold`. Folds that were finished before stay.
    """
    if experiment.weights:
        convert_folds(experiment, jobs, containers, log)
        return
    tables = [job.train_table for job in jobs]
    folders = folders_of(containers, tables)
    with closed(folders, [*(path for boxes in containers.values() for path in boxes.values()), *tables]):
        shared = share(experiment, jobs, containers)
    if experiment.device == "cuda" and trains_together(experiment.card, experiment.recipe):
        with closed(folders, tables):
            fit_on_gpu(experiment, jobs, shared, log, every)
    elif experiment.device != "cuda" and workers > 1 and len(jobs) > 1:
        fit_in_processes(experiment, jobs, shared, workers, log, every, folders)
    else:
        for number, job in enumerate(jobs):
            with closed(folders, [job.train_table]):
                train_fold(experiment, job, shared.part(number), log(job.fold), every=every, keeps_end=len(jobs) > 1)
    for job in jobs:
        job.forget()


def fit_on_gpu(
    experiment: Experiment, jobs: Sequence[FoldJob], shared: SharedClips, log: Callable[[str], Log], every: float = 60.0
) -> None:
    """Train folds at once, as many as the memory of the device holds: half of them when it does not hold all.

    A killed job goes on from the last state of the folds that it was training, and does not repeat those before.
    """
    import torch

    waiting, width = list(range(len(jobs))), len(jobs)
    while waiting:
        taken, say = waiting[:width], log(jobs[waiting[0]].fold)
        try:
            done = _at_once(experiment, [jobs[k] for k in taken], shared, taken, say, every, width < len(jobs))
        except torch.OutOfMemoryError:
            if width == 1:
                raise ModelError("training", "no memory for one fold", remedy="set a smaller batch_size") from None
            width = max(1, len(taken) // 2)
            torch.cuda.empty_cache()
            say(f"no memory for {len(taken)} folds at once; {width} from here on")
            continue
        for k, (state, losses) in zip(taken, done, strict=True):
            data = Gathered([shared.data.rows[i] for i in shared.clips(k)], np.zeros(0), *shared.told(k))
            extra = {"precision": "float32", "losses": losses}
            write_fold(experiment, jobs[k], data, state, extra, log(jobs[k].fold))
        waiting = waiting[len(taken) :]


def _at_once(
    experiment: Experiment,
    jobs: Sequence[FoldJob],
    shared: SharedClips,
    numbers: Sequence[int],
    say: Log,
    every: float,
    keeps_end: bool,
) -> list[tuple[State, list[list[float]]]]:
    """Return the state and losses of each fold, trained at once; their common state is kept in the first one's file."""
    from mer.models.surroundings import surrounded
    from mer.models.together import Share
    from mer.training.fit_session import Session

    together = experiment.card.fit_together
    assert together is not None
    parts = [TrainingPart(experiment, job.fold, shared.data, say) for job in jobs]
    clips = [shared.clips(k) for k in numbers]
    shares = [Share(rows, part.labels[rows], part.seed) for part, rows in zip(parts, clips, strict=True)]
    file = jobs[0].resume
    digest = _digest(parts, clips) if file is not None else ""
    session = Session(file=file, digest=digest, every=every, keeps_end=keeps_end, log=say)
    with surrounded(session):
        given = shared.data.features, shares, len(experiment.classes), experiment.settings
        states = together(*given, say, experiment.device)
        return [(state, session.course(number)) for number, state in enumerate(states)]


def _digest(parts: Sequence[TrainingPart], clips: Sequence[np.ndarray]) -> str:
    """Return what decides the result of folds that are trained at once, as one number."""
    digest = hashlib.sha256(parts[0].digest().encode())
    for part, rows in zip(parts, clips, strict=True):
        digest.update(f"{part.fold} {part.seed} {rows.tolist()}".encode())
    return digest.hexdigest()
