"""`mer check`: what is in a download, before anything runs (specs/datasets.md §0.5)."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mer.checking.check_report import CheckReport
from mer.checking.corrections import corrections
from mer.checking.leftovers import unrecognised
from mer.checking.media import Looked, look, plan
from mer.core.errors import ConfigError, MerError
from mer.core.params import Params
from mer.core.registry import nearest
from mer.datasets.contract import AnyReader, Database
from mer.datasets.expected import counted, release_for
from mer.datasets.reading import Problem, Reading
from mer.datasets.registry import reader_of


def check(
    root: str | Path,
    dataset: str,
    options: Mapping[str, Any] | Params | None = None,
    strict: bool = False,
    progress: Callable[[int, int], None] | None = None,
    *,
    licence_accepted: bool | None = None,
    errata: bool = True,
    decode: int = 3,
    name: str = "",
) -> CheckReport:
    """Look at a download and say whether it can be used; nothing is written, nothing raised for what is there.

    Args:
        root: the database's folder.
        dataset: a reader (`casme2`), or one of its releases (`smic_vis`, `casme3a`).
        options: the reader's keys, e.g. `{"view": "cropped"}`.
        strict: any problem makes the download unusable.
        progress: called with (files done, files in all) while the media are looked at.
        licence_accepted: what the configuration says. None: not said, V20 is a warning; False: an error.
        errata: whether known faults are corrected.
        decode: images to decode per row; the header of every image is read.
        name: the dataset's name in the configuration, for V20; `dataset` when empty.

    Raises:
        ConfigError: unknown dataset, or a key or value that its reader does not have.
    """
    reader, preset = reader_of(dataset)
    chosen = reader_options(reader, options, preset)
    card = reader.database(chosen)
    empty = CheckReport(dataset, str(root), view=getattr(chosen, "view", ""), strict=strict)
    try:
        reading = reader.read(Path(root), chosen, errata)
        media = plan(Path(root).resolve(), reading.samples, decode, card)
        looked = look(Path(root).resolve(), media, progress)
        licence = _licence(reader, name or dataset, licence_accepted)
        return _report(empty, card, reading, looked, licence, errata)
    except MerError as error:
        return dataclasses.replace(empty, fatal=error.line())
    except OSError as error:
        return dataclasses.replace(empty, fatal=f"{error.filename or root}: cannot be read ({error.strerror or error})")


def reader_options(reader: AnyReader, options: Mapping[str, Any] | Params | None, preset: Mapping[str, str]) -> Params:
    """Return a reader's options from plain values.

    Raises:
        ConfigError: an unknown key, or a value of the wrong kind; the message names what is valid.
    """
    if isinstance(options, Params):
        return options
    fields = reader.options.model_fields
    try:
        return reader.options.model_validate({**preset, **(options or {})})
    except ValidationError as error:
        fault = error.errors()[0]
        key = str(fault["loc"][0])
        if key not in fields:
            raise ConfigError(f"option {key}", "unknown to this database", remedy=nearest(key, fields)) from None
        expected = fault["msg"][0].lower() + fault["msg"][1:]
        raise ConfigError(f"option {key}", f"bad value {fault['input']!r}", expected) from None


def _report(
    empty: CheckReport, card: Database, reading: Reading, looked: Looked, licence: list[Problem], errata: bool
) -> CheckReport:
    counts = tuple(counted(reading, card.releases))
    spare = unrecognised(Path(empty.root).resolve(), reading.samples, reading.leftovers, card)
    problems = [*reading.problems, *_of_release(reading, card), *looked.problems, *_of_folders(reading, spare)]
    problems += licence
    rows = Counter(sample.status for sample in reading.samples)
    views = sorted({sample.view for sample in reading.samples})
    report = dataclasses.replace(
        empty,
        release=reading.release,
        view=empty.view or ", ".join(views),
        rows=dict(sorted(rows.items())),
        left_out=len(reading.left_out),
        subjects=len({sample.group for sample in reading.samples}),
        counts=counts,
        problems=tuple(problems),
        corrections=tuple(corrections(reading, empty.view, errata)),
        leftovers=tuple(sorted({*reading.leftovers, *spare})),
        images=looked.files,
        decoded=looked.decoded,
        sizes=dict(looked.sizes.most_common()),
    )
    return dataclasses.replace(report, stops=_stops(report))


def _of_release(reading: Reading, card: Database) -> list[Problem]:
    file = reading.release.split(" sha256:")[0]
    if not file or release_for(card.releases, file):
        return []
    message = "not the name of a known release; its counts cannot be compared"
    return [Problem("V04", "warning", file, None, message)]


def _of_folders(reading: Reading, spare: list[str]) -> list[Problem]:
    if not spare:
        return []
    message = f"{len(spare)} folders of images are not named like clips, e.g. {', '.join(spare[:3])}"
    return [Problem("V14", "warning", reading.release.split(" sha256:")[0] or reading.dataset, None, message)]


def _licence(reader: AnyReader, name: str, accepted: bool | None) -> list[Problem]:
    request = "" if accepted else reader.licence_request(name)
    severity = "warning" if accepted is None else "error"
    return [Problem("V20", severity, name, None, request)] if request else []


def _stops(report: CheckReport) -> tuple[str, ...]:
    """Return why the download cannot be used: no row, or counts that are known for sure and differ."""
    reasons = []
    wrong = [count for count in report.counts if count.status == "verified" and not count.ok]
    if wrong:
        shown = ", ".join(f"{c.what} {c.found} instead of {c.expected}" for c in wrong[:3])
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        reasons.append(f"not the release (V04): {shown}{more}")
    reasons += [f"{p.file}: {p.message} (V20)" for p in report.problems if p.rule == "V20" and p.severity == "error"]
    if not report.rows.get("ok"):
        reasons.append("no row has its frames")
    if report.strict and report.problems:
        reasons.append(f"strict: {len(report.problems)} problems")
    return tuple(reasons)
