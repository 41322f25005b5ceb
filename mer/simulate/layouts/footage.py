"""Recordings and the files they are written to: what all layouts but CASME II's stand on.

A database is a sequence of `Recording`s, each one person filmed without interruption, with any number of expressions.
A layout says which picture files each frame number of a recording goes to; from that follow the frames that are
rendered, the files on disk and the listing that the reader will find, none of which can disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from mer.core.errors import ConfigError, DatasetError
from mer.core.registry import nearest
from mer.simulate.expression import UnitPlan
from mer.simulate.params import SimulateParams
from mer.simulate.plan import APEX_FRACTION, ClipPlan, Interval

Sensor = Literal["colour", "grey", "infrared"]
LEAD_SECONDS, GAP_SECONDS = (0.25, 0.4), (0.45, 0.75)


@dataclass(frozen=True)
class Recording:
    """One person filmed without interruption.

    Args:
        subject: the subject whose files these are, as in the reader's rows.
        person: index of the person's face.
        name: the recording's name in the layout.
        events: its expressions in order of time; all have the recording's seed.
        numbers: every frame number that is recorded, ascending.
        fps: frames per second.
        seed: seed of head motion, flicker and noise.
        kind: what a layout needs to know to place its files.
    """

    subject: str
    person: int
    name: str
    events: tuple[ClipPlan, ...]
    numbers: tuple[int, ...]
    fps: float
    seed: int
    kind: str = ""


@dataclass(frozen=True)
class Picture:
    """One file that a frame goes to: an image, or a video that gets it as its next picture.

    Args:
        key: the clip in the reader's listing.
        path: relative to the root of the database.
        view: the image tree that the file belongs to.
        cropped: whether the file shows the face window only.
        depth: whether it shows distance in millimetres instead (16 bit).
    """

    key: tuple[str, str]
    path: str
    view: str = ""
    cropped: bool = False
    depth: bool = False


@dataclass(frozen=True)
class ReaderInput:
    """What a reader's `samples_from` is given: rows, (subject, clip) -> paths below the root, further arguments."""

    table: list[dict[str, str]]
    listing: dict[tuple[str, str], list[str]]
    extra: dict[str, list[dict[str, str]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Tree:
    """A layout's recordings and files.

    Args:
        recordings: every recording of the database, by subject.
        pictures: the files that one frame number of a recording goes to.
        sensor: `grey` writes single-channel images, `infrared` three equal channels.
        window: side of the face window of cropped pictures, as a share of the frame's height.
    """

    recordings: Callable[[SimulateParams], Sequence[Recording]]
    pictures: Callable[[SimulateParams, Recording, int], Iterable[Picture]]
    sensor: Callable[[SimulateParams], Sensor] = lambda params: "colour"
    window: float = 0.6

    def plan(self, params: SimulateParams) -> tuple[ClipPlan, ...]:
        """Return every expression by subject; see `mer.simulate.plan.plan`."""
        return tuple(event for recording in self.recordings(params) for event in recording.events)

    def subjects(self, params: SimulateParams) -> list[str]:
        """Return the subjects as the reader names them."""
        return list(dict.fromkeys(recording.subject for recording in self.recordings(params)))

    def listing(self, params: SimulateParams, view: str = "") -> dict[tuple[str, str], list[str]]:
        """Return the files of each clip of one view, relative to the root, in the order of a sorted folder."""
        found: dict[tuple[str, str], dict[str, None]] = {}
        for recording in self.recordings(params):
            for number in recording.numbers:
                for picture in self.pictures(params, recording, number):
                    if picture.view == view and not picture.depth:
                        found.setdefault(picture.key, {})[picture.path] = None
        return {key: sorted(paths) for key, paths in found.items()}

    def write_subject(self, params: SimulateParams, subject: str, root: str | Path, truth_path: str | Path) -> None:
        """Render every recording of one subject under `root` and its ground truth at `truth_path`.

        Raises:
            DatasetError: `subject` is not one of `subjects(params)`.
            StorageError: the disk is full or not writable.
        """
        from mer.simulate.layouts.shooting import write_footage

        recordings = [recording for recording in self.recordings(params) if recording.subject == subject]
        if not recordings:
            known = self.subjects(params)
            found = f"no subject {subject!r}"
            raise DatasetError("simulate", found, f"one of {params.subjects}", nearest(subject, known))
        write_footage(params, self, recordings, subject, Path(root), Path(truth_path))


def chosen_view(options: Mapping[str, object], views: Sequence[str], layout: str) -> str:
    """Return the image tree that the reader's options ask for; the first of `views` where they do not say.

    Raises:
        ConfigError: the simulator does not write that tree.
    """
    view = str(options.get("view", views[0]))
    if view not in views:
        found = f"the layout {layout} has no {view!r} images"
        raise ConfigError("options.view", found, f"one of {', '.join(views)}", "choose another view")
    return view


def event(
    recording: tuple[str, int, float, int],
    clip: str,
    label: str,
    units: tuple[UnitPlan, ...],
    when: Interval,
    numbers: Iterable[int] = (),
    quirk: str = "",
) -> ClipPlan:
    """Return the plan of one expression.

    Args:
        recording: subject, person, fps and seed.
        numbers: its files in the narrowest view; onset to offset when empty.
    """
    subject, person, fps, seed = recording
    return ClipPlan(
        subject=subject,
        subject_index=person,
        clip=clip,
        emotion=label,
        units=units,
        onset=when.onset,
        apex=when.apex,
        offset=when.offset,
        numbers=tuple(numbers) or tuple(range(when.onset, when.offset + 1)),
        recorded=when.recorded,
        fps=fps,
        seed=seed,
        quirk=quirk,
    )


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
    found = []
    for duration, halfway in zip(seconds, centred or [False] * len(seconds), strict=True):
        length = max(4, round(duration * fps))
        length += length % 2 if halfway else 0
        fraction = 0.5 if halfway else float(rng.uniform(*APEX_FRACTION))
        found.append((at, at + min(max(round(length * fraction), 2), length - 2), at + length))
        at += length + round(float(rng.uniform(*GAP_SECONDS)) * fps)
        at += pauses.pop() if len(pauses) > 1 else 0
    last = (found[-1][2] if found else at) + round(float(rng.uniform(*LEAD_SECONDS)) * fps) + sum(pauses)
    return [Interval(*interval, recorded=last) for interval in found], last


def moved(when: Interval, by: int) -> Interval:
    """Return the interval with every number moved by `by`."""
    return Interval(when.onset + by, when.apex + by, when.offset + by, when.recorded + by)
