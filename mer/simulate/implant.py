"""Expressions implanted into a film of a real face: exact truth on a face that does all the rest itself.

The displacement fields of `mer.simulate.action_units` are laid on a face by its own tracked landmarks: a rest face is
fitted to all frames, each frame has the affine map from it (its pose), and an action unit moves the skin in the rest
face's coordinates. Only what moves is drawn anew, and only what lies beneath the camera's noise: a frame becomes
I + W(D) - D, with D the frame without its noise and W the warp. So the noise of the source stays where it was, pixel
by pixel, and a frame in which nothing is implanted stays the same bytes.

Amplitudes are shares of the distance between the eyes: the largest displacement of any point of the face at the apex.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np

from mer.core.errors import ClipError
from mer.core.geometry import EYE_CORNERS, NOSE_BASE, NOSE_BRIDGE, apply, eye_centres, eye_distance, similarity
from mer.core.seeds import derive_seed
from mer.simulate.action_units import UnitFields
from mer.simulate.content import SHOWN, draw_play
from mer.simulate.expression import UnitPlan
from mer.simulate.geometry import Deformation, frame_window, inverse_map, pixel_grid
from mer.simulate.sampling import LANCZOS, sample
from mer.simulate.timeline import intensities, smooth_step

#: Landmarks that the head carries along whatever the face does.
ANCHORS = (*NOSE_BRIDGE, *NOSE_BASE, *EYE_CORNERS, 0, 1, 15, 16)
LEAST_EYES = 24.0  # pixels between the eyes; in a smaller face 3 % are less than three quarters of a pixel
MICRO_SECONDS = (0.12, 0.5)
MACRO_SECONDS = (0.8, 2.5)
SPACING = 1.0  # seconds of the face's own life between two implants, and before the first
RISE = (0.35, 0.55)  # share of an expression's length before its apex
FADE = 0.12  # distances between the eyes over which a movement fades towards the outline of the face
FOREHEAD = 0.5  # distances between the eyes from the brows to the upper edge of that outline
MARGIN = 6  # pixels around what moves
FINEST = 1.0  # pixels, standard deviation of the local mean
ROUNDING = 0.3  # grey levels: 1 / sqrt(12)
GREY_SHARE = 0.67  # noise of the grey picture, as a share of that of its three channels


@dataclass(frozen=True)
class Implant:
    """One implanted expression; numbers are indices of the film's frames.

    Args:
        onset, apex, offset: first frame before which nothing has moved, strongest frame, first frame at rest again.
        kind: `micro` or `macro`.
        emotion: what its units show (`mer.simulate.content.SHOWN`).
        units: with their intensities.
        amplitude: largest displacement at the apex, share of the distance between the eyes.
    """

    onset: int
    apex: int
    offset: int
    kind: str
    emotion: str
    units: tuple[UnitPlan, ...]
    amplitude: float

    def levels(self, time: float) -> tuple[float, ...]:
        """Return the intensity of each unit at a time in frames."""
        at = np.asarray(time, dtype=np.float64)
        return tuple(float(v) for v in intensities(self.units, self.onset, self.apex, self.offset, at))


class Face:
    """A tracked face that can be moved.

    Args:
        landmarks: (T, 68, 2) pixels of the film; NaN in frames without a face.

    Raises:
        ClipError: fewer than two frames show the face, or it is smaller than `LEAST_EYES`.
    """

    def __init__(self, landmarks: np.ndarray, where: str = "film") -> None:
        self.landmarks = np.asarray(landmarks, np.float64)
        self.seen = np.asarray(np.isfinite(self.landmarks).all(axis=(1, 2)))
        if self.seen.sum() < 2:
            raise ClipError(where, f"{int(self.seen.sum())} frames with a face", "a face in most frames")
        self.rest = _rest_face(self.landmarks[self.seen])
        self.fields = UnitFields(self.rest)
        if self.eyes < LEAST_EYES:
            found = f"{self.eyes:.0f} pixels between the eyes"
            raise ClipError(where, found, f"at least {LEAST_EYES:.0f}", "a closer shot")

    @property
    def eyes(self) -> float:
        """The distance between the eyes of the rest face, pixels."""
        return eye_distance(self.rest)

    @cached_property
    def poses(self) -> np.ndarray:
        """(T, 2, 3) affine maps from the rest face to each frame, by `ANCHORS`; NaN where no face is seen.

        Affine, so that a face turned away is narrowed as its skin is.
        """
        poses = np.full((len(self.landmarks), 2, 3), np.nan)
        source = np.column_stack([self.rest[list(ANCHORS)], np.ones(len(ANCHORS))])
        for frame in np.flatnonzero(self.seen).tolist():
            fitted, *_ = np.linalg.lstsq(source, self.landmarks[frame][list(ANCHORS)], rcond=None)
            poses[frame] = fitted.T
        return poses

    def reach(self, units: Sequence[UnitPlan]) -> float:
        """Return the largest displacement of units at their peaks, as a share of the distance between the eyes."""
        low, high = self.rest.min(axis=0) - self.eyes, self.rest.max(axis=0) + self.eyes
        step = self.eyes / 20
        x, y = np.meshgrid(np.arange(low[0], high[0], step), np.arange(low[1], high[1], step))
        points = np.column_stack([x.ravel(), y.ravel()])
        moved = self.fields.displacement(units, [unit.peak for unit in units], points)
        return float(np.hypot(moved[:, 0], moved[:, 1]).max()) / self.eyes

    def scaled(self, units: Sequence[UnitPlan], amplitude: float) -> tuple[UnitPlan, ...]:
        """Return units with the same proportions whose largest displacement is `amplitude` distances of the eyes."""
        factor = amplitude / self.reach(units)
        return tuple(replace(unit, peak=unit.peak * factor) for unit in units)

    def displacement(self, implant: Implant, frame: int, points: np.ndarray, time: float | None = None) -> np.ndarray:
        """Return how far points (N, 2) of the film's frame are moved from where they are without the implant, pixels.

        `time` is that of the expression (frames), the frame's own when None: the truth between two frames of a head
        that did not move is the difference of two times. Near the outline of the face, where the movement fades, it is
        right to the change of that fading over the displacement itself.
        """
        points = np.asarray(points, np.float64)
        pose = self.poses[frame]
        linear = np.linalg.inv(pose[:, :2])
        material = (points - pose[:, 2]) @ linear.T
        moved = self.fields.displacement(implant.units, implant.levels(frame if time is None else time), material)
        return np.asarray(moved @ pose[:, :2].T) * self._within(frame, points)[:, None]

    def _within(self, frame: int, points: np.ndarray) -> np.ndarray:
        """Return how much of a movement shows at points (N, 2) of a frame: 1 in the face, fading to 0 at its outline.

        On a turned head, the far cheek is narrower than its affine map says, and what lies behind must not move.
        """
        landmarks = self.landmarks[frame]
        left, right = eye_centres(landmarks)
        up = np.array([right[1] - left[1], left[0] - right[0]]) * FOREHEAD
        outline = np.concatenate([landmarks[:17], (landmarks[[26, 24, 19, 17]] + up)])
        low = np.floor(outline.min(axis=0)) - 1
        size = np.ceil(outline.max(axis=0) - low).astype(int) + 2
        inside = np.zeros(size[::-1], np.uint8)
        cv2.fillPoly(inside, [np.rint(outline - low).astype(np.int32)], 1)
        depth = cv2.distanceTransform(inside, cv2.DIST_L2, 5) / (FADE * self.eyes)
        at = (points - low).astype(np.float32).reshape(1, -1, 2)
        border = {"interpolation": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_CONSTANT, "borderValue": 0}
        steps = np.array_split(at, max(1, at.shape[1] // 16_000), axis=1)
        read = [cv2.remap(depth, part, None, **border)[0] for part in steps]  # type: ignore[call-overload]
        return smooth_step(np.concatenate(read))

    def implanted(self, image: np.ndarray, frame: int, implants: Iterable[Implant]) -> np.ndarray:
        """Return a frame (H, W, 3) uint8 with what is implanted at its time; the same array where nothing is.

        Raises:
            MediaError: the displacement folds the skin over itself.
        """
        active = [one for one in implants if one.onset < frame < one.offset and self.seen[frame]]
        units = tuple(unit for one in active for unit in one.units)
        levels = tuple(level for one in active for level in one.levels(frame))
        if not any(levels):
            return image
        state = Deformation(self.poses[frame], units, levels)
        height, width = image.shape[:2]
        low, high = self.rest.min(axis=0) - self.eyes, self.rest.max(axis=0) + self.eyes
        window = frame_window(state.pose, (*low, *high), width, height, MARGIN)
        # The map is made in a window's own coordinates: a film may be large and its face small.
        corner = np.array([window[1].start, window[0].start], np.float64)
        local = replace(state, pose=np.column_stack([state.pose[:, :2], state.pose[:, 2] - corner]))
        part = image[window]
        if not part.size:
            return image
        material = inverse_map(self.fields, local, part.shape[1], part.shape[0])
        here = pixel_grid(part.shape[1], part.shape[0])
        change = apply(local.pose, material.astype(np.float64)) - here
        change *= self._within(frame, here.reshape(-1, 2) + corner).reshape(here.shape[:2])[..., None]
        source, moving = (here + change).astype(np.float32), np.abs(change).max(axis=-1) > 1e-3
        result = image.copy()
        result[window] = _warped(part, source, moving)
        return result


def _rest_face(landmarks: np.ndarray) -> np.ndarray:
    """Return the median (68, 2) of faces (T, 68, 2) after each is brought onto the middle one."""
    middle = landmarks[len(landmarks) // 2]
    anchors = list(ANCHORS)
    moved = [apply(similarity(face[anchors], middle[anchors]), face) for face in landmarks]
    return np.asarray(np.median(moved, axis=0))


def _warped(part: np.ndarray, source: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """Return an image (h, w, 3) uint8 read at `source` (h, w, 2) where it moves, its noise left in place."""
    clean = without_noise(part)
    change = sample(clean, source, LANCZOS) - clean
    changed = np.clip(np.rint(part + change), 0, 255).astype(np.uint8)
    return np.where(moving[..., None], changed, part)


def without_noise(image: np.ndarray) -> np.ndarray:
    """Return an image (h, w, 3) uint8 as float32 without its noise: its local mean where it varies no more than that.

    The local linear estimate of J.-S. Lee, IEEE TPAMI 2(2), 1980, with one gain for a neighbourhood.
    """
    picture = image.astype(np.float32)
    mean = cv2.GaussianBlur(picture, (0, 0), FINEST)
    detail = picture - mean
    power = cv2.GaussianBlur((detail**2).mean(axis=-1), (0, 0), 2 * FINEST)[..., None]
    gain = np.clip(1 - 2.0 * noise_of(image) ** 2 / np.maximum(power, 1e-6), 0, 1)
    return np.asarray(mean + gain * detail)


def noise_of(image: np.ndarray) -> float:
    """Return the standard deviation of the noise of an image (h, w, 3) uint8, in grey levels of a channel.

    From the median absolute second difference of the grey picture, which shading does not reach: J. Immerkær, Computer
    Vision and Image Understanding 64(2), 1996. Rounding counts as noise.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    differences = cv2.filter2D(grey, -1, kernel)[1:-1, 1:-1]
    return max(float(np.median(np.abs(differences))) / (0.6745 * 6.0), ROUNDING) / GREY_SHARE


