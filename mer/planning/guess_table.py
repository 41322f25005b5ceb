"""What the columns of a stranger's table mean, told by their headers, their cells and the files beside them.

Every guess is a value with its reason; `mer init` alone takes them, and writes the reason beside the value.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from pathlib import Path, PurePosixPath
from typing import Any

from mer.core.errors import DatasetError, MediaError, MerError
from mer.core.video import probe
from mer.datasets import spreadsheets, tables
from mer.datasets.intervals import frame_number
from mer.datasets.labels import normalise_emotion
from mer.datasets.reading import Listing
from mer.datasets.table_columns import ORDINARY, header_key
from mer.datasets.table_events import EVENTS, rate_of, seconds_of
from mer.datasets.table_media import Medium, Shelf, fill
from mer.datasets.table_rows import person_key
from mer.datasets.views import view_of
from mer.planning.header_words import TIMES, WORDS

#: Rows that are looked at; enough to tell a column, and quick with a large folder.
MOST_ROWS = 300
#: Videos whose header is read for the frame rate and the number of frames.
MOST_VIDEOS = 24


@dataclass(frozen=True)
class Guess:
    """A value for a key of the reader's options, and why."""

    value: Any
    why: str


@dataclass
class TableGuess:
    """The keys of the reader `table` for one table, each with its reason, and what could not be told."""

    options: dict[str, Guess] = field(default_factory=dict)
    columns: dict[str, Guess] = field(default_factory=dict)
    unsure: list[str] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """Return the options as the configuration holds them."""
        values = {key: guess.value for key, guess in self.options.items()}
        return values | {"columns": {key: guess.value for key, guess in self.columns.items()}}


@dataclass(frozen=True)
class _Grid:
    """One sheet below its header: header -> cells of every row."""

    path: Path
    sheet: str
    single: bool
    cells: Mapping[str, Sequence[str]]

    def rows(self) -> list[dict[str, str]]:
        return [dict(zip(self.cells, row, strict=True)) for row in zip(*self.cells.values(), strict=True)]


@dataclass(frozen=True)
class _Match:
    """A column of clips with a column of people: how many rows lead to a medium by a template."""

    grid: _Grid
    clip: str
    subject: str
    template: str
    media: Sequence[Medium | None]
    score: float

    @property
    def hits(self) -> int:
        return sum(medium is not None for medium in self.media)


def guess_table(root: Path, paths: Sequence[Path], listing: Listing) -> TableGuess:
    """Return the guessed options for the spreadsheet among `paths` whose cells name most of the media below the root.

    Raises:
        DatasetError: no spreadsheet has a column that names the media, or none that names the people.
    """
    shelf = Shelf(listing)
    grids = [grid for path in paths for grid in _grids(path)]
    matches = [match for grid in grids for match in _matches(grid, shelf)]
    if not matches:
        raise _nothing(root, paths, grids, shelf)
    best = max(matches, key=lambda match: match.score)
    guess = TableGuess()
    _where(guess, root, best, len(grids), len(shelf))
    _who(guess, best)
    _when(guess, best)
    _rest(guess, best)
    _rates(guess, root, best)
    return guess


def _nothing(root: Path, paths: Sequence[Path], grids: Sequence[_Grid], shelf: Shelf) -> DatasetError:
    named = ", ".join(path.name for path in paths[:5])
    for grid in grids:
        for header, cells in grid.cells.items():
            if sum(isinstance(shelf.find(cell), Medium) for cell in cells) * 2 >= max(1, len(cells)):
                fault = f"column {header!r} names the clips, but no column seems to name the people"
                remedy = "add one, since the folds are made of people, or name it in `columns.subject`"
                return DatasetError(grid.path, fault, "a column with an id for each person", remedy)
    some = ", ".join(medium.path for medium, _ in zip(shelf, range(3), strict=False))
    fault = f"no column of {named} names the videos or folders of images below {root}, e.g. {some}"
    return DatasetError(root, fault, "a column with their names or paths", "see the reader `table` in docs/datasets.md")


