"""Looking into the folders of a database: where table and media lie (V01, V02), and which images make up each clip.

No file is opened. Folder names are matched case-insensitively, archives that unpack as `X/X/` are followed, junk files
are ignored, and no path handed out ever leaves the dataset root (specs/datasets.md §0.2).
"""

from __future__ import annotations

import filecmp
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath

from mer.core.errors import ClipError, DatasetError
from mer.core.filenames import file_number, is_image, is_video
from mer.datasets.contract import KeyOf, MediaTree
from mer.datasets.listed import Listed, Names, active

#: Besides hidden files and folders, whose names begin with a dot.
JUNK = {"thumbs.db", "__macosx", "desktop.ini"}
_JUNK_BEGINS = {".", *(letter for name in JUNK for letter in (name[0], name[0].upper()))}
MAX_DEPTH = 8
#: Folders listed at a time: a slow or remote disk, not the processor, is what this waits for.
THREADS = 8


def is_junk(name: str) -> bool:
    """Tell whether a program left this file or folder behind: caches, bins, marks of an operating system."""
    # Most names are those of images, by the million.
    return name[0] in _JUNK_BEGINS and (name[0] == "." or name.casefold() in JUNK)


def folded(name: str) -> str:
    """Return a name in lower case without spaces, hyphens, underscores or dots, for tolerant matching."""
    return re.sub(r"[\s_.\-]+", "", name.casefold())


def checked_root(root: str | Path, dataset: str) -> Path:
    """Return the dataset root, symlinks resolved.

    Raises:
        DatasetError: it does not exist or is not a folder.
    """
    path = Path(root)
    if not path.is_dir():
        fault = "is not a folder" if path.exists() else "no such folder"
        raise DatasetError(f"{dataset}: {root}", fault, "the folder that holds the database", "correct the path")
    return path.resolve()


def safe_path(root: Path, relative: str) -> Path:
    """Return `root/relative`, sure to lie under `root` once symlinks are followed.

    Raises:
        DatasetError: `relative` is absolute, has a `..`, or leads outside through a symlink.
    """
    parts = PurePosixPath(relative).parts
    windows = PureWindowsPath(relative)
    if os.path.isabs(relative) or windows.drive or windows.root or ".." in parts or ".." in windows.parts:
        raise DatasetError(relative, "is not a path below the dataset root", "a relative path without '..'")
    if "\0" in relative:
        raise DatasetError(repr(relative), "holds a NUL character", "a file name")
    path = root / relative
    _refuse_escape(Path(os.path.realpath(root)), path)
    return path


def _refuse_escape(root: Path, path: str | Path) -> None:
    target = Path(os.path.realpath(path))
    if target != root and root not in target.parents:
        remedy = "put the data itself below the root, or set the root to the folder that holds it"
        raise DatasetError(path, "is a link that leads outside the dataset root", f"a target below {root}", remedy)


def _refuse_bytes(folder: Path, name: str) -> None:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise DatasetError(
            ascii(str(folder)), f"holds {name!a}, not a UTF-8 name", "UTF-8 names", "rename it"
        ) from None


def entries(root: Path, folder: Path) -> tuple[list[str], list[str]]:
    """Return the names of the sub-folders and of the files in `folder`, sorted, without junk.

    Raises:
        DatasetError: an entry is a link that leads outside `root`, or the folder cannot be listed.
    """
    kept = active()
    return kept.get(folder, lambda: _entries(root, folder)) if kept else _entries(root, folder)


def _entries(root: Path, folder: Path) -> Names:
    folders, files = [], []
    try:
        with os.scandir(folder) as scan:
            for entry in scan:
                name = entry.name
                if is_junk(name):
                    continue
                if entry.is_file(follow_symlinks=False):
                    files.append(name)
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(name)
                elif entry.is_symlink():
                    _refuse_escape(root, entry.path)
                    # A link to itself is neither; one to a parent of its own would be walked for ever.
                    with suppress(OSError):
                        if entry.is_file():
                            files.append(name)
                        elif entry.is_dir() and Path(os.path.realpath(entry.path)) not in [folder, *folder.parents]:
                            folders.append(name)
    except OSError as error:
        raise DatasetError(folder, f"cannot be listed ({error.strerror or error})", "a readable folder") from error
    for name in (*folders, *files):
        if not name.isascii():
            _refuse_bytes(folder, name)
    return sorted(folders), sorted(files)


