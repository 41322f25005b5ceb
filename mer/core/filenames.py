"""What the name of an image or video file says, without opening it: its kind and its frame number."""

from __future__ import annotations

import re
from collections.abc import Iterable

IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".mpg", ".m4v")
#: A longer run of digits does not fit into 64 bits and is no frame number.
_MOST_DIGITS = 18


def suffix_of(name: str) -> str:
    """Return the extension in lower case, spaces dropped: `A .JPG ` gives `.jpg`."""
    name = name.strip().rpartition("/")[2]
    return "." + name.rpartition(".")[2].casefold() if "." in name.lstrip(".") else ""


def is_image(name: str) -> bool:
    """Tell by the extension whether a file is an image."""
    return suffix_of(name) in IMAGES


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
    """Return the integer that the last run of digits in the stem spells, None without one (specs/datasets.md §0.2)."""
    runs = re.findall(r"[0-9]+", stem_of(name))
    return int(runs[-1]) if runs and len(runs[-1]) <= _MOST_DIGITS else None


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
