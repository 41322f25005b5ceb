"""Which video, folder or pattern of images a cell of a user's table means. Opens no file."""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath, PureWindowsPath

from mer.core.filenames import is_image, is_video, number_in, split_pattern
from mer.datasets.reading import Listing

#: Names that are not found and for which the nearest ones are looked up.
NEAREST = 20
_PRINTF = re.compile(r"%0?[0-9]*d|##+")


@dataclass(frozen=True)
class Medium:
    """What a clip is filmed on.

    Args:
        path: relative to the dataset root: a video, a folder, or a pattern of images with `*` for the number.
        files: its video, or its images in order of their names.
    """

    path: str
    files: tuple[str, ...]

    @property
    def is_video(self) -> bool:
        """Tell whether it is a video file."""
        return is_video(self.path) and self.files == (self.path,)

    @property
    def names(self) -> tuple[str, ...]:
        """What it may be called in ids, shortest first; the last is its whole path.

        That is its file without extension, its folder, or of a pattern the folder, then what is fixed in it.
        """
        bare = self.path.rpartition(".")[0] if self.is_video or "*" in self.path else self.path
        whole = bare.replace("/", "-").replace("*", "").strip("_-. ") or "images"
        folder, _, last = bare.rpartition("/")
        if "*" not in self.path:
            return last, whole
        return folder.rpartition("/")[2] or whole, last.replace("*", "").strip("_-. ") or whole, whole

    @cached_property
    def numbers(self) -> Mapping[int, str]:
        """The image of each frame number, ascending; of two with one number, the last."""
        return dict(sorted((n, file) for file, n in self._numbered if n is not None))

    @cached_property
    def same_number(self) -> tuple[str, str] | None:
        """Two images with one number, None where all differ."""
        seen: dict[int | None, str] = {}
        for file, number in self._numbered:
            if number is not None and number in seen:
                return seen[number].rpartition("/")[2], file.rpartition("/")[2]
            seen[number] = file
        return None

    @cached_property
    def _numbered(self) -> Sequence[tuple[str, int | None]]:
        pattern = split_pattern(self.path)[1]
        return [(file, number_in(file.rpartition("/")[2], pattern)) for file in self.files if not is_video(file)]


class Shelf:
    """The videos and folders of images below the root, to be found by what a person writes of them.

    Args:
        listing: any keys -> paths of videos and images relative to the root.
        base: the folder that names may be relative to, besides the root itself; '' for the root.
    """

    def __init__(self, listing: Listing, base: str = "") -> None:
        folders: dict[str, list[str]] = defaultdict(list)
        self._media: dict[str, Medium] = {}
        for path in sorted({path for paths in listing.values() for path in paths}):
            if is_video(path):
                self._media[path] = Medium(path, (path,))
            elif is_image(path):
                folders[path.rpartition("/")[0] or "."].append(path)
        self._media |= {folder: Medium(folder, tuple(files)) for folder, files in folders.items()}
        self._base, self._misses = base.strip("/"), 0
        self._by_last: dict[str, list[Medium]] = defaultdict(list)
        for medium in self._media.values():
            for name in _spellings(medium):
                self._by_last[_folded(name)].append(medium)

    def __iter__(self) -> Iterator[Medium]:
        return iter(self._media.values())

    def __len__(self) -> int:
        return len(self._media)

    def find(self, text: str, subject: str = "") -> Medium | str:
        """Return the medium that a cell means, or why none can be told.

        A path from the root or from the base counts first; then the end of a path, or a name alone, where only one
        medium has it, or only one in a folder named after the subject. A video may lack its extension.
        """
        path = _clean(text)
        if not path:
            return "is blank"
        if fault := _leaves(path):
            return fault
        path = "/".join(part for part in path.split("/") if part not in ("", "."))
        folder, pattern = split_pattern(path)
        if pattern:
            return self._pattern(folder, pattern, text, subject)
        if is_image(path):
            return f"{text.strip()!r} is one image; expected its folder, or a pattern such as {_star(path)!r}"
        return self._medium(path, text, subject)

    def _medium(self, path: str, text: str, subject: str, kinds: str = "video or folder of images") -> Medium | str:
        for exact in (path, f"{self._base}/{path}".strip("/")):
            if exact in self._media:
                return self._media[exact]
        wanted = [_folded(part) for part in path.split("/")]
        found = [medium for medium in self._by_last.get(wanted[-1], ()) if _ends(medium, wanted)]
        if len(found) > 1:
            of_subject = [m for m in found if _folded(subject) in map(_folded, PurePosixPath(m.path).parts[:-1])]
            found = of_subject if len(of_subject) == 1 else found
        if len(found) == 1:
            return found[0]
        if found:
            some = ", ".join(medium.path for medium in found[:3]) + (", …" if len(found) > 3 else "")
            return f"{text.strip()!r} can be {len(found)} of the media: {some}; write more of the path"
        return f"no {kinds} {text.strip()!r}{self._near(wanted[-1])}"

    def _near(self, name: str) -> str:
        """Return the media with the most similar names, for the first misses: a long list would take minutes."""
        self._misses += 1
        if self._misses > NEAREST:
            return ""
        close = difflib.get_close_matches(name, list(self._by_last), n=3, cutoff=0.6)
        near = ", ".join(dict.fromkeys(self._by_last[name][0].path for name in close))
        return f"; nearest: {near}" if near else ""

    def _pattern(self, folder: str, pattern: str, text: str, subject: str) -> Medium | str:
        if pattern.count("*") > 1 or "*" in folder:
            return f"{text.strip()!r} has more than one '*'; expected one, which stands for the frame's number"
        if folder == ".":
            place = self._media.get(self._base or ".") or f"no images in {self._base or 'the root'}"
        else:
            place = self._medium(folder, folder, subject, "folder of images")
        if isinstance(place, str):
            return f"{text.strip()!r}: {place}"
        files = tuple(file for file in place.files if number_in(file.rpartition("/")[2], pattern) is not None)
        if not files:
            return f"{text.strip()!r} fits none of the {len(place.files)} images of {place.path}"
        return Medium(f"{place.path}/{pattern}" if place.path != "." else pattern, files)


