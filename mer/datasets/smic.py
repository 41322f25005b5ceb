"""SMIC (Li et al., FG 2013): HS 164 clips of 16 people at 100 fps, VIS and NIR 71 of 8 people at 25 fps.

There is no table: `HS/s1/micro/negative/s1_ne_01/image559740.bmp` says who and what, the first and last image are
onset and offset, and there is no apex and no action unit. `non_micro` folders are not expressions. Clips are named
`s03_po_09` here whatever the padding on disk.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import Field

from mer.core.errors import DatasetError
from mer.core.params import Params
from mer.datasets import files
from mer.datasets.annotations import Annotation, Database, assemble
from mer.datasets.expected import note_differences
from mer.datasets.intervals import ApexPolicy, ApexRules
from mer.datasets.locate import find_media, require_clips
from mer.datasets.reading import Listing, Reading

FPS = {"hs": 100.0, "vis": 25.0, "nir": 25.0}
EMOTIONS = {"ne": "negative", "po": "positive", "sur": "surprise"}
FOLDERS = {"raw": ("SMIC_all_raw",), "cropped": ("SMIC_all_cropped",)}


class Options(Params):
    """Keys of this database in the configuration."""

    modality: Literal["hs", "vis", "nir"] = Field("hs", description="camera: high-speed, visual or near-infrared")
    view: Literal["raw", "cropped"] = Field("raw", description="which of the released image trees to read")
    apex: ApexPolicy = Field("midpoint", description="what stands for the apex, which is not annotated")


def clip_name(text: str) -> tuple[str, str, str] | None:
    """Return (subject, clip, emotion) of `s3_po_9` in any padding, as (`s03`, `s03_po_09`, `positive`); else None."""
    match = re.fullmatch(r"s0*([0-9]{1,3})_(ne|po|sur)_0*([0-9]{1,3})", text.strip().casefold(), re.ASCII)
    if not match:
        return None
    subject = f"s{int(match[1]):02d}"
    return subject, f"{subject}_{match[2]}_{int(match[3]):02d}", EMOTIONS[match[2]]


def read(root: Path, options: Options, errata: bool = True) -> Reading:
    """Return the clips of one camera below `root`; `errata` has no effect, none are known.

    Raises:
        DatasetError: the root or the image folders are missing or unusable.
    """
    root = files.checked_root(root, f"smic_{options.modality}")
    listing = scan(root, options)
    reading = samples_from((), listing, options, "", errata)
    note_differences(reading)
    return reading


def scan(root: Path, options: Options) -> dict[tuple[str, str], list[str]]:
    """Return (`s03`, `s03_po_09`) -> image paths relative to `root`; an empty clip folder gives its own path alone."""
    name = f"smic_{options.modality}"
    top = find_media(root, name, FOLDERS[options.view], "set `view`")
    base = files.find_folder(top, (options.modality,)) or top
    listing: dict[tuple[str, str], list[str]] = {}
    for folder, _, names in files.walk(root, base):
        clip = clip_name(folder.name)
        above = [files.folded(part) for part in folder.parts]
        if clip is None or "nonmicro" in above:
            continue
        path = folder.relative_to(root).as_posix()
        if clip[:2] in listing:
            raise DatasetError(path, f"clip {clip[1]} is there twice", "one folder per clip", "remove the copy")
        listing[clip[:2]] = [f"{path}/{image}" for image in names if files.is_image(image)] or [f"{path}/"]
    require_clips(root, name, listing, f"folders like {options.modality.upper()}/s1/micro/negative/s1_ne_01/")
    return listing


def samples_from(
    table: Sequence[Mapping[str, str]], listing: Listing, options: Options, release: str, errata: bool = True
) -> Reading:
    """Return one row per clip of the listing; opens no file.

    Args:
        table: ignored, SMIC has none.
        listing: (`s03`, `s03_po_09`) -> image paths relative to the dataset root.
        options: the reader's keys.
        release: kept in every row.
        errata: without effect, no fault is known.
    """
    annotations, filled = [], {}
    for key, paths in sorted(listing.items()):
        clip = clip_name(key[1])
        if clip is None:
            raise DatasetError(key[1], "is not a clip name", "names like s03_po_09")
        images = [path for path in paths if files.is_image(path)]
        numbers = [number for path in images if (number := files.number_of(path)) is not None]
        filled[clip[:2]] = images
        annotations.append(
            Annotation(
                None,
                clip[0],
                clip[1],
                onset=str(min(numbers, default="")),
                offset=str(max(numbers, default="")),
                emotion=clip[2],
                flaws=_disagreement(paths[0] if paths else "", clip[2]),
            )
        )
    name = f"smic_{options.modality}"
    rules = ApexRules(options.apex, annotated=False)
    database = Database(name, "smic", FPS[options.modality], options.view, frozenset(EMOTIONS.values()), rules)
    return assemble(database, annotations, filled, release)


def _disagreement(path: str, emotion: str) -> tuple[tuple[str, str], ...]:
    above = PurePosixPath(path).parent.parent.name.strip().casefold()
    if above in EMOTIONS.values() and above != emotion:
        return (("V13", f"folder {above} but the name says {emotion}"),)
    return ()
