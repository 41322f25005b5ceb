"""The reader of a database with or without an annotation table: what its card and a few functions leave to be done.

It finds the table and the media below the root, reads both, hands the table's rows to the database's own `annotate`,
and lets `mer.datasets.annotations.assemble` turn the annotations into canonical rows (specs/datasets.md §0).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic

from mer.datasets import files, tables
from mer.datasets.alternatives import Alternatives
from mer.datasets.annotations import Annotation, RowRules, assemble
from mer.datasets.contract import OptionsT, Reader
from mer.datasets.errata import Errata, errata_of
from mer.datasets.expected import note_differences
from mer.datasets.files import find_table, media_base, require_clips, scan_clips, scan_videos
from mer.datasets.intervals import ApexRules
from mer.datasets.listed import listed_once
from mer.datasets.reading import Listing, Reading

Columns = Mapping[str, tuple[str, ...]]

#: Columns of most tables, and the header texts of two more whose spelling varies.
EVENT_COLUMNS: Columns = {name: (name,) for name in ("subject", "filename", "onset", "apex", "offset")}
AUS = ("actionunits", "actionunit", "aus")
EMOTION = ("estimatedemotion", "emotion")
OBJECTIVE = ("objectiveclasses", "objectiveclass")
#: Our columns that say who is seen.
_PEOPLE = ("subject", "participant")
#: Header texts that mean the same in every table: whoever has such a column must hear when it is not read.
WELL_KNOWN = frozenset({*EVENT_COLUMNS, *AUS, *EMOTION, *OBJECTIVE, "expressiontype", "fps"})


@dataclass(frozen=True)
class SideTable:
    """A second table that adds something to the rows of the first, where it is there.

    Args:
        columns: our column name -> normalised header texts.
        names: released names of the file, best first, two levels down at most.
        option: the reader's option that names the file below the root instead.
        header: normalised text of a header cell.
    """

    columns: Columns
    names: tuple[str, ...] = ()
    option: str = ""
    header: str = "subject"

    def find(self, root: Path, options: object) -> Path | None:
        """Return the file below `root`, None when it is not there."""
        if not self.option:
            return files.find_file(root, self.names)
        path = files.safe_path(root, getattr(options, self.option))
        return path if path.is_file() else None


@dataclass(frozen=True)
class Given(Generic[OptionsT]):
    """What annotations are made from besides the rows of the table.

    `listing` are the files on disk, `corrections` the known faults of the release (empty where the user has switched
    `errata` off), `beside` the rows of the side tables by name, with the columns renamed.
    """

    listing: Listing
    options: OptionsT
    errata: bool
    corrections: Errata
    beside: Mapping[str, Sequence[tables.Row]]


def each(
    annotation: Callable[[tables.Row, Given[OptionsT]], Annotation],
) -> Callable[[Sequence[tables.Row], Given[OptionsT]], list[Annotation]]:
    """Return an `annotate` that makes one annotation of every row by itself."""
    return lambda rows, given: [annotation(row, given) for row in rows]


def rules_with_apex(options: Any, annotations: Sequence[Annotation] = ()) -> RowRules:
    """Return the rules of a database with apexes: the keys `apex_missing`, `apex_at_onset` and `alternatives`."""
    return RowRules(ApexRules(options.apex_missing, options.apex_at_onset), alternatives=options.alternatives)


def rules_without_apex(options: Any, annotations: Sequence[Annotation] = ()) -> RowRules:
    """Return the rules of a database that annotates no apex: the key `apex`, and `alternatives` where it has it."""
    alternatives: Alternatives = getattr(options, "alternatives", "all")
    return RowRules(ApexRules(options.apex, annotated=False), alternatives=alternatives)


def errata_of_view(listing: Listing, database: str, view: str) -> Errata:
    """Return the known faults of a database, and of one view of it."""
    return errata_of(database, view)


@dataclass(frozen=True, kw_only=True)
class TableReader(Reader[OptionsT]):
    """A database whose rows are annotations of a table or, where its card names none, of the folders alone.

    The functions are what is peculiar to it.

    Args:
        columns: our column name -> normalised header texts that mean it (`mer.datasets.tables.column_key`), best first.
        annotate: makes annotations of the rows that hold some; `Row` has the keys of `columns`.
        optional: columns that may be absent; their cells are then "".
        telling: columns of which a row must fill two in order to be an annotation and not stray text.
        header: normalised text of a cell that only the header row has.
        sheets: names of the sheets to look at first.
        side_tables: further tables by the name of the argument of `samples_from`.
        rules: how cells are read, told by the options and the annotations.
        corrections: the known faults that apply: called with the listing, the database's name and the option `view`.
        read_table: reads a table whose header is not like others.
        scan_media: lists the media where the card's tree does not say all.
        finish: adds what can be told only when all rows are there.
    """

    columns: Columns
    annotate: Callable[[Sequence[tables.Row], Given[OptionsT]], Sequence[Annotation]]
    optional: tuple[str, ...] = ()
    telling: tuple[str, ...] = ("subject", "filename", "onset", "offset")
    header: str = "subject"
    sheets: tuple[str, ...] = ()
    side_tables: Mapping[str, SideTable] = field(default_factory=dict)
    rules: Callable[[OptionsT, Sequence[Annotation]], RowRules] = rules_with_apex
    corrections: Callable[[Listing, str, str], Errata] = errata_of_view
    read_table: Callable[[Path, OptionsT], tuple[Sequence[tables.Row], Sequence[str]]] | None = None
    scan_media: Callable[[Path, OptionsT], dict[tuple[str, str], list[str]]] | None = None
    finish: Callable[[Reading, OptionsT], None] | None = None

    def read(self, root: Path, options: OptionsT, errata: bool = True) -> Reading:
        """See `Reader.read`."""
        with listed_once():
            return self._read(root, options, errata)

    def _read(self, root: Path, options: OptionsT, errata: bool) -> Reading:
        database = self.database(options)
        root = files.checked_root(root, database.name)
        rows, notes, release = self._table(root, options)
        listing = self.scan(root, options)
        beside = {}
        for name, side in self.side_tables.items():
            file = side.find(root, options)
            beside[name] = tables.read_table(file, side.header).rows if file else []
        reading = self.samples_from(rows, listing, options, release, errata, **beside)
        for text in notes:
            reading.note("V03", "warning", text)
        note_differences(reading, database.releases)
        return reading

    def _table(self, root: Path, options: OptionsT) -> tuple[Sequence[tables.Row], Sequence[str], str]:
        """Return the rows of the annotation table, notes on its cells, and its name and digest."""
        database = self.database(options)
        if not database.tables:
            return (), (), ""
        path = find_table(root, database.name, getattr(options, "table", ""), database.tables)
        if self.read_table:
            return *self.read_table(path, options), tables.release_of(path)
        wanted = [texts for name, texts in self.columns.items() if name not in self.optional]
        table = tables.read_table(path, self.header, self.sheets, wanted)
        return table.rows, table.notes, tables.release_of(path)

    def scan(self, root: Path, options: OptionsT) -> dict[tuple[str, str], list[str]]:
        """Return (canonical subject, clip) -> paths relative to `root` of the tree that the options choose.

        Videos are keyed by ("", file name without extension in lower case).

        Raises:
            DatasetError: the tree is missing, holds no clip (V01), or one clip twice.
        """
        if self.scan_media:
            return self.scan_media(root, options)
        database, tree = self.database(options), self.tree(options)
        base = media_base(root, database.name, getattr(options, "folder", ""), tree)
        listing = scan_clips(root, base, tree.key_of, tree.beside) if tree.key_of else scan_videos(root, base)
        require_clips(root, database.name, listing, tree.example)
        return listing

    def samples_from(
        self,
        table: Sequence[Mapping[str, str]],
        listing: Listing,
        options: OptionsT,
        release: str,
        errata: bool = True,
        **beside: Sequence[Mapping[str, str]],
    ) -> Reading:
        """See `Reader.samples_from`; `beside` are the rows of `side_tables`."""
        database, view = self.database(options), getattr(options, "view", "")
        corrections = self.corrections(listing, database.name, view) if errata else Errata()
        given = Given(listing, options, errata, corrections, self._aligned_beside(beside, options))
        rows = tables.aligned(table, self.columns, release.split(" sha256:")[0] or database.name, self.optional)
        unread = tables.unread(table, self.columns, WELL_KNOWN)
        rows, stray = tables.split_text_rows(rows, self.telling)
        annotations = self.annotate(rows, given)
        rules = replace(self.rules(options, annotations), renumbered=getattr(options, "renumbered", None))
        reading = assemble(database, self.tree(options).view, rules, annotations, listing, release, corrections)
        reading.ignored(stray)
        blank = [str(row.number) for row in rows for name in _PEOPLE if not row.get(name, "?").strip()]
        if blank:
            listed = ", ".join(blank[:8]) + (", …" if len(blank) > 8 else "")
            cause = "a merged cell has its text in its first row alone: split it"
            reading.note("V03", "warning", f"rows {listed} name no person; {cause}", int(blank[0]))
        if unread:
            listed = ", ".join(map(repr, unread))
            reading.note("V03", "warning", f"columns {listed} are not read: this table is not known to have them")
        if self.finish:
            self.finish(reading, options)
        return reading

    def _aligned_beside(
        self, beside: Mapping[str, Sequence[Mapping[str, str]]], options: OptionsT
    ) -> dict[str, list[tables.Row]]:
        aligned = {}
        for name, side in self.side_tables.items():
            file = getattr(options, side.option) if side.option else side.names[0]
            aligned[name] = tables.aligned(beside.get(name, ()), side.columns, file)
        return aligned
