"""The spotter that comes with `mer`: from the motion of facial regions to candidates with calibrated probabilities.

A moment (`mer.spotting.moments`) is judged by boosted trees, whose log odds are taken to a probability by a line that
was fitted on people whom the trees had not seen. The threshold is a rate: how many moments a minute of ordinary footage
reach a probability was counted on held-out people, too.

A probability says how often such a moment was a micro-expression in footage where one happens every two or three
seconds, as in the films that it was calibrated on. In footage where they are rare, so are true candidates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from mer.core.errors import ModelError
from mer.models.state import State
from mer.motion.face_signals import face_signals
from mer.spotting.boosted import from_state
from mer.spotting.evidence import Evidence, evidence
from mer.spotting.moments import APART, Moment, moments
from mer.spotting.region_motion import SOUND, RegionMotion
from mer.spotting.there_and_back import course
from mer.spotting.unit_templates import Template, templates
from mer.training.checkpoint import load_checkpoint

FORMAT = "faces 3"
WINDOW = 90.0  # seconds whose habits count as one
OVERLAP = 6.0  # seconds that neighbouring windows share
FAINT = 2.0  # standard deviations of the templates' scores: half of the length of a strong one's direction
FOOT = 0.1  # share of its height at which the score of a moment ends
CERTAIN = 0.98  # no moment is surer than this: nobody has seen it happen often enough
ALARM_STEPS = 400
OF_A_BLINK = 0.1  # share of the motion about a blink that must go along a template to be more than the blink


@dataclass(frozen=True)
class Found:
    """A candidate, in pictures of the motion.

    Args:
        onset, apex, offset: first, strongest and last picture.
        probability: that it is a micro-expression; see above.
        classes: probability of each class, given that it is one.
        template: the action units that it resembles most.
        amplitude: its largest displacement, in distances between the eyes.
        blink: lids close and open about it, and nothing but the eyes takes part.
    """

    onset: int
    apex: int
    offset: int
    probability: float
    classes: Mapping[str, float]
    template: Template
    amplitude: float
    blink: bool = False


def alarm_table(probabilities: np.ndarray, weights: np.ndarray, minutes: float) -> np.ndarray:
    """Return (N, 2): 1 and 0, then probabilities, descending, and how many moments a minute were as probable.

    Args:
        probabilities: (M,) of moments in footage without expressions.
        weights: (M,) how much each counts.
        minutes: of the footage, by the same weights.
    """
    order = np.argsort(-probabilities, kind="stable")
    rate = np.cumsum(weights[order]) / minutes
    return np.concatenate([[[1.0, 0.0]], np.column_stack([probabilities[order], rate])[:ALARM_STEPS]])


def threshold_of(alarms: np.ndarray, alarms_per_minute: float) -> float:
    """Return the probability halfway between the last moment of a table that is allowed and the first too many.

    Where all are allowed, halfway between the last one and 0.
    """
    allowed = int((alarms[:, 1] <= alarms_per_minute).sum())
    beyond = float(alarms[allowed, 0]) if allowed < len(alarms) else 0.0
    return (float(alarms[allowed - 1, 0]) + beyond) / 2


@dataclass(frozen=True)
class Judged:
    """All moments of a recording: candidates in order of time, and the score (T,) float64 0-1 of every picture."""

    found: Sequence[Found]
    score: np.ndarray


class FaceSpotter:
    """Trained trees, ready to judge recordings.

    Args:
        state: as `mer.pretrain.spotter` writes it.
        meta: its metadata.

    Raises:
        ModelError: it is not such a model, or one of another version.
    """

    def __init__(self, state: State, meta: Mapping[str, Any]) -> None:
        if meta.get("spotter") != FORMAT:
            raise ModelError("checkpoint", f"spotter {meta.get('spotter')!r}", repr(FORMAT), "install mer again")
        self.meta, self.classes = meta, tuple(meta["classes"])
        self.names = tuple(meta["features"])
        self.trees = from_state(_inside(state, "trees."), len(self.names))
        self.line = state.array("calibration", (2,))
        self.alarms = state.array("alarms", (None, 2))
        count = len(meta["templates"])
        self.naming = state.array("naming", (count + 1, len(self.classes)))

    @classmethod
    def read(cls, path: Path) -> FaceSpotter:
        """Return the spotter of a file; raises `ModelError` as above."""
        return cls(*load_checkpoint(path))

    def threshold(self, alarms_per_minute: float) -> float:
        """Return the least probability of a candidate for as many false alarms in a minute of ordinary footage.

        `alarms` (N, 2) holds probabilities, descending from 1, and how many moments a minute were as probable.
        """
        return threshold_of(self.alarms, alarms_per_minute)

    def judge(self, motion: RegionMotion) -> Judged:
        """Return every moment of a recording with its probability."""
        score = np.zeros(len(motion))
        found: list[Found] = []
        for first, last, own in windows(len(motion), motion.rate):
            for one, shape in self._window(motion.part(first, last)):
                if own[0] <= first + one.apex < own[1]:
                    found.append(_moved(one, first))
                    inside = slice(first, last)
                    score[inside] = np.maximum(score[inside], one.probability * shape)
        return Judged(_apart(found, APART * motion.rate), score)

    def _window(self, motion: RegionMotion) -> list[tuple[Found, np.ndarray]]:
        if not len(motion.units) or (motion.quality >= SOUND).sum() < 2:
            return []
        seen = evidence(motion, templates(motion.units))
        signals = face_signals(motion.landmarks, motion.transform, motion.rate, motion.quality > 0)
        all_moments = moments(seen, motion, signals)
        if not all_moments:
            return []
        if tuple(all_moments[0].told) != self.names:
            raise ModelError(
                "checkpoint", "was trained on other features", "those of this version", "install mer again"
            )
        odds = self.trees(np.stack([one.features for one in all_moments]))
        probability = np.minimum(sigmoid(self.line[0] + self.line[1] * odds), CERTAIN)
        named = self.named(np.stack([naming_features(seen, one) for one in all_moments]))
        return [
            (self._found(seen, one, float(p), classes), _shape(seen, one))
            for one, p, classes in zip(all_moments, probability, named, strict=True)
        ]

    def named(self, x: np.ndarray) -> np.ndarray:
        """Return the class probabilities (P, C) of naming features (P, K)."""
        logits = x @ self.naming[:-1] + self.naming[-1]
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.minimum(odds / odds.sum(axis=1, keepdims=True), CERTAIN)

    def _found(self, seen: Evidence, one: Moment, probability: float, classes: np.ndarray) -> Found:
        gone = course(seen, one.at, one.step, one.template)
        named = dict(zip(self.classes, map(float, classes), strict=True))
        amplitude = float(np.exp(one.told["amplitude"]))
        template = seen.templates[one.template]
        blink = is_blink(one.told, template)
        return Found(gone.onset, gone.apex, gone.offset, probability, named, template, amplitude, blink)


def windows(count: int, rate: float) -> list[tuple[int, int, tuple[int, int]]]:
    """Return windows of pictures, first and last (exclusive), each with the pictures whose moments are its own."""
    pieces = max(1, round(count / (WINDOW * rate)))
    edges = np.linspace(0, count, pieces + 1).round().astype(int).tolist()
    shared = round(OVERLAP * rate)
    return [(max(0, a - shared), min(count, b + shared), (a, b)) for a, b in pairwise(edges)]


def is_blink(told: Mapping[str, float], template: Template) -> bool:
    """Tell a blink from a movement: lids do close, and the template moves the eyes alone or is little of what moves."""
    return told["blink"] > 0 and (template.groups == {"eyes"} or told["explained"] < OF_A_BLINK)


def naming_features(seen: Evidence, one: Moment) -> np.ndarray:
    """Return what a moment is named by, (K,) float64: the scores of all templates as a direction.

    It is the shorter the weaker they are, so that a faint movement is named with more doubt.
    """
    scores = seen.scores[one.step, one.at].astype(np.float64)
    return np.asarray(scores / (np.sqrt((scores**2).mean()) + FAINT))


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Return probabilities of log odds."""
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -50, 50))))


