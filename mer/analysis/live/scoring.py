"""The score of the last seconds, by the models that come with `mer` or by those of an experiment."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from mer.analysis.face_models import FaceModels
from mer.analysis.live.following import Seen
from mer.analysis.spotters import open_spotters
from mer.analysis.trained_on import Training
from mer.core.one_thread import one_thread_each
from mer.core.process import processes
from mer.motion.grey import grey
from mer.spotting.region_motion import (
    SOUND,
    UNITS_EVERY,
    UNITS_STEP,
    RegionMotion,
    pair_motion,
    seen_picture,
    steps_of,
    stride_of,
    unit_responses,
    unknown_motion,
    with_units,
)
from mer.stages.registry import load_method
from mer.stages.spot.stage import scaled

if TYPE_CHECKING:
    from mer.analysis.ensemble import Ensemble

LOOKS = 10  # at what shows in a face, the last ones


@dataclass(frozen=True)
class Window:
    """The last T places of the live grid.

    Args:
        first: place of the first one, counted from the start.
        fps: places per second.
        crops: (T, S, S, 3) uint8.
        landmarks: (T, 68, 2) float32 in pixels of the crop.
        transform: (T, 2, 3) float64 picture -> crop.
        quality: (T,) float32 0-1; 0 where no face was seen.
    """

    first: int
    fps: float
    crops: np.ndarray
    landmarks: np.ndarray
    transform: np.ndarray
    quality: np.ndarray

    def __len__(self) -> int:
        return len(self.quality)


class Scorer(Protocol):
    """What scores a window; positions that it does not give keep the score that they had."""

    def __call__(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Return places (P,) int64, counted from the start, and their scores (P,) from 0 to 1; 0.5 is the threshold."""


