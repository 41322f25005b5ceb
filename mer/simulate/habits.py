"""What a person before a camera does, and how often: the plan of a life-like recording, before a frame is drawn.

Rates are per minute. Everything has a first and a last frame, numbered from 0; nothing of an event is seen outside
them. Micro- and macro-expressions keep a second from each other and from what hides the face; with all the rest they
coincide as chance has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from mer.core.errors import ConfigError
from mer.core.seeds import derive_seed
from mer.simulate.content import SHOWN
from mer.simulate.expression import UnitPlan

EXPRESSIONS = ("macro", "micro")
APART = 1.0  # seconds between two expressions, and between one and what hides the face
# Seconds that an event of each kind lasts, shortest and longest.
LASTS: dict[str, tuple[float, float]] = {
    "micro": (0.12, 0.5),
    "macro": (0.5, 4.0),
    "blink": (0.13, 0.30),
    "half_blink": (0.10, 0.22),
    "double_blink": (0.40, 0.70),
    "gaze": (0.6, 2.5),
    "turn": (0.8, 3.5),
    "nod": (0.6, 1.8),
    "speech": (1.5, 7.0),
    "chewing": (3.0, 8.0),
    "swallow": (0.5, 0.9),
    "hand": (0.8, 2.5),
    "away": (2.0, 4.5),
    "zoom": (1.0, 4.0),
    "light": (0.5, 3.0),
}
HIDING = ("hand", "away", "cut")
RISE = (0.35, 0.55)  # share of a micro-expression before its apex
RAMP = (0.2, 1.0)  # seconds of onset and offset of a macro-expression


@dataclass(frozen=True)
class Habits:
    """What is done in a recording, and how often; rates are events per minute.

    Args:
        micro, macro: expressions.
        micro_amplitudes: the largest displacements that micro-expressions have, shares of the distance between the
            eyes, each as often as the others.
        macro_amplitudes: least and most of macro-expressions.
        blink, half_blink, double_blink: closures of the lids.
        gaze: looks to the side.
        turn, nod: of the head.
        sway: how lively the head moves all the time: 0 not at all, 1 like someone in conversation.
        talk: share of the time spent speaking, 0 to 1.
        chewing, swallow: bouts of chewing; swallowing.
        hand: times that a hand passes before the face.
        cut: cuts to another shot of the same person.
        away: times that the person leaves the picture and comes back.
        zoom: times that the camera zooms.
        shake: how much a camera held in the hand moves: 0 on a stand, 1 as in an unsteady hand.
        flicker: relative amplitude of mains flicker.
        light: times that the light changes.
        noise: sensor noise, grey levels.
        key_frames: seconds from one key-frame to the next of a poor H.264 encoding; 0 leaves the frames unencoded.
    """

    micro: float = 4.0
    macro: float = 2.0
    micro_amplitudes: tuple[float, ...] = (0.01, 0.02, 0.03, 0.05, 0.08)
    macro_amplitudes: tuple[float, float] = (0.04, 0.20)
    blink: float = 14.0
    half_blink: float = 2.0
    double_blink: float = 1.0
    gaze: float = 6.0
    turn: float = 2.0
    nod: float = 1.5
    sway: float = 0.5
    talk: float = 0.3
    chewing: float = 0.0
    swallow: float = 0.7
    hand: float = 0.0
    cut: float = 0.0
    away: float = 0.0
    zoom: float = 0.0
    shake: float = 0.0
    flicker: float = 0.003
    light: float = 0.0
    noise: float = 1.5
    key_frames: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            values = value if isinstance(value, tuple) else (value,)
            most = 1.0 if field.name == "talk" else float("inf")
            if not values or not all(0 <= one <= most for one in values):
                raise ConfigError(f"habits.{field.name}", f"is {value}", "0 or more, and of the time at most all")


@dataclass(frozen=True)
class Event:
    """Something that happens; frames are numbered from 0.

    Args:
        kind: `micro`, `macro`, or what else: see `LASTS`.
        first, last: the first frame before which nothing of it has moved, and the first at which all is over.
        apex: the strongest frame of an expression; halfway of everything else.
        seed: of all that is particular to it.
        emotion: what an expression shows (`mer.simulate.content.SHOWN`).
        amplitude: largest displacement of an expression, share of the distance between the eyes.
        units: its action units with their intensities.
    """

    kind: str
    first: int
    last: int
    apex: int
    seed: int
    emotion: str = ""
    amplitude: float = 0.0
    units: tuple[UnitPlan, ...] = ()

    def overlaps(self, first: float, last: float) -> bool:
        """Return whether any of the event lies between two frames."""
        return self.first <= last and first <= self.last


def draw_events(seed: int, frames: int, fps: float, habits: Habits) -> list[Event]:
    """Draw all that happens in a recording, by first frame; expressions have no units yet."""
    events: list[Event] = []
    rates = {kind: getattr(habits, kind) for kind in LASTS if kind not in (*EXPRESSIONS, "speech")}
    for kind in sorted(rates, key=lambda kind: kind not in HIDING):
        events += _spread(seed, kind, rates[kind], frames, fps, events)
    events += _cuts(seed, habits.cut, frames, fps)
    events += _key_frames(habits.key_frames, frames, fps)
    events += _speech(seed, habits.talk, frames, fps, events)
    for kind in EXPRESSIONS:
        events += _expressions(seed, kind, habits, frames, fps, events)
    return sorted(events, key=lambda event: (event.first, event.kind))


def _draws(seed: int, kind: str) -> np.random.Generator:
    return np.random.default_rng(derive_seed(seed, "habits", kind))


def _spread(seed: int, kind: str, rate: float, frames: int, fps: float, taken: Sequence[Event]) -> list[Event]:
    """Draw events of one kind, none over another of its kind, of the same part of the body, or of what hides it."""
    rng = _draws(seed, kind)
    rivals = [event for event in taken if event.kind in _rivals(kind)]
    found: list[Event] = []
    at = 0.0
    while rate > 0:
        at += rng.exponential(60.0 / rate) * fps
        length = max(2, round(rng.uniform(*LASTS[kind]) * fps))
        first, own = round(at), int(rng.integers(2**31))
        if first + length >= frames - 1:
            return found
        if not any(event.overlaps(first - 0.1 * fps, first + length + 0.1 * fps) for event in rivals):
            found.append(Event(kind, first, first + length, first + length // 2, own))
            at += length
    return found


def _rivals(kind: str) -> tuple[str, ...]:
    groups = (
        ("blink", "half_blink", "double_blink"), ("turn", "nod"), ("chewing", "swallow"), ("hand", "away"),
    )  # fmt: skip
    return tuple(other for group in groups if kind in group for other in group)


def _cuts(seed: int, rate: float, frames: int, fps: float) -> list[Event]:
    rng = _draws(seed, "cut")
    at, found = 0.0, []
    while rate > 0:
        at += max(1.5, rng.exponential(60.0 / rate)) * fps
        if at >= frames - fps:
            break
        found.append(Event("cut", round(at), round(at), round(at), int(rng.integers(2**31))))
    return found


def _key_frames(seconds: float, frames: int, fps: float) -> list[Event]:
    step = max(2, round(seconds * fps))
    return [Event("key_frame", n, n, n, 0) for n in range(step, frames, step)] if seconds > 0 else []


def _speech(seed: int, share: float, frames: int, fps: float, taken: Sequence[Event]) -> list[Event]:
    """Draw bouts of speech that fill a share of the time, none while chewing or swallowing."""
    rng = _draws(seed, "speech")
    full = [event for event in taken if event.kind in ("chewing", "swallow", "away")]
    found: list[Event] = []
    at = rng.uniform(0.3, 2.0) * fps
    while share > 0:
        length = round(rng.uniform(*LASTS["speech"]) * fps)
        first, last, own = round(at), min(round(at) + length, frames - 2), int(rng.integers(2**31))
        if last - first < 0.5 * fps:
            return found
        for event in full:
            if event.overlaps(first, last):
                last = event.first - 1 if event.first > first + fps else first
        if last > first + 0.5 * fps:
            found.append(Event("speech", first, last, (first + last) // 2, own))
        at += length + max(0.3 * fps, length * (1 / share - 1) * rng.uniform(0.5, 1.5))
    return found


def _expressions(seed: int, kind: str, habits: Habits, frames: int, fps: float, taken: Sequence[Event]) -> list[Event]:
    rng, rate = _draws(seed, kind), getattr(habits, kind)
    rivals = [event for event in taken if event.kind in (*EXPRESSIONS, *HIDING)]
    choices = list(SHOWN)
    queue: list[float] = []
    found: list[Event] = []
    at = 0.5 * fps
    while rate > 0:
        at += rng.exponential(60.0 / rate) * fps
        length = max(3, round(rng.uniform(*LASTS[kind]) * fps))
        first = _clear_of(rivals, round(at), length, round(APART * fps))
        last, own, emotion = first + length, int(rng.integers(2**31)), choices[int(rng.integers(len(choices)))]
        if last >= frames - 1:
            return found
        if kind == "macro":
            amplitude = float(np.exp(rng.uniform(*np.log(habits.macro_amplitudes))))
            rise = min(rng.uniform(*RAMP), 0.45 * length / fps) * fps
        else:
            queue = queue or [float(a) for a in rng.permutation(np.asarray(habits.micro_amplitudes, float))]
            amplitude, rise = queue.pop(), rng.uniform(*RISE) * length
        apex = first + min(max(1, round(rise)), length - 1)
        found.append(Event(kind, first, last, apex, own, emotion, amplitude))
        at = last + APART * fps
    return found


def _clear_of(rivals: Sequence[Event], first: int, length: int, apart: int) -> int:
    """Return the first frame from `first` on from which `length` frames are clear of others by `apart` frames."""
    for event in sorted(rivals, key=lambda event: event.first):
        if event.overlaps(first - apart, first + length + apart):
            first = event.last + apart + 1
    return first
