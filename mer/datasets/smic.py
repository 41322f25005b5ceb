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
from mer.core.filenames import file_numbers, is_image
from mer.core.params import Params
from mer.datasets import files
from mer.datasets.annotations import Annotation, assemble
from mer.datasets.contract import VGA, Database, Licence, MediaTree, Picture, Reader
from mer.datasets.expected import note_differences, releases_of
from mer.datasets.locate import find_media, require_clips
from mer.datasets.options import CameraKey, NoApexKey
from mer.datasets.reading import Listing, Reading
from mer.datasets.table_reader import rules_without_apex

FPS = {"hs": 100.0, "vis": 25.0, "nir": 25.0}
EMOTIONS = {"ne": "negative", "po": "positive", "sur": "surprise"}
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


class _Smic(Reader[Options]):
    """A database whose folders say all; its `table` and `errata` are without effect."""

    def read(self, root: Path, options: Options, errata: bool = True) -> Reading:
        """See `Reader.read`."""
        database = self.database(options)
        listing = self.scan(files.checked_root(root, database.name), options)
        reading = self.samples_from((), listing, options, "", errata)
        note_differences(reading, database.releases)
        return reading

    def scan(self, root: Path, options: Options) -> dict[tuple[str, str], list[str]]:
        """Return (`s03`, `s03_po_09`) -> image paths relative to `root`; an empty clip folder gives its path alone."""
        database, tree = self.database(options), self.tree(options)
        top = find_media(root, database.name, tree.folders, "set `view`")
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
            listing[clip[:2]] = [f"{path}/{name}" for name in names if is_image(name)] or [f"{path}/"]
        require_clips(root, database.name, listing, tree.example)
        return listing

    def samples_from(
        self,
        table: Sequence[Mapping[str, str]],
        listing: Listing,
        options: Options,
        release: str,
        errata: bool = True,
        **beside: Sequence[Mapping[str, str]],
    ) -> Reading:
        """See `Reader.samples_from`: one row per clip of the listing."""
        annotations, images = [], {}
        for (_, name), paths in sorted(listing.items()):
            clip = clip_name(name)
            if clip is None:
                raise DatasetError(name, "is not a clip name", "names like s03_po_09")
            images[clip[:2]] = [path for path in paths if is_image(path)]
            annotations.append(_annotation(*clip, images[clip[:2]], paths[0] if paths else ""))
        view, rules = self.tree(options).view, rules_without_apex(options)
        return assemble(self.database(options), view, rules, annotations, images, release)


def _annotation(subject: str, clip: str, emotion: str, images: Sequence[str], path: str) -> Annotation:
    """Return the annotation of a clip from its name; its images, and a path in its folder for what lies above."""
    numbers = file_numbers(images)
    above = PurePosixPath(path).parent.parent.name.strip().casefold()
    flaws: tuple[tuple[str, str], ...] = ()
    if above in EMOTIONS.values() and above != emotion:
        flaws = (("V13", f"folder {above} but the name says {emotion}"),)
    onset, offset = str(min(numbers, default="")), str(max(numbers, default=""))
    return Annotation(None, subject, clip, onset=onset, offset=offset, emotion=emotion, flaws=flaws)


def _database(camera: str) -> Database:
    example = f"folders like {camera.upper()}/s1/micro/negative/s1_ne_01/"
    raw = MediaTree(
        view="raw", folders=("SMIC_all_raw",), example=example, picture=PICTURES[camera], beside=("nonmicro",)
    )
    cropped = MediaTree(view="cropped", folders=("SMIC_all_cropped",), example=example, beside=("nonmicro",))
    return Database(
        name=f"smic_{camera}",
        family="smic",
        fps=FPS[camera],
        emotions=frozenset(EMOTIONS.values()),
        trees=(raw, cropped),
        chosen_by={"modality": camera},
        releases=releases_of(f"smic_{camera}"),
    )


READER = _Smic(
    name="smic",
    options=Options,
    licence=Licence(
        "the SMIC licence agreement of the University of Oulu", "oulu.fi/cmvs/node/41319", "Li et al., FG 2013"
    ),
    databases=tuple(map(_database, FPS)),
)