def _shape(seen: Evidence, one: Moment) -> np.ndarray:
    """Return how strongly (T,) 0-1 the evidence of a moment stands at every picture around it."""
    own = np.maximum(seen.scores[one.step, :, one.template], 0) / seen.scores[one.step, one.at, one.template]
    below = np.flatnonzero(own <= FOOT)
    after = int(np.searchsorted(below, one.at))
    low = int(below[after - 1]) if after else 0
    high = int(below[after]) if after < len(below) else len(own) - 1
    shape = np.zeros(len(own))
    shape[low : high + 1] = np.minimum(own[low : high + 1], 1.0)
    return shape


def _moved(one: Found, by: int) -> Found:
    values = {**vars(one), "onset": one.onset + by, "apex": one.apex + by, "offset": one.offset + by}
    return Found(**values)


def _apart(found: Sequence[Found], distance: float) -> list[Found]:
    """Return the candidates without those whose apex is close to that of a more probable one."""
    kept: list[Found] = []
    for one in sorted(found, key=lambda other: -other.probability):
        if all(abs(one.apex - other.apex) > distance for other in kept):
            kept.append(one)
    return sorted(kept, key=lambda one: one.apex)


def _inside(state: State, prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): value for name, value in state.arrays.items() if name.startswith(prefix)}
