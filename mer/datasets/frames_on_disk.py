"""What of an annotated interval is really on disk (V09, V10). Opens no file."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import PurePosixPath

from mer.core.errors import ClipError
from mer.core.filenames import is_video
from mer.core.sample import Sample
from mer.datasets.files import numbered
from mer.datasets.intervals import Note


class Known:
    """Frame numbers of the folders that were asked for, read off their file names once each.

    Args:
        folded: every clip on disk.
    """

    def __init__(self, folded: Mapping[tuple[str, str], tuple]) -> None:
        self._folded = folded
        self._numbers: dict[str, dict[int, str] | ClipError] = {}

    def numbers(self, files: Sequence[str], where: str) -> dict[int, str]:
        """Return the file of each number in ascending order; `files` are all of one folder.

        Raises:
            ClipError: two files spell the same number.
        """
        if files[0] not in self._numbers:
            try:
                self._numbers[files[0]] = numbered(files, where)
            except ClipError as error:
                self._numbers[files[0]] = error
        known = self._numbers[files[0]]
        if isinstance(known, ClipError):
            raise ClipError(where, known.found, known.expected, known.remedy)
        return known

    def firsts(self, keys: Iterable[tuple[str, str]]) -> list[int]:
        """Return the number of the first image of each of these folders that has one."""
        found = []
        for key in keys:
            files = _files(self._folded.get(key, ((), ()))[1])
            try:
                found += list(self.numbers(files, "/".join(key)))[:1] if files and not is_video(files[0]) else []
            except ClipError:
                continue
        return found


def _files(paths: Sequence[str]) -> Sequence[str]:
    """Return the files of a clip; an empty folder is listed as its own path alone."""
    return () if paths and paths[0].endswith("/") else paths


def with_media(
    sample: Sample,
    clip: tuple[tuple[str, str], Sequence[str]] | None,
    folded: Mapping[tuple[str, str], tuple],
    may_miss: float,
    note: Note,
    known: Known | None = None,
) -> Sample:
    """Return the row with its media: path, first and last file, and what is missing of its interval.

    Args:
        sample: a row whose onset and offset are in file-number units.
        clip: the clip's name and files on disk, None when there are none; an empty folder is its path and a `/`.
        folded: every clip on disk, for the nearest names.
        may_miss: share of the interval's frames that may be absent.
        note: called with every problem.
        known: numbers that were read off before, kept from row to row.
    """
    files = _files(clip[1]) if clip else ()
    if not files:
        near = _near(sample, folded)
        return _missing(sample, f"no frames found{near}", "V09", note)
    if is_video(files[0]):
        if len(files) > 1:
            reason = f"{len(files)} videos: {', '.join(sorted(files)[:3])}"
            note("V09", "error", reason)
            return sample.excluded(reason)
        return dataclasses.replace(sample, media_path=files[0], media_kind="video", n_files=1)
    try:
        numbers = (known or Known(folded)).numbers(files, sample.sample_id)
    except ClipError as error:
        note("V10", "error", error.line())
        return sample.excluded(error.line())
    if not numbers:
        return _missing(sample, f"none of {len(files)} files has a frame number, e.g. {files[0]}", "V10", note)
    sample = dataclasses.replace(
        sample,
        media_path=PurePosixPath(files[0]).parent.as_posix(),
        first_file=next(iter(numbers)),
        last_file=next(reversed(numbers)),
        n_files=len(numbers),
    )
    return _gaps(sample, numbers, may_miss, note)


def _near(sample: Sample, folded: Mapping[tuple[str, str], tuple]) -> str:
    names = [
        "/".join(original) for original, _ in folded.values() if original[0].casefold() == sample.subject.casefold()
    ]
    close = difflib.get_close_matches(sample.sample_id, names, n=3, cutoff=0.5)
    return f"; nearest folders: {', '.join(close)}" if close else ""


def _missing(sample: Sample, reason: str, rule: str, note: Note) -> Sample:
    note(rule, "error", reason)
    if sample.status == "excluded":
        return sample.excluded(reason)
    return dataclasses.replace(sample, status="missing_media", reason=reason)


def _gaps(sample: Sample, numbers: Mapping[int, str], may_miss: float, note: Note) -> Sample:
    if sample.onset is None or sample.offset is None or sample.offset < sample.onset:
        return sample
    total = sample.offset - sample.onset + 1
    if total <= len(numbers):
        absent = sum(n not in numbers for n in range(sample.onset, sample.offset + 1))
    else:
        absent = total - sum(sample.onset <= n <= sample.offset for n in numbers)
    if not absent:
        return sample
    some = ", ".join(str(n) for n in islice((n for n in range(sample.onset, sample.offset + 1) if n not in numbers), 5))
    some += ", …" if absent > 5 else ""
    reason = f"{absent} of {total} frames missing: {some}; on disk {sample.first_file}..{sample.last_file}"
    if absent <= may_miss * total:
        note("V10", "warning", reason)
        return sample
    return _missing(sample, reason, "V10", note)
