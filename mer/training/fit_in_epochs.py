"""Fitting a model that is trained in epochs: its session, and the number of epochs where inner subjects choose it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from mer.core.atomic import write_json
from mer.core.errors import ModelError
from mer.core.seal import why_unreadable
from mer.models.state import State
from mer.models.surroundings import surrounded
from mer.training.epoch_choice import choose, splits
from mer.training.fit_session import Session
from mer.training.separation import FoldJob
from mer.training.training_part import TrainingPart


def fit_in_epochs(
    training_part: TrainingPart, job: FoldJob, every: float, keeps_end: bool = False
) -> tuple[State, dict[str, Any]]:
    """Return the trained state, and for the checkpoint's metadata the precision, choice of epochs, and losses."""
    recipe, settings = training_part.experiment.recipe, training_part.experiment.settings
    digest = training_part.digest() if job.resume is not None else ""
    extra: dict[str, Any] = {}
    if recipe.inner is not None:
        choice = _chosen(training_part, job, digest)
        settings = settings.model_copy(update={"epochs": choice["epochs"]})
        extra["inner"] = choice
    session = _session(training_part, file=job.resume, digest=digest, every=every, keeps_end=keeps_end)
    with surrounded(session):
        state = training_part.fit(settings)
    return state, {**extra, "precision": session.used, "losses": session.course()}


def _session(training_part: TrainingPart, **options: Any) -> Session:
    recipe = training_part.experiment.recipe
    precision, clip = recipe.precision or "float32", recipe.gradient_clip or 0.0
    return Session(precision=precision, gradient_clip=clip, log=training_part.log, **options)


@dataclass
class _Part:
    """One inner split; its session carries the training from one number of epochs to the next."""

    training_part: TrainingPart
    train_clips: np.ndarray
    test_clips: np.ndarray
    session: Session

    def __call__(self, epochs: int) -> np.ndarray:
        chosen = self.training_part.experiment.settings.model_copy(update={"epochs": epochs})
        self.session.again()
        with surrounded(self.session):
            state = self.training_part.fit(chosen, self.train_clips)
        return self.training_part.scores(state, self.test_clips).argmax(axis=1)


def _chosen(training_part: TrainingPart, job: FoldJob, digest: str) -> dict[str, Any]:
    """Return the choice of epochs; one that an interrupted job has made is read, not made again."""
    inner = training_part.experiment.recipe.inner
    assert inner is not None
    memo = job.state_files[1] if job.state_files else None
    if memo is not None and memo.is_file():
        try:
            known = json.loads(memo.read_text(encoding="utf-8"))
            if known["digest"] == digest:
                training_part.log(f"inner subjects chose {known['choice']['epochs']} epochs before the interruption")
                return dict(known["choice"])
        except OSError as error:
            found, remedy = why_unreadable(error)
            raise ModelError(memo, found, "the choice of the interrupted training", remedy) from None
        except (ValueError, TypeError, KeyError):
            training_part.log(f"{memo}: not the choice of an interrupted job; it is made again")
    # The lines of an inner training go nowhere: there are ten for each.
    quiet = TrainingPart(training_part.experiment, training_part.fold, training_part.data, lambda line: None)
    pairs = splits(training_part.groups, training_part.labels, inner, training_part.seed)
    parts = [_Part(quiet, train, test, _session(quiet, carries=True)) for train, test in pairs]
    truths = [training_part.labels[test] for _, test in pairs]
    budget = int(training_part.experiment.settings.model_dump()["epochs"])
    choice = choose(parts, truths, len(training_part.experiment.classes), budget, inner, training_part.log)
    if memo is not None:
        write_json(memo, {"digest": digest, "choice": choice})
    return choice
