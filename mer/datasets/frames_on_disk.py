"""What of an annotated interval is really on disk (V09, V10). Opens no file."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import PurePosixPath

from mer.core.errors import ClipError
from mer.core.filenames import is_video
from mer.core.sample import Sample
from mer.datasets.files import numbered
from mer.datasets.intervals import Note


def with_media(
    sample: Sample,
    clip: tuple[tuple[str, str], Sequence[str]] | None,
    folded: Mapping[tuple[str, str], tuple],
    may_miss: float,
    note: Note,
) -> Sample:
    """Return the row with its media: path, first and last file, and what is missing of its interval.

    Args:
        sample: a row whose onset and offset are in file-number units.
        clip: the clip's name and files on disk, None when there are none; an empty folder is its path and a `/`.
        folded: every clip on disk, for the nearest names.
        may_miss: share of the interval's frames that may be absent.
        note: called with every problem.
    """
    files = [path for path in clip[1] if not path.endswith("/")] if clip else []
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
        numbers = numbered(files, sample.sample_id)
    except ClipError as error:
        note("V10", "error", error.line())
        return sample.excluded(error.line())
    if not numbers:
        return _missing(sample, f"none of {len(files)} files has a frame number, e.g. {files[0]}", "V10", note)
    sample = dataclasses.replace(
        sample,
        media_path=PurePosixPath(files[0]).parent.as_posix(),
        first_file=min(numbers),
        last_file=max(numbers),
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
