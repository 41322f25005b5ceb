"""Training one fold of a spotting experiment: networks, thresholds and widths from the training persons alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from mer import __version__
from mer.core.errors import ModelError
from mer.core.seeds import derive_seed
from mer.models.state import State
from mer.spotting.calibrate import Scored, choose
from mer.spotting.context import Traced, fit_traced, held_out_curves
from mer.spotting.convert import convert_fold
from mer.spotting.decode import P
from mer.spotting.experiment import SpottingExperiment, crops_of
from mer.spotting.naming_head import Pairs, expressions, train_head
from mer.spotting.network import Log, Scorer, fixed_targets, gather, half_of, parts_of, train
from mer.spotting.recording_tables import Video, read_videos
from mer.spotting.recordings import Opened, Recording
from mer.training.checkpoint import fold_metadata, save_checkpoint
from mer.training.products import Containers
from mer.training.separation import FoldJob, require_held_out


def fit_folds(
    experiment: SpottingExperiment,
    jobs: Sequence[FoldJob],
    containers: Containers,
    *,
    workers: int = 1,
    log: Callable[[str], Log],
) -> None:
    """Train folds one after the other, whatever `workers` says; as `fit_fold`, with a log for each.

    Where the experiment has `weights`, nothing is trained (`mer.spotting.convert`).
    """
    for job in jobs:
        make = convert_fold if experiment.weights else fit_fold
        make(experiment, job, containers, log(job.fold))


def fit_fold(experiment: SpottingExperiment, job: FoldJob, containers: Containers, log: Log = print) -> None:
    """Train every kind of expression of one fold and write one checkpoint.

    Args:
        experiment: what is trained.
        job: the fold; its table is written by `mer.spotting.recording_tables.write_videos`.
        containers: `{input: {source: path}}`: spotting features named by the kinds, and, where spotted intervals are
            named by the network, the crops that they were made from (`crops_of`).
        log: takes one line at a time.

    Raises:
        ModelError: a held-out person in the table, or nothing to learn from.
        ContainerError, StorageError: as their readers and writers.
    """
    videos = read_videos(job.train_table)
    require_held_out(videos, job.held_out, job.train_table)
    arrays: dict[str, np.ndarray] = {}
    kinds: dict[str, Any] = {}
    for kind in sorted(set(containers) - {crops_of(name) for name in containers}):
        seed = derive_seed(experiment.seed, "spotting", experiment.model, kind, job.fold)
        states, kinds[kind] = _fit_kind(experiment, kind, videos, containers, seed, log)
        for part, state in states.items():
            arrays |= {f"{kind}.{part}.{name}": value for name, value in state.arrays.items()}
    metadata = {
        **fold_metadata(job, videos, experiment.classes, experiment.seed),
        "model": f"spotting {experiment.model}",
        "preset": experiment.protocol,
        "settings": experiment.recipe.model_dump(),
        "inputs": {kind: {"parameters": told.pop("parameters")} for kind, told in kinds.items()},
        "versions": {"mer": __version__},
        "made": experiment.made,
    }
    save_checkpoint(job.out, State(arrays, {"kinds": kinds}), metadata)


def _fit_kind(
    experiment: SpottingExperiment, kind: str, videos: Sequence[Video], containers: Containers, seed: int, log: Log
) -> tuple[dict[str, State], dict[str, Any]]:
    chosen = [video for video in videos if experiment.protocol == "fixed" or video.of_kind(kind)]
    with Opened(chosen, kind, containers, experiment.chains) as opened:
        for video, reason in opened.excluded:
            log(f"recording {video.sample_id} left out: {reason}")
        recordings = opened.recordings
        if not recordings:
            raise ModelError("training part", f"no recording for {kind}-expressions", "at least one")
        told, states = _decoding(experiment, kind, recordings, seed, log)
        x, y = gather(recordings, kind, experiment, seed)
        log(f"{kind}: {len(recordings)} recordings, {len(y)} positions, {int(y.sum())} within an expression")
        states["spot"] = train(x, y, experiment, seed, log)
        told |= {"state": states["spot"].meta, "parameters": opened.made["parameters"], "positions": len(y)}
    if experiment.classes:
        crops, pairs = containers[crops_of(kind)], Pairs(told["parameters"])
        x, y = expressions(chosen, kind, experiment.classes, crops, pairs, log)
        states["recog"] = train_head(x, y, states["spot"], experiment, seed, log)
    return states, told


def _decoding(
    experiment: SpottingExperiment, kind: str, recordings: Sequence[Recording], seed: int, log: Log
) -> tuple[dict[str, Any], dict[str, State]]:
    """Return how scores are decoded, and the context: `ref` by constants, `fixed` from inner parts of persons."""
    if experiment.protocol == "ref":
        return {"decoding": {"half": int(experiment.halves[kind]), "p": P}}, {}
    half = half_of(recordings, kind)
    if len({recording.video.group for recording in recordings}) < 2:
        raise ModelError("training part", "recordings of one person", "two, to set a threshold", "add subjects")
    scored: list[Recording] = []
    traced: list[Traced] = []
    parts: list[int] = []
    for part, (inside, outside) in enumerate(parts_of(recordings, experiment.recipe.inner, seed)):
        inner = derive_seed(seed, "inner part", part)
        x, y = gather(inside, kind, experiment, inner)
        # Nothing is said of inner networks: their lines would drown the others.
        scorer = Scorer(train(x, y, experiment, inner, lambda line: None), experiment.device)
        scored += outside
        traced += [_traced(scorer, recording, kind) for recording in outside]
        parts += [part] * len(outside)
    steps = experiment.recipe.context_steps
    curves = held_out_curves(traced, kind, parts, steps, seed)
    decoding, counts = choose([_scored(r, c, kind) for r, c in zip(scored, curves, strict=True)], half)
    log(f"{kind}: threshold {decoding.threshold:.3f}; F1 {counts.f1:.3f} on inner parts")
    context = fit_traced(traced, kind, steps, seed)
    return {"decoding": asdict(decoding), "inner": counts.as_dict()}, {"context": context}


def _traced(scorer: Scorer, recording: Recording, kind: str) -> Traced:
    return Traced(scorer.along(recording), fixed_targets(recording, kind), rate_of(recording), recording.video.group)


def rate_of(recording: Recording) -> float:
    """Return the frame rate of a recording; raises `ModelError` when it is unknown."""
    if not recording.fps:
        raise ModelError(recording.video.sample_id, "frame rate unknown", "fps in its row", "set it in the reader")
    return recording.fps


def _scored(recording: Recording, curve: np.ndarray, kind: str) -> Scored:
    return Scored(curve, recording.intervals(kind)[:, [0, 2]], len(recording.numbers), recording.distance)
