"""What the name of an image or video file says, without opening it: its kind and its frame number."""

from __future__ import annotations

import re
from collections.abc import Iterable

IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".mpg", ".m4v")
#: A longer run of digits does not fit into 64 bits and is no frame number.
_MOST_DIGITS = 18
#: The end of most names: digits and an extension.
_PLAIN = re.compile(r"(?<![0-9.])([0-9]{1,18})\.(?:jpg|png|bmp|jpeg)$", re.ASCII)
#: What browsers and file managers add to the name of a second copy: `img46 (1)`, `img46 - Copy (2)`, `img46 copy`.
_COPY_MARK = re.compile(r"[\s_-]*(?:(?:copy|copie|kopie|copia)(?:\s*\(?[0-9]{1,3}\)?)?|\([0-9]{1,3}\))$", re.IGNORECASE)


def suffix_of(name: str) -> str:
    """Return the extension in lower case, spaces dropped: `A .JPG ` gives `.jpg`."""
    name = name.strip().rpartition("/")[2]
    return "." + name.rpartition(".")[2].casefold() if "." in name.lstrip(".") else ""


def is_image(name: str) -> bool:
    """Tell by the extension whether a file is an image."""
    # Most names need no more than this, and there are millions of them.
    return name.endswith(IMAGES) or suffix_of(name) in IMAGES


def is_video(name: str) -> bool:
    """Tell by the extension whether a file is a video."""
    return suffix_of(name) in VIDEOS


def stem_of(name: str) -> str:
    """Return a file name without its image extension, a doubled one included: `img7.jpg.jpg` gives `img7`."""
    name = name.strip().rpartition("/")[2]
    while suffix_of(name) in IMAGES:
        name = name.rpartition(".")[0].strip()
    return name


def file_number(name: str) -> int | None:
    """Return the integer that the last run of digits in the stem spells, None without one (specs/datasets.md §0.2).

    The mark of a copy does not count where a number stands before it: `img46 (1)` is frame 46, as `img46` is.
    """
    # No mark of a copy that ends in a figure is without these two letters.
    if (plain := _PLAIN.search(name)) and "op" not in name and "OP" not in name:
        return int(plain[1])
    runs = re.findall(r"[0-9]+", _without_copy_mark(stem_of(name)))
    return int(runs[-1]) if runs and len(runs[-1]) <= _MOST_DIGITS else None


def _without_copy_mark(stem: str) -> str:
    while (mark := _COPY_MARK.search(stem)) and re.search(r"[0-9]", stem[: mark.start()]):
        stem = stem[: mark.start()]
    return stem


def split_pattern(path: str) -> tuple[str, str]:
    """Return the folder of a pattern of image files and the pattern: `a/c3_*.png` gives `a` and `c3_*.png`.

    A path without `*` in its last part is a folder itself, and has the pattern ''.
    """
    folder, _, last = path.rpartition("/")
    return (folder or ".", last) if "*" in last else (path, "")


def number_in(name: str, pattern: str = "") -> int | None:
    """Return the number of an image file: of its name, or of what the `*` of a pattern stands for in it.

    None without a number, and where the name does not fit the pattern; letter case does not matter.
    """
    if not pattern:
        return file_number(name)
    before, _, after = pattern.partition("*")
    match = re.fullmatch(f"{re.escape(before)}(.*){re.escape(after)}", name.strip(), re.IGNORECASE | re.DOTALL)
    runs = re.findall(r"[0-9]+", match[1]) if match else []
    return int(runs[-1]) if runs and len(runs[-1]) <= _MOST_DIGITS else None


def file_numbers(names: Iterable[str]) -> list[int]:
    """Return the numbers of the files that have one, in the order given."""
    return [number for name in names if (number := file_number(name)) is not None]
