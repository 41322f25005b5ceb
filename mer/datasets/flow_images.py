"""The optical-flow images of the MEGC2019 composite as published with HTNet: 442 clips, 68 people, 28 x 28 x 3.

One PNG per clip, `<sub>_<file> .png` (with a space), R = horizontal flow, G = vertical flow, B = strain, each channel
scaled to 0-255 on its own. `combined_3_class2_for_optical_flow.csv` gives database, subject, file and label
(0 negative, 1 positive, 2 surprise). Rows keep the database they come from, so that scores split by it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from pydantic import Field

from mer.core.errors import DatasetError
from mer.core.params import Params
from mer.core.sample import Sample
from mer.datasets import files, tables
from mer.datasets.annotations import safe_id, unused
from mer.datasets.expected import note_differences
from mer.datasets.labels import with_classes
from mer.datasets.locate import find_media, find_table
from mer.datasets.reading import Reading

NAME = "flow_images"
FOLDERS = ("STSNet_whole_norm_u_v_os",)
TABLES = ("combined_3_class2_for_optical_flow.csv",)
COLUMNS = {
    "dataset": ("dataset",),
    "sub": ("sub", "subject"),
    "file": ("filenameo", "filename", "file"),
    "label": ("label",),
}
CLASSES = {"0": "negative", "1": "positive", "2": "surprise"}
#: Name in the csv, folded -> our name, family, frames per second, and how a subject number is written.
SOURCES = {
    "smic": ("smic_hs", "smic", 100.0, "s{:02d}"),
    "smichs": ("smic_hs", "smic", 100.0, "s{:02d}"),
    "casme2": ("casme2", "casme2", 200.0, "sub{:02d}"),
    "casmeii": ("casme2", "casme2", 200.0, "sub{:02d}"),
    "samm": ("samm", "samm", 200.0, "{:03d}"),
}


class Options(Params):
    """Keys of this database in the configuration."""

    images: str = Field("", description="image folder below the root; found by its published name when empty")
    table: str = Field("", description="csv of labels below the root; found by its published name when empty")


def read(root: Path, options: Options, errata: bool = True) -> Reading:
    """Return the rows below `root`; `errata` has no effect, none are known.

    Raises:
        DatasetError: the root, the csv or the image folder is missing or unusable.
    """
    root = files.checked_root(root, NAME)
    path = find_table(root, NAME, options.table, TABLES)
    base = _images(root, options)
    names = files.entries(root, base)[1]
    listing = [(base.relative_to(root) / name).as_posix() for name in names if files.suffix_of(name) == ".png"]
    table = tables.read_table(path, header="label")
    reading = samples_from(table.rows, listing, options, tables.release_of(path), errata)
    for text in table.notes:
        reading.note("V03", "warning", text)
    note_differences(reading)
    return reading


def _images(root: Path, options: Options) -> Path:
    if not options.images:
        return find_media(root, NAME, FOLDERS, "name the folder in `images`")
    path = files.safe_path(root, options.images)
    if not path.is_dir():
        raise DatasetError(
            f"{NAME}: {options.images}", "no such folder", f"a folder of images below {root}", "correct `images` (V01)"
        )
    return path


def samples_from(
    table: Sequence[Mapping[str, str]], listing: Sequence[str], options: Options, release: str, errata: bool = True
) -> Reading:
    """Return the rows of a table held in memory; opens no file.

    Args:
        table: one mapping per row, header text -> cell text.
        listing: PNG paths relative to the dataset root.
        options: the reader's keys.
        release: csv file and digest, kept in every row.
        errata: without effect, no fault of the csv is known.
    """
    reading = Reading(NAME, release)
    images: dict[str, str] = {}
    for path in listing:
        key = _key(files.stem_of(path))
        if key in images:
            raise DatasetError(
                path, f"and {images[key]!r} have the same name but for spaces and case", "one image per clip"
            )
        images[key] = path
    used = set()
    for row in tables.aligned(table, COLUMNS, release.split(" sha256:")[0] or NAME):
        if any(row[name].strip() for name in ("dataset", "sub", "file")):
            sample, key = _sample(row, images, reading)
            reading.samples.append(sample)
            used.add(key)
    _repeated(reading)
    spare = sorted(path for key, path in images.items() if key not in used)
    if spare:
        reading.note("V14", "warning", f"{len(spare)} images have no row, e.g. {PurePosixPath(spare[0]).name!r}")
    return reading


def _key(text: str) -> str:
    return re.sub(r"\s+", "", text).casefold()


def _sample(row: tables.Row, images: Mapping[str, str], reading: Reading) -> tuple[Sample, str]:
    """Return the row of one image, and the key of the image it uses."""
    source = SOURCES.get(files.folded(row["dataset"]))
    name, family, fps, form = source or (safe_id(row["dataset"]), safe_id(row["dataset"]), None, "{}")
    written = row["sub"].strip()
    digits = re.fullmatch(r"(?:s|sub)?0*([0-9]{1,4})", written.casefold(), re.ASCII)
    subject = form.format(int(digits[1])) if digits and source else safe_id(written)
    clip = row["file"].strip()
    keys = [_key(f"{who}_{clip}") for who in (written, subject)]
    key = next((k for k in keys if k in images), keys[0])
    label = CLASSES.get(row["label"].strip(), "")
    sample = Sample(
        dataset=name,
        subject=subject,
        group=f"{family}:{subject}",
        sample_id=f"{subject}/{safe_id(clip)}",
        video_id=f"{subject}/{safe_id(clip)}",
        media_path=images.get(key, ""),
        media_kind="flow_image",
        view="flow",
        release=reading.release,
        n_files=int(key in images),
        fps=fps,
        emotion_raw=row["label"],
        emotion_norm=label,
    )
    return _checked(with_classes(sample), row, bool(source and digits), reading), key


def _checked(sample: Sample, row: tables.Row, known: bool, reading: Reading) -> Sample:
    def fault(rule: str, reason: str) -> None:
        reading.note(rule, "error", reason, row.number, sample.sample_id)

    if not known:
        reason = f"dataset {row['dataset']!r}, sub {row['sub']!r}: not a subject of smic, casme2 or samm"
        fault("V13", reason)
        return sample.excluded(reason)
    if not sample.emotion_norm:
        reason = f"label {row['label']!r} is not 0, 1 or 2"
        fault("V05", reason)
        return sample.excluded(reason)
    if not sample.media_path:
        reason = f"image {row['sub'].strip()}_{row['file'].strip()} .png not found"
        fault("V09", reason)
        return dataclasses.replace(sample, status="missing_media", reason=reason)
    return sample


def _repeated(reading: Reading) -> None:
    """Exclude later rows of a clip (V12), and the first one too when the labels differ."""
    places: dict[str, list[int]] = {}
    for place, sample in enumerate(reading.samples):
        places.setdefault(sample.sample_id.casefold(), []).append(place)
    taken = set(places)
    for same in places.values():
        if len(same) < 2:
            continue
        agree = len({reading.samples[place].emotion_raw for place in same}) == 1
        key = reading.samples[same[0]].sample_id
        reason = f"occurs {len(same)} times" + ("; the first is kept" if agree else " with different labels")
        reading.note("V12", "error", reason, None, key)
        for turn, place in enumerate(same):
            sample = reading.samples[place]
            if turn or not agree:
                sample = sample.excluded(reason)
            reading.samples[place] = dataclasses.replace(sample, sample_id=unused(key, taken) if turn else key)
