"""`mer check`: what is in a download, before anything runs (specs/datasets.md §0.5)."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mer.checking.check_report import CheckReport, corrections
from mer.checking.media import Looked, look, plan
from mer.checking.report_text import render
from mer.core.errors import ConfigError, MerError
from mer.core.filenames import is_image, split_pattern
from mer.core.params import Params
from mer.core.progress import bar
from mer.core.sample import Sample
from mer.core.validation import first_fault
from mer.core.yaml_text import parse_yaml
from mer.datasets.contract import AnyReader, Database
from mer.datasets.expected import counted, release_for
from mer.datasets.files import folded, walk
from mer.datasets.listed import listed_once
from mer.datasets.reading import Problem, Reading
from mer.datasets.registry import reader_of
from mer.datasets.usable import stops


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
    part: bool = False,
    listing: Callable[[int], None] | None = None,
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
        part: what the configuration says: the copy is a part of its release, on purpose.
        listing: called with the number of folders listed, before the media are looked at.

    Raises:
        ConfigError: unknown dataset, or a key or value that its reader does not have.
    """
    reader, preset = reader_of(dataset)
    chosen = reader_options(reader, options, preset)
    card = reader.database(chosen)
    empty = CheckReport(dataset, str(root), view=getattr(chosen, "view", ""), strict=strict)
    try:
        with listed_once(listing):
            reading = reader.read(Path(root), chosen, errata)
            media = plan(Path(root).resolve(), reading.samples, decode, card)
            looked = look(Path(root).resolve(), media, progress)
            licence = _licence(reader, name or dataset, licence_accepted)
            return _report(empty, card, reading, looked, licence, errata, part)
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
    try:
        return reader.options.model_validate({**preset, **(options or {})})
    except ValidationError as error:
        key, found, expected, remedy = first_fault(reader.options, error)
        found = "unknown to this database" if found == "unknown key" else found
        raise ConfigError(f"option {key}", found, expected, remedy) from None


def _report(
    empty: CheckReport,
    card: Database,
    reading: Reading,
    looked: Looked,
    licence: list[Problem],
    errata: bool,
    part: bool,
) -> CheckReport:
    counts = tuple(counted(reading, card.releases))
    spare = unrecognised(Path(empty.root).resolve(), reading.samples, reading.leftovers, card)
    problems = [
        *reading.problems,
        *_of_release(reading, card),
        *_with_rows(looked, reading),
        *_of_folders(reading, spare),
    ]
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
    return dataclasses.replace(report, stops=(*stops(reading, card, part, counts), *_more_stops(report, reading)))


def _of_release(reading: Reading, card: Database) -> list[Problem]:
    file = reading.release.split(" sha256:")[0]
    if not file or not card.tables or release_for(card.releases, file):
        return []
    message = "not the name of a known release; its counts cannot be compared"
    return [Problem("V04", "warning", file, None, message)]


def _with_rows(looked: Looked, reading: Reading) -> list[Problem]:
    """Return the problems of media; those of an interval with its row of the table."""
    table = reading.release.split(" sha256:")[0]
    return [
        dataclasses.replace(problem, message=f"{problem.message} (row {reading.rows[problem.sample_id]} of {table})")
        if problem.rule == "V10" and problem.sample_id in reading.rows
        else problem
        for problem in looked.problems
    ]


def _of_folders(reading: Reading, spare: list[str]) -> list[Problem]:
    if not spare:
        return []
    message = f"{len(spare)} folders of images are not named like clips, e.g. {', '.join(spare[:3])}"
    return [Problem("V14", "warning", reading.release.split(" sha256:")[0] or reading.dataset, None, message)]


def _licence(reader: AnyReader, name: str, accepted: bool | None) -> list[Problem]:
    request = "" if accepted else reader.licence_request(name)
    severity = "warning" if accepted is None else "error"
    return [Problem("V20", severity, name, None, request)] if request else []


