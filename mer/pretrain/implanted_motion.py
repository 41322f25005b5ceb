"""What a spotter is trained on: the motion of filmed and simulated faces, with expressions implanted into it.

An expression moves the regions of a face by what its action units do (`mer.spotting.unit_templates`), so it can be
added to what a face does besides without drawing a picture: thousands of implants, each with its exact truth, cost
seconds. `mer bench spotting` implants into the pictures themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mer.core.errors import ClipError
from mer.core.seeds import derive_seed
from mer.motion.face_signals import FaceSignals, face_signals
from mer.simulate.implant import Face, Implant, draw_implants
from mer.spotting.evidence import evidence
from mer.spotting.faces import is_blink, naming_features
from mer.spotting.moments import moments
from mer.spotting.region_motion import SIDE, SOUND, RegionMotion, region_motion, stride_of
from mer.spotting.shown_class import shown_class
from mer.spotting.unit_templates import UNITS, Template, reaches, templates
from mer.stages.align import dlib68

SEEN = (0.7, 1.2)  # of what a unit's response is, at another moment
MACRO_SHARE = 0.25  # of the implants of every other draw


@dataclass(frozen=True)
class Drawn:
    """The moments of one film with one draw of implants, N in all.

    Args:
        features: (N, F) float32.
        naming: (N, K) float64.
        implant: (N,) int64, the implant that a moment lies in; -1 for none.
        implants: micro- and macro-expressions.
        names: of the features; empty without moments.
    """

    features: np.ndarray
    naming: np.ndarray
    implant: np.ndarray
    implants: Sequence[Implant]
    names: tuple[str, ...]

    @property
    def true(self) -> np.ndarray:
        """(N,) bool: the moment lies in a micro-expression."""
        micro = np.array([one.kind == "micro" for one in self.implants] + [False])
        return np.asarray(micro[self.implant])

    @property
    def classes(self) -> list[str]:
        """The class of every moment's implant, '' for none."""
        return [shown_class(self.implants[k].emotion) if k >= 0 else "" for k in self.implant.tolist()]


class MovingFace:
    """The motion of a recording of one person, into which expressions can be implanted.

    Args:
        name: of the recording.
        motion: of its regions.

    Raises:
        ClipError: the face is hardly seen.
    """

    def __init__(self, name: str, motion: RegionMotion) -> None:
        self.name, self.motion = name, motion
        good = motion.quality >= SOUND
        landmarks = np.where(good[:, None, None], motion.landmarks, np.nan)
        self.face = Face(landmarks, name)
        if not len(motion.units):
            raise ClipError(name, "no two sharp pictures of a face", "a face in most frames")
        self.reaches = reaches(self.face.rest)
        self.templates: list[Template] = templates(motion.units)
        self.signals: FaceSignals = face_signals(motion.landmarks, motion.transform, motion.rate, motion.quality > 0)

    @property
    def minutes(self) -> float:
        """How long the face is seen."""
        return float(self.face.seen.sum()) / self.motion.rate / 60

    def drawn(self, seed: int | None, macro_share: float = 0.0) -> Drawn:
        """Return the moments with one draw of implants, or, without a seed, those of the recording as it was."""
        implants = [] if seed is None else draw_implants(self.face, self.motion.rate, seed, macro_share=macro_share)
        motion = self.implanted(implants)
        seen = evidence(motion, self.templates)
        found = [m for m in moments(seen, motion, self.signals) if not is_blink(m.told, self.templates[m.template])]
        inside = [next((k for k, one in enumerate(implants) if one.onset <= m.at <= one.offset), -1) for m in found]
        return Drawn(
            np.array([one.features for one in found], np.float32).reshape(len(found), -1 if found else 0),
            np.array([naming_features(seen, one) for one in found]).reshape(len(found), -1 if found else 0),
            np.array(inside, np.int64),
            implants,
            tuple(found[0].told) if found else (),
        )

    def draws(self, count: int, seed: int) -> list[Drawn]:
        """Return as many draws with implants, every other one with macro-expressions among them."""
        seeds = [derive_seed(seed, self.name, number) for number in range(count)]
        return [self.drawn(one, MACRO_SHARE if number % 2 else 0.0) for number, one in enumerate(seeds)]

    def implanted(self, implants: Iterable[Implant]) -> RegionMotion:
        """Return the motion with expressions in it."""
        place = np.zeros(self.motion.motion.shape[1:])
        for number, one in enumerate(implants):
            rng = np.random.default_rng(derive_seed(number, self.name, one.onset, one.offset))
            # A movement shows as it did in one look at the face, not as in the mean of all, which is the template.
            response = self.motion.units[rng.integers(len(self.motion.units))] * rng.uniform(*SEEN)
            for picture in range(one.onset, one.offset + 1):
                for unit, level in zip(one.units, one.levels(picture), strict=True):
                    which = unit.number, unit.side
                    place[picture] += level * self.reaches[which] * response[UNITS.index(which)]
        motion = self.motion.motion.copy()
        for k, step in enumerate(self.motion.steps.tolist()):
            motion[k, : len(place) - step] += place[step:] - place[: len(place) - step]
        return replace(self.motion, motion=motion)


def motion_of(frames: Sequence[np.ndarray], fps: float, name: str) -> RegionMotion:
    """Return the motion of a film's frames (H, W, 3) uint8 RGB.

    Raises:
        ClipError: no face in any frame.
    """
    params = dlib68.Params(size=SIDE, samples=1)
    found = dlib68.METHOD.align(iter(frames), params, name)
    stride = stride_of(fps)
    crops = dlib68.cut(frames[::stride], found.transform[::stride], params)
    landmarks, transform, quality = (a[::stride] for a in (found.landmarks, found.transform, found.quality))
    return region_motion(crops, landmarks, transform, quality, fps / stride)


def save_motion(path: Path, motion: RegionMotion) -> None:
    """Write a motion, so that a training that was stopped goes on."""
    with path.with_suffix(".part").open("wb") as file:
        np.savez(file, **vars(motion))
    path.with_suffix(".part").rename(path)


def load_motion(path: Path) -> RegionMotion:
    """Read what `save_motion` wrote."""
    with np.load(path, allow_pickle=False) as box:
        values = {name: box[name] for name in box.files}
    return RegionMotion(**{**values, "rate": float(values["rate"])})
