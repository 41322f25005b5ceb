"""Any clips with a table of one's own: a CSV or Excel file and a folder of videos or images (docs/datasets.md, table).

A row names its clip and its person; everything else may be absent. Clips are videos, folders of images, patterns of
images that lie together, or intervals of a long recording that several rows share. Nothing is known beforehand, so
every oddity is told with the row and the column; a video said to show two people, a person in two spellings and a path
out of the root are never taken silently.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mer.core.errors import DatasetError
from mer.core.registry import nearest
from mer.core.sample import Sample
from mer.datasets import files, table_columns, table_rows, tables
from mer.datasets.annotations import RowRules, assemble, safe_id
from mer.datasets.contract import Database, MediaTree, Reader
from mer.datasets.intervals import ApexRules, Interval, too_long
from mer.datasets.labels import normalise_emotion
from mer.datasets.reading import Listing, Reading
from mer.datasets.recordings import NOTHING
from mer.datasets.table_media import Medium, Shelf, fill
from mer.datasets.table_options import Columns, Options
from mer.datasets.table_rows import Clip, Own
from mer.datasets.views import with_classes

KINDS = (".xlsx", ".xls", ".csv", ".tsv")
#: Views of the rows: clips that may be cut, and intervals of recordings, which can be spotted in.
CLIPS, RECORDINGS = "clips", "recordings"
LONGEST = 0.5


class _Table(Reader[Options]):
    """A user's own table; `errata` is without effect."""

    def read(self, root: Path, options: Options, errata: bool = True) -> Reading:
        """See `Reader.read`."""
        root = files.checked_root(root, self.name)
        path = the_table(root, options.table)
        sheet = table_columns.read_sheet(path, options.sheet, options.columns)
        listing = scan(root, options.folder)
        files.require_clips(root, self.name, listing, "videos, or folders of numbered images")
        reading = self.samples_from(sheet.rows, listing, options, tables.release_of(path), errata)
        for text in sheet.notes:
            reading.note("V03", "warning", text)
        return reading

    def samples_from(
        self,
        table: Sequence[Mapping[str, str]],
        listing: Listing,
        options: Options,
        release: str,
        errata: bool = True,
        **beside: Sequence[Mapping[str, str]],
    ) -> Reading:
        """See `Reader.samples_from`; the keys of the listing do not matter."""
        where = release.split(" sha256:")[0] or self.name
        given = list(dict.fromkeys(name for row in table for name in row))
        headers = table_columns.resolve(given, options.columns, where)
        _check_template(options.media, given, where)
        shelf = Shelf(listing, options.folder)
        own = table_rows.collect(table, headers, shelf, options)
        _require_rates(own, where)
        media = {clip.medium.path: clip.medium for clip in own.clips if isinstance(clip.medium, Medium)}
        view = RECORDINGS if {"onset", "offset"} <= set(headers) else CLIPS
        annotations = table_rows.annotated(own)
        reading = assemble(_card(own), view, _rules(own), annotations, _by_path(media), release)
        pairs = zip(reading.samples, own.clips, strict=True)
        reading.samples = [_finished(sample, clip, options, reading) for sample, clip in pairs]
        reading.dataset = self.name  # rows may be of a database whose known faults this table does not have
        reading.ignored(own.stray)
        _note_people(reading, own)
        _note_emotions(reading, own)
        _note_rates(reading)
        _note_cut(reading, own)
        _note_spare(reading, [medium for medium in shelf if medium.path not in media], media)
        return reading


def the_table(root: Path, given: str) -> Path:
    """Return the table: `given`, or the only spreadsheet at the top of the root, or below where there is none.

    Raises:
        DatasetError: there is none, or more than one (V02).
    """
    if given:
        return files.find_table(root, "table", given, ())
    for depth in (0, 2):
        found = sorted(tables_below(root, depth))
        if len(found) == 1:
            return found[0]
        if found:
            named = ", ".join(path.relative_to(root).as_posix() for path in found[:5])
            fault = f"{len(found)} tables: {named}{', …' if len(found) > 5 else ''}"
            raise DatasetError(f"table: {root}", fault, "one", "name the right one in `table` (V02)")
    fault = f"annotation not found; holds {files.listing_text(root)}"
    remedy = "put the table there or name it in `table`; without a table there is the reader `videos` (V02)"
    raise DatasetError(f"table: {root}", fault, f"a file ending in {' '.join(KINDS)}", remedy)


