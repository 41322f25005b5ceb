"""The recordings of one part of a fold with their annotated expressions, as a CSV file that a job reads.

One row per expression, and one with empty `kind` for a recording without any. Frame numbers are those of the files,
inclusive. `source` is `<configured dataset>/<subject key>`, the container of the recording in every product.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mer.core.csvfile import read_csv, write_csv
from mer.core.errors import ModelError
from mer.core.sample import Sample, subject_key
from mer.datasets.recordings import by_recording
from mer.datasets.views import View


@dataclass(frozen=True, order=True)
class Event:
    """One expression of a recording: `kind` is micro or macro; `label` is '' where the view has no class for it."""

    onset: int
    apex: int
    offset: int
    kind: str
    label: str


@dataclass(frozen=True)
class Video:
    """One recording and its expressions in order of time."""

    sample_id: str
    dataset: str
    subject: str
    group: str
    source: str
    events: tuple[Event, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """What identifies the recording among all datasets."""
        return (self.dataset, self.sample_id)

    def of_kind(self, kind: str) -> tuple[Event, ...]:
        """Return the expressions of one kind."""
        return tuple(event for event in self.events if event.kind == kind)


HEAD = ("sample_id", "dataset", "subject", "group", "source")
COLUMNS = (*HEAD, *(field.name for field in dataclasses.fields(Event)))


def videos(name: str, recordings: Iterable[Sample], samples: Iterable[Sample], view: View) -> list[Video]:
    """Join the recordings of a configured dataset with their expressions.

    Args:
        name: of the dataset in the configuration.
        recordings: `mer.datasets.recordings.recordings` of it.
        samples: all its rows.
        view: the class scheme.
    """
    samples_of = by_recording(samples)
    rows = []
    for row in recordings:
        events = tuple(sorted(_event(sample, view) for sample in samples_of.get(row.media_path, [])))
        source = f"{name}/{subject_key(row)}"
        rows.append(Video(row.sample_id, row.dataset, row.subject, row.group, source, events))
    return rows


def _event(sample: Sample, view: View) -> Event:
    assert sample.onset is not None and sample.offset is not None
    # Halfway where nobody knows: a macro-expression is annotated by its ends only.
    apex = sample.apex if sample.apex is not None else (sample.onset + sample.offset) // 2
    return Event(sample.onset, apex, sample.offset, sample.expression_type, view.class_of(sample) or "")


def write_videos(path: str | Path, rows: Iterable[Video]) -> None:
    """Write recordings atomically, sorted by dataset and `sample_id`."""
    lines: list[list[object]] = []
    for row in sorted(rows, key=lambda row: row.key):
        head = [getattr(row, name) for name in HEAD]
        lines += [[*head, *dataclasses.astuple(event)] for event in row.events] or [[*head, *[""] * 5]]
    write_csv(path, COLUMNS, lines)


def read_videos(path: str | Path) -> list[Video]:
    """Read what `write_videos` wrote.

    Raises:
        ModelError: the file is missing, or not such a table.
    """
    videos: dict[tuple[str, str], Video] = {}
    for row in read_csv(path, COLUMNS, remedy="run the split step"):
        video = Video(**{name: row[name] for name in HEAD})  # type: ignore[arg-type]
        video = videos.setdefault(video.key, video)
        try:
            if row["kind"]:
                onset, apex, offset = (int(row[name]) for name in ("onset", "apex", "offset"))
                event = Event(onset, apex, offset, row["kind"], row["label"])
                videos[video.key] = dataclasses.replace(video, events=(*video.events, event))
        except ValueError as error:
            raise ModelError(path, f"unreadable row ({error})", "frame numbers", "run the split step again") from error
    return list(videos.values())


def positions_of(events: Sequence[Event], numbers: np.ndarray) -> np.ndarray:
    """Return onset, apex and offset (E, 3) int64 as indices on a recording's frames.

    Args:
        events: file numbers.
        numbers: (T,) file number of every frame, ascending; a number that is absent becomes the next frame's index.
    """
    wanted = np.array([(event.onset, event.apex, event.offset) for event in events], np.float64).reshape(-1, 3)
    return np.searchsorted(numbers, wanted).clip(0, len(numbers) - 1).astype(np.int64)
