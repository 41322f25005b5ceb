"""The spotting models of an experiment of the user's, as `mer analyze` uses them.

An experiment has one model per held-out person. All of one seed take part: their scores, thresholds and class
probabilities are averaged. Widths are in frames at the frame rate of training; here they are taken to that of the
video.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mer.analysis.trained_on import Training
from mer.core.container import Container, file_digest
from mer.core.errors import ContainerError, ModelError
from mer.core.run_plan import models_of
from mer.spotting.decode import Decoded, Decoding, decode_fixed, decode_ref
from mer.spotting.predict import Spotter
from mer.spotting.recording_tables import read_videos


class Ensemble:
    """One or more checkpoints that spot together.

    Args:
        paths: of the checkpoints.
        name: for people.
        training: what they were trained on.

    Raises:
        ModelError: not spotting checkpoints, or trained on different kinds, classes or features.
    """

    def __init__(self, paths: Sequence[Path], name: str, training: Training) -> None:
        self.name, self.training, self.paths = name, training, tuple(paths)
        self.spotters = [Spotter(path) for path in paths]
        first = self.spotters[0]
        self.kinds, self.classes, self.protocol = tuple(sorted(first.kinds)), tuple(first.classes), first.protocol
        for path, other in zip(paths, self.spotters, strict=True):
            if _shape(other) != _shape(first):
                found = f"differs from {paths[0]} in kinds, classes, protocol or features"
                raise ModelError(path, found, "models of one experiment", "train the experiment again")

    @cached_property
    def features(self) -> dict[str, dict[str, Any]]:
        """The parameters of each distinct set of features, by the name of their containers."""
        distinct: dict[str, dict[str, Any]] = {}
        for kind in self.kinds:
            parameters = self.spotters[0].parameters(kind)
            if parameters not in distinct.values():
                distinct[f"spot{len(distinct)}"] = parameters
        return distinct

    def features_of(self, kind: str) -> str:
        """Return the name of the features that a kind is spotted in."""
        wanted = self.spotters[0].parameters(kind)
        return next(name for name, parameters in self.features.items() if parameters == wanted)

    def keys_of(self, name: str, fps: float) -> tuple[str, dict[str, Any]]:
        """Return method and keys of features for a video of `fps`; a distance in frames is taken to its rate."""
        keys = dict(self.features[name])
        if keys.get("distance_frames"):
            keys["distance_frames"] = max(1, round(keys["distance_frames"] * fps / self.training.fps))
        return str(keys.pop("method")), keys

    def traces(self, kind: str, features: np.ndarray) -> np.ndarray:
        """Return what every model makes of features (N, 3, 42, 42): (M, N, K) float64 scores and energies."""
        return np.stack([spotter.scorers[kind].traces(features) for spotter in self.spotters])

    def curve(self, kind: str, traces: np.ndarray, fps: float) -> np.ndarray:
        """Return the mean score (P,) of all models from the traces (M, P, K) of one whole video."""
        pairs = zip(self.spotters, traces, strict=True)
        return np.mean([spotter.curve(kind, trace, fps) for spotter, trace in pairs], axis=0)

    def decoding(self, kind: str, fps: float) -> Decoding:
        """Return the mean decoding of all models, its widths in frames at `fps`; of `ref`, only `half` is used."""
        told = [spotter.kinds[kind]["decoding"] for spotter in self.spotters]
        ratio = fps / self.training.fps

        def width(name: str, least: int = 1) -> int:
            return max(least, round(ratio * float(np.mean([one[name] for one in told]))))

        if self.protocol == "ref":
            return Decoding(width("half"), width("half"), 0.0, 0.0, 0, 0)
        threshold, spread = (float(np.mean([one[name] for one in told])) for name in ("threshold", "spread"))
        return Decoding(width("half"), width("window"), threshold, spread, width("longest", 2), width("shortest", 2))

    def decode(self, kind: str, score: np.ndarray, length: int, distance: int, fps: float) -> tuple[Decoded, int]:
        """Return what a score (P,) holds, in frames of the grid, and the frame of its first smoothed value."""
        rule = self.decoding(kind, fps)
        if self.protocol == "fixed":
            return decode_fixed(score, rule, length, distance // 2), distance // 2
        told = self.spotters[0].kinds[kind]
        decoded, start = decode_ref(score, rule.half, float(told["decoding"]["p"]), told["state"]["model"])
        return replace(decoded, intervals=np.clip(decoded.intervals, 0, length - 1)), start

    def longest(self, fps: float) -> int:
        """Return the longest interval, in frames, that any kind can give."""
        rules = [self.decoding(kind, fps) for kind in self.kinds]
        return max(max(rule.longest, rule.shortest, 2 * rule.half + 1) for rule in rules)

    def class_scores(self, kind: str, features: np.ndarray) -> np.ndarray:
        """Return the mean class probabilities (C,) of the features (3, 42, 42) of a pair of first frame and peak."""
        return np.mean([spotter.namers[kind](features[None])[0] for spotter in self.spotters], axis=0)


def _shape(spotter: Spotter) -> tuple[Any, ...]:
    parameters = {kind: spotter.parameters(kind) for kind in spotter.kinds}
    return sorted(spotter.kinds), spotter.classes, spotter.protocol, parameters


def open_ensemble(experiment: Path) -> Ensemble:
    """Return the models of an experiment's folder, `results/spotting/<name>`, or of one checkpoint.

    Raises:
        ModelError: no such folder, no model in it, or nobody can tell how faces were aligned for it.
    """
    if experiment.is_file():
        return Ensemble([experiment], experiment.name, _recorded(experiment))
    if not experiment.is_dir():
        raise ModelError(experiment, "no such folder", "results/spotting/<name>")
    found = models_of(experiment, sorted(experiment.glob("seed*/*/model.safetensors")))
    if not found:
        raise ModelError(experiment, "holds no model", "seed<k>/<fold>/model.safetensors", "run the workflow first")
    seed = found[0].parent.parent
    paths = [path for path in found if path.parent.parent == seed]
    name = f"experiment {experiment.name}, the mean of {len(paths)} models of {seed.name}"
    return Ensemble(paths, name, _traced(experiment, Spotter(paths[0])))


def _recorded(path: Path) -> Training:
    """Return what a checkpoint says of its own training."""
    meta = Spotter(path).meta
    try:
        align = dict(meta["align"])
        return Training(float(meta["fps"]), str(align["method"]), dict(align["parameters"]), str(meta["trained_on"]))
    except (KeyError, TypeError, ValueError):
        found = "does not say at which frame rate it was trained"
        raise ModelError(path, found, "the folder of an experiment") from None


def _traced(experiment: Path, spotter: Spotter) -> Training:
    """Return frame rate and alignment from the products that an experiment was trained on."""
    videos = read_videos(experiment / "recordings.csv")
    results = experiment.parent.parent
    kind = sorted(spotter.kinds)[0]
    for source in sorted({video.source for video in videos}):
        dataset, _, subject = source.partition("/")
        for path in sorted((results / dataset / "spot").glob(f"*/{subject}.h5")):
            origin = _origin(path, spotter.parameters(kind), results / dataset)
            if origin is not None:
                persons, names = len({v.group for v in videos}), sorted({v.dataset for v in videos})
                text = f"{len(videos)} recordings of {persons} people of {', '.join(names)}"
                return Training(*origin, text)
    expected = f"the spot and align products beneath {results}"
    raise ModelError(experiment, "nobody can tell how its faces were aligned", expected, "run its workflow again")


def _origin(path: Path, parameters: Mapping[str, Any], dataset: Path) -> tuple[float, str, dict[str, Any]] | None:
    """Return frame rate, align method and its keys behind a container of features, None if it is another's."""
    try:
        with Container(path) as box:
            if box.parameters() != parameters or not box.clip_ids:
                return None
            fps = box.clip(box.clip_ids[0]).attributes.get("fps")
            digests = set(json.loads(str(box.attributes["inputs"])).values())
        for aligned in sorted((dataset / "align").glob(f"*/{path.name}")):
            if fps and file_digest(aligned) in digests:
                with Container(aligned) as box:
                    keys = box.parameters()
                return float(fps), str(keys.pop("method")), keys
    except ContainerError:
        return None
    return None