def tables_below(root: Path, depth: int) -> Iterable[Path]:
    """Yield the spreadsheets at most `depth` folders below the root; not the locks that Excel leaves beside them."""
    for folder, _, names in files.walk(root, root, depth):
        for name in names:
            if name.casefold().endswith(KINDS) and not name.startswith(("~$", ".")):
                yield folder / name


def scan(root: Path, folder: str) -> dict[tuple[str, str], list[str]]:
    """Return every video and every folder of images below `folder`: ("", path) -> paths relative to the root.

    Raises:
        DatasetError: `folder` is not there or leads outside the root (V01).
    """
    base = files.safe_path(root, folder) if folder else root
    if not base.is_dir():
        raise DatasetError(f"table: {folder}", "no such folder", f"a folder below {root}", "correct `folder` (V01)")
    listing = {("", path): [path] for paths in files.scan_videos(root, base).values() for path in paths}
    for place, names in files.image_folders(root, base):
        listing["", place.as_posix()] = [(place / name).as_posix() for name in names]
    return listing


def _check_template(template: str, given: Sequence[str], where: str) -> None:
    unknown = fill(template, dict.fromkeys([*Columns.model_fields, *given], ""))[1]
    if unknown:
        expected = "a header of the table, or our name of a column"
        raise DatasetError(where, f"`media` names {unknown!r}", expected, f"{nearest(unknown, given)} (V03)")


def _require_rates(own: Own, where: str) -> None:
    rates = [table_rows.rate(clip.row, own.options) for clip in own.clips]
    if own.options.counting == "seconds" and rates and not any(rates):
        fault = "`counting: seconds` without a frame rate"
        raise DatasetError(where, fault, "frames per second", "set `fps`, or name a column in `columns.fps` (V21)")


def _card(own: Own) -> Database:
    """Return the card of what is read: its emotions are whatever the table says."""
    emotions = frozenset(normalise_emotion(clip.row["emotion"]) for clip in own.clips) - {""}
    name = safe_id(own.options.database) if own.options.database.strip() else DATABASE.name
    return dataclasses.replace(DATABASE, name=name, emotions=emotions)


def _rules(own: Own) -> RowRules:
    options = own.options
    apex = ApexRules(options.apex_missing, options.apex_at_onset, annotated="apex" in own.headers, blank=True)
    return RowRules(apex, may_miss=options.may_miss, blank_emotion=True, alternatives=options.alternatives)


def _by_path(media: Mapping[str, Medium]) -> dict[tuple[str, str], list[str]]:
    """Return the files of each medium; those of a pattern by number alone, in a folder named as the pattern."""
    return {
        ("", path): [f"{path}/{number}.png" for number in medium.numbers] if "*" in path else list(medium.files)
        for path, medium in media.items()
    }


def _finished(sample: Sample, clip: Clip, options: Options, reading: Reading) -> Sample:
    """Return a row with what its own cells say of its database, its frame rate and its emotion."""
    database = safe_id(clip.row["database"]) if clip.row["database"] else sample.dataset
    words = {normalise_emotion(theirs): normalise_emotion(ours) for theirs, ours in options.emotions.items()}
    fps, emotion = table_rows.rate(clip.row, options), normalise_emotion(clip.row["emotion"])
    if sample.expression_type == "micro":
        interval = Interval(sample.onset, sample.apex, sample.offset)

        def note(rule: str, severity: str, message: str) -> None:
            reading.note(rule, severity, message, clip.row.number, sample.sample_id)

        too_long(interval, fps, LONGEST, note)
    changed = dataclasses.replace(
        sample,
        dataset=database,
        group=f"{database}:{sample.subject}",
        fps=fps,
        emotion_norm=words.get(emotion, emotion),
    )
    return with_classes(changed)


def _note_people(reading: Reading, own: Own) -> None:
    """Warn of people in more than one spelling, who are read as one: two would be on both sides of a fold."""
    header = own.headers["subject"]
    for (_, subject), spellings in own.spellings.items():
        if len(spellings) > 1:
            shown = ", ".join(f"{text!r} ({n} rows)" for text, n in spellings.most_common())
            first = next(c.row.number for c in own.clips if c.person[1] == subject and c.row["subject"] != subject)
            remedy = "rename one in the table if they are two people"
            reading.note("V13", "warning", f"column {header!r}: {shown} are read as one person; {remedy}", first)


