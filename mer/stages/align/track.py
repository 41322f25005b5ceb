"""Following one face through a clip: detect once, register every frame, detect again when that fails.

Each frame is registered with a key patch (`register`), so errors do not add up over time. A frame is accepted
when most rigid blocks follow the common motion and the patch still looks like the key; otherwise the landmarks
give a new start, then the detector does, then the face counts as lost until the detector finds it. When the
head turns so far that no key fits well, the frame becomes a further key; keys seen earlier are
tried first, so that a head that comes back finds its first position again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from pydantic import Field

from mer.core.geometry import RIGID, apply, compose, eye_centres, invert, scale_of, similarity
from mer.core.params import Params
from mer.stages.align.detect import Detection, choose, choose_asked, detect
from mer.stages.align.doubts import COVERED, TURNED, asymmetry, covered
from mer.stages.align.landmarks import eyes_transform, from_box, patch_landmarks, plausible, shape_residual
from mer.stages.align.patch import BOX, EYE_DISTANCE, EYES, SIDE, patch_of, reduced
from mer.stages.align.regions import rigid_mask
from mer.stages.align.register import ALL, FINE, Key, Match, compare, prepare, register

ACCEPT_AGREEMENT, ACCEPT_CORRELATION = 0.5, 0.5
SETTLED_AGREEMENT, SETTLED_CORRELATION = 0.8, 0.8
MAX_RESIDUAL = 0.25  # RMS eye distances from the shape of the first key; a smile with open mouth is 0.1
KEY_CORRELATION = 0.7  # below it something may cover the face, which must not become a key
MAX_KEYS = 6
RECENTRE = 0.08 * EYE_DISTANCE  # patch pixels the eyes may be off before the landmarks get a view of their own
STRAY = 0.25 * EYE_DISTANCE  # patch pixels the eyes may be off before the registration has lost the face
SEARCH_EVERY = 8  # frames between full searches while no face is known
TURN_SEARCHES = 3  # full searches that also try the picture on its side and upside down, before any face is known
TURN_SCORE = 0.5  # detection score that a face in a turned picture must have
#: Who may be asked for: the largest face, or one by its place.
FACES = r"^(largest|left|right|[1-9])$"


class Settings(Params):
    """How a face is found and followed: the keys that `Tracker` needs."""

    detector: Literal["hog", "cnn"] = Field(
        "hog", description="dlib's HOG detector, or its CNN, slower on a CPU but at home with profiles"
    )
    upsample: int = Field(1, ge=0, le=3, description="how often a picture may be doubled to find a small face")
    redetect_every: int = Field(
        50, ge=1, description="frames after which the detector confirms the face that is followed"
    )
    refine: bool = Field(
        True, description="register every frame with a key frame; false trusts the smoothed landmarks alone"
    )
    face: str = Field(
        "largest",
        pattern=FACES,
        description="who is followed among several: the largest and most central face, left, right, or a place from "
        "the left, from 1",
    )
    samples: int = Field(
        3, ge=1, le=9, description="face boxes whose landmarks are averaged; more is steadier and slower"
    )


@dataclass(frozen=True)
class Fit:
    """One frame: `matrix` (2, 3) picture -> patch, `points` (68, 2) in the patch, both None when lost.

    `quality` is 0-1, `reasons` say what lowered it, `detected` that the detector ran and found this face,
    `faces` how many faces it saw (0 when it did not run).
    """

    matrix: np.ndarray | None = None
    points: np.ndarray | None = None
    quality: float = 0.0
    reasons: tuple[str, ...] = ()
    detected: bool = False
    faces: int = 0
    tried: bool = True


@dataclass(frozen=True)
class _Known:
    """A view of the face that others are registered with: its landmarks, its patch, and how much of it is hidden."""

    key: Key
    points: np.ndarray
    patch: np.ndarray
    hidden: float


class Tracker:
    """Feed pictures (H, W) uint8 in order to `step`; each gives a `Fit`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._matrix: np.ndarray | None = None
        self._points: np.ndarray | None = None
        self._box: np.ndarray | None = None
        self._side: float | None = None
        self._view = np.eye(2, 3)
        self._known: list[_Known] = []
        self._key = 0  # the one of them that the last frame fits
        self._shape: np.ndarray | None = None
        self._turn = self._searches = self._since_detection = self._lost = self._most = 0

    def step(self, grey: np.ndarray) -> Fit:
        """Return the fit of the next frame."""
        if self._matrix is None:
            return self._acquire(grey)
        fit = self._follow(grey)
        if fit is None:
            return self._acquire(grey)
        self._since_detection += 1
        if self._since_detection >= self.settings.redetect_every or _astray(self._view) > STRAY:
            return self._confirm(grey, fit)
        return fit

    def resized(self) -> None:
        """Forget where the face was: the next picture has another size. How it looks stays known."""
        self._matrix = self._box = self._side = None
        self._lost = 0

    def _follow(self, grey: np.ndarray) -> Fit | None:
        assert self._matrix is not None
        match = self._match(grey, self._matrix, quick=True)
        if not _accepted(match):
            guess = self._by_landmarks(grey, self._matrix)
            match = self._match(grey, guess if guess is not None else self._matrix, quick=False)
        return self._finish(grey, match) if _accepted(match) else None

    def _landmarks(self, grey: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        """Return the landmarks (68, 2) in the patch of `matrix`.

        The predictor needs the eyes near their place. While the registered patch strays from it, because the
        head turned, the landmarks are read in a view that is moved on top of it, and moved anew
        only when the eyes leave their place, so that it adds no jitter.
        """
        for _ in range(2):
            points = patch_landmarks(patch_of(grey, compose(self._view, matrix)), self.settings.samples)
            if not plausible(points) or _rms(eye_centres(points) - EYES) < RECENTRE:
                break
            self._view = compose(eyes_transform(points), self._view)
        return apply(invert(self._view), points)

    def _by_landmarks(self, grey: np.ndarray, matrix: np.ndarray) -> np.ndarray | None:
        """Return the transform that puts this frame's rigid landmarks on those of the key, or None."""
        points = self._landmarks(grey, matrix)
        if not plausible(points):
            return None
        goal = self._known[self._key].points
        return compose(similarity(points[list(RIGID)], goal[list(RIGID)]), matrix)

    def _match(self, grey: np.ndarray, matrix: np.ndarray, quick: bool) -> Match:
        """Register with the present key, then with the others when that does not settle; keep the best."""
        if not self.settings.refine:
            moved = self._by_landmarks(grey, matrix)
            cut, inner = reduced(grey, matrix if moved is None else moved)
            match = compare(self._known[self._key].key, cut, compose(matrix if moved is None else moved, invert(inner)))
            return Match(compose(match.matrix, inner), match.agreement, match.correlation, match.step)
        cut, inner = reduced(grey, matrix)
        start = compose(matrix, invert(inner))
        order = self._order(everything=not quick)
        best: Match | None = None
        for key in order:
            match = register(self._known[key].key, cut, start, FINE if quick and key == self._key else ALL)
            if best is None or _score(match) > _score(best) + 0.1:
                best, self._key = match, key
            if _settled(best):
                break
        assert best is not None
        return Match(compose(best.matrix, inner), best.agreement, best.correlation, best.step)

    def _order(self, everything: bool) -> list[int]:
        """Return the keys to try: the present one, then the one whose shape is nearest to the last frame's."""
        others = [k for k in range(len(self._known)) if k != self._key]
        if self._points is not None:
            last = self._points
            others.sort(key=lambda k: float(np.abs(self._known[k].points - last).sum()))
        return [self._key, *(others if everything else others[:1])]

    def _finish(self, grey: np.ndarray, match: Match, reasons: tuple[str, ...] = ()) -> Fit:
        points = self._landmarks(grey, match.matrix)
        quality = float(np.clip(match.agreement * match.correlation, 0, 1))
        if quality < 0.6:
            reasons += ("weak match",)
        odd = not plausible(points) or (self._shape is not None and shape_residual(points, self._shape) > MAX_RESIDUAL)
        if odd:
            quality, reasons = quality * 0.3, (*reasons, "odd shape")
        if asymmetry(points) > TURNED:
            reasons += ("turned head",)
        patch = patch_of(grey, match.matrix)
        hidden = self._hidden(patch)
        if hidden > COVERED:
            quality, reasons = quality * 0.7, (*reasons, "hidden or changed")
        if self._turn:
            reasons += ("turned picture",)
        inside = _inside(points, match.matrix, grey.shape)
        if inside < 1:
            quality, reasons = quality * inside, (*reasons, "leaves the picture")
        if not _settled(match) and not odd and self.settings.refine and match.correlation >= KEY_CORRELATION:
            self._add_key(patch, points, hidden)
        self._matrix, self._points, self._lost = match.matrix, points, 0
        self._box = face_box(match.matrix)
        self._side = float(self._box[2] - self._box[0])
        return Fit(match.matrix, points, quality, reasons)

    def _hidden(self, patch: np.ndarray) -> float:
        """Return how much of the face is covered, judged by the present key unless something covered that one too."""
        present = self._known[self._key]
        clear = [] if present.hidden <= COVERED else [known for known in self._known if known.hidden <= COVERED]
        return min(covered(patch, known.patch, known.points) for known in clear or [present])

    def _add_key(self, patch: np.ndarray, points: np.ndarray, hidden: float = 0.0) -> None:
        if len(self._known) == MAX_KEYS:
            del self._known[1]  # The first key is the anchor of the clip; among the others the oldest goes.
        self._known.append(_Known(prepare(patch, rigid_mask(points, SIDE)), points, patch, hidden))
        self._key = len(self._known) - 1

    def _acquire(self, grey: np.ndarray) -> Fit:
        self._lost += 1
        self._matrix = None
        full = (self._lost - 1) % SEARCH_EVERY == 0
        if self._side is None and not full:
            return Fit(reasons=("no face",), tried=False)
        matrix, faces = self._search(grey, self._side)
        if not faces and full and self._side is not None:
            matrix, faces = self._search(grey, None)
        if not faces and full:
            matrix, faces = self._search_turned(grey)
        if not faces:
            return Fit(reasons=("no face",))
        if matrix is None:
            return Fit(reasons=("odd shape",) if self.settings.face == "largest" else ("no face",), faces=faces)
        self._since_detection = 0
        fit = self._restart(grey, matrix)
        return replace(fit, detected=True, faces=faces)

    def _search(self, grey: np.ndarray, side: float | None, least: float = 0.0) -> tuple[np.ndarray | None, int]:
        """Run the detector on the picture turned upright.

        Returns:
            the transform (2, 3) picture -> patch of the face to follow, None when there is none or it looks like none,
            and the number of faces with a score of `least`.
        """
        settings = self.settings
        upright = np.ascontiguousarray(np.rot90(grey, self._turn))
        faces = detect(upright, settings.detector, settings.upsample, side)
        faces = faces.above(least)
        if not len(faces):
            return None, 0
        turning = quarter_turns(grey.shape, self._turn)
        near = None
        if self._box is not None:
            corners = apply(turning, self._box.reshape(2, 2))
            near = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
        box = self._chosen(faces, upright.shape, near)
        matrix = None if box is None else from_box(upright, box, settings.samples)
        return None if matrix is None else compose(matrix, turning), len(faces)

    def _chosen(self, faces: Detection, shape: tuple[int, ...], near: np.ndarray | None) -> np.ndarray | None:
        if self.settings.face == "largest":
            return choose(faces, shape, near)
        self._most = max(self._most, len(faces))
        return choose_asked(faces, self.settings.face, min(self._most, 2), near)

    def _search_turned(self, grey: np.ndarray) -> tuple[np.ndarray | None, int]:
        """Try the picture on its side and upside down, while no face was ever seen and not for long."""
        self._searches += 1
        if self._known or self._searches > TURN_SEARCHES:
            return None, 0
        for self._turn in (1, 3, 2):
            matrix, faces = self._search(grey, None, TURN_SCORE)
            if matrix is not None:
                return matrix, faces
        self._turn = 0
        return None, 0

    def _restart(self, grey: np.ndarray, matrix: np.ndarray) -> Fit:
        """Go on from the position `matrix` that the detector gave: with an old key if one fits there, else anew."""
        first = not self._known
        self._view = np.eye(2, 3)
        if not first:
            match = self._match(grey, matrix, quick=False)
            if _accepted(match) and _rms(apply(compose(match.matrix, invert(matrix)), EYES) - EYES) < STRAY:
                return self._finish(grey, match)
        patch = patch_of(grey, matrix)
        points = patch_landmarks(patch, self.settings.samples)
        self._add_key(patch, points)
        if self._shape is None:
            self._shape = points
        return self._finish(grey, Match(matrix, 1.0, 1.0, 0.0), () if first else ("restarted",))

    def _confirm(self, grey: np.ndarray, fit: Fit) -> Fit:
        """Ask the detector whether the face followed is one; go on from its answer when that is elsewhere."""
        assert fit.matrix is not None
        matrix, faces = self._search(grey, self._side)
        self._since_detection = 0
        if matrix is None:
            return replace(fit, quality=fit.quality * 0.7, reasons=(*fit.reasons, "not confirmed"))
        if _rms(apply(compose(fit.matrix, invert(matrix)), EYES) - EYES) > STRAY:
            fit = self._restart(grey, matrix)
        return replace(fit, detected=True, faces=faces)


def quarter_turns(shape: tuple[int, ...], turn: int) -> np.ndarray:
    """Return the (2, 3) transform from pixels of a picture of `shape` (H, W) to those of `np.rot90(picture, turn)`."""
    right, bottom = shape[1] - 1.0, shape[0] - 1.0
    matrices = ([[1, 0, 0], [0, 1, 0]], [[0, 1, 0], [-1, 0, right]], [[-1, 0, right], [0, -1, bottom]])
    return np.array([*matrices, [[0, -1, bottom], [1, 0, 0]]][turn % 4], float)


def face_box(matrix: np.ndarray) -> np.ndarray:
    """Return the face box (4,) in picture pixels of a transform (2, 3) picture -> patch."""
    centre = apply(invert(matrix), (BOX[:2] + BOX[2:])[None] / 2)[0]
    half = (BOX[2] - BOX[0]) / 2 / float(scale_of(matrix))
    return np.concatenate([centre - half, centre + half])


def _inside(points: np.ndarray, matrix: np.ndarray, shape: tuple[int, ...]) -> float:
    """Return the share (0-1) of the landmarks that lie within the picture."""
    x, y = apply(invert(matrix), points).T
    return float(((x >= 0) & (y >= 0) & (x <= shape[1] - 1) & (y <= shape[0] - 1)).mean())


def _rms(offsets: np.ndarray) -> float:
    return float(np.sqrt((offsets**2).sum(axis=-1).mean()))


def _astray(view: np.ndarray) -> float:
    """Return how far, in RMS patch pixels, a view moves the eyes."""
    return _rms(apply(view, EYES) - EYES)


def _score(match: Match) -> float:
    return match.agreement * max(match.correlation, 0.0)


def _accepted(match: Match) -> bool:
    return match.agreement >= ACCEPT_AGREEMENT and match.correlation >= ACCEPT_CORRELATION


def _settled(match: Match) -> bool:
    return match.agreement >= SETTLED_AGREEMENT and match.correlation >= SETTLED_CORRELATION
