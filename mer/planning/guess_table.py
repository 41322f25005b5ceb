"""What the columns of a stranger's table mean, told by their headers, their cells and the files beside them.

Every guess is a value with its reason; `mer init` alone takes them, and writes the reason beside the value.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

from mer.core.errors import DatasetError, MediaError
from mer.core.video import probe
from mer.datasets.intervals import frame_number
from mer.datasets.labels import normalise_emotion
from mer.datasets.reading import Listing
from mer.datasets.table_events import EVENTS, rate_of, seconds_of
from mer.datasets.table_media import Medium, Shelf
from mer.datasets.table_rows import person_key
from mer.planning.guess_clips import (
    Grid,
    Match,
    emotion_words,
    grids_of,
    in_path,
    is_number,
    matches_of,
    says,
    words_of,
)
from mer.planning.header_words import TIMES, WORDS

#: Videos whose header is read for the frame rate and the number of frames.
MOST_VIDEOS = 24
#: Different words of a column that may be that of the emotions.
MOST_WORDS = 12


@dataclass(frozen=True)
class Guess:
    """A value for a key of the reader's options, and why."""

    value: Any
    why: str


@dataclass
class TableGuess:
    """The keys of the reader `table` for one table, each with its reason; what is not sure; headers without use."""

    options: dict[str, Guess] = field(default_factory=dict)
    columns: dict[str, Guess] = field(default_factory=dict)
    unsure: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """Return the options as the configuration holds them."""
        values = {key: guess.value for key, guess in self.options.items()}
        return values | {"columns": {key: guess.value for key, guess in self.columns.items()}}


def guess_table(root: Path, paths: Sequence[Path], listing: Listing) -> TableGuess:
    """Return the guessed options for the spreadsheet among `paths` whose cells name most of the media below the root.

    Raises:
        DatasetError: no spreadsheet has a column that names the media, or none that names the people.
    """
    shelf = Shelf(listing)
    grids, unread = [], []
    for path in paths:
        try:
            grids += grids_of(path)
        except DatasetError as error:
            unread.append(error)
    if unread and not grids:
        raise unread[0]
    matches = [match for grid in grids for match in matches_of(grid, shelf)]
    if not matches:
        raise _nothing(root, paths, grids, shelf)
    best = max(matches, key=lambda match: match.score)
    guess = TableGuess()
    _where(guess, root, best, len(grids), len(shelf))
    rivals = {match.grid.path.name: None for match in matches if match.grid.path != best.grid.path}
    if rivals:
        guess.unsure.append(f"which table is the right one: {', '.join(rivals)} names clips too")
    _who(guess, best)
    _when(guess, best)
    _rest(guess, best)
    _rates(guess, root, best)
    taken = {one.value for one in guess.columns.values()}
    guess.unread = [header for header, cells in best.grid.cells.items() if header not in taken and any(cells)]
    return guess


def _nothing(root: Path, paths: Sequence[Path], grids: Sequence[Grid], shelf: Shelf) -> DatasetError:
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


def _where(guess: TableGuess, root: Path, best: Match, grids: int, media: int) -> None:
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


def _who(guess: TableGuess, best: Match) -> None:
    people = len({person_key(cell) for cell in best.grid.cells[best.subject] if cell})
    hits = [(who, m.path) for who, m in zip(best.grid.cells[best.subject], best.media, strict=True) if m and who]
    inside = sum(in_path(who, path) for who, path in hits)
    why = "by its header" if says(best.subject, "subject") else "its cells repeat as people do"
    why += f", and {inside} of {len(hits)} cells are a part of the clip's path" if inside else ""
    guess.columns["subject"] = Guess(best.subject, f"{why}; {people} people")


def _when(guess: TableGuess, best: Match) -> None:
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


