"""Which columns of a stranger's table name the clips and the people, told by the files beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mer.datasets import spreadsheets, tables
from mer.datasets.labels import normalise_emotion
from mer.datasets.table_columns import ORDINARY
from mer.datasets.table_media import Medium, Shelf, fill
from mer.datasets.table_options import header_key
from mer.datasets.table_rows import person_key
from mer.datasets.views import view_of
from mer.planning.header_words import WORDS, unaccented

#: Rows that are looked at; enough to tell a column, and quick with a large folder.
MOST_ROWS = 300


@dataclass(frozen=True)
class Grid:
    """One sheet below its header: header -> cells of every row."""

    path: Path
    sheet: str
    single: bool
    cells: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Match:
    """A column of clips with a column of people: how many rows lead to a medium by a template."""

    grid: Grid
    clip: str
    subject: str
    template: str
    media: Sequence[Medium | None]
    score: float

    @property
    def hits(self) -> int:
        """How many rows lead to a medium."""
        return sum(medium is not None for medium in self.media)


def grids_of(path: Path) -> list[Grid]:
    """Return the sheets of a spreadsheet that have a header and rows below it.

    Raises:
        DatasetError: it cannot be read.
    """
    book = spreadsheets.read(path)
    found = []
    for sheet, grid in book.sheets.items():
        for at, cells in enumerate(grid[: tables.HEADER_ROWS]):
            named = [cell.strip() for cell in cells if cell.strip()]
            if len(named) < 2 or len(set(map(header_key, named))) < len(named) or any(map(is_number, named)):
                continue
            rows = tables.rows_below(grid, at + 1, cells)[:MOST_ROWS]
            if rows:
                columns = {header: [row[header].strip() for row in rows] for header in rows[0]}
                found.append(Grid(path, sheet, len(book.sheets) == 1, columns))
                break
    return found


def is_number(text: str) -> bool:
    """Tell whether a cell is a number or a time."""
    return bool(re.fullmatch(r"[-+0-9.,: ]+", text))


def words_of(header: str) -> set[str]:
    """Return the words of a header in lower case: `ApexFrame` gives apex and frame."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", header)
    return set(re.findall(r"[^\W\d_]+", spaced.casefold()))


def says(header: str, ours: str) -> bool:
    """Tell whether a header says by its words that it is one of our columns."""
    words = WORDS.get(ours, frozenset())
    if tables.column_key(header) in ORDINARY.get(ours, ()) or (words_of(header) | words_of(unaccented(header))) & words:
        return True
    return any(word in header for word in words if not word.isascii() and len(word) > 1)


def matches_of(grid: Grid, shelf: Shelf) -> list[Match]:
    """Return the pairs of columns that lead to a medium in at least half of the rows."""
    alone = {clip: [shelf.find(cell) for cell in cells] for clip, cells in grid.cells.items()}
    found = []
    for clip in grid.cells:
        for subject in grid.cells:
            if subject == clip or not _could_be_people(grid, clip, subject):
                continue
            for template in _templates(grid, subject, alone[clip], shelf):
                media = [m if isinstance(m, Medium) else None for m in _find(grid, shelf, clip, subject, template)]
                if 2 * sum(m is not None for m in media) >= len(media) and _one_person_each(grid.cells[subject], media):
                    found.append(
                        Match(grid, clip, subject, template, media, _score(grid, clip, subject, template, media))
                    )
    return found


def _could_be_people(grid: Grid, clip: str, subject: str) -> bool:
    cells = [cell for cell in grid.cells[subject] if cell]
    named = says(subject, "subject")
    other = any(says(subject, ours) for ours in WORDS if ours != "subject")
    if not cells or (other and not named):
        return False
    several = 2 <= len(set(map(person_key, cells))) < max(3, len(cells))
    words = emotion_words(cells)
    return named or (several and 2 * words < len(cells) and not any("." in cell and is_number(cell) for cell in cells))


def _templates(grid: Grid, subject: str, alone: Sequence[Medium | str], shelf: Shelf) -> Iterable[str]:
    """Yield ways from the cells to a path: the name alone, then in a folder with the person's number."""
    yield "{clip}"
    if sum(isinstance(medium, Medium) for medium in alone) * 2 >= len(alone):
        return
    yield "{subject}/{clip}"
    if not all(cell.isdigit() for cell in grid.cells[subject] if cell):
        return
    folders = {part for medium in shelf for part in PurePosixPath(medium.path).parts[:-1]}
    forms = {(m[1], len(m[2])) for part in folders if (m := re.fullmatch(r"(\D*?)([0-9]+)", part))}
    for prefix, width in sorted(forms)[:8]:
        yield f"{prefix}{{subject:{width}}}/{{clip}}"


def _find(grid: Grid, shelf: Shelf, clip: str, subject: str, template: str) -> Iterable[Medium | str]:
    for name, who in zip(grid.cells[clip], grid.cells[subject], strict=True):
        yield shelf.find(fill(template, {"clip": name, "subject": who})[0], who) if name else ""


def _one_person_each(people: Sequence[str], media: Sequence[Medium | None]) -> bool:
    seen: dict[str, str] = {}
    for who, medium in zip(people, media, strict=True):
        if medium is not None and who and seen.setdefault(medium.path, person_key(who)) != person_key(who):
            return False
    return True


def _score(grid: Grid, clip: str, subject: str, template: str, media: Sequence[Medium | None]) -> float:
    """Return how well a pair fits: rows that lead to a medium count most, then what the headers and paths say."""
    hits = [(who, m.path) for who, m in zip(grid.cells[subject], media, strict=True) if m is not None and who]
    inside = sum(in_path(who, path) for who, path in hits) / max(1, len(hits))
    distinct = len({path for _, path in hits}) / max(1, len(media))
    named = 2.0 * says(subject, "subject") + 0.3 * says(clip, "clip")
    return 10 * len(hits) / len(media) + named + inside + 0.5 * distinct - 0.1 * (template != "{clip}")


def in_path(who: str, path: str) -> bool:
    """Tell whether a person's id is a folder of a path, or begins its last part."""
    parts = PurePosixPath(path).parts
    key = person_key(who)
    return any(person_key(part) == key for part in parts[:-1]) or f"{person_key(parts[-1])}-".startswith(f"{key}-")


def emotion_words(cells: Sequence[str]) -> int:
    """Return how many cells are emotions that the shipped schemes know."""
    known = set(view_of("emotion_4").words("table"))
    return sum(normalise_emotion(cell) in known for cell in cells)