def walk(
    root: Path, base: Path, depth: int = MAX_DEPTH, skip: Collection[str] = ()
) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Yield `(folder, sub-folder names, file names)` breadth first from `base`, at most `depth` levels down.

    Folders whose name, `folded`, is one of `skip` are named but not looked into.
    """
    kept, level = active(), [base]
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(depth + 1):
            # Several at a time only where they are kept: who stops early would list in vain.
            ahead = pool.map(partial(_kept_entries, root, kept), level) if kept else (entries(root, f) for f in level)
            below: list[Path] = []
            for folder, (folders, files) in zip(level, ahead, strict=True):
                yield folder, folders, files
                below.extend(folder / name for name in folders if not skip or folded(name) not in skip)
            level = below


def _kept_entries(root: Path, kept: Listed, folder: Path) -> Names:
    return kept.get(folder, lambda: _entries(root, folder))


def find_folder(root: Path, names: Sequence[str], depth: int = 2) -> Path | None:
    """Return the shallowest folder below `root` (or `root` itself) with one of `names`, earlier names first.

    Raises:
        DatasetError: several folders of one depth have the name (V01).
    """
    folders = [folder / name for folder, names_below, _ in walk(root, root, depth) for name in names_below]
    return only_one(root, _first_of([*folders, root], names, folded))


def only_one(root: Path, folders: Sequence[Path]) -> Path | None:
    """Return the one folder of several candidates of equal standing, None of none.

    Raises:
        DatasetError: there are more (V01).
    """
    if len(folders) > 1:
        listed = ", ".join(f"{folder.relative_to(root)}/" for folder in folders)
        remedy = "set the root to the folder that holds only one, or rename the others (V01)"
        raise DatasetError(root, f"holds {listed}: which one is meant cannot be told", "one of them", remedy)
    return folders[0] if folders else None


def find_file(root: Path, names: Sequence[str], depth: int = 2) -> Path | None:
    """Return the shallowest file below `root` with one of `names` (extension included), earlier names first.

    Raises:
        DatasetError: several files of one depth have the name, and their bytes differ (V02).
    """
    files = [folder / name for folder, _, names_below in walk(root, root, depth) for name in names_below]
    found = _first_of(files, names, lambda name: name.casefold().strip())
    if len(found) > 1 and any(not filecmp.cmp(found[0], other, shallow=False) for other in found[1:]):
        listed = ", ".join(str(file.relative_to(root)) for file in found)
        raise DatasetError(root, f"holds {listed}, which differ", "one of them", "name it in `table` (V02)")
    return found[0] if found else None


def _first_of(paths: Sequence[Path], names: Sequence[str], fold: Callable[[str], str]) -> list[Path]:
    """Return the paths of the first name that any has, those of the least depth, given breadth first."""
    by_name: dict[str, list[Path]] = {}
    for path in paths:
        by_name.setdefault(fold(path.name), []).append(path)
    found = next((by_name[fold(name)] for name in names if fold(name) in by_name), [])
    return [path for path in found if len(path.parts) == len(found[0].parts)]


def numbered(names: Iterable[str], where: str) -> dict[int, str]:
    """Return the file of each frame number, in ascending order; names without a digit are left out.

    Raises:
        ClipError: two files spell the same number.
    """
    files: dict[int, str] = {}
    for name in names:
        number = file_number(name)
        if number is None:
            continue
        if number in files:
            raise ClipError(
                where, f"{files[number]!r} and {name!r} are both frame {number}", "one file per frame", "remove one"
            )
        files[number] = name
    return dict(sorted(files.items()))


def image_folders(
    root: Path, base: Path, depth: int = MAX_DEPTH, skip: Collection[str] = ()
) -> Iterator[tuple[PurePosixPath, list[str]]]:
    """Yield every folder below `base` that holds images, relative to `root`, with its image names sorted.

    Folders whose name, `folded`, is one of `skip` are not looked into.
    """
    for folder, _, files in walk(root, base, depth, skip):
        images = [name for name in files if is_image(name)]
        if images:
            yield PurePosixPath(folder.relative_to(root).as_posix()), images


def listing_text(root: Path, most: int = 8, top: Path | None = None) -> str:
    """Return the first names in `top`, or in `root` itself, for messages."""
    folders, files = entries(root, top or root)
    names = [f"{name}/" for name in folders] + files
    more = f", … ({len(names)} in all)" if len(names) > most else ""
    return ", ".join(names[:most]) + more if names else "nothing"


_TABLE_KINDS = (".xlsx", ".xls", ".csv")


def find_table(root: Path, dataset: str, given: str, names: Sequence[str]) -> Path:
    """Return the annotation table: `given` (relative to `root`) or the first of `names` found three levels down.

    A copy saved as `.csv` or with another spreadsheet extension is accepted.

    Raises:
        DatasetError: no such file (V02), or `given` leads outside `root`.
    """
    if given:
        path = safe_path(root, given)
        if not path.is_file():
            raise DatasetError(
                f"{dataset}: {given}", "annotation not found", f"a file below {root}", "correct `table` (V02)"
            )
        return path
    stems = [name.rpartition(".")[0] for name in names]
    every = [*names, *(stem + kind for stem in stems for kind in _TABLE_KINDS)]
    table = find_file(root, every, depth=3)
    if table is None:
        remedy = "download it with the database, this project may not ship it; or name it in `table` (V02)"
        fault = f"annotation not found; holds {listing_text(root)}{_tables_there(root)}"
        raise DatasetError(f"{dataset}: {root}", fault, " or ".join(names), remedy)
    return table


def _tables_there(root: Path, most: int = 5) -> str:
    """Return the tables below `root`, three levels down, for messages: one may only have another name."""
    there = [
        (folder / name).relative_to(root).as_posix()
        for folder, _, names in walk(root, root, 3)
        for name in names
        if name.casefold().endswith(_TABLE_KINDS) and not name.startswith("~$")
    ]
    more = ", …" if len(there) > most else ""
    return f"; tables: {', '.join(map(repr, there[:most]))}{more}" if there else ""


def find_media(root: Path, dataset: str, names: Sequence[str], remedy: str = "") -> Path:
    """Return the folder that holds the media.

    Raises:
        DatasetError: there is none (V01); the message lists what is there.
    """
    folder = find_folder(root, names)
    if folder is None:
        remedy = f"{remedy} or correct the root (V01)" if remedy else "correct the root (V01)"
        raise DatasetError(
            f"{dataset}: {root}",
            f"no such folder; found: {listing_text(root)}",
            " or ".join(f"{n}/" for n in names),
            remedy,
        )
    return folder


def scan_clips(root: Path, base: Path, key_of: KeyOf, skip: Collection[str] = ()) -> dict[tuple[str, str], list[str]]:
    """Return (subject, clip) -> image paths relative to `root`, for every folder below `base` that is a clip.

    `key_of` names the clip of a folder (relative to `root`), or gives None for any other folder. Folders whose name,
    `folded`, is one of `skip` are not looked into.

    Raises:
        DatasetError: two folders are the same clip.
    """
    listing: dict[tuple[str, str], list[str]] = {}
    for folder, names in image_folders(root, base, skip=skip):
        key = key_of(folder)
        if key is None:
            continue
        if key in listing:
            fault = f"clip {key[0]}/{key[1]} is there twice, here and in {PurePosixPath(listing[key][0]).parent}"
            raise DatasetError(folder, fault, "one folder per clip", "remove the copy")
        listing[key] = [f"{folder}/{name}" for name in names]
    return listing


def media_base(root: Path, dataset: str, given: str, tree: MediaTree) -> Path:
    """Return the top folder of a tree: `given` (relative to `root`) or, when empty, the one with a released name.

    The root itself is taken where every clip in it lies as below the top folder (`MediaTree.bare`), and where the
    clips are videos, which are found by name.

    Raises:
        DatasetError: `given` is not a folder, or leads outside `root`; no folder has a released name (V01).
    """
    if not given:
        found = find_folder(root, tree.folders)
        return found if found else _bare_root(root, dataset, tree)
    path = safe_path(root, given)
    if not path.is_dir():
        raise DatasetError(f"{dataset}: {given}", "no such folder", f"a folder below {root}", "correct `folder` (V01)")
    return path


def _bare_root(root: Path, dataset: str, tree: MediaTree) -> Path:
    if tree.key_of is None:
        return root
    clips = [folder for folder, _ in image_folders(root, root, skip=tree.beside) if tree.key_of(folder)]
    if clips and tree.bare and all(map(tree.bare, clips)):
        return root
    wanted = " or ".join(f"{name}/" for name in tree.folders)
    tops = sorted({f"{folder.parts[0]}/" for folder in clips if folder.parts and not (tree.bare and tree.bare(folder))})
    others = f"; folders like clips lie in {', '.join(tops[:8])}" if tops else ""
    fault = f"no folder {wanted}; found: {listing_text(root)}{others}"
    remedy = "name the folder of the images in `folder` ('.' is the root itself) or correct the root (V01)"
    raise DatasetError(f"{dataset}: {root}", fault, tree.example or wanted, remedy)


def scan_videos(root: Path, base: Path) -> dict[tuple[str, str], list[str]]:
    """Return ("", name without extension, lower case) of every video below `base` -> paths relative to `root`."""
    videos: dict[tuple[str, str], list[str]] = {}
    for folder, _, names in walk(root, base):
        for name in filter(is_video, names):
            path = (folder / name).relative_to(root).as_posix()
            videos.setdefault(("", name.rpartition(".")[0].strip().casefold()), []).append(path)
    return videos


def require_clips(root: Path, dataset: str, listing: object, example: str) -> None:
    """Raise `DatasetError` (V01) when no clip folder was found; `example` says what one looks like."""
    if not listing:
        fault = f"no clip folder; found: {listing_text(root)}"
        raise DatasetError(f"{dataset}: {root}", fault, example, "correct the root or `folder` (V01)")
