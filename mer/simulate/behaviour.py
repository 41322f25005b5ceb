"""From what happens to how a person stands in every frame: head, lids, gaze, jaw, lips and the units of expressions.

Continuous movements are smooth noise: sums of sinusoids whose amplitude falls with frequency, quieter at times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mer.core.seeds import derive_seed
from mer.simulate.habits import RAMP, Event, Habits
from mer.simulate.timeline import smooth_step

YAW, PITCH, ROLL = np.radians([7.0, 3.5, 2.5])  # standard deviation at a sway of 1
SIDE, RISE, NEAR = 0.22, 0.10, 0.025  # of the head's place (distances between the eyes) and of its size
MOST_YAW, MOST_PITCH = np.radians([17.0, 11.0])
SYLLABLES = (3.0, 7.0)  # per second
CHEWS = (1.1, 1.9)  # per second
SHAKE = (0.030, 0.035, 0.010)  # of a hand-held camera: x and y in distances between the eyes, roll in radians


@dataclass(frozen=True)
class Tracks:
    """The state of a person in each of T frames.

    Args:
        head: (T, 6) yaw, pitch, roll (radians), x, y (distances between the eyes), scale.
        camera: (T, 4) x, y (distances between the eyes), roll (radians), zoom factor.
        closure: (T,) of the lids, 0 to 1.
        gaze: (T, 2) of the irises, x and y, distances between the eyes.
        jaw: (T,) how far the mouth is open, distances between the eyes.
        lower: unit of `mer.simulate.mouth.LOWER_UNITS` -> (T,) its intensity.
        light: (T, 2) relative brightness, and how much brighter the right of the picture is than the left.
        away: (T,) how far the person is out of the picture, 0 to 1 on either side.
        hand: (T, 3) x and y of a hand from the mouth (distances between the eyes) and its angle; NaN where none is.
    """

    head: np.ndarray
    camera: np.ndarray
    closure: np.ndarray
    gaze: np.ndarray
    jaw: np.ndarray
    lower: dict[int, np.ndarray]
    light: np.ndarray
    away: np.ndarray
    hand: np.ndarray


def draw_tracks(seed: int, frames: int, fps: float, habits: Habits, events: Sequence[Event]) -> Tracks:
    """Return the tracks of a recording in which `events` happen."""
    tracks = Tracks(
        head=_sway(seed, frames, fps, habits.sway),
        camera=_held(seed, frames, fps, habits.shake),
        closure=np.zeros(frames),
        gaze=0.006 * np.column_stack([_noise(seed, f"gaze {k}", frames, fps, (0.3, 1.2)) for k in "xy"]),
        jaw=np.zeros(frames),
        lower={number: np.zeros(frames) for number in (18, 20, 24, 26, 30, 80)},
        light=np.column_stack([np.ones(frames), np.zeros(frames)]),
        away=np.zeros(frames),
        hand=np.full((frames, 3), np.nan),
    )
    for event in events:
        span = np.arange(event.first, min(event.last + 1, frames))
        lay = _LAYERS.get(event.kind)
        if lay is not None and (len(span) > 1 or event.kind == "cut"):
            lay(tracks, span, fps, np.random.default_rng(event.seed))
    _bound(tracks.head)
    np.clip(tracks.closure, 0, 1, out=tracks.closure)
    return tracks


def levels(event: Event, time: np.ndarray) -> np.ndarray:
    """Return the share (...) of its strength that a macro-expression has at frame numbers `time` (...).

    It rises to the apex, stays, and falls as slowly as it rose or slower.
    """
    rise = event.apex - event.first
    rng = np.random.default_rng(event.seed)
    fall = max(rise, min((event.last - event.first) * 0.5, rise * rng.uniform(1.0, RAMP[1] / RAMP[0] / 2)))
    return np.minimum(smooth_step((time - event.first) / rise), smooth_step((event.last - time) / fall))


def _noise(seed: int, what: str, frames: int, fps: float, band: tuple[float, float], waves: int = 7) -> np.ndarray:
    """Return smooth noise (T,) of unit variance over a long time; amplitude falls with frequency (cycles a second)."""
    rng = np.random.default_rng(derive_seed(seed, "noise", what))
    low, high = np.log(band)
    frequency = np.exp(rng.uniform(low, high, waves))
    amplitude = rng.uniform(0.5, 1.0, waves) / frequency
    phase = rng.uniform(0, 2 * np.pi, waves)
    seconds = np.arange(frames)[:, None] / fps
    waved = amplitude * np.sin(2 * np.pi * frequency * seconds + phase)
    return np.asarray(waved.sum(axis=1) / np.sqrt((amplitude**2).sum() / 2))


def _sway(seed: int, frames: int, fps: float, sway: float) -> np.ndarray:
    sizes = (YAW, PITCH, ROLL, SIDE, RISE, NEAR)
    slow = [_noise(seed, f"head {k}", frames, fps, (0.04, 0.45)) for k in range(6)]
    quick = [_noise(seed, f"quick {k}", frames, fps, (0.5, 1.8)) for k in range(6)]
    lively = smooth_step(0.5 + 0.6 * _noise(seed, "lively", frames, fps, (0.03, 0.15)))
    tremor = [_noise(seed, f"tremor {k}", frames, fps, (1.5, 5.0)) for k in range(6)]
    rest = np.random.default_rng(derive_seed(seed, "seat")).uniform(-1, 1, 6) * [0.09, 0.06, 0.04, 0.1, 0.08, 0.0]
    columns = [
        size * (sway * (0.75 * a + 0.22 * lively * b) + 0.006 * (0.3 + sway) * c) + r
        for size, a, b, c, r in zip(sizes, slow, quick, tremor, rest, strict=True)
    ]
    head = np.column_stack(columns)
    # Who turns the head shifts its weight too.
    head[:, 3] += 0.15 * (head[:, 0] - rest[0])
    head[:, 5] = np.exp(head[:, 5])
    return head


def _held(seed: int, frames: int, fps: float, shake: float) -> np.ndarray:
    waves = [
        _noise(seed, f"hand {k}", frames, fps, (0.4, 2.5)) + 0.25 * _noise(seed, f"grip {k}", frames, fps, (3, 9))
        for k in range(3)
    ]
    moved = [shake * size * wave for size, wave in zip(SHAKE, waves, strict=True)]
    return np.column_stack([*moved, np.ones(frames)])


def _bound(head: np.ndarray) -> None:
    for column, most in ((0, MOST_YAW), (1, MOST_PITCH)):
        head[:, column] = most * np.tanh(head[:, column] / most)


def _there_and_back(span: np.ndarray, out: float, back: float) -> np.ndarray:
    """Return 0 at the first and last frame of a span, 1 between, rising and falling in shares of the span."""
    at = (span - span[0]) / (span[-1] - span[0])
    return np.minimum(smooth_step(at / out), smooth_step((1 - at) / back))


def _blink(tracks: Tracks, span: np.ndarray, fps: float, rng: np.random.Generator, depth: float = 1.0) -> None:
    at = (span - span[0]) / (span[-1] - span[0])
    shut = rng.uniform(0.30, 0.38)
    held = shut + rng.uniform(0.02, 0.15)
    closed = np.minimum(smooth_step(at / shut), smooth_step((1 - at) / (1 - held)))
    tracks.closure[span] = np.maximum(tracks.closure[span], depth * closed)


def _half_blink(tracks: Tracks, span: np.ndarray, fps: float, rng: np.random.Generator) -> None:
    _blink(tracks, span, fps, rng, float(rng.uniform(0.3, 0.75)))


def _double_blink(tracks: Tracks, span: np.ndarray, fps: float, rng: np.random.Generator) -> None:
    middle = len(span) // 2
    for part in (span[: middle + 1], span[middle:]):
        if len(part) > 1:
            _blink(tracks, part, fps, rng)


def _gaze(tracks: Tracks, span: np.ndarray, fps: float, rng: np.random.Generator) -> None:
    quick = min(0.45, rng.uniform(0.035, 0.07) * fps / (len(span) - 1))
    x, y = rng.uniform(-0.075, 0.075), rng.uniform(-0.022, 0.04)
    share = _there_and_back(span, quick, quick)
    tracks.gaze[span] += share[:, None] * [x, y]
    # The upper lid follows the eye down.
    tracks.closure[span] = np.maximum(tracks.closure[span], share * np.clip(y / 0.04, 0, 1) * 0.42)


def _turn(tracks: Tracks, span: np.ndarray, fps: float, rng: np.random.Generator) -> None:
    share = _there_and_back(span, *rng.uniform(0.2, 0.45, 2))
    size = rng.uniform(0.3, 1.0) * rng.choice([-1, 1])
    yaw, pitch, roll = np.radians([14.0, rng.uniform(-5, 5), rng.uniform(-4, 4)]) * size
    tracks.head[span, :3] += share[:, None] * [yaw, pitch, roll]
    tracks.gaze[span, 0] -= share * yaw * 0.12 * rng.uniform(0, 1)


def _nod(tracks: Tracks, span: np.ndarray, fps: float, rng: np.random.Generator) -> None:
    cycles = max(1, round(len(span) / fps * rng.uniform(1.2, 2.4)))
    size = np.radians(rng.uniform(2.5, 8.0))
    at = np.linspace(0, 1, len(span))
    swing = (1 - np.cos(2 * np.pi * cycles * at)) / 2
    tracks.head[span, 0 if rng.random() < 0.2 else 1] += size * swing * _there_and_back(span, 0.25, 0.35)


def _speech(tracks: Tracks, span: np.ndarray, fps: float, rng: np.random.Generator) -> None:
    """Syllables in phrases: the jaw drops and closes 3 to 7 times a second, lips go from one shape to the next."""
    seconds = (span - span[0]) / fps
    loud, pace = rng.uniform(0.05, 0.15), rng.uniform(*SYLLABLES)
    at, left = 0.08, int(rng.integers(4, 14))
    knots: list[tuple[float, float, float, float, float]] = [(0.0, 0.0, 0.0, 0.0, 0.0)]
    while at < seconds[-1] - 0.25:
        length = float(np.clip(rng.normal(1 / pace, 0.2 / pace), 1 / SYLLABLES[1], 1 / SYLLABLES[0]))
        closed = rng.random() < 0.35
        knots.append((at, 0.0 if closed else 0.15 * loud, float(closed and rng.random() < 0.6), 0.0, 0.0))
        shape = rng.uniform(-1, 1)
        knots.append((at + 0.5 * length, loud * rng.uniform(0.25, 1.25), 0.0, max(shape, 0.0), max(-shape, 0.0) * 0.8))
        at, left = at + length, left - 1
        if left == 0:
            knots.append((at, 0.0, 0.0, 0.0, 0.0))
            at, left = at + rng.uniform(0.2, 0.7), int(rng.integers(4, 14))
            knots.append((at - 0.05, 0.0, 0.0, 0.0, 0.0))
    knots += [(max(at, knots[-1][0] + 0.05), 0.0, 0.0, 0.0, 0.0)]
    times, jaw, press, pucker, stretch = np.array(knots).T
    end = _there_and_back(span, min(0.4, 4 / len(span)), min(0.4, 4 / len(span)))
    tracks.jaw[span] = np.maximum(tracks.jaw[span], _through(times, jaw, seconds) * end)
    for number, values in ((24, press * 0.8), (18, pucker * 0.7), (20, stretch * 0.7)):
        tracks.lower[number][span] += _through(times, values, seconds) * end
    beat = np.sin(2 * np.pi * rng.uniform(0.7, 1.3) * seconds + rng.uniform(0, 6)) * np.radians(rng.uniform(0, 1.6))
    tracks.head[span, 1] += beat * _there_and_back(span, 0.2, 0.2) * np.clip(4 * np.std(tracks.head[:, 0]) + 0.3, 0, 1)


def _through(times: np.ndarray, values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return values (T,) at times `at`, smoothly from knot to knot without overshoot."""
    from scipy.interpolate import PchipInterpolator

    times, keep = np.unique(times, return_index=True)
    return np.asarray(PchipInterpolator(times, values[keep])(np.clip(at, times[0], times[-1])))


