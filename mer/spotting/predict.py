"""Spotting in the held-out recordings of one fold, by networks and thresholds that never saw their persons."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mer.core.atomic import write_text
from mer.core.container import Container
from mer.core.errors import ClipError, ModelError
from mer.models.state import State
from mer.spotting.context import Context
from mer.spotting.curves import Curve, write_curves
from mer.spotting.decode import ONE_EACH, Decoded, Decoding, decode_fixed, decode_ref, window_mean
from mer.spotting.experiment import SpottingExperiment, crops_of
from mer.spotting.naming_head import Namer, Pairs, name_majority, name_pair
from mer.spotting.network import Log, Scorer
from mer.spotting.recording_tables import Video, read_videos
from mer.spotting.recordings import Opened, Recording
from mer.training.checkpoint import load_checkpoint
from mer.training.products import Containers
from mer.training.separation import require_same_products, require_trained_as, require_unseen


@dataclass(frozen=True)
class Spotted:
    """One spotted interval, in file numbers; `scores` are class probabilities by name, None if unnamed."""

    video: Video
    kind: str
    onset: int
    apex: int
    offset: int
    confidence: float
    quality: float
    emotion: str = ""
    scores: Mapping[str, float] | None = None

    def line(self) -> str:
        """Return it as one line of JSON."""
        video = {name: getattr(self.video, name) for name in ("sample_id", "dataset", "subject", "group")}
        values = {name: getattr(self, name) for name in ("kind", "onset", "apex", "offset", "emotion")}
        numbers = {"confidence": round(self.confidence, 6), "quality": round(self.quality, 4)}
        scores = {name: round(value, 6) for name, value in (self.scores or {}).items()}
        return json.dumps({**video, **values, **numbers, "scores": scores}, ensure_ascii=False)


class Spotter:
    """A trained fold, ready to spot.

    Args:
        checkpoint: written by `mer.spotting.fit.fit_fold`.
        device: `cpu` or `cuda`.

    Raises:
        ModelError: not such a checkpoint.
    """

    def __init__(self, checkpoint: str | Path, device: str = "cpu") -> None:
        state, self.meta = load_checkpoint(checkpoint)
        if not str(self.meta["model"]).startswith("spotting "):
            raise ModelError(checkpoint, f"a model of {self.meta['model']}", "a spotting model", "name another file")
        self.protocol, self.classes = str(self.meta["preset"]), list(self.meta["classes"])
        self.kinds: dict[str, Any] = state.meta["kinds"]
        self.scorers: dict[str, Scorer] = {}
        self.namers: dict[str, Namer] = {}
        self.contexts: dict[str, Context] = {}
        for kind, told in self.kinds.items():
            self.scorers[kind] = Scorer(_part(state, f"{kind}.spot.", told["state"]), device)
            if self.protocol == "fixed":
                self.contexts[kind] = Context(_part(state, f"{kind}.context.", {}))
            if self.classes and told.get("named", True):
                self.namers[kind] = Namer(_part(state, f"{kind}.recog.", {}), len(self.classes), device)

    def parameters(self, kind: str) -> dict[str, Any]:
        """Return the parameters of the features that a kind was trained on."""
        return dict(self.meta["inputs"][kind]["parameters"])

    def curve(self, kind: str, traces: np.ndarray, fps: float | None) -> np.ndarray:
        """Return the score (P,) that is decoded, from the traces (P, 7) of one whole recording.

        `ref` takes the network's score as it is; `fixed` looks at what surrounds each position
        (`mer.spotting.context`).

        Raises:
            ModelError: `fixed` without a frame rate.
        """
        if self.protocol == "ref":
            return np.asarray(traces[:, 0])
        if not fps:
            raise ModelError("recording", "frame rate unknown", "frames per second")
        return self.contexts[kind].along(traces, fps, kind)

    def spot(self, kind: str, score: np.ndarray, length: int, distance: int, single: bool = False) -> Decoded:
        """Decode the scores (P,) of a recording of `length` frames into intervals of frame indices.

        `single`: exactly one, as `ref` decodes the clips of a database in `mer.spotting.decode.ONE_EACH`.
        """
        told = self.kinds[kind]
        if self.protocol == "fixed":
            return decode_fixed(score, Decoding(**told["decoding"]), length, distance // 2)
        half, p = int(told["decoding"]["half"]), float(told["decoding"]["p"])
        return decode_ref(score, half, p, told["state"]["model"], single)[0]


def _part(state: State, prefix: str, meta: Mapping[str, Any]) -> State:
    named = {name.removeprefix(prefix): value for name, value in state.arrays.items() if name.startswith(prefix)}
    return State(named, dict(meta))


def predict_fold(
    experiment: SpottingExperiment,
    fold: str,
    checkpoint: str | Path,
    test_table: str | Path,
    containers: Containers,
    outs: Sequence[str | Path],
    log: Log = print,
) -> None:
    """Write what one fold spots: intervals (JSON lines), score curves (npz) and recordings left out (JSON lines).

    Arguments are those of a task (`mer.training.task`). `outs`: one JSON object per interval; smoothed scores by
    recording and kind; one object per recording without a result. The annotations of the table are not used, but to
    tell which recordings `ref` evaluates.

    Raises:
        ModelError: the checkpoint is of another run, saw a person of the table, or features made with other parameters.
    """
    spotter = Spotter(checkpoint, experiment.device)
    require_trained_as(
        spotter.meta,
        checkpoint,
        model=f"spotting {experiment.model}",
        preset=experiment.protocol,
        fold=fold,
        seed=experiment.seed,
        settings=experiment.recipe.model_dump(),
        classes=list(experiment.classes),
    )
    videos = read_videos(test_table)
    require_unseen((video.group for video in videos), spotter.meta, checkpoint, test_table)
    lines: list[str] = []
    lost: list[str] = []
    curves: list[Curve] = []
    for kind in sorted(spotter.kinds):
        # The published evaluation knows which recordings hold an expression (D1).
        judged = [video for video in videos if spotter.protocol == "fixed" or video.of_kind(kind)]
        with Opened(judged, kind, containers, experiment.chains) as opened:
            require_same_products({kind: opened.made}, spotter.meta["inputs"], "run the spot stage again")
            lost += [json.dumps({"video": v.sample_id, "kind": kind, "reason": why}) for v, why in opened.excluded]
            for recording in opened.recordings:
                curve, intervals = _one(spotter, kind, recording, containers.get(crops_of(kind), {}))
                curves.append(curve)
                lines += [interval.line() for interval in intervals]
                log(f"{recording.video.sample_id} {kind}: {len(intervals)} intervals")
    write_text(outs[0], "".join(f"{line}\n" for line in lines))
    write_text(outs[2], "".join(f"{line}\n" for line in lost))
    write_curves(outs[1], curves)


def _one(
    spotter: Spotter, kind: str, recording: Recording, crops: Mapping[str, str | Path]
) -> tuple[Curve, list[Spotted]]:
    score = spotter.curve(kind, spotter.scorers[kind].along(recording), recording.fps)
    single = recording.video.dataset in ONE_EACH
    decoded = spotter.spot(kind, score, len(recording.numbers), recording.distance, single)
    smoothed, start = decoded.smoothed, recording.distance // 2
    if spotter.protocol == "ref":
        smoothed, start = window_mean(score, int(spotter.kinds[kind]["decoding"]["half"]))[: len(score)], 0
    numbers = recording.numbers[start : start + len(smoothed)]
    curve = Curve(recording.video.sample_id, kind, numbers, smoothed, decoded.threshold)
    intervals = _intervals(recording, kind, decoded)
    if kind in spotter.namers:
        intervals = _named(spotter, kind, recording, decoded, intervals, crops)
    if spotter.protocol == "ref" and not intervals:
        # The published decoder answers [0, 0] where it finds nothing (D9).
        intervals = [Spotted(recording.video, kind, 0, 0, 0, 0.0, 1.0)]
    return curve, intervals


def _intervals(recording: Recording, kind: str, decoded: Decoded) -> list[Spotted]:
    rows = []
    spans, peaks = decoded.intervals.tolist(), decoded.peaks.tolist()
    for (first, last), peak, height in zip(spans, peaks, decoded.heights, strict=True):
        onset, apex, offset = (int(number) for number in _file_numbers(recording.numbers, [first, peak, last]))
        quality = float(recording.quality[max(0, first) : max(1, last + 1)].min(initial=1.0))
        rows.append(Spotted(recording.video, kind, onset, apex, offset, float(height), quality))
    return rows


def _file_numbers(numbers: np.ndarray, indices: Sequence[int]) -> list[float]:
    """Return the file numbers of frame indices; beyond the ends, which `ref` allows, counted on by ones."""
    last = len(numbers) - 1
    return [float(numbers[min(max(i, 0), last)]) + min(i, 0) + max(i - last, 0) for i in indices]


def _named(
    spotter: Spotter,
    kind: str,
    recording: Recording,
    decoded: Decoded,
    intervals: list[Spotted],
    crops: Mapping[str, str | Path],
) -> list[Spotted]:
    pairs, namer = Pairs(spotter.parameters(kind)), spotter.namers[kind]
    firsts, peaks = decoded.intervals[:, 0].tolist(), decoded.peaks.tolist()
    named = []
    with Container(crops[recording.video.source]) as box:
        clip = box.clip(recording.video.sample_id)
        for interval, first, peak in zip(intervals, firsts, peaks, strict=True):
            if spotter.protocol == "ref":
                half = int(spotter.kinds[kind]["decoding"]["half"])
                # The smoothed score of a video shorter than its window goes on behind the last position.
                peak = min(peak, recording.positions)
                part = recording.features[max(0, peak - half) : max(1, peak)].astype(np.float32)
                probabilities, winner = name_majority(namer(part))
            else:
                try:
                    probabilities = name_pair(namer, pairs, clip, first, peak)
                except ClipError:
                    # Nothing moves between two equal frames, and nothing can be named.
                    probabilities = np.full(len(spotter.classes), 1 / len(spotter.classes))
                winner = int(probabilities.argmax())
            scores = dict(zip(spotter.classes, map(float, probabilities), strict=True))
            named.append(replace(interval, emotion=spotter.classes[winner], scores=scores))
    return named