def _grids(path: Path) -> list[_Grid]:
    try:
        book = spreadsheets.read(path)
    except MerError:
        return []
    found = []
    for sheet, grid in book.sheets.items():
        for at, cells in enumerate(grid[: tables.HEADER_ROWS]):
            named = [cell.strip() for cell in cells if cell.strip()]
            if len(named) < 2 or len(set(map(header_key, named))) < len(named) or any(map(_number, named)):
                continue
            rows = tables.rows_below(grid, at + 1, cells)[:MOST_ROWS]
            if rows:
                columns = {header: [row[header].strip() for row in rows] for header in rows[0]}
                found.append(_Grid(path, sheet, len(book.sheets) == 1, columns))
                break
    return found


def _number(text: str) -> bool:
    return bool(re.fullmatch(r"[-+0-9.,: ]+", text))


def _words(header: str) -> set[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", header)
    return set(re.findall(r"[^\W\d_]+", spaced.casefold()))


def says(header: str, ours: str) -> bool:
    """Tell whether a header says by its words that it is one of our columns."""
    words = WORDS.get(ours, frozenset())
    if tables.column_key(header) in ORDINARY.get(ours, ()) or _words(header) & words:
        return True
    return any(word in header for word in words if not word.isascii() and len(word) > 1)


def _matches(grid: _Grid, shelf: Shelf) -> list[_Match]:
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
                        _Match(grid, clip, subject, template, media, _score(grid, clip, subject, template, media))
                    )
    return found


def _could_be_people(grid: _Grid, clip: str, subject: str) -> bool:
    cells = [cell for cell in grid.cells[subject] if cell]
    named = says(subject, "subject")
    other = any(says(subject, ours) for ours in WORDS if ours != "subject")
    if not cells or (other and not named):
        return False
    several = 2 <= len(set(map(person_key, cells))) < max(3, len(cells))
    words = _emotions(cells)
    return named or (several and 2 * words < len(cells) and not any("." in cell and _number(cell) for cell in cells))


def _templates(grid: _Grid, subject: str, alone: Sequence[Medium | str], shelf: Shelf) -> Iterable[str]:
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


def _find(grid: _Grid, shelf: Shelf, clip: str, subject: str, template: str) -> Iterable[Medium | str]:
    for name, who in zip(grid.cells[clip], grid.cells[subject], strict=True):
        yield shelf.find(fill(template, {"clip": name, "subject": who})[0], who) if name else ""


def _one_person_each(people: Sequence[str], media: Sequence[Medium | None]) -> bool:
    seen: dict[str, str] = {}
    for who, medium in zip(people, media, strict=True):
        if medium is not None and who and seen.setdefault(medium.path, person_key(who)) != person_key(who):
            return False
    return True


def _score(grid: _Grid, clip: str, subject: str, template: str, media: Sequence[Medium | None]) -> float:
    """Return how well a pair fits: rows that lead to a medium count most, then what the headers and paths say."""
    hits = [(who, m.path) for who, m in zip(grid.cells[subject], media, strict=True) if m is not None and who]
    in_path = sum(_in_path(who, path) for who, path in hits) / max(1, len(hits))
    distinct = len({path for _, path in hits}) / max(1, len(media))
    named = 2.0 * says(subject, "subject") + 0.3 * says(clip, "clip")
    return 10 * len(hits) / len(media) + named + in_path + 0.5 * distinct - 0.1 * (template != "{clip}")


def _in_path(who: str, path: str) -> bool:
    parts = PurePosixPath(path).parts
    key = person_key(who)
    return any(person_key(part) == key for part in parts[:-1]) or f"{person_key(parts[-1])}-".startswith(f"{key}-")


def _where(guess: TableGuess, root: Path, best: _Match, grids: int, media: int) -> None:
    table = best.grid.path.relative_to(root).as_posix()
    told = "the only table" if grids == 1 else "its cells name the most clips"
    guess.options["table"] = Guess(table, told)
    if not best.grid.single:
        guess.options["sheet"] = Guess(best.grid.sheet, "of its sheets, the one whose cells name clips")
    rows = len(best.media)
    why = f"{best.hits} of {rows} cells name one of the {media} videos or folders of images"
    guess.columns["clip"] = Guess(best.clip, why)
    if best.template != "{clip}":
        guess.options["media"] = Guess(best.template, f"leads from the cells to {best.hits} of {rows} media")


