"""The plan of a simulated database: who is filmed, and where every expression lies, before a frame is rendered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mer.core.seeds import derive_seed
from mer.simulate.expression import UnitPlan
from mer.simulate.params import SimulateParams


@dataclass(frozen=True)
class Interval:
    """Onset, apex and offset of an expression and the number of the recording's last frame."""

    onset: int
    apex: int
    offset: int
    recorded: int

    def moved(self, by: int) -> Interval:
        """Return the interval with every number moved by `by`."""
        return Interval(self.onset + by, self.apex + by, self.offset + by, self.recorded + by)


@dataclass(frozen=True)
class ClipPlan:
    """One expression.

    Args:
        subject: the subject as in the reader's rows.
        face: index of the person's face, over all databases.
        clip: the clip's name as in the reader's rows.
        emotion: the label in the database's own words.
        units: the action units that the face shows.
        onset: true file number, inclusive, as `apex` and `offset`; what a table says may differ.
        numbers: the files on disk in the narrowest view that the layout writes.
        fps: frames per second.
        seed: seed of head motion, flicker and noise.
        quirk: what makes the row differ from the ordinary ones, or ''.
        key: the clip's `sample_id` where it is not `subject/clip`.
    """

    subject: str
    face: int
    clip: str
    emotion: str
    units: tuple[UnitPlan, ...]
    onset: int
    apex: int
    offset: int
    numbers: tuple[int, ...]
    fps: float
    seed: int
    quirk: str = ""
    key: str = ""

    @property
    def sample_id(self) -> str:
        """The key of the clip in every container: `subject/clip`, or the clip's name where that alone identifies it."""
        return self.key or f"{self.subject}/{self.clip}"


@dataclass(frozen=True)
class Recording:
    """One person filmed without interruption.

    Args:
        subject: the subject whose files these are, as in the reader's rows.
        face: index of the person's face, over all databases.
        name: the recording's name in the layout.
        events: its expressions in order of time; all have the recording's seed.
        numbers: every frame number that is recorded, ascending.
        fps: frames per second.
        seed: seed of head motion, flicker and noise.
        kind: what a layout needs to know to place its files.
    """

    subject: str
    face: int
    name: str
    events: tuple[ClipPlan, ...]
    numbers: tuple[int, ...]
    fps: float
    seed: int
    kind: str = ""

    @property
    def session(self) -> Session:
        """What the recording has in common with its expressions."""
        return Session(self.subject, self.face, self.fps, self.seed)


@dataclass(frozen=True)
class Session:
    """One person before the camera: what a recording and its expressions have in common.

    Args:
        subject: the subject as in the reader's rows.
        face: index of the person's face, over all databases.
        fps: frames per second.
        seed: see `clip_seed`.
    """

    subject: str
    face: int
    fps: float
    seed: int

    def interval_rng(self) -> np.random.Generator:
        """Return the generator of where the expressions lie."""
        return np.random.default_rng(derive_seed(self.seed, "interval"))

    def event(
        self,
        clip: str,
        label: str,
        units: tuple[UnitPlan, ...],
        when: Interval,
        numbers: Iterable[int] = (),
        quirk: str = "",
        key: str = "",
    ) -> ClipPlan:
        """Return the plan of one expression; its `numbers` are onset to offset where none are given."""
        return ClipPlan(
            subject=self.subject,
            face=self.face,
            clip=clip,
            emotion=label,
            units=units,
            onset=when.onset,
            apex=when.apex,
            offset=when.offset,
            numbers=tuple(numbers) or tuple(range(when.onset, when.offset + 1)),
            fps=self.fps,
            seed=self.seed,
            quirk=quirk,
            key=key,
        )

    def recording(
        self, name: str, events: Sequence[ClipPlan], numbers: Iterable[int] = (), kind: str = ""
    ) -> Recording:
        """Return the recording of the given frame numbers; where none are given, those of its first expression."""
        kept = tuple(numbers) or events[0].numbers
        return Recording(self.subject, self.face, name, tuple(events), kept, self.fps, self.seed, kind)


def clip_seed(params: SimulateParams, face: int, key: object) -> int:
    """Return the seed of one recording of one person."""
    return derive_seed(params.seed, "simulate", face, key)


def events_of(recordings: Iterable[Recording]) -> tuple[ClipPlan, ...]:
    """Return the expressions of some recordings, in order."""
    return tuple(event for recording in recordings for event in recording.events)


APEX_FRACTION = (0.34, 0.58)
LEAD_SECONDS, GAP_SECONDS = (0.25, 0.4), (0.45, 0.75)


def draw_interval(params: SimulateParams, rng: np.random.Generator, apex_fraction: float | None = None) -> Interval:
    """Draw where the one expression of a recording lies, in 1-based frame numbers.

    The apex lies at `APEX_FRACTION` of the way, or at `apex_fraction` (0.5 is the exact midpoint).
    """
    length = round(float(rng.uniform(params.shortest, params.longest)) * params.fps)
    fraction = float(rng.uniform(*APEX_FRACTION)) if apex_fraction is None else apex_fraction
    lead, tail = rng.uniform(0.1, 0.3, 2) * params.fps
    onset = 1 + round(float(lead))
    length += length % 2 if apex_fraction == 0.5 else 0
    apex = onset + min(max(round(length * fraction), 2), length - 2)
    return Interval(onset, apex, onset + length, onset + length + round(float(tail)))


def draw_seconds(params: SimulateParams, rng: np.random.Generator, macro: bool = False) -> float:
    """Draw the duration of an expression in seconds; a macro-expression lasts 0.55 to 0.9 s, or a micro-one and 0.2."""
    if macro:
        return float(max(rng.uniform(0.55, 0.9), params.longest + 0.2))
    return float(rng.uniform(params.shortest, params.longest))


def lay_out(
    fps: float,
    seconds: Sequence[float],
    rng: np.random.Generator,
    first: int = 1,
    centred: Sequence[bool] = (),
    total: float = 0.0,
) -> tuple[list[Interval], int]:
    """Return where expressions of the given durations lie one after the other in a recording, and its last number.

    Args:
        first: number of the recording's first frame.
        centred: which apexes to put exactly halfway, because the table will not give them; none when empty.
        total: least length of the recording in seconds; what is left over is shared out at random among the rests.
    """
    at = first + round(float(rng.uniform(*LEAD_SECONDS)) * fps)
    spare = max(0.0, total - sum(seconds) - GAP_SECONDS[1] * (len(seconds) + 1))
    pauses = (
        [round(float(share) * spare * fps) for share in rng.dirichlet(np.full(len(seconds) + 1, 3.0))] if spare else []
    )
    at += pauses.pop() if pauses else 0
    places: list[tuple[int, int, int]] = []
    for duration, halfway in zip(seconds, centred or [False] * len(seconds), strict=True):
        length = max(4, round(duration * fps))
        length += length % 2 if halfway else 0
        fraction = 0.5 if halfway else float(rng.uniform(*APEX_FRACTION))
        places.append((at, at + min(max(round(length * fraction), 2), length - 2), at + length))
        at += length + round(float(rng.uniform(*GAP_SECONDS)) * fps)
        at += pauses.pop() if len(pauses) > 1 else 0
    last = (places[-1][2] if places else at) + round(float(rng.uniform(*LEAD_SECONDS)) * fps) + sum(pauses)
    return [Interval(*interval, recorded=last) for interval in places], last
