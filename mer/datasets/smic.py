"""SMIC (Li et al., FG 2013): HS 164 clips of 16 people at 100 fps, VIS and NIR 71 of 8 people at 25 fps.

There is no table: `HS/s1/micro/negative/s1_ne_01/image559740.bmp` says who and what, the first and last image are
onset and offset, and there is no apex and no action unit. `non_micro` folders are not expressions. Clips are named
`s03_po_09` here whatever the padding on disk.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import Field

from mer.core.errors import DatasetError
from mer.core.filenames import file_numbers, is_image
from mer.core.params import Params
from mer.datasets import files, owners
from mer.datasets.annotations import Annotation
from mer.datasets.contract import VGA, Database, Licence, MediaTree, Picture
from mer.datasets.files import find_media, require_clips
from mer.datasets.options import CameraKey, NoApexKey
from mer.datasets.table_reader import Given, TableReader, rules_without_apex
from mer.datasets.tables import Row

FPS = {"hs": 100.0, "vis": 25.0, "nir": 25.0}
EMOTIONS = {"ne": "negative", "po": "positive", "sur": "surprise"}
#: Fewest and most images of a clip, where they are known.
LENGTHS = {"hs": (11, 58)}
#: Documented form of each camera's images; what the near-infrared one's colour is, nobody says.
PICTURES = {"hs": VGA, "vis": VGA, "nir": Picture((640, 480))}


class Options(Params):
    """Keys of this database in the configuration."""

    modality: CameraKey = "hs"
    view: Literal["raw", "cropped"] = Field("raw", description="which of the released image trees to read")
    apex: NoApexKey = "midpoint"


def clip_name(text: str) -> tuple[str, str, str] | None:
    """Return (subject, clip, emotion) of `s3_po_9` in any padding, as (`s03`, `s03_po_09`, `positive`); else None."""
    match = re.fullmatch(r"s0*([0-9]{1,3})_(ne|po|sur)_0*([0-9]{1,3})", text.strip().casefold(), re.ASCII)
    if not match:
        return None
    subject = f"s{int(match[1]):02d}"
    return subject, f"{subject}_{match[2]}_{int(match[3]):02d}", EMOTIONS[match[2]]


def _scan(root: Path, options: Options) -> dict[tuple[str, str], list[str]]:
    """Return (`s03`, `s03_po_09`) -> image paths relative to `root`; an empty clip folder gives its path alone."""
    database, tree = READER.database(options), READER.tree(options)
    top = find_media(root, database.name, tree.folders, "set `view`")
    base = _camera_folder(root, top, options.modality)
    listing: dict[tuple[str, str], list[str]] = {}
    for folder, _, names in files.walk(root, base):
        clip = clip_name(folder.name)
        if clip is None or "nonmicro" in map(files.folded, folder.parts):
            continue
        path = folder.relative_to(root).as_posix()
        if clip[:2] in listing:
            raise DatasetError(path, f"clip {clip[1]} is there twice", "one folder per clip", "remove the copy")
        listing[clip[:2]] = [f"{path}/{name}" for name in names if is_image(name)] or [f"{path}/"]
    require_clips(root, database.name, listing, tree.example)
    return listing


def _camera_folder(root: Path, top: Path, camera: str) -> Path:
    """Return the folder of one camera: `HS`, `SMIC_HS` and the like, three levels down at most.

    Raises:
        DatasetError: there is none, or several (V01); clips of another camera are never taken for it.
    """
    cameras = [
        (folder / name, seen)
        for folder, below, _ in files.walk(root, top, 2)
        for name in below
        if (seen := _camera_of(name))
    ]
    mine = [folder for folder, seen in cameras if seen == camera]
    found = files.only_one(root, [folder for folder in mine if len(folder.parts) == len(mine[0].parts)])
    if found:
        return found
    others = sorted({seen for _, seen in cameras})
    fault = f"no folder of the camera {camera.upper()}; found: {files.listing_text(root, top=top)}"
    remedy = f"set `modality` to {' or '.join(others)}, or" if others else "name the folder after its camera or"
    raise DatasetError(f"smic_{camera}: {top}", fault, f"{camera.upper()}/", f"{remedy} correct the root (V01)")


def _camera_of(name: str) -> str | None:
    """Return the camera that a folder is named after (`SMIC_HS` gives `hs`), None where it names none or several."""
    seen = set(re.split(r"[^a-z0-9]+", name.casefold())) & FPS.keys()
    return seen.pop() if len(seen) == 1 else None


def _annotations(rows: Sequence[Row], given: Given[Options]) -> list[Annotation]:
    """Return one annotation per clip of the listing."""
    annotations = []
    for (_, name), paths in sorted(given.listing.items()):
        clip = clip_name(name)
        if clip is None:
            raise DatasetError(name, "is not a clip name", "names like s03_po_09")
        annotations.append(_annotation(*clip, paths))
    return annotations


def _annotation(subject: str, clip: str, emotion: str, paths: Sequence[str]) -> Annotation:
    numbers = file_numbers(filter(is_image, paths))
    above = PurePosixPath(paths[0] if paths else "").parent.parent.name.strip().casefold()
    flaws: tuple[tuple[str, str], ...] = ()
    if above in EMOTIONS.values() and above != emotion:
        flaws = (("V13", f"folder {above} but the name says {emotion}"),)
    onset, offset = str(min(numbers, default="")), str(max(numbers, default=""))
    return Annotation(None, subject, clip, onset=onset, offset=offset, emotion=emotion, flaws=flaws)


def _database(camera: str) -> Database:
    example = f"folders like {camera.upper()}/s1/micro/negative/s1_ne_01/"
    raw = MediaTree(
        view="raw",
        folders=("SMIC_all_raw",),
        example=example,
        picture=PICTURES[camera],
        beside=("nonmicro",),
        lengths=LENGTHS.get(camera),
    )
    cropped = MediaTree(view="cropped", folders=("SMIC_all_cropped",), example=example, beside=("nonmicro",))
    if raw.lengths:
        # Some clips of this tree lack one or two images.
        cropped = replace(cropped, lengths=(raw.lengths[0] - 2, raw.lengths[1]))
    return Database(
        name=f"smic_{camera}",
        family="smic",
        fps=FPS[camera],
        emotions=frozenset(EMOTIONS.values()),
        trees=(raw, cropped),
        chosen_by={"modality": camera},
    )


READER = TableReader(
    name="smic",
    options=Options,
    licence=Licence(owners.SMIC, "oulu.fi/cmvs/node/41319", "Li et al., FG 2013"),
    databases=tuple(map(_database, FPS)),
    columns={},
    telling=(),
    rules=rules_without_apex,
    annotate=_annotations,
    scan_media=_scan,
)
