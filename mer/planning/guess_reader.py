"""Which reader a folder is for: that of a known database, whose table or folders it holds, `table` or `videos`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from mer.core.errors import DatasetError
from mer.datasets import files
from mer.datasets.contract import AnyReader
from mer.datasets.reading import Reading
from mer.datasets.registry import READERS, reader
from mer.datasets.table import KINDS, scan, tables_below
from mer.planning.guess_table import Guess, TableGuess, guess_table

#: Readers of one's own material: tried when no database is known.
OWN = ("table", "videos")


@dataclass
class ReaderGuess:
    """What reads a folder.

    Args:
        reader: of the registry.
        options: its keys, each with a reason; those of `columns` are in `columns`.
        columns: of the reader `table`.
        reading: what it finds.
        why: why this reader.
        unsure: what a user should look at.
        unread: headers of the table that nothing reads.
    """

    reader: AnyReader
    options: dict[str, Guess]
    reading: Reading
    why: str
    columns: dict[str, Guess] = field(default_factory=dict)
    unsure: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    @property
    def usable(self) -> int:
        """How many rows have their frames."""
        return sum(sample.status == "ok" for sample in self.reading.samples)


def guess_reader(root: Path) -> ReaderGuess:
    """Return the reader of a folder with its options.

    Raises:
        DatasetError: the folder is missing or holds neither videos nor images; a database is recognised of which no
            row has its frames; a table whose columns cannot be told.
    """
    root = files.checked_root(root, "mer init")
    names, faults = _names(root), list[DatasetError]()
    told = {name: _evidence(names, reader(name)) for name in READERS if name not in OWN}
    known = [guess for name, why in told.items() if why for guess in _known(root, reader(name), why, faults)]
    best = max(known, key=lambda guess: guess.usable, default=None)
    if best is not None and best.usable:
        return best
    listing = scan(root, "")
    if not listing:
        fault = f"neither videos nor images; found: {files.listing_text(root)}"
        raise DatasetError(root, fault, "the folder of a database, or of your own clips", "correct the path (V01)")
    if best is not None:
        problem = next((p.line() for p in best.reading.problems if p.severity == "error"), "")
        fault = f"{best.why}, but none of its {len(best.reading.samples)} rows has its frames; {problem}"
        raise DatasetError(
            root, fault, "the images or videos beside the table", f"see docs/datasets.md, {best.reader.name}"
        )
    if faults:
        raise faults[0]
    paths = sorted(tables_below(root, 0)) or sorted(tables_below(root, 2))
    return _table(root, guess_table(root, paths, listing)) if paths else _videos(root)


def _known(root: Path, one: AnyReader, why: str, faults: list[DatasetError]) -> Iterator[ReaderGuess]:
    """Yield what a database's reader finds with each choice of its options, its defaults first; add why it cannot."""
    for options in _choices(one):
        chosen = one.options.model_validate({key: guess.value for key, guess in options.items()})
        try:
            reading = one.read(root, chosen)
        except DatasetError as error:
            faults.append(DatasetError(error.where, f"{why}; {error.found}", error.expected, error.remedy))
            continue
        if reading.samples:
            yield ReaderGuess(one, options, reading, why)


def _names(root: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return the names of files and of folders at most three levels down, each by what it is compared as."""
    files_found: dict[str, str] = {}
    folders_found: dict[str, str] = {files.folded(root.name): root.name}
    for _, folders, names in files.walk(root, root, 3):
        files_found |= {name.casefold().strip(): name for name in names if name.casefold().endswith(KINDS)}
        folders_found |= {files.folded(name): name for name in folders}
    return files_found, folders_found


def _evidence(names: tuple[dict[str, str], dict[str, str]], one: AnyReader) -> str:
    """Return why a folder may be of a reader's databases: the name of a table, or of folders where it has no table."""
    tables, folders = names
    for card in one.databases:
        stems = [name.rpartition(".")[0].casefold() for name in card.tables]
        table = next((tables[stem + kind] for stem in stems for kind in KINDS if stem + kind in tables), None)
        if table is not None:
            return f"{table} is the table of {card.name}"
        wanted = [files.folded(name) for tree in card.trees for name in tree.folders] if not card.tables else []
        folder = next((folders[name] for name in wanted if name in folders), None)
        if folder is not None:
            return f"{folder} is a folder of {one.name}"
    return ""


def _choices(one: AnyReader) -> Iterator[dict[str, Guess]]:
    fields = one.options.model_fields
    views = get_args(fields["view"].annotation) if "view" in fields else ("",)
    default = fields["view"].default if "view" in fields else ""
    for card in one.databases:
        for view in sorted(views, key=lambda name: name != default):
            options: dict[str, Any] = {
                key: Guess(value, f"its rows have frames: {card.name}") for key, value in card.chosen_by.items()
            }
            yield options | ({"view": Guess(view, "of the released trees, the one that has frames")} if view else {})


def _table(root: Path, guess: TableGuess) -> ReaderGuess:
    one = reader("table")
    reading = one.read(root, one.options.model_validate(guess.plain()))
    usable = sum(sample.status == "ok" for sample in reading.samples)
    why = f"a table that is no known database's; {usable} of {len(reading.samples)} rows have their frames"
    return ReaderGuess(one, guess.options, reading, why, guess.columns, guess.unsure, guess.unread)


def _videos(root: Path) -> ReaderGuess:
    one = reader("videos")
    options: dict[str, Guess] = {}
    if not files.scan_videos(root, root):
        fault = "folders of images, and no table that says who is on them"
        expected = "a .csv or .xlsx with a row for each folder: its name and a person"
        raise DatasetError(root, fault, expected, "write one; see the reader `table` in docs/datasets.md")
    reading = one.read(root, one.options())
    tops = {sample.media_path.partition("/")[0] for sample in reading.samples if "/" in sample.media_path}
    if tops and all("/" in sample.media_path for sample in reading.samples):
        options["subject"] = Guess("folder", f"every video lies in one of {len(tops)} folders: taken for people")
        reading = one.read(root, one.options.model_validate({"subject": "folder"}))
    return ReaderGuess(one, options, reading, "videos without a table: no labels, so nothing to train or score")
