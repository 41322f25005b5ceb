"""The plan of a simulated database: who is filmed, and every expression, before a frame is rendered."""

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
