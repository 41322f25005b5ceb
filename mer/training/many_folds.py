"""Training many folds in one job, with the results of one fold at a time.

The clips of all folds are gathered once (`mer.training.shared_clips`). On a CPU a fold is given a copy of its training
clips' features, in a process of one thread; on a GPU the row numbers of its training clips, for models that train
several folds at once (`fit_together`; not with an inner choice of epochs, clipping, bf16 or tf32).

Checkpoints from a CPU are the same bytes as from `mer.training.fit.fit_fold`. Those from a GPU agree within rounding
whichever folds are trained together: scores to about 1e-4 in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mer.core.errors import ModelError
from mer.training.experiment import Experiment
from mer.training.fit import train_fold, write_fold
from mer.training.fold_processes import fit_in_processes
from mer.training.gather import Gathered
from mer.training.products import Containers
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
    shared = share(experiment, jobs, containers)
    recipe = experiment.recipe
    plain = recipe.inner is None and not recipe.gradient_clip and recipe.precision not in ("bf16", "tf32")
    if experiment.device == "cuda" and experiment.card.fit_together is not None and plain:
        fit_on_gpu(experiment, jobs, shared, log)
    elif experiment.device != "cuda" and workers > 1 and len(jobs) > 1:
        fit_in_processes(experiment, jobs, shared, workers, log, every)
    else:
        for number, job in enumerate(jobs):
            train_fold(experiment, job, shared.part(number), log(job.fold), every=every)


def fit_on_gpu(experiment: Experiment, jobs: Sequence[FoldJob], shared: SharedClips, log: Callable[[str], Log]) -> None:
    """Train folds at once, as many as the memory of the device holds: half of them when it does not hold all."""
    import torch

    from mer.models.together import Share

    together, waiting, width = experiment.card.fit_together, list(range(len(jobs))), len(jobs)
    assert together is not None
    while waiting:
        taken = waiting[:width]
        training_parts = [TrainingPart(experiment, jobs[k].fold, shared.data, log(jobs[k].fold)) for k in taken]
        clips = [shared.clips(k) for k in taken]
        shares = [Share(rows, part.labels[rows], part.seed) for part, rows in zip(training_parts, clips, strict=True)]
        say, n_classes = log(jobs[taken[0]].fold), len(experiment.classes)
        try:
            states = together(shared.data.features, shares, n_classes, experiment.settings, say, experiment.device)
        except torch.OutOfMemoryError:
            if width == 1:
                raise ModelError("training", "no memory for one fold", remedy="set a smaller batch_size") from None
            width = max(1, len(taken) // 2)
            torch.cuda.empty_cache()
            say(f"no memory for {len(taken)} folds at once; {width} from here on")
            continue
        for k, part, state in zip(taken, clips, states, strict=True):
            data = Gathered([shared.data.rows[i] for i in part], np.zeros(0), *shared.told(k))
            write_fold(experiment, jobs[k], data, state, {"precision": "float32"}, log(jobs[k].fold))
        waiting = waiting[len(taken) :]