def _more_stops(report: CheckReport, reading: Reading) -> tuple[str, ...]:
    """Return why the download cannot be used besides what a reading tells: licence, pictures, strictness."""
    reasons = [f"{p.file}: {p.message} (V20)" for p in report.problems if p.rule == "V20" and p.severity == "error"]
    damaged = {p.sample_id for p in report.problems if p.rule == "V15" and p.severity == "error"}
    # A medium is looked at once, under the name of its first row.
    lost = {sample.media_path for sample in reading.samples if sample.sample_id in damaged}
    usable = [sample.media_path for sample in reading.samples if sample.status == "ok"]
    if usable and lost.issuperset(usable):
        reasons.append("no row has images that can be read (V15)")
    if report.strict and report.problems:
        reasons.append(f"strict: {len(report.problems)} problems")
    return tuple(reasons)


def unrecognised(root: Path, samples: Iterable[Sample], known: Iterable[str], card: Database) -> list[str]:
    """Return the image folders beside the clips that are neither used by a row nor in `known`, sorted.

    Looks below the deepest folder that the clips of one tree share. Folders that the owners ship beside the clips
    (`non_micro`, `depth`) are not listed.

    Args:
        root: the dataset's folder, symlinks resolved.
        samples: canonical rows.
        known: folders already reported, relative to the root.
        card: the database, which names the folders beside its clips.
    """
    frames = [sample.media_path for sample in samples if sample.media_path and sample.media_kind == "frames"]
    used = {split_pattern(path)[0] for path in frames}
    trees: dict[str, list[str]] = {}
    for path in sorted(used):
        trees.setdefault(path.partition("/")[0], []).append(path)
    # Clips missing from one tree may be taken from another: only the main one is looked through.
    main = max(trees.values(), key=len, default=[])
    if len(main) < 2:
        return []
    shared = os.path.commonpath(main)
    told = used | set(known)
    beside = {name for tree in card.trees for name in tree.beside}
    return sorted(
        name
        for folder, _, names in walk(root, root / shared, skip=beside)
        if (name := folder.relative_to(root).as_posix()) not in told
        and not any(folded(part) in beside for part in name.split("/"))
        and any(map(is_image, names))
    )


def run_check(
    root: str | Path,
    dataset: str,
    view: str = "",
    options: Sequence[str] = (),
    strict: bool = False,
    as_json: bool = False,
    licence_accepted: bool | None = None,
    errata: bool = True,
    decode: int = 3,
    everything: bool = False,
    part: bool = False,
    configured: Mapping[str, Any] | None = None,
) -> tuple[str, int]:
    """Return the text to print and the exit status: 0 usable, 1 usable with exclusions, 2 unusable.

    What the command line calls, with plain values; arguments that are not listed are those of `check`.

    Args:
        view: which of the released image trees to look at; the reader's default when empty.
        options: further keys of the reader as `key=value`.
        as_json: return JSON instead of tables.
        everything: list every problem, not the first of each rule.
        configured: the reader's keys in a configuration, under those of `view` and `options`.

    Raises:
        ConfigError: unknown dataset, option or value.
    """
    given = {**(configured or {}), **_pairs(options, dataset), **({"view": view} if view else {})}
    with bar(f"looking at {dataset}") as progress:
        report = check(
            root,
            dataset,
            given,
            strict,
            progress,
            licence_accepted=licence_accepted,
            errata=errata,
            decode=decode,
            part=part,
            listing=lambda folders: progress(folders, None),
        )
    if as_json:
        return json.dumps(report.as_dict(), indent=1, ensure_ascii=False) + "\n", report.exit_code
    return render(report, shutil.get_terminal_size((110, 24)).columns, everything), report.exit_code


def _pairs(options: Sequence[str], dataset: str) -> dict[str, object]:
    """Return `key=value` texts as a mapping; a list option takes its values separated by commas."""
    fields = reader_of(dataset)[0].options.model_fields
    pairs: dict[str, object] = {}
    for text in options:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"option {text!r}", "no '='", "key=value, e.g. apex_missing=exclude")
        listed = "tuple" in str(getattr(fields.get(key.strip()), "annotation", ""))
        if value.strip().startswith("{"):
            # Written as in the configuration: `columns={clip: File}`.
            pairs[key.strip()] = parse_yaml(value, f"option {key.strip()}")
            continue
        pairs[key.strip()] = [part for part in value.split(",") if part] if listed else value.strip()
    return pairs