def _chewing(tracks: Tracks, span: np.ndarray, fps: float, rng: np.random.Generator) -> None:
    seconds = (span - span[0]) / fps
    rate, size, end = rng.uniform(*CHEWS), rng.uniform(0.6, 1.7), _there_and_back(span, 0.12, 0.12)
    phase = 2 * np.pi * (rate * seconds + 0.12 * np.sin(2 * np.pi * 0.3 * seconds))
    tracks.lower[26][span] += size * end * (1 - np.cos(phase)) / 2
    tracks.lower[30][span] += rng.uniform(0.1, 0.5) * size * end * np.sin(phase + 0.8) * rng.choice([-1, 1])
    tracks.lower[24][span] += 0.5 * end * (1 + np.cos(phase)) / 2


def _swallow(tracks: Tracks, span: np.ndarray, fps: float, rng: np.random.Generator) -> None:
    share = _there_and_back(span, 0.4, 0.4)
    tracks.lower[80][span] += rng.uniform(0.6, 1.4) * share
    tracks.lower[24][span] += rng.uniform(0.4, 1.1) * share
    tracks.head[span, 1] += np.radians(rng.uniform(0, 1.5)) * share


def _away(tracks: Tracks, span: np.ndarray, fps: float, rng: np.random.Generator) -> None:
    side = rng.choice([-1, 1])
    tracks.away[span] = side * _there_and_back(span, 0.3, 0.3)


