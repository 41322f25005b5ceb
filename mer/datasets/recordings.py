"""Whole recordings as rows: what is spotted in (specs/mean-softnet.md §9.5, specs/datasets.md §12.3).

One row per long video of a database, those without any expression included: leaving them out hides every false alarm
that they would give (specs/mean-softnet.md D1).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import PurePosixPath

from mer.core.errors import DatasetError
from mer.core.sample import Sample
from mer.datasets.labels import family_of
from mer.datasets.reading import Reading
from mer.datasets.registry import databases

SUFFIX = "-whole"
#: `Sample.expression_type` of a whole recording, and of a row that says that a recording holds no expression.
NOTHING = "recording"
_KEPT = (
    "dataset", "subject", "group", "sample_id", "video_id", "media_path", "media_kind", "view", "release", "fps",
)  # fmt: skip


def has_recordings(sample: Sample) -> bool:
    """Tell by the card of its database whether a row's medium is the whole recording that its expression lies in.

    A row of a user's own table may be of any database, and has the views of the reader `table`.
    """
    cards = (databases()[name][1] for name in (sample.dataset, "table") if name in databases())
    tree = next((tree for card in cards if (tree := card.tree_of(sample.view))), None)
    return tree is not None and tree.recordings


def recordings(reading: Reading) -> list[Sample]:
    """Return one row per recording of a database, sorted by `sample_id`, which ends in `-whole`.

    `onset`, `apex` and `offset` are None. Recordings of which no row is usable are left out with the rows, unless
    nobody annotated them.

    Raises:
        DatasetError: the view that was read holds clips that are cut to single expressions.
    """
    usable = [sample for sample in reading.samples if sample.status == "ok"]
    cut = next((sample for sample in usable if not has_recordings(sample)), None)
    if cut is not None:
        message = f"the view {cut.view!r} of {cut.dataset} holds single expressions"
        raise DatasetError(reading.dataset, message, "whole recordings", "set options.view to raw or long")
    whole = {sample.media_path: _whole(sample) for sample in reversed(usable)}
    families = {sample.subject: sample for sample in usable}
    for subject, clip, file in reading.unannotated:
        like = families.get(subject) or (usable[0] if usable else None)
        if like is None:
            continue
        path = file if like.media_kind == "video" else PurePosixPath(file).parent.as_posix()
        family = family_of(like)
        row = dataclasses.replace(
            like, subject=subject, group=f"{family}:{subject}", video_id=f"{subject}/{clip}", media_path=path
        )
        whole.setdefault(path, _whole(row))
    rows = sorted(whole.values(), key=lambda row: row.sample_id)
    return [_bare(row) for row in rows]


def _whole(sample: Sample) -> Sample:
    video = sample.video_id if "/" in sample.video_id else f"{sample.subject}/{sample.video_id}"
    return dataclasses.replace(sample, sample_id=video + SUFFIX)


def _bare(sample: Sample) -> Sample:
    return Sample(**{name: getattr(sample, name) for name in _KEPT}, expression_type=NOTHING)


def by_recording(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    """Return the expressions of each recording, by its media path, in order of their onsets."""
    expressions: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.status == "ok" and sample.onset is not None and sample.offset is not None:
            expressions.setdefault(sample.media_path, []).append(sample)
    return {path: sorted(rows, key=lambda row: (row.onset or 0, row.sample_id)) for path, rows in expressions.items()}
