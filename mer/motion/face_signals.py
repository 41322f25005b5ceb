"""What the landmarks of a recording tell of eyes, mouth and head, frame by frame.

Lengths are shares of the person's distance between the eyes, so that they mean the same in every recording; speeds are
shares per second. A value is NaN where no face is seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mer.core.geometry import LEFT_EYE, RIGHT_EYE, apply, eye_centres, invert, scale_of
from mer.core.runs import runs

NOSE_TIP, CHEEK_LEFT, CHEEK_RIGHT = 30, 1, 15
LEVEL_SECONDS = 6.0  # over which an open eye is judged: gaze and distance change it slowly
LEVEL_RATE = 25.0  # frames per second at which that is enough
LEVEL_SHARE = 70  # percentile of the openness that is an open eye's: most of the time eyes are open
DIP = 0.22  # share of the open level by which lids must fall: a half blink is one, a glance aside is not
EDGE = 0.4  # share of a dip's depth at which it begins and ends
LONGEST_BLINK = 0.8  # seconds: longer ones are lowered gaze or closed eyes
SHORTEST_BLINK = 0.04
SPEED_SECONDS = 0.12  # over which a speed is measured: shorter steps are the noise of the landmarks


@dataclass(frozen=True)
class FaceSignals:
    """Signals (T,) float64 of one recording; NaN where no face is seen.

    Args:
        fps: frames per second.
        left_eye: openness, distance of the lids over the width of the eye (left in the image); about 0.3 when open.
        right_eye: that of the other.
        blinks: first and last frame of every blink, the last inclusive; a half blink counts.
        mouth_opening: distance of the inner lips.
        mouth_width: distance of the mouth's corners.
        x: place of the head in the picture, from its usual one; right is positive.
        y: the same downwards.
        roll: degrees, clockwise in the picture, from the usual one.
        zoom: size of the face, 1 at its usual size.
        yaw: how far the tip of the nose is off the middle of the face, from its usual place; right in the image is
            positive. About 0.01 for a degree.
        pitch: how far it is below the eyes, from its usual place. About 0.01 for a degree.
        speed: of the head in the picture (x, y and, at the radius of the face, roll and zoom).
        turning: the same of yaw and pitch.
    """

    fps: float
    left_eye: np.ndarray
    right_eye: np.ndarray
    blinks: tuple[tuple[int, int], ...]
    mouth_opening: np.ndarray
    mouth_width: np.ndarray
    x: np.ndarray
    y: np.ndarray
    roll: np.ndarray
    zoom: np.ndarray
    yaw: np.ndarray
    pitch: np.ndarray
    speed: np.ndarray
    turning: np.ndarray

    @property
    def eyes(self) -> np.ndarray:
        """(T,) openness of both eyes, on average."""
        return (self.left_eye + self.right_eye) / 2

    @property
    def blinking(self) -> np.ndarray:
        """(T,) bool: the frame lies in a blink."""
        flags = np.zeros(len(self.x), bool)
        for first, last in self.blinks:
            flags[first : last + 1] = True
        return flags


def face_signals(
    landmarks: np.ndarray, transform: np.ndarray, fps: float, found: np.ndarray | None = None
) -> FaceSignals:
    """Return the signals of a recording, or of a part of one.

    Args:
        landmarks: (T, 68, 2) pixels of the crop, iBUG order.
        transform: (T, 2, 3) from pixels of the source to those of the crop.
        fps: frames per second.
        found: (T,) bool: a face is seen; where the landmarks are finite when None.
    """
    points = np.asarray(landmarks, np.float64)
    matrix = np.asarray(transform, np.float64)
    numbers = np.concatenate([points.reshape(len(points), -1), matrix.reshape(len(points), -1)], axis=1)
    seen = np.isfinite(numbers).all(axis=1)
    if found is not None:
        seen = seen & np.asarray(found, bool)
    if not seen.any():
        return _nothing(len(points), fps)
    points = np.where(seen[:, None, None], points, points[seen][0])
    matrix = np.where(seen[:, None, None], matrix, matrix[seen][0])
    centres = eye_centres(points)
    eyes = float(np.median(np.linalg.norm(centres[seen, 1] - centres[seen, 0], axis=1)))
    openness = {side: _blank(_openness(points, eye), seen) for side, eye in (("l", LEFT_EYE), ("r", RIGHT_EYE))}
    head = _head(points, matrix, seen, eyes)
    # The edge of the face lies about one distance between the eyes from its middle: roll and zoom move it so.
    moved = np.stack([head["x"], head["y"], np.deg2rad(head["roll"]), head["zoom"]])
    return FaceSignals(
        fps=fps,
        left_eye=openness["l"],
        right_eye=openness["r"],
        blinks=blinks((openness["l"] + openness["r"]) / 2, fps),
        mouth_opening=_blank(_inner_lips(points) / eyes, seen),
        mouth_width=_blank(np.linalg.norm(points[:, 54] - points[:, 48], axis=1) / eyes, seen),
        **head,
        speed=np.linalg.norm(rate(moved, fps), axis=0),
        turning=np.linalg.norm(rate(np.stack([head["yaw"], head["pitch"]]), fps), axis=0),
    )


def blinks(openness: np.ndarray, fps: float) -> tuple[tuple[int, int], ...]:
    """Return first and last frame (inclusive) of every blink: short dips (T,) below the person's own open level.

    Blinks last 0.1 to 0.4 s (Stern, Walrath & Goldstein, Psychophysiology 21, 1984); longer ones than 0.8 s are not
    returned. Nothing is returned where openness is NaN.
    """
    seen = np.isfinite(openness)
    if not seen.any():
        return ()
    filled = np.interp(np.arange(len(openness)), np.flatnonzero(seen), openness[seen])
    fall = 1 - filled / np.maximum(_open_level(filled, fps), 1e-6)
    # What shakes as much while the eyes are open is noise of the landmarks.
    quiet = fall[seen & (fall < DIP)]
    noise = 1.4826 * float(np.median(np.abs(quiet - np.median(quiet)))) if len(quiet) else 0.0
    needed = max(DIP, 5 * noise)
    found: list[tuple[int, int]] = []
    for first, last in runs((fall > needed / 2) & seen):
        peak = first + int(np.argmax(fall[first : last + 1]))
        if fall[peak] < needed:
            continue
        low, high = peak, peak
        while low > first and fall[low - 1] > EDGE * fall[peak]:
            low -= 1
        while high < last and fall[high + 1] > EDGE * fall[peak]:
            high += 1
        lasts = (high - low + 1) / fps
        if SHORTEST_BLINK - 1 / fps < lasts <= LONGEST_BLINK:
            found.append((low, high))
    return tuple(found)


def rate(values: np.ndarray, fps: float) -> np.ndarray:
    """Return the change per second of signals (..., T): over `SPEED_SECONDS`, or less at the ends; NaN stays."""
    count = values.shape[-1]
    half = max(1, round(SPEED_SECONDS * fps / 2))
    after = np.minimum(np.arange(count) + half, count - 1)
    before = np.maximum(np.arange(count) - half, 0)
    return (values[..., after] - values[..., before]) * fps / np.maximum(after - before, 1)


def _head(points: np.ndarray, matrix: np.ndarray, seen: np.ndarray, eyes: float) -> dict[str, np.ndarray]:
    back = invert(matrix)
    middle = np.median(eye_centres(points[seen]).mean(axis=1), axis=0)
    place = apply(back, np.broadcast_to(middle, (len(points), 1, 2)))[:, 0]
    scale = scale_of(back)
    usual = float(np.median(scale[seen]))
    place = (place - np.median(place[seen], axis=0)) / (usual * eyes)
    angle = np.unwrap(np.arctan2(back[:, 1, 0], back[:, 0, 0]))
    # Inside a crop, what the transform did not take away stays in the landmarks: measured along the line of the eyes.
    left, right = np.moveaxis(eye_centres(points), 1, 0)
    along = (right - left) / np.linalg.norm(right - left, axis=1, keepdims=True)
    down = np.stack([-along[:, 1], along[:, 0]], axis=1)
    tip = points[:, NOSE_TIP]
    cheeks = (points[:, CHEEK_LEFT] + points[:, CHEEK_RIGHT]) / 2
    aside = ((tip - (left + right) / 2) * along).sum(axis=1) + ((tip - cheeks) * along).sum(axis=1)
    below = ((tip - (left + right) / 2) * down).sum(axis=1)
    known = {"x": place[:, 0], "y": place[:, 1], "roll": _usual(np.rad2deg(angle), seen), "zoom": scale / usual,
             "yaw": _usual(aside / (2 * eyes), seen), "pitch": _usual(below / eyes, seen)}  # fmt: skip
    return {name: _blank(values, seen) for name, values in known.items()}


def _openness(points: np.ndarray, eye: tuple[int, ...]) -> np.ndarray:
    """Return the eye aspect ratio (T,) of Soukupová & Čech (CVWW 2016)."""
    outer, upper_a, upper_b, inner, lower_b, lower_a = (points[:, k] for k in eye)
    lids = np.linalg.norm(upper_a - lower_a, axis=1) + np.linalg.norm(upper_b - lower_b, axis=1)
    return lids / (2 * np.maximum(np.linalg.norm(outer - inner, axis=1), 1e-6))


def _inner_lips(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points[:, (61, 62, 63)] - points[:, (67, 66, 65)], axis=2).mean(axis=1)


def _open_level(openness: np.ndarray, fps: float) -> np.ndarray:
    """Return the openness (T,) that counts as open at every time: it follows gaze, but no blink."""
    from scipy.ndimage import percentile_filter

    step = max(1, int(fps / LEVEL_RATE))
    thin = openness[::step]
    size = max(1, round(LEVEL_SECONDS * fps / step))
    level = percentile_filter(thin, LEVEL_SHARE, size=min(size, 2 * len(thin) - 1), mode="reflect")
    return np.interp(np.arange(len(openness)), np.arange(len(thin)) * step, level)


def _usual(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    return values - np.median(values[seen])


def _blank(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    return np.where(seen, values, np.nan)


def _nothing(count: int, fps: float) -> FaceSignals:
    empty = np.full(count, np.nan)
    return FaceSignals(fps, empty, empty, (), *([empty] * 10))
