"""From the annotations of any table and the files on disk to canonical rows: the checks that all readers share.

A reader turns its table into `Annotation`s, cells still text, keys already canonical; `assemble` corrects known
faults, reads the cells, finds the media and applies the rules V05 to V19 of specs/datasets.md §0.5.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from mer.core.sample import Sample
from mer.datasets import copies
from mer.datasets.alternatives import Alternatives, resolve
from mer.datasets.au import parse_aus
from mer.datasets.contract import Database, MediaTree
from mer.datasets.errata import Errata, corrected
from mer.datasets.frames_on_disk import Known, with_media
from mer.datasets.intervals import ApexRules, Note, read_interval, too_long
from mer.datasets.labels import normalise_emotion, objective_class
from mer.datasets.reading import Listing, Reading
from mer.datasets.tables import Row
from mer.datasets.views import with_classes

CELLS = ("onset", "apex", "offset", "emotion", "objective", "aus")


@dataclass(frozen=True)
class Annotation:
    """One table row under canonical names; the cells are exact text.

    `subject` and `clip` are canonical; `media` is the key in the listing when it is not (subject, clip).
    `flaws` are (rule, message) pairs that already exclude the row, `left_out` says why an option does so; `no_media` is
    the rule and the reason why its media cannot be told, where the reader looked for them itself;
    `mended` names corrections that the reader made itself. `index_base` is added to an annotated frame number to get
    the number in the file name.
    """

    row: int | None
    subject: str
    clip: str
    onset: str = ""
    apex: str = ""
    offset: str = ""
    emotion: str = ""
    objective: str = ""
    aus: str = ""
    expression_type: str = "micro"
    sample_id: str = ""
    video_id: str = ""
    media: tuple[str, str] | None = None
    errata_key: str = ""
    notes: tuple[str, ...] = ()
    flaws: tuple[tuple[str, str], ...] = ()
    left_out: str = ""
    no_media: tuple[str, str] | None = None
    mended: tuple[str, ...] = ()
    index_base: int = 0

    @classmethod
    def of(cls, row: Row, subject: str, clip: str, **fields: Any) -> Annotation:
        """Return the annotation of a table row: its cells of the columns in `CELLS`, and further `fields`.

        `subject` is written in letters that an id may have.
        """
        cells = {name: row.get(name, "") for name in CELLS}
        return cls(row.number, safe_id(subject), clip, **{**cells, **fields})

    @property
    def key(self) -> str:
        """The id of the row: `sample_id`, or `subject/clip` in letters that an id may have."""
        return self.sample_id or f"{self.subject}/{safe_id(self.clip)}"


@dataclass(frozen=True)
class RowRules:
    """What `assemble` must know besides the card of a database.

    `apex` says how its apex column is treated. `longest` is the duration in seconds above which a micro-expression is
    noted; `may_miss` the share of an interval's frames that may be missing on disk before the clip cannot be used.
    `blank_emotion`: an empty cell is no fault; `more_emotions` are allowed besides those of the card. `parse` reads an
    action-unit cell; `alternatives` says which branches of an `or` in it stay. `renumbered` says that the images have
    other numbers than the released ones (`mer.datasets.copies.Numbering`).
    """

    apex: ApexRules = field(default_factory=ApexRules)
    longest: float = 0.5
    may_miss: float = 0.1
    blank_emotion: bool = False
    more_emotions: frozenset[str] = frozenset()
    parse: Callable[[str], tuple] = parse_aus
    alternatives: Alternatives = "all"
    renumbered: int | None = None


def left_out(kind: str, types: str, noun: str = "expressions") -> str:
    """Return why a row of one kind (`micro`, `macro`) is left out by the option `types`, '' where it stays."""
    return "" if types in ("both", kind) else f"{kind}-{noun} are left out by the option `types`"


def safe_id(text: str) -> str:
    """Return one component of a sample id: letters, digits and `._-+()`, never `.` or `..`, at most 80 long."""
    text = re.sub(r"[^\w.\-+()]+", "_", text.strip())[:80]
    return text if text.strip(".") else "_"


def _unused(key: str, taken: set[str]) -> str:
    """Return `key-copy2`, `key-copy3` ... whichever is not in `taken` (lower case) yet, and add it there."""
    turn = 2
    while f"{key}-copy{turn}".casefold() in taken:
        turn += 1
    taken.add(f"{key}-copy{turn}".casefold())
    return f"{key}-copy{turn}"


def assemble(
    database: Database,
    view: str,
    rules: RowRules,
    annotations: Sequence[Annotation],
    listing: Listing,
    release: str,
    errata: Errata | None = None,
) -> Reading:
    """Return one canonical row per annotation, in table order, with all problems found. Opens no file.

    Args:
        database: the card.
        view: what the rows carry as `Sample.view`.
        rules: how the reader's options have the cells read.
        annotations: the table's rows under canonical names.
        listing: files of every clip found on disk.
        release: annotation file and digest, kept in every row.
        errata: corrections by key (`mer.datasets.errata.errata_of`); None or empty switches them off.
    """
    reading = Reading(database.name, release)
    annotations = _one_spelling(annotations, reading)
    folded = {_fold(key): (key, files) for key, files in listing.items()}
    tree, known = database.tree_of(view) or MediaTree(view=view), Known(folded)
    asked = {_fold(annotation.media or (annotation.subject, annotation.clip)) for annotation in annotations}
    firsts = known.firsts(asked) if rules.renumbered is not None else ()
    numbering = copies.Numbering.of(rules.renumbered, tree, firsts)
    used: set[tuple[str, str]] = set()
    for annotation in annotations:
        notes: list[str] = []
        note = _noter(reading, annotation, notes)
        sample, fixed = _labelled(database, rules, annotation, errata or Errata(), numbering, note)
        key = _fold(annotation.media or (annotation.subject, annotation.clip))
        used.add(key)
        if annotation.no_media:
            sample = _without_media(sample, *annotation.no_media, note)
        else:
            sample = with_media(sample, folded.get(key), folded, rules.may_miss, note, known)
        short = copies.shorter_than_released(sample, tree)
        if short:
            note("V10", "error", short)
            sample = sample.excluded(short)
        notes += annotation.notes
        erratum_key = annotation.errata_key or annotation.key
        units, choice = resolve(sample.aus, database.name, erratum_key, rules.alternatives)
        sample = dataclasses.replace(sample, view=view, release=release, aus=units)
        reading.samples.append(dataclasses.replace(sample, errata=(*fixed, *choice), notes=tuple(notes)))
        if annotation.left_out:
            reading.left_out.add(len(reading.samples) - 1)
    contents = [dataclasses.replace(annotation, row=None) for annotation in annotations]
    exclude_repeated(reading, contents, [annotation.row for annotation in annotations])
    pairs = zip(reading.samples, annotations, strict=True)
    reading.rows = {sample.sample_id: one.row for sample, one in pairs if one.row is not None}
    spare = {original: paths for key, (original, paths) in folded.items() if key not in used}
    _unannotated(reading, spare, database.unlabelled)
    fault = copies.fault_of(reading.samples, tree, numbering)
    if fault:
        reading.faults.append(fault)
        reading.note("V10", "error", fault)
    return reading


def _one_spelling(annotations: Sequence[Annotation], reading: Reading) -> list[Annotation]:
    """Return the annotations with each subject as first written: two spellings of a person would be two groups."""
    first: dict[str, str] = {}
    for annotation in annotations:
        subject = first.setdefault(annotation.subject.casefold(), annotation.subject)
        if subject != annotation.subject:
            message = f"subject {annotation.subject!r} is taken for {subject!r}, which differs in case only"
            reading.note("V13", "warning", message, annotation.row, annotation.key)
    return [dataclasses.replace(one, subject=first[one.subject.casefold()]) for one in annotations]


def _without_media(sample: Sample, rule: str, reason: str, note: Note) -> Sample:
    note(rule, "error", reason)
    if sample.status == "excluded":
        return sample.excluded(reason)
    return dataclasses.replace(sample, status="missing_media", reason=reason)


def _fold(key: tuple[str, str]) -> tuple[str, str]:
    return key[0].casefold(), key[1].casefold()


def _noter(reading: Reading, annotation: Annotation, notes: list[str]) -> Note:
    """Return what notes problems of a row; those of one that the user leaves out warn, and its media may be absent."""
    idle = bool(annotation.left_out) and not annotation.flaws

    def note(rule: str, severity: str, message: str) -> None:
        if idle and rule in ("V09", "V10"):
            return
        severity = "warning" if idle else severity
        reading.note(rule, severity, message, annotation.row, annotation.key)
        notes.append(f"{rule}: {message}")

    return note


def _labelled(
    database: Database,
    rules: RowRules,
    annotation: Annotation,
    errata: Errata,
    numbering: copies.Numbering,
    note: Note,
) -> tuple[Sample, tuple[str, ...]]:
    """Return the row without media, and the names of the corrections applied to it."""
    known = errata.get(annotation.errata_key or annotation.key, ())
    values, applied, unmatched = corrected({name: getattr(annotation, name) for name in CELLS}, known)
    for erratum in unmatched:
        cell, olds = values[erratum.field], " or ".join(map(repr, erratum.olds))
        note("V18", "warning", f"correction {erratum.name!r} expects {olds}, table has {cell!r}: not applied")
    interval = read_interval(
        values["onset"], values["apex"], values["offset"], rules.apex, note, tuple(e.field for e in applied)
    )
    if annotation.expression_type == "micro":
        too_long(interval, database.fps, rules.longest, note)
    units, pieces = rules.parse(values["aus"])
    if pieces:
        read = ", ".join(str(unit.number) for unit in units) or "nothing"
        note("V17", "warning", f"AU {values['aus']!r}: read {read}, not understood: {'; '.join(pieces)}")
    base = annotation.index_base + numbering.base(interval.onset)
    sample = Sample(
        dataset=database.name,
        subject=annotation.subject,
        group=f"{database.family or database.name}:{annotation.subject}",
        sample_id=annotation.key,
        video_id=annotation.video_id or annotation.key,
        media_path="",
        index_base=base,
        onset=_shift(interval.onset, base),
        apex=_shift(interval.apex, base),
        offset=_shift(interval.offset, base),
        apex_source=interval.apex_source,
        fps=database.fps,
        emotion_raw=annotation.emotion,
        expression_type=annotation.expression_type,
        aus=units,
        au_raw=annotation.aus,
        au_notes=pieces,
    )
    sample = _with_emotion(sample, database.emotions | rules.more_emotions, rules.blank_emotion, values, note)
    for rule, message in annotation.flaws:
        note(rule, "error", message)
        sample = sample.excluded(message)
    for reason in (interval.reason, annotation.left_out):
        sample = sample.excluded(reason) if reason else sample
    return sample, (*annotation.mended, *(e.name for e in applied))


def _shift(number: int | None, base: int) -> int | None:
    return None if number is None else number + base


def _with_emotion(
    sample: Sample, emotions: frozenset[str], blank_emotion: bool, values: Mapping[str, str], note: Note
) -> Sample:
    objective = objective_class(values["objective"])
    if objective is None and values["objective"].strip():
        note("V05", "warning", f"objective class {values['objective']!r} is not 1 to 7 or I to VII; left out")
    sample = dataclasses.replace(sample, objective_class=objective)
    emotion = normalise_emotion(values["emotion"])
    if not emotion and blank_emotion:
        return sample
    if emotion in emotions:
        return with_classes(dataclasses.replace(sample, emotion_norm=emotion))
    reason = f"emotion {values['emotion']!r} is not in {', '.join(sorted(emotions))}"
    note("V05", "error", f"{reason}; add it to the synonyms or fix the table")
    return sample.excluded(reason)


def exclude_repeated(
    reading: Reading, contents: Sequence[Hashable], rows: Sequence[int | None] = (), what: str = "cells"
) -> None:
    """Exclude rows that share an id (V12): the later ones when their contents agree, all of them otherwise.

    Args:
        reading: its samples are changed in place, so that no id occurs twice; problems are added.
        contents: what each sample was made from.
        rows: the table rows of the samples, for the message; left out of it when empty.
        what: what the contents are, for the message.
    """
    places: dict[str, list[int]] = {}
    for place, sample in enumerate(reading.samples):
        places.setdefault(sample.sample_id.casefold(), []).append(place)
    taken = set(places)
    for same in places.values():
        if len(same) < 2:
            continue
        agree = len({contents[place] for place in same}) == 1
        where = f" (rows {', '.join(str(rows[place]) for place in same)})" if rows else ""
        reason = f"occurs {len(same)} times{where}" + ("; the first is kept" if agree else f" with different {what}")
        key = reading.samples[same[0]].sample_id
        reading.note("V12", "error", reason, rows[same[0]] if rows else None, key)
        for turn, place in enumerate(same):
            sample = reading.samples[place]
            if turn or not agree:
                sample = sample.excluded(reason)
            reading.samples[place] = dataclasses.replace(sample, sample_id=_unused(key, taken) if turn else key)


def _unannotated(reading: Reading, spare: Mapping[tuple[str, str], Sequence[str]], known: tuple[str, ...]) -> None:
    """Note the folders that no row asks for (V14), and whether the release is known to have them."""
    if not spare:
        return
    names = sorted("/".join(key) for key in spare)
    for key in sorted(spare):
        reading.leftovers.append(PurePosixPath(next(iter(spare[key]), "/".join(key))).parent.as_posix())
        if spare[key]:
            reading.unannotated.append((*key, sorted(spare[key])[0]))
    documented = bool(known) and all(name.casefold().startswith(tuple(map(str.casefold, known))) for name in names)
    tail = "; the release itself has no label for them" if documented else ""
    reading.note("V14", "warning", f"{len(names)} folders have no annotation, e.g. {', '.join(names[:3])}{tail}")
