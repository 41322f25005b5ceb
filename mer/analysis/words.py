"""A candidate in words: which parts of the face moved where, whether they came back, and what else the face did.

Everything is measured: the motion from onset to apex and from onset to offset around landmarks, the lids, the inner
lips and the head. Left and right are those of the picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mer.core.geometry import eye_centres
from mer.motion.face_signals import FaceSignals
from mer.report.wording import counted

REACH = 0.12  # distances between the eyes around a place over which its motion is averaged
FAINT = 0.004  # distances between the eyes: less is within the noise of the flow
SHARE = 0.55  # of the largest motion from which a place is named
NAMED = 3
BACK, PARTLY = 0.35, 0.75  # motion left at the offset over that at the apex
STILL, SLIGHT = 0.12, 0.45  # speeds of the head, distances between the eyes per second
MOUTH_STILL = 0.03  # change of the distance of the inner lips

#: Places of the face: landmarks on the left, those on the right ((): one place in the middle), shift downwards.
PLACES: dict[str, tuple[tuple[int, ...], tuple[int, ...], float]] = {
    "inner brows": ((20, 21), (22, 23), 0.0),
    "outer brows": ((17, 18), (25, 26), 0.0),
    "upper lids": ((37, 38), (43, 44), 0.0),
    "lower lids": ((40, 41), (46, 47), 0.08),
    "cheeks": ((40, 41), (46, 47), 0.45),
    "nose wings": ((31,), (35,), 0.0),
    "upper lip": ((51, 62), (), 0.0),
    "mouth corners": ((48,), (54,), 0.0),
    "lower lip": ((57, 66), (), 0.0),
    "chin": ((8,), (), -0.12),
}


@dataclass(frozen=True)
class Moved:
    """Motion of one place from onset to apex, (left, right) or one vector, in distances between the eyes."""

    place: str
    vectors: tuple[np.ndarray, ...]

    @property
    def size(self) -> float:
        """Length of the longest vector."""
        return max(float(np.hypot(*vector)) for vector in self.vectors)


def moved_places(flow: np.ndarray, landmarks: np.ndarray) -> list[Moved]:
    """Return the motion of every place.

    Args:
        flow: (2, H, W) pixels of the crop, without the motion of the head.
        landmarks: (68, 2) pixels of the first frame's crop.
    """
    left, right = eye_centres(landmarks)
    eyes = float(np.linalg.norm(right - left))
    y, x = np.mgrid[: flow.shape[1], : flow.shape[2]]

    def around(points: Sequence[int], down: float) -> np.ndarray:
        centre = landmarks[list(points)].mean(axis=0) + (0, down * eyes)
        near = np.hypot(x - centre[0], y - centre[1]) <= max(REACH * eyes, 1.0)
        return flow[:, near].mean(axis=1) / eyes if near.any() else np.zeros(2)

    return [
        Moved(name, tuple(around(side, down) for side in (one, other) if side))
        for name, (one, other, down) in PLACES.items()
    ]


def what_moved(moved: Sequence[Moved], pixels: float) -> str:
    """Return which places moved where, the farthest first.

    Args:
        moved: of `moved_places`.
        pixels: of the film between the eyes.
    """
    largest = max(one.size for one in moved)
    if largest < FAINT:
        return "hardly any skin moves"
    order = sorted((one for one in moved if one.size >= max(SHARE * largest, FAINT)), key=lambda one: -one.size)
    words: dict[str, list[str]] = {}
    for one in order[:NAMED]:
        name, way = _side_and_way(one)
        words.setdefault(way, []).append(name)
    said = ", ".join(f"{_listed(names)} {way}" for way, names in words.items())
    return f"{said} {pixels * largest:.1f} px ({100 * largest:.1f} % of the eye distance)"


def came_back(apex: Sequence[Moved], offset: Sequence[Moved]) -> str:
    """Return whether what moved until the apex is back at the offset."""
    share = left_over(apex, offset)
    if share is None:
        return ""
    if share <= BACK:
        return "back to rest"
    return "most of it is undone at the end" if share <= PARTLY else "does not come back"


def left_over(apex: Sequence[Moved], offset: Sequence[Moved]) -> float | None:
    """Return the motion left at the offset over that at the apex, where it was large; None when nothing moved."""
    largest = max(one.size for one in apex)
    if largest < FAINT:
        return None
    pairs = [(a, b) for a, b in zip(apex, offset, strict=True) if a.size >= SHARE * largest]
    before, after = (np.concatenate([v for pair in pairs for v in pair[k].vectors]) for k in (0, 1))
    return float(np.linalg.norm(after) / np.linalg.norm(before))


def beside(signals: FaceSignals, first: int, last: int) -> list[str]:
    """Return what eyes, mouth and head do in frames `first` to `last` (inclusive)."""
    inside = slice(first, last + 1)
    if not np.isfinite(signals.x[inside]).any():
        return ["eyes and head cannot be followed"]
    times = [a for a, b in signals.blinks if a <= last and b >= first]
    said = [f"{counted(len(times), 'blink')} ({', '.join(f'{a / signals.fps:.2f} s' for a in times)})" if times
            else "no blink"]  # fmt: skip
    opening = signals.mouth_opening[inside]
    if np.isfinite(opening).any():
        change = float(np.nanmax(opening) - np.nanmin(opening))
        if change > MOUTH_STILL:
            said.append(f"lips part or close by {100 * change:.0f} % of the eye distance")
    speeds = {"moves": signals.speed[inside], "turns": signals.turning[inside]}
    fastest = {verb: float(np.nanmax(speed)) for verb, speed in speeds.items() if np.isfinite(speed).any()}
    verb = max(fastest, key=lambda name: fastest[name]) if fastest else ""
    if verb and fastest[verb] > STILL:
        said.append(f"head {verb}{' a little' if fastest[verb] <= SLIGHT else ''}")
    elif verb:
        said.append("head still")
    return said


def sentence(what: str, lasts: float, back: str, rest: Sequence[str]) -> str:
    """Return the parts as one line: what moved for how long, whether it came back; and what happened besides."""
    return f"{what} for {lasts:.2f} s{', ' + back if back else ''}; {', '.join(rest)}"


def _side_and_way(one: Moved) -> tuple[str, str]:
    if len(one.vectors) == 1:
        return one.place, _way(one.vectors[0], pair=False)
    left, right = one.vectors
    lengths = [float(np.hypot(*vector)) for vector in one.vectors]
    if min(lengths) < 0.5 * max(lengths):
        side = "left" if lengths[0] > lengths[1] else "right"
        return f"{side} {_SINGULAR.get(one.place, one.place)}", _way(max(left, right, key=np.linalg.norm), pair=False)
    # Mirrored, so that `right` means outwards on both sides.
    outward = (left * (-1, 1) + right) / 2
    if np.hypot(*outward) >= 0.5 * max(lengths):
        return one.place, _way(outward, pair=True)
    together = (left + right) / 2
    if np.hypot(*together) >= 0.5 * max(lengths):
        return one.place, _way(together, pair=False)
    return one.place, "in opposite directions"


_SINGULAR: Mapping[str, str] = {
    "inner brows": "inner brow",
    "outer brows": "outer brow",
    "upper lids": "upper lid",
    "lower lids": "lower lid",
    "cheeks": "cheek",
    "nose wings": "nose wing",
    "mouth corners": "mouth corner",
}


def _way(vector: np.ndarray, pair: bool) -> str:
    across, down = float(vector[0]), float(vector[1])
    ways = []
    if abs(down) >= 0.45 * abs(across):
        ways.append("down" if down > 0 else "up")
    if abs(across) >= 0.45 * abs(down):
        sides = ("apart", "together") if pair else ("to the right", "to the left")
        ways.append(sides[across < 0])
    return " and ".join(ways)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
