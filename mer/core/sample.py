"""The canonical row of every database (specs/datasets.md §0.1) and the index file that holds the rows.

One row per annotated expression. Rows are never dropped: an unusable one keeps `status = "excluded"`
and says why. Frame numbers are inclusive and in file-number units; times in seconds.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import types
import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mer.core.atomic import write_text
from mer.core.csvfile import csv_text
from mer.core.errors import DatasetError


@dataclass(frozen=True)
class ActionUnit:
    """One facial action unit as coded: `side` is L, R, A (asymmetric), T or B (top, bottom lip) or ''.

    `intensity` is A-E or a range such as 'A/B', or ''. `uncertain` marks a trailing '?', `ref` a FACS
    reference marker, `kept` a held (static) unit. `alternative` is '' or 'group.branch' of an 'or'.
    """

    number: int
    side: str = ""
    intensity: str = ""
    uncertain: bool = False
    ref: bool = False
    kept: bool = False
    alternative: str = ""


@dataclass(frozen=True)
class Sample:
    """One annotated expression.

    `media_path` is relative to the dataset root and never leaves it. `group` is the key of
    leave-one-subject-out: `family:subject`, the same person in two releases has one group.
    `onset`, `apex` and `offset` are file numbers (inclusive) or None; `index_base` is added to an
    annotated frame number to get the number in the file name.
    """

    dataset: str
    subject: str
    group: str
    sample_id: str
    video_id: str
    media_path: str
    media_kind: str = "frames"
    view: str = "raw"
    release: str = ""
    first_file: int | None = None
    last_file: int | None = None
    n_files: int | None = None
    index_base: int = 0
    onset: int | None = None
    apex: int | None = None
    offset: int | None = None
    apex_source: str = "none"
    fps: float | None = None
    emotion_raw: str = ""
    emotion_norm: str = ""
    emotion_3: str | None = None
    emotion_4: str | None = None
    emotion_5: str | None = None
    emotion_7: str | None = None
    objective_class: int | None = None
    expression_type: str = "micro"
    aus: tuple[ActionUnit, ...] = ()
    au_raw: str = ""
    au_notes: tuple[str, ...] = ()
    errata: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    status: str = "ok"
    reason: str = ""

    @property
    def au_numbers(self) -> tuple[int, ...]:
        """Distinct AU numbers in ascending order, held units left out."""
        return tuple(sorted({au.number for au in self.aus if not au.kept}))

    def excluded(self, reason: str) -> Sample:
        """Return this row excluded with `reason`; an earlier reason is kept in front."""
        reason = f"{self.reason}; {reason}" if self.reason else reason
        return dataclasses.replace(self, status="excluded", reason=reason)


MEDIA_FIELDS = ("sample_id", "media_kind", "media_path", "onset", "apex", "offset", "fps", "first_file", "last_file")
_TYPES = typing.get_type_hints(Sample)
_NAMES = [f.name for f in dataclasses.fields(Sample)]


def media_row(sample: Sample) -> dict[str, object]:
    """Return the label-free part of a row: all that the preprocessing stages may know."""
    return {name: getattr(sample, name) for name in MEDIA_FIELDS}


def _encode(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        items = [dataclasses.asdict(v) if isinstance(v, ActionUnit) else v for v in value]
        return json.dumps(items, ensure_ascii=False) if items else ""
    return repr(value) if isinstance(value, float) else str(value)


def _decode(name: str, cell: str) -> object:
    kind = _TYPES[name]
    if typing.get_origin(kind) is tuple:
        items = json.loads(cell) if cell else []
        return tuple(ActionUnit(**v) if name == "aus" else str(v) for v in items)
    options = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if cell == "" and type(None) in options:
        return None
    base = next(t for t in options if t is not type(None))
    return base(cell)


def dumps_index(samples: Iterable[Sample]) -> str:
    """Return rows as CSV text, in the order given."""
    return csv_text(_NAMES, ([_encode(getattr(sample, name)) for name in _NAMES] for sample in samples))


def write_index(path: str | Path, samples: Iterable[Sample]) -> None:
    """Write rows to a CSV file atomically."""
    write_text(path, dumps_index(samples))


def read_index(path: str | Path) -> list[Sample]:
    """Read the rows that `write_index` wrote.

    Raises:
        DatasetError: the file is missing, or its columns are not those of the canonical row.
    """
    try:
        with open(path, encoding="utf-8", newline="") as handle:
            reader = csv.DictReader(handle)
            if reader.fieldnames is None or set(reader.fieldnames) != set(_NAMES):
                raise DatasetError(
                    path, "columns differ from the canonical row", ", ".join(_NAMES), "rebuild the index"
                )
            return [Sample(**{n: _decode(n, row[n]) for n in _NAMES}) for row in reader]  # type: ignore[arg-type]
    except FileNotFoundError:
        raise DatasetError(path, "index not found", remedy="run the index stage first") from None
    except OSError as error:
        raise DatasetError(path, f"cannot be read ({error.strerror or error})", "a readable index") from None
    except (ValueError, TypeError, RecursionError, csv.Error) as error:
        raise DatasetError(path, f"unreadable row ({error})", "an index written by mer", "rebuild the index") from error


def by_subject(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    """Group rows by `subject_key`, both levels sorted, so that no order on disk matters."""
    groups: dict[str, list[Sample]] = {}
    for sample in sorted(samples, key=lambda s: (subject_key(s), s.sample_id)):
        groups.setdefault(subject_key(sample), []).append(sample)
    return groups


def subject_key(sample: Sample) -> str:
    """Return the name of a subject's container: the group as a file name (`casme2-sub01`)."""
    return "".join(c if c.isalnum() or c in "_." else "-" for c in sample.group)
