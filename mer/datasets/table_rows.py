"""From the rows of a user's table to annotations: who it is, which medium, which frames, and what is wrong with it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mer.core.filenames import is_video
from mer.datasets.annotations import Annotation, safe_id
from mer.datasets.recordings import NOTHING
from mer.datasets.table_events import rate_of, read_events
from mer.datasets.table_media import Medium, Shelf, fill
from mer.datasets.table_options import Columns, Options
from mer.datasets.tables import Row, row_number

#: (database, subject): one person.
Person = tuple[str, str]


@dataclass(frozen=True)
class Clip:
    """One row of the table: its cells by our names, the person, and the medium or why there is none."""

    row: Row
    person: Person
    medium: Medium | str


@dataclass
class Own:
    """A user's table as a whole.

    Args:
        headers: our column name -> header.
        options: the reader's keys.
        clips: the rows that name a clip or a person, in the order of the table.
        stray: the other rows.
        spellings: person -> how the table writes the subject, with the number of rows of each.
    """

    headers: Mapping[str, str]
    options: Options
    clips: list[Clip] = field(default_factory=list)
    stray: list[Row] = field(default_factory=list)
    spellings: dict[Person, Counter[str]] = field(default_factory=dict)

    def by_medium(self) -> dict[str, list[Clip]]:
        """Return the rows of every medium, by its path."""
        found: dict[str, list[Clip]] = defaultdict(list)
        for clip in self.clips:
            if isinstance(clip.medium, Medium):
                found[clip.medium.path].append(clip)
        return found


def collect(table: Sequence[Mapping[str, str]], headers: Mapping[str, str], shelf: Shelf, options: Options) -> Own:
    """Return the rows of a table with their people and media."""
    own = Own(headers, options)
    for index, cells in enumerate(table):
        ours = {name: plain(str(cells.get(headers.get(name, ""), ""))) for name in Columns.model_fields}
        row = Row(ours, row_number(cells, index))
        if not row["clip"] and not row["subject"]:
            own.stray.append(Row(dict(cells), row.number))
            continue
        own.clips.append(Clip(row, (row["database"], row["subject"]), _medium(row, cells, headers, shelf, options)))
    spelt: dict[Person, Counter[str]] = defaultdict(Counter)
    for clip in own.clips:
        spelt[clip.person[0].casefold(), person_key(clip.person[1])][clip.person[1]] += 1
    usual = {key: max(seen, key=lambda text: (seen[text], len(text), text)) for key, seen in spelt.items()}
    for place, clip in enumerate(own.clips):
        key = clip.person[0].casefold(), person_key(clip.person[1])
        own.clips[place] = Clip(clip.row, (clip.person[0], usual[key]), clip.medium)
    own.spellings = {(key[0], usual[key]): spellings for key, spellings in spelt.items()}
    return own


def plain(cell: str) -> str:
    """Return a cell without the spaces and quotes around it."""
    return cell.strip().strip("'’\"").strip()


def person_key(subject: str) -> str:
    """Return what two spellings of a person have in common: `S1`, `s01` and `s-1 ` give `s-1`, `S1-01` `s-1-1`."""
    parts = re.findall(r"[0-9]+|[^\W\d_]+|[^\w\s.\-]", subject.casefold())
    return "-".join(part.lstrip("0") or "0" if part.isdigit() else part for part in parts)


def _medium(
    row: Row, cells: Mapping[str, str], headers: Mapping[str, str], shelf: Shelf, options: Options
) -> Medium | str:
    where = f"column {headers['clip']!r}"
    if not row["clip"]:
        return f"{where} is blank"
    found = shelf.find(fill(options.media, {**cells, **row})[0], row["subject"])
    return f"{where}: {found}" if isinstance(found, str) else found


def annotated(own: Own) -> list[Annotation]:
    """Return an annotation of every row, in the order of the table."""
    media = own.by_medium()
    names = _names([(clips[0].person, clip.medium) for clips in media.values() for clip in clips[:1]])
    return [_annotation(clip, own, media, names) for clip in own.clips]


def _names(media: Sequence[tuple[Person, Medium | str]]) -> dict[str, str]:
    """Return path -> what a medium is called: the shortest of its names that no other of the person's media has."""
    named = [(person, medium) for person, medium in media if isinstance(medium, Medium)]
    taken = Counter((p, name.casefold()) for p, medium in named for name in dict.fromkeys(medium.names))
    return {
        medium.path: next((n for n in medium.names if taken[p, n.casefold()] == 1), medium.names[-1])
        for p, medium in named
    }


