"""The course of a movement: where it begins, turns and ends, and whether the face comes back to where it was.

A micro-expression is over when the face is as before. What begins or ends a longer movement, or is a piece of speech,
has a turning point, too, but leaves the face elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mer.spotting.evidence import Evidence

REACH = 0.7  # seconds to either side of an apex in which a movement begins and ends
AT_REST = 0.2  # share of a movement's height at which it begins and ends
SETTLED = 0.1  # seconds before the onset and after the offset over which the face's place is averaged
LEAST = 1e-4  # distances between the eyes, added to lengths that are compared
MOST = 3.0  # times its height: more is left of no movement of its own
TAKES_PART = 0.25  # of a template's largest motion: a region that moves less does not


@dataclass(frozen=True)
class Course:
    """Onset, apex and offset in moments, and the way (T,) along the template, in eye distances from an unknown zero."""

    onset: int
    apex: int
    offset: int
    way: np.ndarray


def course(seen: Evidence, at: int, step: int, template: int) -> Course:
    """Return the course of the movement along a template about a moment, found with a step."""
    way = seen.along(seen.path, at, template)
    reach, wide = max(2, round(REACH * seen.rate)), int(seen.steps[step])
    first, last = max(0, at - reach), min(len(way) - 1, at + reach)
    near = slice(max(first, at - wide // 2), min(last, at + wide // 2) + 1)
    apex = near.start + int(way[near].argmax())
    low, high = _settled(way[first : apex + 1][::-1], wide), _settled(way[apex : last + 1], wide)
    return Course(apex - low, apex, apex + high, way)


def _settled(way: np.ndarray, wide: int) -> int:
    """Return after how many moments a way (N,) that begins at its top is at rest again."""
    if len(way) < 2:
        return 0
    # Rest is where it is lowest within the duration that the movement was found with.
    bottom = float(way[: 2 * wide + 1].min())
    below = np.flatnonzero(way <= bottom + AT_REST * (way[0] - bottom))
    return int(below[0]) if len(below) else len(way) - 1


def takes_part(vectors: np.ndarray) -> np.ndarray:
    """Return which regions (R,) bool a template (R, 2) moves."""
    moved = np.linalg.norm(vectors, axis=1)
    return np.asarray(moved > TAKES_PART * moved.max())


def returned(seen: Evidence, at: int, template: int, gone: Course) -> dict[str, float]:
    """Tell whether the face comes back: along the template, in the regions that take part, and in all of them.

    Ratios are logarithms; of lengths in deviations from what is usual.
    """
    vector, scale = seen.templates[template].moved, seen.scales[0, at]
    inside = np.repeat(takes_part(vector), 2)
    settled = max(1, round(SETTLED * seen.rate))
    before, after = max(0, gone.onset - settled), gone.offset + settled + 1
    start, end = (seen.path[part].mean(axis=0) for part in (slice(before, gone.onset + 1), slice(gone.offset, after)))
    there, back, left = seen.path[gone.apex] - start, end - seen.path[gone.apex], end - start
    rise, fall = gone.way[gone.apex] - gone.way[gone.onset], gone.way[gone.apex] - gone.way[gone.offset]
    along = gone.way[gone.offset : after].mean() - gone.way[before : gone.onset + 1].mean()
    height = max(rise, fall, LEAST)
    likeness = {
        "there": cosine(there / scale, vector.ravel() / scale),
        "back": cosine(-back / scale, vector.ravel() / scale),
    }
    return {
        "fall over rise": float(np.log(np.clip((fall + LEAST) / (rise + LEAST), 0.02, 50))),
        "left, of its height": float(min(abs(along) / height, MOST)),
        "left in its regions": _ratio((left / scale)[inside], (there / scale)[inside]),
        "left in the face": _ratio(left / scale, there / scale),
        "back as there, in its regions": cosine(there[inside], -back[inside]),
        "back as there": cosine(there / scale, -back / scale),
        **{f"likeness of the way {name}": value for name, value in likeness.items()},
        "seconds": (gone.offset - gone.onset) / seen.rate,
    }


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    """Return the cosine of the angle between two vectors; 0 where one has no length."""
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other) + 1e-9))


def _ratio(left: np.ndarray, there: np.ndarray) -> float:
    length = (np.linalg.norm(left) + LEAST) / (np.linalg.norm(there) + LEAST)
    return float(np.log(np.clip(length, 0.02, 50)))