def _who(guess: TableGuess, best: _Match) -> None:
    people = len({person_key(cell) for cell in best.grid.cells[best.subject] if cell})
    hits = [(who, m.path) for who, m in zip(best.grid.cells[best.subject], best.media, strict=True) if m and who]
    inside = sum(_in_path(who, path) for who, path in hits)
    why = "by its header" if says(best.subject, "subject") else "its cells repeat as people do"
    why += f", and {inside} of {len(hits)} cells are a part of the clip's path" if inside else ""
    guess.columns["subject"] = Guess(best.subject, f"{why}; {people} people")


def _when(guess: TableGuess, best: _Match) -> None:
    taken = {one.value for one in guess.columns.values()}
    free = {header: cells for header, cells in best.grid.cells.items() if header not in taken}
    numeric = {header: cells for header, cells in free.items() if _mostly(cells, lambda c: seconds_of(c) is not None)}
    named: dict[str, str] = {}
    for ours in EVENTS:
        fits = (h for h in free if says(h, ours) and h not in named.values() and (h in numeric or ours == "apex"))
        if (header := next(fits, None)) is not None:
            named[ours] = header
    others = [ours for ours in WORDS if ours not in EVENTS]
    left = [h for h, cells in numeric.items() if not any(says(h, o) for o in others) and not _counts_rows(cells)]
    if not {"onset", "offset"} <= set(named):
        for names in (EVENTS, ("onset", "offset")):
            ways = (
                headers for headers in combinations(left[:8], len(names)) if _ascending([numeric[h] for h in headers])
            )
            if (headers := next(ways, None)) is not None:
                why = "its numbers ascend through " + ", ".join(map(repr, headers)) + " in every row"
                guess.columns |= {ours: Guess(header, why) for ours, header in zip(names, headers, strict=True)}
                return
    guess.columns |= {ours: Guess(header, "by its header") for ours, header in named.items()}


def _counts_rows(cells: Sequence[str]) -> bool:
    """Tell whether a column numbers the rows."""
    numbers = [frame_number(cell) for cell in cells]
    return len(numbers) > 2 and all(a is not None and b == a + 1 for a, b in pairwise(numbers))


def _mostly(cells: Sequence[str], fits: Any, share: float = 0.8) -> bool:
    filled = [cell for cell in cells if cell]
    return bool(filled) and sum(bool(fits(cell)) for cell in filled) >= share * len(filled)


def _ascending(columns: Sequence[Sequence[str]]) -> bool:
    rows = [[seconds_of(cell) for cell in row] for row in zip(*columns, strict=True)]
    whole = [row for row in rows if None not in row]
    ordered = [row == sorted(row) and row[0] < row[-1] for row in whole]  # type: ignore[type-var,operator]
    return len(whole) >= 2 and all(ordered)


def _rest(guess: TableGuess, best: _Match) -> None:
    for ours in ("emotion", "units", "fps", "database", "type", "objective"):
        taken = {one.value for one in guess.columns.values()}
        free = {header: cells for header, cells in best.grid.cells.items() if header not in taken and any(cells)}
        header = next((h for h, cells in free.items() if says(h, ours) and _holds(ours, cells)), None)
        if header is not None:
            guess.columns[ours] = Guess(header, "by its header")
        elif ours == "emotion":
            known = {h: _emotions(cells) for h, cells in free.items()}
            header = max(known, key=lambda h: known[h], default=None)
            if header is not None and 2 * known[header] >= len(free[header]):
                why = f"{known[header]} of {len(free[header])} cells are names of emotions"
                guess.columns["emotion"] = Guess(header, why)
    if "emotion" in guess.columns:
        words = Counter(normalise_emotion(cell) for cell in best.grid.cells[guess.columns["emotion"].value] if cell)
        shown = ", ".join(f"{word} {count}" for word, count in words.most_common(8))
        guess.columns["emotion"] = Guess(guess.columns["emotion"].value, f"{guess.columns['emotion'].why}: {shown}")
    else:
        guess.unsure.append("no column seems to name the emotions")


