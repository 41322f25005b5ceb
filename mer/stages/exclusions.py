"""Which clips of a database were left out, at which stage and why.

A clip is lost in one of two places: the reader of its database excludes the row (`Sample.excluded`), or a stage raises
`ClipError` or `MediaError` for it (`mer.stages.run`). Nothing is decided here; both are listed.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mer.core.container import Container
from mer.core.csvfile import write_csv
from mer.core.sample import Sample

FIELDS = ("dataset", "subject", "sample_id", "stage", "reason")


def exclusions(
    samples: Iterable[Sample], containers: Iterable[Path], recordings: Iterable[Sample] = ()
) -> list[dict[str, str]]:
    """List every excluded clip once: where it was lost first, and the reason.

    Args:
        samples: all rows of the index.
        containers: every product of the database, in the order of the journey.
        recordings: rows of whole recordings, where some are made.
    """
    rows = list(samples)
    people = {row.sample_id: (row.dataset, row.subject) for row in [*rows, *recordings]}
    lost: dict[str, tuple[str, str]] = {row.sample_id: ("index", row.reason) for row in rows if row.status != "ok"}
    for path in containers:
        with Container(path) as box:
            stage = "/".join(filter(None, (box.attributes["stage"], box.attributes["variant"])))
            for sample_id, reason in box.failures.items():
                lost.setdefault(sample_id, (stage, reason))
    return [
        {"dataset": people[key][0], "subject": people[key][1], "sample_id": key, "stage": stage, "reason": reason}
        for key, (stage, reason) in sorted(lost.items())
    ]


def write_exclusions(path: Path, rows: Iterable[dict[str, str]]) -> None:
    """Write the list as CSV."""
    write_csv(path, FIELDS, ([row[name] for name in FIELDS] for row in rows))