def _zoom(tracks: Tracks, span: np.ndarray, fps: float, rng: np.random.Generator) -> None:
    factor = rng.uniform(0.85, 1.25) / tracks.camera[-1, 3]
    later = np.arange(span[0], len(tracks.camera))
    tracks.camera[later, 3] *= factor ** smooth_step((later - span[0]) / (span[-1] - span[0]))


def _light(tracks: Tracks, span: np.ndarray, fps: float, rng: np.random.Generator) -> None:
    share = _there_and_back(span, *rng.uniform(0.2, 0.5, 2))
    tracks.light[span, 0] *= 1 + share * rng.uniform(-0.25, 0.3)
    tracks.light[span, 1] += share * rng.uniform(-0.35, 0.35)


def _hand(tracks: Tracks, span: np.ndarray, fps: float, rng: np.random.Generator) -> None:
    """A hand comes from below, rests on cheek, mouth, nose or brow, rubs a little, and goes."""
    share = _there_and_back(span, *rng.uniform(0.18, 0.35, 2))[:, None]
    side = rng.choice([-1, 1])
    rest = np.array([side * rng.uniform(0.1, 1.0), rng.uniform(-0.9, 0.9)])
    start = np.array([side * rng.uniform(1.2, 2.5), 6.0])
    seconds = (span - span[0]) / fps
    rub = 0.05 * np.column_stack([np.sin(2 * np.pi * f * seconds + p) for f, p in rng.uniform([1, 0], [3, 6], (2, 2))])
    tracks.hand[span, :2] = start + share * (rest - start) + rub
    tracks.hand[span, 2] = -side * (rng.uniform(0.0, 0.5) + 0.3 * (1 - share[:, 0]))