def _emotions(cells: Sequence[str]) -> int:
    """Return how many cells are emotions that the shipped schemes know."""
    known = set(view_of("emotion_4").words("table"))
    return sum(normalise_emotion(cell) in known for cell in cells)


def _holds(ours: str, cells: Sequence[str]) -> bool:
    if ours == "fps":
        return _mostly(cells, rate_of)
    if ours == "type":
        return _mostly(cells, lambda cell: cell.casefold().startswith(("micro", "macro")))
    if ours == "objective":
        return _mostly(cells, lambda cell: cell in "1234567" or set(cell.upper()) <= set("IV"))
    # Action units are numbers too; a column of numbers only would be a code.
    return ours != "emotion" or not _mostly(cells, lambda cell: "." in cell and _number(cell))


def _rates(guess: TableGuess, root: Path, best: _Match) -> None:
    """Guess the frame rate and what the numbers count."""
    media = {medium.path: medium for medium in best.media if medium is not None}
    videos = [medium for medium in media.values() if medium.is_video]
    lengths: dict[str, int] = {medium.path: len(medium.numbers) for medium in media.values() if not medium.is_video}
    rates: Counter[float] = Counter()
    for medium in videos[:: max(1, len(videos) // MOST_VIDEOS)][:MOST_VIDEOS]:
        try:
            info = probe(root / medium.path)
        except MediaError:
            continue
        rates[round(info.fps, 3)] += 1
        if info.n_frames:
            lengths[medium.path] = info.n_frames
    _count(guess, best, lengths)
    if "fps" in guess.columns:
        return
    seconds = guess.options.get("counting")
    if len(media) > len(videos):
        guess.unsure.append("neither images nor table tell the frame rate: set `fps`")
    elif rates and seconds is not None and seconds.value == "seconds":
        rate, seen = rates.most_common(1)[0]
        guess.options["fps"] = Guess(rate, f"in the headers of {seen} of the {sum(rates.values())} videos looked at")
        if len(rates) > 1:
            guess.unsure.append("the videos differ in frame rate: a column for `columns.fps` would be exact")


def _count(guess: TableGuess, best: _Match, lengths: Mapping[str, int]) -> None:
    if "onset" not in guess.columns:
        return
    headers = [guess.columns[ours].value for ours in EVENTS if ours in guess.columns]
    cells = [cell for header in headers for cell in best.grid.cells[header] if cell]
    if any(_words(header) & TIMES for header in headers) or not _mostly(cells, lambda c: frame_number(c) is not None):
        guess.options["counting"] = Guess("seconds", "the cells or headers of onset and offset are times")
        return
    spans = _spans(guess, best)
    images = [(span, medium) for span, medium in spans if not medium.is_video]
    if images and all(span[0] in (n := medium.numbers) and span[1] in n for span, medium in images):
        return
    ends = [(span, lengths[medium.path]) for span, medium in spans if medium.path in lengths]
    if not ends or any(last > length for (_, last), length in ends):
        guess.unsure.append("some onsets or offsets lie outside their clips, see `mer check`")
    elif any(last == length for (_, last), length in ends):
        guess.options["counting"] = Guess("from_1", "some offset is the number of frames of its clip: counted from 1")
    elif any(first == 0 for (first, _), _ in ends):
        guess.options["counting"] = Guess("from_0", "some onset is 0: counted from 0")
    else:
        guess.options["counting"] = Guess(
            "from_0", "not told by the numbers: `from_1` where the first frame is called 1"
        )
        guess.unsure.append("whether frames count from 0 or from 1: see `counting`, one frame hangs on it")


def _spans(guess: TableGuess, best: _Match) -> list[tuple[tuple[int, int], Medium]]:
    onsets, offsets = (best.grid.cells[guess.columns[ours].value] for ours in ("onset", "offset"))
    numbers = ((frame_number(a), frame_number(b)) for a, b in zip(onsets, offsets, strict=True))
    pairs = zip(numbers, best.media, strict=True)
    return [((a, b), m) for (a, b), m in pairs if a is not None and b is not None and m is not None]
