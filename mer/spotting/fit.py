"""Training one fold of a spotting experiment: networks, thresholds and widths from the training persons alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mer import __version__
from mer.core.errors import ModelError
from mer.core.seeds import derive_seed
from mer.models.state import State
from mer.spotting.calibrate import Scored, choose
from mer.spotting.context import Traced, fit_traced, held_out_curves
from mer.spotting.data import Opened, Recording
from mer.spotting.decode import Decoding, P
from mer.spotting.naming import Pairs, expressions, train_head
from mer.spotting.network import Log, Scorer, fixed_targets, gather, half_of, parts_of, train
from mer.spotting.settings import SpotRecipe
from mer.spotting.truth import Video, read_videos
from mer.training.checkpoint import save_checkpoint

Containers = Mapping[str, str | Path]


@dataclass(frozen=True)
class Spec:
    """What is trained.

    Args:
        model: `mean` or `softnet`.
        protocol: `fixed` or `ref`.
        recipe: budget.
        classes: of recognition by MEAN's own head; empty for none.
        halves: k_p by kind over all annotations, for `ref`, which takes it from there (D5); empty otherwise.
    """

    model: str
    protocol: str
    recipe: SpotRecipe
    classes: tuple[str, ...] = ()
    halves: Mapping[str, int] | None = None


def fit_fold(
    spec: Spec,
    train_table: str | Path,
    features: Mapping[str, Containers],
    aligned: Mapping[str, Containers],
    out: str | Path,
    *,
    fold: str,
    held_out: Sequence[str],
    seed: int,
    device: str = "cpu",
    log: Log = print,
) -> None:
    """Train every kind of expression of one fold and write one checkpoint.

    Args:
        spec: what is trained.
        train_table: written by `mer.spotting.truth.write_videos`; names no held-out person.
        features: `{kind: {source: container}}` of spotting features.
        aligned: the same for the crops that the features were made from; used with `classes` only.
        out: the checkpoint, safetensors.
        fold: name of the fold; with `seed` it decides every random number.
        held_out: groups that must not be in the table.
        seed: of the run.
        device: `cpu` or `cuda`.
        log: takes one line at a time.

    Raises:
        ModelError: a held-out person in the table, or nothing to learn from.
        ContainerError, StorageError: as their readers and writers.
    """
    videos = read_videos(train_table)
    present = sorted({video.group for video in videos} & set(held_out))
    if present or not held_out:
        found = f"recordings of the held-out subject {present[0]}" if present else "no held-out subject named"
        raise ModelError(train_table, found, "training subjects only", "write the fold's tables again")
    arrays: dict[str, np.ndarray] = {}
    kinds: dict[str, Any] = {}
    for kind in sorted(features):
        own = derive_seed(seed, "spotting", spec.model, kind, fold)
        states, told = _fit_kind(spec, kind, videos, features[kind], aligned.get(kind, {}), own, log, device)
        kinds[kind] = told
        for part, state in states.items():
            arrays |= {f"{kind}.{part}.{name}": value for name, value in state.arrays.items()}
    metadata = {
        "model": f"spotting {spec.model}",
        "preset": spec.protocol,
        "settings": spec.recipe.model_dump(),
        "classes": list(spec.classes),
        "inputs": {kind: {"parameters": told.pop("parameters")} for kind, told in kinds.items()},
        "seed": seed,
        "fold": fold,
        "held_out": sorted(held_out),
        "train_groups": sorted({video.group for video in videos}),
        "versions": {"mer": __version__},
    }
    save_checkpoint(out, State(arrays, {"kinds": kinds}), metadata)


def _fit_kind(
    spec: Spec,
    kind: str,
    videos: Sequence[Video],
    features: Containers,
    aligned: Containers,
    seed: int,
    log: Log,
    device: str,
) -> tuple[dict[str, State], dict[str, Any]]:
    chosen = [video for video in videos if spec.protocol == "fixed" or video.of_kind(kind)]
    with Opened(chosen, features) as opened:
        for video, reason in opened.excluded:
            log(f"recording {video.sample_id} left out: {reason}")
        recordings = opened.recordings
        if not recordings:
            raise ModelError("training part", f"no recording for {kind}-expressions", "at least one")
        told, states = _decoding(spec, kind, recordings, seed, log, device)
        x, y = gather(recordings, kind, spec.model, spec.protocol, spec.recipe, seed)
        log(f"{kind}: {len(recordings)} recordings, {len(y)} positions, {int(y.sum())} within an expression")
        states["spot"] = train(x, y, spec.model, spec.protocol, spec.recipe, seed, log, device)
        told |= {"state": states["spot"].meta, "parameters": opened.parameters, "positions": len(y)}
    if spec.classes:
        parts = expressions(chosen, kind, spec.classes, aligned, Pairs(told["parameters"]), log)
        states["recog"] = train_head(
            *parts, states["spot"], len(spec.classes), spec.protocol, spec.recipe, seed, log, device
        )
    return states, told


def _decoding(
    spec: Spec, kind: str, recordings: Sequence[Recording], seed: int, log: Log, device: str
) -> tuple[dict[str, Any], dict[str, State]]:
    """Return how scores are decoded, and the context: `ref` by constants, `fixed` from inner parts of persons."""
    if spec.protocol == "ref":
        assert spec.halves is not None
        return {"decoding": {"half": int(spec.halves[kind]), "p": P}}, {}
    half = half_of(recordings, kind)
    if len({recording.video.group for recording in recordings}) < 2:
        raise ModelError("training part", "recordings of one person", "two, to set a threshold", "add subjects")
    own: list[Recording] = []
    traced: list[Traced] = []
    parts: list[int] = []
    for part, (inside, outside) in enumerate(parts_of(recordings, spec.recipe.inner, seed)):
        inner = derive_seed(seed, "inner part", part)
        x, y = gather(inside, kind, spec.model, spec.protocol, spec.recipe, inner)
        scorer = Scorer(train(x, y, spec.model, spec.protocol, spec.recipe, inner, _silent, device), device)
        own += outside
        traced += [_traced(scorer, recording, kind) for recording in outside]
        parts += [part] * len(outside)
    curves = held_out_curves(traced, kind, parts, spec.recipe.context_steps, seed)
    decoding, counts = choose([_scored(r, c, kind) for r, c in zip(own, curves, strict=True)], half)
    log(f"{kind}: threshold {decoding.threshold:.3f}; F1 {counts.f1:.3f} on inner parts")
    context = fit_traced(traced, kind, spec.recipe.context_steps, seed)
    return {"decoding": decoding.as_dict(), "inner": counts.as_dict()}, {"context": context}


def _traced(scorer: Scorer, recording: Recording, kind: str) -> Traced:
    return Traced(scorer.along(recording), fixed_targets(recording, kind), rate_of(recording), recording.video.group)


def rate_of(recording: Recording) -> float:
    """Return the frame rate of a recording; raises `ModelError` when it is unknown."""
    if not recording.fps:
        raise ModelError(recording.video.sample_id, "frame rate unknown", "fps in its row", "set it in the reader")
    return recording.fps


def _scored(recording: Recording, curve: np.ndarray, kind: str) -> Scored:
    return Scored(curve, recording.intervals(kind)[:, [0, 2]], len(recording.numbers), recording.distance)


def decoding_of(told: Mapping[str, Any]) -> Decoding:
    """Return the decoding that `fixed` learned, from a checkpoint's metadata."""
    return Decoding(**told["decoding"])


def _silent(line: str) -> None:
    """Say nothing: the lines of inner networks would drown the others."""