def _rest(guess: TableGuess, best: Match) -> None:
    for ours in ("emotion", "units", "fps", "database", "type", "objective"):
        taken = {one.value for one in guess.columns.values()}
        free = {header: cells for header, cells in best.grid.cells.items() if header not in taken and any(cells)}
        header = next((h for h, cells in free.items() if says(h, ours) and _holds(ours, cells)), None)
        if header is not None:
            guess.columns[ours] = Guess(header, "by its header")
        elif ours == "emotion":
            known = {h: emotion_words(cells) for h, cells in free.items()}
            header = max(known, key=lambda h: known[h], default=None)
            if header is not None and 2 * known[header] >= len(free[header]):
                why = f"{known[header]} of {len(free[header])} cells are names of emotions"
                guess.columns["emotion"] = Guess(header, why)
            elif (header := _like_labels(free, best)) is not None:
                guess.columns["emotion"] = Guess(header, "its few words repeat over the people, as labels do")
                guess.unsure.append(f"whether column {header!r} holds the emotions")
    if "emotion" in guess.columns:
        words = Counter(normalise_emotion(cell) for cell in best.grid.cells[guess.columns["emotion"].value] if cell)
        shown = ", ".join(f"{word} {count}" for word, count in words.most_common(8))
        guess.columns["emotion"] = Guess(guess.columns["emotion"].value, f"{guess.columns['emotion'].why}: {shown}")
    else:
        guess.unsure.append("no column seems to name the emotions")


def _like_labels(free: Mapping[str, Sequence[str]], best: Match) -> str | None:
    """Return the column whose words are few and each that of several people, None where there is none or several."""
    found = []
    for header, cells in free.items():
        people: dict[str, set[str]] = defaultdict(set)
        for cell, who in zip(cells, best.grid.cells[best.subject], strict=True):
            if cell:
                people[normalise_emotion(cell)].add(person_key(who))
        shared = sum(len(shown) > 1 for shown in people.values())
        named = any(says(header, ours) for ours in WORDS if ours != "emotion")
        if shared >= 2 and len(people) <= MOST_WORDS and not named and not any(map(is_number, people)):
            found.append(header)
    return found[0] if len(found) == 1 else None


def _holds(ours: str, cells: Sequence[str]) -> bool:
    if ours == "fps":
        return _mostly(cells, rate_of)
    if ours == "type":
        return _mostly(cells, lambda cell: cell.casefold().startswith(("micro", "macro")))
    if ours == "objective":
        return _mostly(cells, lambda cell: cell in "1234567" or set(cell.upper()) <= set("IV"))
    # Action units are numbers too; a column of numbers only would be a code.
    return ours != "emotion" or not _mostly(cells, lambda cell: "." in cell and is_number(cell))


def _rates(guess: TableGuess, root: Path, best: Match) -> None:
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
        guess.unsure.append("neither images nor table tell the frame rate: add `fps: 200`, or what it was")
    elif rates and seconds is not None and seconds.value == "seconds":
        rate, seen = rates.most_common(1)[0]
        guess.options["fps"] = Guess(rate, f"in the headers of {seen} of the {sum(rates.values())} videos looked at")
        if len(rates) > 1:
            guess.unsure.append("the videos differ in frame rate: a column for `columns.fps` would be exact")


def _count(guess: TableGuess, best: Match, lengths: Mapping[str, int]) -> None:
    if "onset" not in guess.columns:
        return
    headers = [guess.columns[ours].value for ours in EVENTS if ours in guess.columns]
    cells = [cell for header in headers for cell in best.grid.cells[header] if cell]
    if any(words_of(header) & TIMES for header in headers) or not _mostly(cells, lambda c: frame_number(c) is not None):
        guess.options["counting"] = Guess("seconds", "the cells or headers of onset and offset are times")
        return
    spans = _spans(guess, best)
    images = [(span, medium) for span, medium in spans if not medium.is_video]
    if images and all(span[0] in (n := medium.numbers) and span[1] in n for span, medium in images):
        return
    ends = [(span, lengths[medium.path]) for span, medium in spans if medium.path in lengths]
    beyond = [last > length for (_, last), length in ends]
    behind = any(beyond)
    if 0 < 5 * sum(beyond) < len(beyond):
        guess.unsure.append(f"{sum(beyond)} of {len(beyond)} intervals end behind their clips, see `mer check`")
        behind, ends = False, [end for end, far in zip(ends, beyond, strict=True) if not far]
    if behind and all(abs(last - first + 1 - length) <= 2 for (first, last), length in ends):
        why = "every clip is as long as its interval, whose numbers lie behind it: cut from a recording at the onset"
        guess.options["counting"] = Guess("from_onset", why)
    elif behind or not ends:
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


def _spans(guess: TableGuess, best: Match) -> list[tuple[tuple[int, int], Medium]]:
    onsets, offsets = (best.grid.cells[guess.columns[ours].value] for ours in ("onset", "offset"))
    numbers = ((frame_number(a), frame_number(b)) for a, b in zip(onsets, offsets, strict=True))
    pairs = zip(numbers, best.media, strict=True)
    return [((a, b), m) for (a, b), m in pairs if a is not None and b is not None and m is not None]
