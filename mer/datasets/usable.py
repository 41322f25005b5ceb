"""What `mer check` and the workflow decide a copy of a database by: the same reasons stop both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mer.core.errors import DatasetError
from mer.datasets.contract import Database
from mer.datasets.expected import Count, counted, is_length
from mer.datasets.reading import Reading


def stops(
    reading: Reading, card: Database, part: bool = False, counts: Sequence[Count] | None = None
) -> tuple[str, ...]:
    """Return why a copy cannot be used as it is, () when it can.

    Args:
        reading: what the reader found.
        card: the database.
        part: whether the user says that the copy is a part of the release: a count may then be lower than known.
        counts: what `counted` gives, where that is at hand.
    """
    reasons = list(reading.faults)
    counts = counted(reading, card.releases) if counts is None else counts
    wrong = [count for count in counts if count.status == "verified" and not count.ok]
    if part:
        # The shortest clip of a part may be longer, and so may be the mean.
        wrong = [c for c in wrong if c.found > c.expected and (not is_length(c.what) or "longest" in c.what)]
    if wrong:
        reasons.append(_other_counts(wrong, part))
    if not any(sample.status == "ok" for sample in reading.samples):
        reasons.append("no row has its frames")
    return tuple(reasons)


def _other_counts(wrong: list[Count], part: bool) -> str:
    shown = ", ".join(f"{count.what} {count.found} instead of {count.expected}" for count in wrong[:3])
    shown += f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    fault, renamed = f"not the release (V04): {shown}", "give an edited table a name of its own, in `table`"
    if part:
        return f"{fault}, which no part of it can have; {renamed}"
    if all(is_length(count.what) for count in wrong):
        return f"{fault}: clips that are cut otherwise; unpack the owner's archive again"
    if all(count.found < count.expected for count in wrong):
        return f"{fault}: a part of it under its name; get the rest, or say `part: true` (--part)"
    return f"{fault}; get the owner's table, or {renamed}"


def require_usable(reading: Reading, card: Database, root: Path, part: bool = False) -> None:
    """Stop where a copy cannot be used as it is.

    Raises:
        DatasetError: with every reason of `stops`.
    """
    reasons = stops(reading, card, part)
    if reasons:
        first = next((p.line() for p in reading.problems if p.severity == "error"), "") if len(reasons) == 1 else ""
        tail = f", e.g. {first}" if first and reasons[0] == "no row has its frames" else ""
        where = f"{card.name}: {root}"
        raise DatasetError(where, "; ".join(reasons) + tail, remedy="`mer check` tells all")
