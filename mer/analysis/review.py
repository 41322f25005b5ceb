"""What a person said of the candidates of a film: the file that the page saves, read back and laid on new results.

The file is JSON: `film` (digest of the content), `coder`, `changed`, and `intervals`, each with `spotted` (type, onset
and offset of the candidate that it judges, or null for an interval of the person's own), `verdict` (`accepted`,
`rejected` or ''), `type`, `emotion`, `onset`, `apex`, `offset` (frame numbers as the results have them) and `note`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mer.analysis.expressions import Expression
from mer.analysis.footage import Footage
from mer.core.errors import DatasetError

FORMAT = "mer review 1"
VERDICTS = ("", "accepted", "rejected")
KINDS = ("micro", "macro")
OVERLAP = 0.5  # intersection over union from which a candidate is the one that was judged
LARGEST = 8 << 20  # bytes
LONGEST_TEXT = 2000
ENDS = 1 << 20


class ReviewError(DatasetError):
    """A review cannot be used; what an earlier run said of the video stays."""


@dataclass(frozen=True)
class Judged:
    """One interval of a review, in frame numbers of the results; `spotted` is None for one of the person's own."""

    spotted: tuple[str, int, int] | None
    verdict: str
    type: str
    emotion: str
    onset: int
    apex: int
    offset: int
    note: str


@dataclass(frozen=True)
class Review:
    """A review of one film: `changed` is when (ISO 8601, UTC), `coder` who."""

    film: str
    coder: str
    changed: str
    intervals: tuple[Judged, ...]

    def as_object(self) -> dict[str, Any]:
        """Return what the file holds."""
        return {"format": FORMAT, **asdict(self)}


@dataclass(frozen=True)
class Laid:
    """A review on the candidates of a result.

    Args:
        judged: of every candidate, what was said of it; None where nothing was.
        own: the person's own intervals.
        lost: how many judged candidates are not among these.
        coder: who judged.
        changed: when the file was changed last.
    """

    judged: tuple[Judged | None, ...] = ()
    own: tuple[Judged, ...] = ()
    lost: int = 0
    coder: str = ""
    changed: str = ""

    def as_object(self, film: str) -> dict[str, Any]:
        """Return it as a review of the candidates that there are."""
        kept = tuple(one for one in self.judged if one is not None) + self.own
        return Review(film, self.coder, self.changed, kept).as_object()


def film_digest(footage: Footage) -> str:
    """Return 16 hex digits of a film's content: sizes, names of images, and the first and last MiB.

    Unlike the digest of the results it does not change when a file is copied.
    """
    paths = [footage.path / name for name in footage.files] or [footage.path]
    digest = hashlib.sha256("\n".join(footage.files).encode())
    digest.update(" ".join(str(path.stat().st_size) for path in paths).encode())
    with paths[0].open("rb") as first, paths[-1].open("rb") as last:
        digest.update(first.read(ENDS))
        last.seek(max(0, paths[-1].stat().st_size - ENDS))
        digest.update(last.read())
    return digest.hexdigest()[:16]


def read_review(path: Path, footage: Footage) -> Review:
    """Read a review of a film.

    Raises:
        ReviewError: the file is missing, no review, or one of another film.
    """
    wanted = "a file that the page of this video saved"
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise ReviewError(path, f"{size >> 20} MiB", wanted)
        read = json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise ReviewError(path, error.strerror or "cannot be read", wanted, "name it with --reviewed") from None
    except (ValueError, RecursionError):
        raise ReviewError(path, "not JSON", wanted) from None
    if not isinstance(read, dict) or read.get("format") != FORMAT or not isinstance(read.get("intervals"), list):
        raise ReviewError(path, "no review of mer", wanted)
    film = film_digest(footage)
    if read.get("film") != film:
        found = f"reviews film {_text(read.get('film'))[:40] or '(unnamed)'}, and {footage.path.name} is {film}"
        raise ReviewError(path, found, "a review of this film", "name the video that was reviewed")
    rows = tuple(_judged(f"{path} interval {k}", one) for k, one in enumerate(read["intervals"], 1))
    return Review(film, _text(read.get("coder")), _text(read.get("changed")), rows)


def lay_on(review: Review, expressions: Sequence[Expression], numbers: Sequence[int]) -> Laid:
    """Return what a review says of candidates; `numbers` are the frame numbers of the grid.

    A candidate is the one that was judged when type and frames are the same, or else when they overlap by half.
    """
    judged: list[Judged | None] = [None] * len(expressions)
    spans = [(one.kind, numbers[one.onset], numbers[one.offset]) for one in expressions]
    waiting: list[Judged] = []
    for one in review.intervals:
        if one.spotted in spans:
            judged[spans.index(one.spotted)] = one
        elif one.spotted is not None:
            waiting.append(one)
    lost = 0
    for one in waiting:
        shares = [_overlap(one.spotted, span) if judged[k] is None else 0.0 for k, span in enumerate(spans)]
        best = max(range(len(shares)), key=shares.__getitem__, default=-1)
        if best >= 0 and shares[best] >= OVERLAP:
            judged[best] = replace(one, spotted=spans[best])
        else:
            lost += bool(one.verdict or one.note)
    own = tuple(one for one in review.intervals if one.spotted is None)
    return Laid(tuple(judged), own, lost, review.coder, review.changed)


def _overlap(one: tuple[str, int, int] | None, other: tuple[str, int, int]) -> float:
    if one is None or one[0] != other[0]:
        return 0.0
    both = min(one[2], other[2]) - max(one[1], other[1]) + 1
    return max(0, both) / (max(one[2], other[2]) - min(one[1], other[1]) + 1)


def _judged(where: str, one: object) -> Judged:
    if not isinstance(one, dict):
        raise ReviewError(where, "not an object", "an interval with onset, apex and offset")
    verdict, kind = one.get("verdict", ""), one.get("type")
    if verdict not in VERDICTS:
        raise ReviewError(where, f"verdict {verdict!r}"[:80], "accepted, rejected or ''")
    if kind not in KINDS:
        raise ReviewError(where, f"type {kind!r}"[:80], "micro or macro")
    onset, apex, offset = (_frame(where, name, one.get(name)) for name in ("onset", "apex", "offset"))
    if not onset <= apex <= offset:
        raise ReviewError(where, f"onset {onset}, apex {apex}, offset {offset}", "onset <= apex <= offset")
    spotted = one.get("spotted")
    if spotted is not None:
        if not (isinstance(spotted, list) and len(spotted) == 3 and spotted[0] in KINDS):
            raise ReviewError(where, "an unknown candidate", "its type, onset and offset")
        spotted = (spotted[0], _frame(where, "spotted", spotted[1]), _frame(where, "spotted", spotted[2]))
    emotion, note = _text(one.get("emotion")), _text(one.get("note"))
    return Judged(spotted, verdict, kind, emotion, onset, apex, offset, note)


def _frame(where: str, name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 2**53:
        raise ReviewError(where, f"{name} {value!r}"[:80], "a whole frame number")
    return value


def _text(value: object) -> str:
    return " ".join(value.split())[:LONGEST_TEXT] if isinstance(value, str) else ""