def fill(template: str, cells: Mapping[str, str]) -> tuple[str, str]:
    """Return a template with every `{name}` or `{name:3}` filled in, and the first name that no cell has, or ''.

    `:3` writes a whole number with at least three digits. Names are compared without regard to case and spaces.
    """
    known = {"".join(name.casefold().split()): cell.strip() for name, cell in cells.items()}
    unknown: list[str] = []

    def one(match: re.Match[str]) -> str:
        name = "".join(match[1].casefold().split())
        if name not in known:
            unknown.append(match[1].strip())
            return ""
        cell = known[name]
        return cell.zfill(int(match[2])) if match[2] and cell.isdigit() else cell

    filled = re.sub(r"\{([^{}:]+)(?::([0-9]{1,2}))?\}", one, template)
    return filled, unknown[0] if unknown else ""


def _clean(text: str) -> str:
    # `%04d` and `####` are what other tools write for the number.
    return _PRINTF.sub("*", text.strip().strip("\"'").replace("\\", "/"))


def _leaves(path: str) -> str:
    windows = PureWindowsPath(path)
    if path.startswith(("/", "~")) or windows.drive or ".." in path.split("/") or "\0" in path:
        return f"{path!r} leaves the root; expected a path below it, without '..'"
    return ""


def _star(path: str) -> str:
    name = path.rpartition("/")[2]
    runs = list(re.finditer(r"[0-9]+", name.rpartition(".")[0]))
    return path[: len(path) - len(name)] + (f"{name[: runs[-1].start()]}*{name[runs[-1].end() :]}" if runs else "*")


def _spellings(medium: Medium) -> Sequence[str]:
    last = medium.path.rpartition("/")[2]
    return (last, last.rpartition(".")[0]) if medium.is_video else (last,)


def _folded(part: str) -> str:
    """Return a part of a path for comparison; a spreadsheet turns `007` into 7."""
    part = part.strip().casefold()
    return part.lstrip("0") or "0" if part.isdigit() else part


def _ends(medium: Medium, wanted: Sequence[str]) -> bool:
    parts = [_folded(part) for part in medium.path.split("/")]
    return len(wanted) <= len(parts) and wanted[:-1] == parts[len(parts) - len(wanted) : -1]
