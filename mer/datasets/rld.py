"""Real-life deception detection (Perez-Rosas et al., ICMI 2015): 121 trial clips, deceptive or truthful.

Files: `All_Gestures_Deceptive and Truthful.csv` (id, gestures, class) and `Clips/**/trial_lie_001.mp4`. There are no
official subject ids and speakers recur, so a `subjects.csv` (columns video, subject) of the user's own is required
unless `allow_speaker_leak` is set; only anonymous ids belong in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field

from mer.core.errors import DatasetError
from mer.core.params import Params
from mer.datasets import files, tables
from mer.datasets.annotations import Annotation, Database, assemble, safe_id
from mer.datasets.expected import note_differences
from mer.datasets.intervals import ApexRules
from mer.datasets.locate import find_table, require_clips, scan_videos
from mer.datasets.reading import Listing, Reading

NAME = "rld"
CLASSES = frozenset({"deceptive", "truthful"})
COLUMNS = {"video": ("id",), "label": ("class",)}


class Options(Params):
    """Keys of this database in the configuration."""

    table: str = Field("", description="gesture csv below the root; found by its released name when empty")
    subjects: str = Field("subjects.csv", description="csv below the root with the columns video and subject")
    allow_speaker_leak: bool = Field(False, description="go on without subject ids: every clip is its own person")
    leave_out: tuple[str, ...] = Field((), description="clips to exclude, such as those without a usable face")


def read(root: Path, options: Options, errata: bool = True) -> Reading:
    """Return the clips below `root`; `errata` has no effect, none are known.

    Raises:
        DatasetError: the root, a table or the videos are missing, or there are no subject ids.
    """
    root = files.checked_root(root, NAME)
    path = find_table(root, NAME, options.table, ("All_Gestures_Deceptive and Truthful.csv",))
    table = tables.read_table(path, header="id")
    videos = scan_videos(root, root)
    require_clips(root, NAME, videos, "videos like Clips/Deceptive/trial_lie_001.mp4")
    listing = {("", name): paths for name, paths in videos.items()}
    given = files.safe_path(root, options.subjects)
    people = tables.read_table(given, header="subject").rows if given.is_file() else ()
    reading = samples_from(table.rows, listing, options, tables.release_of(path), errata, people)
    for text in table.notes:
        reading.note("V03", "warning", text)
    note_differences(reading, path.name)
    return reading


def samples_from(
    table: Sequence[Mapping[str, str]],
    listing: Listing,
    options: Options,
    release: str,
    errata: bool = True,
    people: Sequence[Mapping[str, str]] = (),
) -> Reading:
    """Return the rows of tables held in memory; opens no file.

    Args:
        table: rows of the gesture csv.
        listing: ("", file name without extension, lower case) -> video paths relative to the dataset root.
        options: the reader's keys.
        release: annotation file and digest, kept in every row.
        errata: without effect, no fault is known.
        people: rows of the user's subject csv.

    Raises:
        DatasetError: no subject ids are given and `allow_speaker_leak` is off.
    """
    if not people and not options.allow_speaker_leak:
        found = f"no {options.subjects}; clips share speakers, so a clip-wise split would leak"
        raise DatasetError(
            NAME, found, "a csv with the columns video and subject", "write one or set allow_speaker_leak: true"
        )
    rows = tables.aligned(people, {"video": ("video",), "subject": ("subject",)}, options.subjects)
    speakers = {_stem(row["video"]): row["subject"].strip() for row in rows}
    left_out = {_stem(name) for name in options.leave_out}
    rows = tables.aligned(table, COLUMNS, release.split(" sha256:")[0] or NAME)
    rows, text = tables.split_text_rows(rows, ("video", "label"))
    annotations = [_annotation(row, speakers, left_out, options) for row in rows]
    database = Database(NAME, NAME, None, "raw", CLASSES, ApexRules(annotated=False))
    return assemble(database, annotations, listing, release).ignored(text)


def _stem(text: str) -> str:
    text = text.strip().rpartition("/")[2]
    return (text.rpartition(".")[0] if files.suffix_of(text) in files.VIDEOS else text).casefold()


def _annotation(row: tables.Row, speakers: Mapping[str, str], left_out: set[str], options: Options) -> Annotation:
    name = _stem(row["video"])
    subject = name if options.allow_speaker_leak and not speakers else speakers.get(name, "")
    flaws = [] if subject else [("V13", f"{name} has no subject in {options.subjects}")]
    return Annotation(
        row.number,
        safe_id(subject),
        name,
        emotion=row["label"],
        expression_type="clip",
        sample_id=safe_id(name),
        media=("", name),
        flaws=tuple(flaws),
        left_out="left out by the option `leave_out`" if name in left_out else "",
    )
