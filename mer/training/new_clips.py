"""Clips that no database annotates: where they are, and when in them the expression begins, peaks and ends.

What is not given is filled in, and named: the onset is the first frame, the offset the last, and the apex the frame
whose aligned face differs most from what lies between the first and the last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mer.core.container import Container, amended
from mer.core.csvfile import read_csv
from mer.core.errors import ClipError, DatasetError
from mer.core.filenames import IMAGES, VIDEOS
from mer.datasets.annotations import safe_id
from mer.datasets.files import is_junk

EVENTS = ("onset", "apex", "offset")
SMOOTH = 0.3
CELL = 4


@dataclass(frozen=True)
class NewClip:
    """One clip: a folder of numbered images, a video, or, for models of published flow images, one image.

    `path` is relative to the folder of all clips. `events` are the given ones of onset, apex and offset: file numbers,
    or frame indices of a video. `units` are action units, `1+2+4`, for models that take them from an annotation.
    """

    name: str
    path: str
    video: bool
    events: Mapping[str, int]
    fps: float | None = None
    units: str = ""

    def row(self) -> dict[str, Any]:
        """Return the label-free row that the stages read (`mer.core.sample.media_row`)."""
        given = {event: self.events.get(event) for event in EVENTS}
        kind = "video" if self.video else "frames"
        files = {"first_file": None, "last_file": None}
        return {"sample_id": self.name, "media_kind": kind, "media_path": self.path, "fps": self.fps, **files, **given}


def find_clips(where: Path, images: bool = False) -> tuple[Path, list[NewClip]]:
    """Return the folder that paths are relative to, and the clips in the order of their names.

    Args:
        where: a video; a folder of numbered images (one clip); a folder with such folders and videos beneath; or a CSV
            file with the column `clip`, a path relative to the file, and perhaps `onset`, `apex`, `offset`, `fps`,
            `units`.
        images: every image is a clip of its own.

    Raises:
        DatasetError: nothing there, nothing usable in it, or a bad row.
        ModelError: the table is not a CSV file with that column.
    """
    if where.suffix.lower() == ".csv":
        return where.parent, _listed(where)
    if where.is_file():
        wanted = IMAGES if images else VIDEOS
        if where.suffix.lower() not in wanted:
            remedy = "name a folder, a video or an index.csv"
            raise DatasetError(where, f"{where.name} is not a clip", " ".join(wanted), remedy)
        return where.parent, [_clip(where.name, where)]
    if not where.is_dir():
        raise DatasetError(where, "no such file or folder", "a folder, a video or an index.csv", "mend the path")
    if not images and _holds_images(where):
        return where.parent, [_clip(where.name, where)]
    paths = sorted(_below(where, images), key=lambda path: path.as_posix())
    if not paths:
        kind = "images" if images else f"folders of numbered images, or videos ({' '.join(VIDEOS)})"
        raise DatasetError(where, "holds no clip", kind, "name the folder that holds them")
    return where, [_clip(path.relative_to(where).as_posix(), path) for path in paths]


def _holds_images(folder: Path) -> bool:
    return any(path.suffix.lower() in IMAGES and not is_junk(path.name) for path in folder.iterdir())


def _below(folder: Path, images: bool) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if any(is_junk(part) for part in path.relative_to(folder).parts):
            continue
        suffix = path.suffix.lower()
        if images:
            if suffix in IMAGES:
                yield path
        elif (path.is_dir() and _holds_images(path)) or suffix in VIDEOS:
            yield path


def _clip(name: str, path: Path, events: Mapping[str, int] | None = None, **more: Any) -> NewClip:
    safe = "/".join(safe_id(part) for part in name.split("/"))
    return NewClip(safe, name, path.is_file() and path.suffix.lower() in VIDEOS, events or {}, **more)


def _listed(table: Path) -> list[NewClip]:
    clips: list[NewClip] = []
    for number, cells in enumerate(read_csv(table, ("clip",)), start=2):
        where, name = f"{table} line {number}", cells["clip"].strip().rstrip("/")
        if not name or Path(name).is_absolute() or ".." in Path(name).parts:
            raise DatasetError(where, f"clip {name!r}", "a path inside the folder of the table")
        if not _exists(table.parent / name):
            raise DatasetError(where, f"no file or folder {name}", "a path relative to the table", "mend the path")
        events = {event: value for event in EVENTS if (value := _whole(cells.get(event), event, where)) is not None}
        fps = _rate(cells.get("fps"), where)
        clips.append(_clip(name, table.parent / name, events, fps=fps, units=(cells.get("units") or "").strip()))
    names = [clip.name.casefold() for clip in clips]
    if not clips or len(set(names)) < len(names):
        raise DatasetError(table, "lists no clip" if not clips else "lists a clip twice", "every clip once")
    return clips


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    # A name that no file can have.
    except (OSError, ValueError):
        return False


def _whole(cell: str | None, event: str, where: str) -> int | None:
    if cell is None or not cell.strip():
        return None
    try:
        return int(cell)
    except ValueError:
        raise DatasetError(where, f"{event} {cell!r}", "a file number, or a frame index of a video") from None


def _rate(cell: str | None, where: str) -> float | None:
    if cell is None or not cell.strip():
        return None
    try:
        rate = float(cell)
    except ValueError:
        rate = float("nan")
    if not 0 < rate < 1e6:
        raise DatasetError(where, f"fps {cell!r}", "frames per second, above 0")
    return rate


def fill_ends(frames: Path, clips: Sequence[NewClip]) -> dict[str, dict[str, str]]:
    """Fill the missing onset and offset into a finished `frames` product, in place.

    Returns:
        for every clip in it, how each event came about: `given`, `first frame`, `last frame`, or for the apex
        `given` or ``.

    Raises:
        ClipError: a given event is not among the frames of its clip.
    """
    told: dict[str, dict[str, str]] = {}
    with Container(frames) as box:
        present = {name: len(box.clip(name).read("numbers")) for name in box.clip_ids}
    with amended(frames) as file:
        for clip in (clip for clip in clips if clip.name in present):
            attributes, origins = file["clips"][clip.name].attrs, {}
            for event, index, text in (("onset", 0, "first frame"), ("offset", present[clip.name] - 1, "last frame")):
                origins[event] = "given" if event in attributes else text
                attributes[event] = attributes.get(event, index)
            origins["apex"] = "given" if "apex" in attributes else ""
            for event in clip.events:
                if event not in attributes or origins.get(event, "given") != "given":
                    found = f"{event} {clip.events[event]} is not among its frames"
                    raise ClipError(clip.name, found, "the number of a frame", "mend the index")
            told[clip.name] = origins
    return told


def fill_apex(aligned: Path, frames: Path, told: dict[str, dict[str, str]]) -> None:
    """Fill missing apexes into a finished `align` product and the `frames` product beneath it, in place.

    `told` learns that they are estimates. Another `align` product of the same frames takes the same apex. A clip
    without a frame between onset and offset keeps none: a stage that needs an apex will say so.
    """
    with amended(aligned) as file, amended(frames) as listed:
        for name in [name for name, origins in told.items() if not origins["apex"] and name in file["clips"]]:
            group = file["clips"][name]
            apex = estimate_apex(group["frames"], int(group.attrs["onset"]), int(group.attrs["offset"]))
            if apex is not None:
                group.attrs["apex"] = listed["clips"][name].attrs["apex"] = apex
                told[name]["apex"] = "estimated"


def estimate_apex(frames: Any, onset: int, offset: int) -> int | None:
    """Return the frame between onset and offset that differs most from both; None when none is between.

    A frame is compared with the blend of the first and the last frames that a face without an expression, but with
    the same slow head motion, would show. Faces are grey means of 4×4 cells without their own mean, so that a change of
    light counts for little; the mean squares are averaged over three tenths of the clip before the largest is taken.

    Args:
        frames: (T, S, S, 3) uint8 aligned crops, an array or a dataset; read one frame at a time.
        onset: index.
        offset: index, not before `onset`.
    """
    if offset - onset < 2:
        return None
    faces = np.stack([_coarse(frames[i]) for i in range(onset, offset + 1)])
    ends = max(1, min(3, len(faces) // 4))
    share = np.linspace(0, 1, len(faces))[:, None, None]
    blend = (1 - share) * faces[:ends].mean(axis=0) + share * faces[-ends:].mean(axis=0)
    apart = np.square(faces - blend).mean(axis=(1, 2))
    reach = min(max(3, int(SMOOTH * len(apart)) | 1), len(apart))
    padded = np.pad(apart, reach // 2, mode="edge")
    smooth = np.convolve(padded, np.full(reach, 1 / reach), mode="valid")[: len(apart)]
    return onset + 1 + int(smooth[1:-1].argmax())


def _coarse(face: np.ndarray) -> np.ndarray:
    grey = np.asarray(face, np.float64).mean(axis=2)
    side = len(grey) // CELL * CELL
    cells = grey[:side, :side].reshape(side // CELL, CELL, side // CELL, CELL).mean(axis=(1, 3))
    return cells - cells.mean()