class RegionScorer:
    """Scores by the models that come with `mer`; the motion of a pair of pictures is computed once."""

    def __init__(self, models: FaceModels, fps: float) -> None:
        self._models, self._stride = models, stride_of(fps)
        self._rate = fps / self._stride
        self._steps = steps_of(self._rate)
        self._pairs: dict[tuple[int, int], tuple[np.ndarray, np.ndarray, float]] = {}
        self._units: dict[int, np.ndarray] = {}

    def __call__(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """See `Scorer`."""
        places = np.arange(window.first + (-window.first % self._stride), window.first + len(window), self._stride)
        if len(places) <= self._steps.max():
            return np.zeros(0, np.int64), np.zeros(0)
        judged = self._models.judge(self._motion(window, places - window.first))
        high = self._models.threshold
        # Half of the height of the page is the threshold.
        score = np.where(judged.score < high, judged.score / high, 1 + (judged.score - high) / (1 - high)) / 2
        return places, score

    def _motion(self, window: Window, at: np.ndarray) -> RegionMotion:
        landmarks, transform, quality = window.landmarks[at], window.transform[at], window.quality[at]
        whole = unknown_motion(landmarks, transform, quality, self._rate)
        pictures = cache(lambda t: seen_picture(window.crops[at[t]], landmarks[t]))
        for k, step in enumerate(whole.steps.tolist()):
            for t in range(len(at) - step):
                place = window.first + int(at[t])
                if (k, place) not in self._pairs:
                    self._pairs[k, place] = pair_motion(pictures(t), pictures(t + step))
                whole.write(k, t, self._pairs[k, place])
                due = place >= max(self._units, default=-np.inf) + UNITS_EVERY * window.fps
                if k == UNITS_STEP and due and min(quality[t], quality[t + step]) >= SOUND:
                    self._units[place] = unit_responses(pictures(t), pictures(t + step))
        self._pairs = {key: one for key, one in self._pairs.items() if key[1] >= window.first}
        # The looks of the last window stay: a face that is hidden now has been seen.
        known = [(0, one) for one in self._units.values()][-LOOKS:]
        return with_units(whole, known).blanked(quality <= 0, [])


class EnsembleScorer:
    """Scores by the models of `mer analyze`; the features of a frame pair are computed once."""

    def __init__(self, ensemble: Ensemble, fps: float) -> None:
        self._ensemble, self._kind = ensemble, ensemble.kinds[0]
        name, keys = ensemble.keys_of(ensemble.features_of(self._kind), fps)
        method = load_method("spot", name, "spot")
        self._params = method.Params.model_validate(keys)
        self._picture = method.picture(self._params, "live")
        self._distance = int(keys.get("distance_frames") or max(1, round(keys["distance"] * fps)))
        self._threshold = max(ensemble.decoding(self._kind, fps).threshold, 1e-6)
        self._traces: dict[int, np.ndarray] = {}

    def __call__(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """See `Scorer`."""
        count = len(window) - self._distance
        if count < 2 * self._distance:
            return np.zeros(0, np.int64), np.zeros(0)
        fresh = [k for k in range(count) if window.first + k not in self._traces]
        if fresh:
            features = np.stack([self._features(window, k) for k in fresh]).astype(np.float16).astype(np.float32)
            traces = self._ensemble.traces(self._kind, features)
            self._traces |= {window.first + k: traces[:, i] for i, k in enumerate(fresh)}
        self._traces = {place: one for place, one in self._traces.items() if place >= window.first}
        whole = np.stack([self._traces[window.first + k] for k in range(count)], axis=1)
        blind = np.array([(window.quality[k : k + self._distance + 1] <= 0).any() for k in range(count)])
        if blind.all():
            return np.zeros(0, np.int64), np.zeros(0)
        whole[:, blind] = np.median(whole[:, ~blind], axis=1, keepdims=True)
        score = self._ensemble.curve(self._kind, whole, window.fps)
        decoded, start = self._ensemble.decode(self._kind, score, len(window), self._distance, window.fps)
        places = window.first + start + np.arange(len(decoded.smoothed))
        height = np.clip(0.5 * decoded.smoothed / max(decoded.threshold, self._threshold), 0, 1)
        return places.astype(np.int64), height

    def _features(self, window: Window, place: int) -> np.ndarray:
        size = self._params.size
        pair = [grey(window.crops[k], size) for k in (place, place + self._distance)]
        points = scaled(window.landmarks[place], size, window.crops.shape[1])
        return self._picture(pair[0], pair[1], points)


def scorer_of(spotters: FaceModels | Ensemble, fps: float) -> Scorer:
    """Return what scores with models at a frame rate."""
    return RegionScorer(spotters, fps) if isinstance(spotters, FaceModels) else EnsembleScorer(spotters, fps)


class Scored(Protocol):
    """What scores places as they come."""

    def __call__(self, fresh: list[Seen], last: int) -> tuple[np.ndarray, np.ndarray]:
        """Return places and scores as `Scorer`, after new places of which the last is number `last`."""


class Scoring:
    """Scores the last seconds of the live grid, which it holds.

    Args:
        scorer: of a window.
        fps: places per second.
        seconds: that are held.
    """

    def __init__(self, scorer: Scorer, fps: float, seconds: float) -> None:
        self._scorer, self._fps = scorer, fps
        self._held: deque[Seen] = deque(maxlen=round(seconds * fps))

    def __call__(self, fresh: list[Seen], last: int) -> tuple[np.ndarray, np.ndarray]:
        """See `Scored`."""
        self._held.extend(fresh)
        crops, landmarks, transform = (
            np.stack([getattr(one, name) for one in self._held]) for name in ("crop", "landmarks", "transform")
        )
        quality = np.array([one.quality for one in self._held], np.float32)
        first = last + 1 - len(self._held)
        return self._scorer(Window(first, self._fps, crops, landmarks, transform, quality))


@contextmanager
def scored_beside(experiment: Path | None, fps: float, seconds: float) -> Iterator[tuple[Training, Scored]]:
    """Yield how the models were trained, and what scores with them in a process of its own; args as `Scoring`.

    Following a face does not wait for that process, and needs none of what it loads.

    Raises:
        ModelError: the models cannot be used.
    """
    with processes(1, one_thread_each) as pool:
        # Its start takes a core for seconds, in which pictures would be dropped.
        training = pool.submit(_open, experiment, fps, seconds).result()
        yield training, lambda fresh, last: pool.submit(_scored, fresh, last).result()


_BESIDE: list[Scoring] = []


def _open(experiment: Path | None, fps: float, seconds: float) -> Training:
    spotters = open_spotters(experiment)
    _BESIDE.append(Scoring(scorer_of(spotters, fps), fps, seconds))
    return spotters.training


def _scored(fresh: list[Seen], last: int) -> tuple[np.ndarray, np.ndarray]:
    return _BESIDE[0](fresh, last)