def _cut(tracks: Tracks, span: np.ndarray, fps: float, rng: np.random.Generator) -> None:
    """Another shot: another place and size of the face, another side of it, another light."""
    after = slice(span[0], None)
    tracks.head[after, 0] += np.radians(rng.uniform(-8, 8))
    here = tracks.camera[span[0], :2]
    side = np.where(np.abs(here) > 0.2, -np.sign(here), rng.choice([-1, 1], 2))
    tracks.camera[after, :2] += rng.uniform(0.3, 0.6, 2) * side
    tracks.camera[after, 3] *= rng.uniform(0.85, 1.2) / tracks.camera[-1, 3]
    tracks.light[after, 0] *= rng.uniform(0.85, 1.15)


def _macro(tracks: Tracks, span: np.ndarray, fps: float, rng: np.random.Generator) -> None:
    """Some open the mouth."""
    if rng.random() < 0.35:
        tracks.jaw[span] += rng.uniform(0.02, 0.11) * _there_and_back(span, 0.3, 0.4)


_LAYERS = {
    "cut": _cut,
    "macro": _macro,
    "blink": _blink,
    "half_blink": _half_blink,
    "double_blink": _double_blink,
    "gaze": _gaze,
    "turn": _turn,
    "nod": _nod,
    "speech": _speech,
    "chewing": _chewing,
    "swallow": _swallow,
    "away": _away,
    "hand": _hand,
    "zoom": _zoom,
    "light": _light,
}