def _note_emotions(reading: Reading, own: Own) -> None:
    if "emotion" not in own.headers:
        return
    header = f"column {own.headers['emotion']!r}"
    rows = zip(own.clips, reading.samples, strict=True)
    blank = sum(not clip.row["emotion"] and sample.expression_type != NOTHING for clip, sample in rows)
    if blank:
        reading.note("V05", "warning", f"{header} is blank in {blank} rows, which have no class")
    strange = Counter(s.emotion_norm for s in reading.samples if s.emotion_norm and s.emotion_4 is None)
    if strange:
        shown = ", ".join(f"{word!r} ({count})" for word, count in strange.most_common(12))
        more = f" and {len(strange) - 12} more" if len(strange) > 12 else ""
        remedy = "kept as they are; map them by `emotions`, or name them in a class scheme of your own"
        reading.note(
            "V05", "warning", f"{header} has words that no shipped class scheme takes: {shown}{more}; {remedy}"
        )
    found = {normalise_emotion(clip.row["emotion"]) for clip in own.clips} - {""}
    counts = Counter(s.emotion_norm for s in reading.samples if s.emotion_norm)
    for word, usual in _misspelt(counts):
        reading.note("V05", "warning", f"{header}: {word!r} ({counts[word]}) is much like {usual!r} ({counts[usual]})")
    for word in own.options.emotions:
        if normalise_emotion(word) not in found:
            near = nearest(normalise_emotion(word), found)
            reading.note("V05", "warning", f"`emotions` maps {word!r}, which no cell of {header} says; {near}")


def _misspelt(counts: Mapping[str, int]) -> Iterable[tuple[str, str]]:
    """Yield words that are like one that is there at least three times as often, with that word."""
    for word, count in counts.items():
        near = difflib.get_close_matches(word, [other for other in counts if counts[other] >= 3 * count], 1, 0.8)
        if near:
            yield word, near[0]


def _note_rates(reading: Reading) -> None:
    lacking = [s for s in reading.samples if s.status == "ok" and s.media_kind == "frames" and s.fps is None]
    if lacking:
        message = (
            f"{len(lacking)} clips of images have no frame rate, e.g. {lacking[0].sample_id}; their times are unknown"
        )
        reading.note("V21", "warning", f"{message}; set `fps`, or name a column in `columns.fps`")


def _note_cut(reading: Reading, own: Own) -> None:
    """Say what may be meant where clips of images are as long as annotated, and numbered otherwise."""
    if own.options.counting != "auto":
        return
    rows = [s for s in reading.samples if s.n_files and None not in (s.onset, s.offset, s.first_file)]
    moved = [s for s in rows if s.onset != s.first_file and abs(_length(s) - (s.n_files or 0)) <= 2]
    outside = [s for s in moved if s.status != "ok"]
    if 2 * len(outside) > len(rows):
        one = outside[0]
        fault = f"the images of {len(outside)} clips have other numbers than their rows, e.g. {one.media_path}"
        remedy = "set `counting: from_onset` where a clip begins at its onset"
        reading.note("V10", "warning", f"{fault}: {one.first_file} to {one.last_file}; {remedy}", None, one.sample_id)


def _length(sample: Sample) -> int:
    assert sample.onset is not None and sample.offset is not None
    return sample.offset - sample.onset + 1


def _note_spare(reading: Reading, spare: Sequence[Medium], used: Mapping[str, Medium]) -> None:
    """Warn of media that no row names (V14); a folder that a row's pattern takes images from is not one of them."""
    taken = {path.rpartition("/")[0] or "." for path in used if "*" in path}
    paths = sorted(medium.path for medium in spare if medium.path not in taken)
    if paths:
        reading.leftovers += paths
        some = ", ".join(paths[:3]) + (", …" if len(paths) > 3 else "")
        reading.note("V14", "warning", f"{len(paths)} videos or folders of images are in no row: {some}")


#: How this reader is told that a table counts otherwise than the names of its images.
_COUNTING = "counting: from_onset"
DATABASE = Database(
    name="table",
    trees=(
        MediaTree(view=CLIPS, option=CLIPS, renumbered=_COUNTING),
        MediaTree(view=RECORDINGS, recordings=True, renumbered=_COUNTING),
    ),
)
READER = _Table(name="table", options=Options, licence=None, databases=(DATABASE,))