def _annotation(clip: Clip, own: Own, media: Mapping[str, Sequence[Clip]], names: Mapping[str, str]) -> Annotation:
    row, medium, subject = clip.row, clip.medium, safe_id(clip.person[1])
    flaws = _flaws(row, own.headers)
    told: dict[str, Any] = {
        "expression_type": NOTHING if _is_bare(row, own) else row["type"].casefold()[:5] or "micro",
        **{
            ours: row[theirs] for ours, theirs in (("emotion", "emotion"), ("aus", "units"), ("objective", "objective"))
        },
    }
    who = f"{safe_id(row['database'])}-{subject}" if row["database"] else subject
    if isinstance(medium, str):
        written = row["clip"].rpartition(".")[0] if is_video(row["clip"]) else row["clip"]
        name = safe_id(written.replace("/", "-").replace("*", ""))
        key = f"{who}/{name}" + (f"_{safe_id(row['onset'])}" if row["onset"] else "")
        return Annotation(
            row.number, subject, name, sample_id=key, flaws=tuple(flaws), no_media=("V09", medium), **told
        )
    shown = media[medium.path]
    flaws += _two_people(medium, shown)
    twice = medium.same_number
    events = read_events(row, own.headers, own.options.counting, rate(row, own.options), _numbers(medium))
    name = safe_id(names[medium.path])
    suffix = f"_{events.cells['onset'] or safe_id(row['onset'])}" if len(shown) > 1 and row["onset"] else ""
    return Annotation(
        row.number,
        subject,
        name,
        **{**told, **events.cells},
        sample_id=f"{who}/{name}{suffix}",
        video_id=f"{who}/{name}",
        media=("", medium.path),
        flaws=(*flaws, *events.flaws),
        no_media=("V10", f"{twice[0]} and {twice[1]} have one number; write a pattern whose * is it")
        if twice
        else None,
    )


def _is_bare(row: Row, own: Own) -> bool:
    """Tell whether a row of a table of intervals has none and no emotion: a recording without an expression."""
    intervals = {"onset", "offset"} <= set(own.headers)
    return intervals and not any(row[name] for name in ("onset", "apex", "offset", "emotion", "units"))


def rate(row: Row, options: Options) -> float | None:
    """Return the frames per second that the table or the options give a row."""
    return rate_of(row["fps"]) or options.fps


def _flaws(row: Row, headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return what is wrong with the cells of a row, beside its clip and its events."""
    flaws = []
    if not row["subject"]:
        merged = "merged cells hold a value in their first row only"
        flaws.append(("V13", f"column {headers['subject']!r} is blank; {merged}"))
    if row["fps"] and rate_of(row["fps"]) is None:
        flaws.append(("V21", f"column {headers['fps']!r}: {row['fps']!r} is not a number of frames per second above 0"))
    if row["type"].casefold()[:5] not in ("", "micro", "macro"):
        flaws.append(("V05", f"column {headers['type']!r}: {row['type']!r} is neither micro nor macro"))
    return flaws


def _two_people(medium: Medium, shown: Sequence[Clip]) -> list[tuple[str, str]]:
    """Return the flaw of a medium that two people are said to be on: it would be on both sides of a fold."""
    people = sorted({clip.person for clip in shown})
    if len(people) < 2:
        return []
    rows = ", ".join(str(clip.row.number) for clip in shown[:8]) + (", …" if len(shown) > 8 else "")
    named = ", ".join(subject or "nobody" for _, subject in people[:5])
    return [("V13", f"{medium.path} is named with {len(people)} people: {named} (rows {rows}); correct the table")]


def _numbers(medium: Medium) -> list[int] | None:
    return None if medium.is_video else list(medium.numbers)