def draw_implants(
    face: Face,
    fps: float,
    seed: int,
    amplitudes: Sequence[float] = (0.01, 0.02, 0.03, 0.05, 0.08),
    macro_share: float = 0.0,
    units: Sequence[Sequence[int]] = (),
) -> list[Implant]:
    """Draw expressions for all the time that a face is seen, at least `SPACING` seconds apart.

    Args:
        face: the film's.
        fps: frames per second.
        seed: decides everything.
        amplitudes: shares of the distance between the eyes, each as often as the others.
        macro_share: share of macro-expressions, twice as strong as the amplitude drawn.
        units: sets of action units to draw from; those of every emotion when empty.
    """
    rng = np.random.default_rng(derive_seed(seed, "implant"))
    sets = [(emotion, tuple(numbers)) for emotion, some in SHOWN.items() for numbers in some]
    chosen = [one for one in sets if set(one[1]) in [set(given) for given in units]] if units else sets
    implants: list[Implant] = []
    queue: list[float] = []
    at = SPACING * fps
    while True:
        macro = rng.random() < macro_share
        length = max(3, round(rng.uniform(*(MACRO_SECONDS if macro else MICRO_SECONDS)) * fps))
        onset = round(at)
        offset = onset + length
        if offset >= len(face.seen) - 1:
            return implants
        emotion, numbers = chosen[int(rng.random() * len(chosen))]
        if not queue:
            queue = [float(a) for a in rng.permutation(np.asarray(amplitudes, float))]
        amplitude = queue.pop() * (2.0 if macro else 1.0)
        apex = onset + min(max(1, round(rng.uniform(*RISE) * length)), length - 1)
        play = face.scaled(draw_play(numbers, 1.0, rng), amplitude)
        at = offset + (SPACING + rng.exponential(0.5)) * fps
        if face.seen[onset : offset + 1].all():
            kind = "macro" if macro else "micro"
            implants.append(Implant(onset, apex, offset, kind, emotion, play, amplitude))


def implant(frames: Iterable[np.ndarray], face: Face, implants: Sequence[Implant]) -> Iterator[np.ndarray]:
    """Yield the frames (H, W, 3) uint8 RGB of a film with expressions implanted."""
    for number, image in enumerate(frames):
        yield face.implanted(image, number, implants)
