"""Finding the annotation table and the media folder below a dataset root (V01, V02)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from mer.core.errors import DatasetError
from mer.core.filenames import is_video
from mer.datasets import files
from mer.datasets.contract import KeyOf

_TABLE_KINDS = (".xlsx", ".xls", ".csv")


def find_table(root: Path, dataset: str, given: str, names: Sequence[str]) -> Path:
    """Return the annotation table: `given` (relative to `root`) or the first of `names` found three levels down.

    A copy saved as `.csv` or with another spreadsheet extension is accepted.

    Raises:
        DatasetError: no such file (V02), or `given` leads outside `root`.
    """
    if given:
        path = files.safe_path(root, given)
        if not path.is_file():
            raise DatasetError(
                f"{dataset}: {given}", "annotation not found", f"a file below {root}", "correct `table` (V02)"
            )
        return path
    stems = [name.rpartition(".")[0] for name in names]
    every = [*names, *(stem + kind for stem in stems for kind in _TABLE_KINDS)]
    table = files.find_file(root, every, depth=3)
    if table is None:
        remedy = "download it with the database, this project may not ship it; or name it in `table` (V02)"
        raise DatasetError(
            f"{dataset}: {root}", f"annotation not found; holds {files.listing_text(root)}", " or ".join(names), remedy
        )
    return table


def find_media(root: Path, dataset: str, names: Sequence[str], remedy: str = "") -> Path:
    """Return the folder that holds the media.

    Raises:
        DatasetError: there is none (V01); the message lists what is there.
    """
    folder = files.find_folder(root, names)
    if folder is None:
        remedy = f"{remedy} or correct the root (V01)" if remedy else "correct the root (V01)"
        raise DatasetError(
            f"{dataset}: {root}",
            f"no such folder; found: {files.listing_text(root)}",
            " or ".join(f"{n}/" for n in names),
            remedy,
        )
    return folder


def scan_clips(root: Path, base: Path, key_of: KeyOf) -> dict[tuple[str, str], list[str]]:
    """Return (subject, clip) -> image paths relative to `root`, for every folder below `base` that is a clip.

    `key_of` names the clip of a folder (relative to `root`), or gives None for any other folder.

    Raises:
        DatasetError: two folders are the same clip.
    """
    listing: dict[tuple[str, str], list[str]] = {}
    for folder, names in files.image_folders(root, base):
        key = key_of(folder)
        if key is None:
            continue
        if key in listing:
            fault = f"clip {key[0]}/{key[1]} is there twice, here and in {PurePosixPath(listing[key][0]).parent}"
            raise DatasetError(folder, fault, "one folder per clip", "remove the copy")
        listing[key] = [f"{folder}/{name}" for name in names]
    return listing


def media_base(root: Path, dataset: str, given: str, names: Sequence[str]) -> Path:
    """Return the folder `given` (relative to `root`); when empty, the first of `names` found, else `root` itself.

    Raises:
        DatasetError: `given` is not a folder, or leads outside `root` (V01).
    """
    if not given:
        return files.find_folder(root, names) or root
    path = files.safe_path(root, given)
    if not path.is_dir():
        raise DatasetError(f"{dataset}: {given}", "no such folder", f"a folder below {root}", "correct `folder` (V01)")
    return path


def scan_videos(root: Path, base: Path) -> dict[tuple[str, str], list[str]]:
    """Return ("", name without extension, lower case) of every video below `base` -> paths relative to `root`."""
    videos: dict[tuple[str, str], list[str]] = {}
    for folder, _, names in files.walk(root, base):
        for name in filter(is_video, names):
            path = (folder / name).relative_to(root).as_posix()
            videos.setdefault(("", name.rpartition(".")[0].strip().casefold()), []).append(path)
    return videos


def require_clips(root: Path, dataset: str, listing: object, example: str) -> None:
    """Raise `DatasetError` (V01) when no clip folder was found; `example` says what one looks like."""
    if not listing:
        fault = f"no clip folder; found: {files.listing_text(root)}"
        raise DatasetError(f"{dataset}: {root}", fault, example, "correct the root or `folder` (V01)")
