"""Which clips of a database were left out, at which stage and why."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from mer.core.atomic import write_text
from mer.core.container import Container
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
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, buffer.getvalue())
