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
from mer.core.filenames import stem_of, suffix_of
from mer.core.params import Params
from mer.core.sample import Sample
from mer.datasets import files, tables
from mer.datasets.annotations import exclude_repeated, safe_id
from mer.datasets.contract import Database, Licence, MediaTree, Picture
from mer.datasets.files import find_media
from mer.datasets.reading import Listing, Reading
from mer.datasets.table_reader import TableReader
from mer.datasets.views import with_classes

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


def _scan(root: Path, options: Options) -> dict[tuple[str, str], list[str]]:
    base = _images(root, options)
    names = files.entries(root, base)[1]
    paths = [(base.relative_to(root) / name).as_posix() for name in names if suffix_of(name) == ".png"]
    return {("", path): [path] for path in paths}


def _images(root: Path, options: Options) -> Path:
    if not options.images:
        return find_media(root, DATABASE.name, DATABASE.trees[0].folders, "name the folder in `images`")
    path = files.safe_path(root, options.images)
    if not path.is_dir():
        where, expected = f"{DATABASE.name}: {options.images}", f"a folder of images below {root}"
        raise DatasetError(where, "no such folder", expected, "correct `images` (V01)")
    return path


class _FlowImages(TableReader[Options]):
    """A table whose rows belong to several databases; `errata` is without effect."""

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
        reading = Reading(DATABASE.name, release)
        images: dict[str, str] = {}
        for path in (path for paths in listing.values() for path in paths):
            key = _key(stem_of(path))
            if key in images:
                raise DatasetError(
                    path, f"and {images[key]!r} have the same name but for spaces and case", "one image per clip"
                )
            images[key] = path
        used = set()
        for row in tables.aligned(table, self.columns, release.split(" sha256:")[0] or DATABASE.name):
            if any(row[name].strip() for name in self.telling):
                sample, key = _sample(row, images, reading)
                reading.samples.append(sample)
                used.add(key)
        exclude_repeated(reading, [sample.emotion_raw for sample in reading.samples], what="labels")
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


DATABASE = Database(
    name="flow_images",
    emotions=frozenset(CLASSES.values()),
    trees=(MediaTree(view="flow", folders=("STSNet_whole_norm_u_v_os",), picture=Picture((28, 28), 3)),),
    tables=("combined_3_class2_for_optical_flow.csv",),
)
READER = _FlowImages(
    name="flow_images",
    options=Options,
    licence=Licence(
        "the licences of SMIC, CASME II and SAMM, from which the images derive",
        "each database's own page",
        "See et al., MEGC 2019, FG 2019 (the composite)",
    ),
    databases=(DATABASE,),
    columns={
        "dataset": ("dataset",),
        "sub": ("sub", "subject"),
        "file": ("filenameo", "filename", "file"),
        "label": ("label",),
    },
    telling=("dataset", "sub", "file"),
    header="label",
    annotate=lambda rows, given: [],  # `samples_from` makes the rows itself
    scan_media=_scan,
)
