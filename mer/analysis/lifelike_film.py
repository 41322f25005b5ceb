"""Films of simulated people beside the truth: what a spotter is measured on where every movement is known.

A film is written twice: with micro-expressions in it, and the same person doing all the same without (the control).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path

from mer.analysis.footage import open_footage
from mer.analysis.implanting import TRUTH, ImplantedFilm, write_truth
from mer.core.csvfile import write_csv
from mer.core.errors import ConfigError
from mer.core.progress import each
from mer.core.registry import nearest
from mer.simulate.habits import EXPRESSIONS, Event, Habits
from mer.simulate.images import VideoFile
from mer.simulate.implant import Implant
from mer.simulate.lifelike import LifelikeRecording, lifelike

HAPPENINGS = "happenings.csv"
FPS, SIZE = 30.0, (640, 480)
#: A bit of everything that real footage has.
EVERYTHING = Habits(hand=0.7, cut=0.3, away=0.3, zoom=0.3, light=0.5, chewing=0.3, shake=0.05)


@dataclass(frozen=True)
class People:
    """Who is filmed: `subjects` people from `seed` on, for `seconds` each, with given habits."""

    seconds: float
    subjects: int = 1
    seed: int = 0
    habits: Habits = EVERYTHING


def habits_from(settings: Iterable[str]) -> Habits:
    """Return `EVERYTHING` with settings such as `talk=0.6`.

    Raises:
        ConfigError: there is no such habit, or its value is no number from 0 on.
    """
    known = [field.name for field in fields(Habits) if isinstance(getattr(EVERYTHING, field.name), float)]
    values: dict[str, float] = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        if name not in known:
            raise ConfigError("--habit", f"{name!r}", f"one of {', '.join(known)}", nearest(name, known))
        try:
            values[name] = float(text)
        except ValueError:
            raise ConfigError(f"--habit {name}", f"{text!r}", "a number, as in talk=0.6") from None
    return replace(EVERYTHING, **values)  # type: ignore[arg-type]


def write_people(folder: Path, people: People, log: Callable[[str], None] = lambda line: None) -> list[ImplantedFilm]:
    """Write `person01/film.mp4`, `control.mp4`, `truth.csv` and `happenings.csv`, and so on for everyone.

    `truth.csv` holds the expressions, in the columns of films with implants; `happenings.csv` all that happens.

    Raises:
        StorageError: the disk is full.
    """
    films = []
    for number in range(people.subjects):
        name = f"person{number + 1:02d}"
        recording = lifelike(people.seed * 1000 + number, people.seconds, FPS, SIZE, people.habits)
        films.append(write_recording(folder / name, recording))
        log(f"{name}: {len(films[-1].implants)} expressions, {len(recording.events)} events, below {folder}")
    return films


def write_recording(folder: Path, recording: LifelikeRecording) -> ImplantedFilm:
    """Write one recording, its control and its truth into a folder, and return what it holds."""
    calm = replace(recording.habits, micro=0.0)
    control = LifelikeRecording(recording.seed, recording.count, recording.fps, recording.size, calm, recording.eyes)
    paths = folder / "film.mp4", folder / "control.mp4"
    for path, some in zip(paths, (recording, control), strict=True):
        with VideoFile(path, some.fps) as out:
            for frame in each(some.frames(), f"{folder.name}: frames of its {path.stem}", some.count):
                out.add(frame)
    expressions = [_implant(event) for event in recording.events if event.kind in EXPRESSIONS]
    write_truth(folder / TRUTH, open_footage(paths[0]), expressions)
    rows = [[event.kind, event.first, event.last, f"{event.first / recording.fps:.3f}"] for event in recording.events]
    write_csv(folder / HAPPENINGS, ("kind", "first", "last", "seconds"), rows)
    visible = float(recording.present.sum()) / recording.fps
    return ImplantedFilm(*paths, recording.fps, visible, expressions)


def _implant(event: Event) -> Implant:
    return Implant(event.first, event.apex, event.last, event.kind, event.emotion, event.units, event.amplitude)
