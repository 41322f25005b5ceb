"""Whether the files that a clip is made of are still those that were read: stamps first, contents where stamps changed.

Beside every product that reads a database stands `<product>.files.json`: per clip the `key` that jobs depend on, the
`stamp` (names, sizes and times of change) that was seen last, and the digest of the `content` that was read. A stamp
that differs has the clip's files read again: equal content keeps the key, so that a touched or copied database runs
nothing, and other content gets another key.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from mer.core.atomic import write_text
from mer.core.errors import StorageError
from mer.core.filenames import is_image, number_in, split_pattern
from mer.core.media import inside

ENDING = ".files.json"


class Seen(NamedTuple):
    """The files of a clip as they were seen; `content` is '' where they were not read."""

    key: str
    stamp: str
    content: str = ""


def files_of(root: Path, row: Mapping[str, Any], span: str = "all", margin: int = 0) -> list[Path]:
    """Return the files that a clip is made of, in the order of their names; none where its medium is not there.

    Args:
        root: folder of the database.
        row: its index row (`mer.core.sample.media_row`).
        span: `annotation` where only files from onset to offset count.
        margin: files before and after these that count, too.
    """
    path = inside(root, str(row["media_path"]))
    if path.is_file():
        return [path]
    folder, pattern = split_pattern(str(path))
    first, last = (row["onset"], row["offset"]) if span == "annotation" else (None, None)
    least = float("-inf") if first is None else first - margin
    most = float("inf") if last is None else last + margin
    return [Path(folder, name) for name, number in _numbered(folder, pattern) if least <= number <= most]


@lru_cache(maxsize=64)
def _numbered(folder: str, pattern: str) -> list[tuple[str, int]]:
    """Return the images of a folder with their numbers; kept, because many clips may lie in one recording's folder."""
    with suppress(OSError):
        numbers = ((name, number_in(name, pattern)) for name in sorted(os.listdir(folder)) if is_image(name))
        return [(name, number) for name, number in numbers if number is not None]
    return []


def stamp(files: Iterable[Path]) -> str:
    """Return 16 hex digits of the names, sizes and times of change of files."""
    digest = hashlib.sha256()
    for path in files:
        with suppress(OSError):
            told = path.stat()
            digest.update(f"{path.name}\n{told.st_size} {told.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def content(files: Iterable[Path]) -> str:
    """Return 16 hex digits of the names and bytes of files; one that cannot be read counts by its name."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.name}\n".encode())
        with suppress(OSError), path.open("rb") as handle:
            digest.update(hashlib.file_digest(handle, "sha256").digest())
    return digest.hexdigest()[:16]


def look(root: Path, rows: Sequence[Mapping[str, Any]], params: Any, read: bool = True) -> dict[str, Seen]:
    """Return what is on disk of clips, by their `sample_id`.

    Args:
        root: folder of the database.
        rows: of the clips.
        params: of the method that reads them; `span` and `margin` say which files of a folder it takes.
        read: the contents too, not the stamps alone.
    """
    _numbered.cache_clear()
    seen = {}
    for row in rows:
        files = files_of(root, row, getattr(params, "span", "all"), getattr(params, "margin", 0))
        # The stamp first: a file that changes while it is read has another one the next time.
        told = stamp(files)
        seen[str(row["sample_id"])] = Seen(told, told, content(files) if read else "")
    return seen


def still(product: Path, root: Path, rows: Sequence[Mapping[str, Any]], params: Any) -> dict[str, Seen]:
    """Return what is on disk of clips, their keys unchanged where their contents are those that a product was made of.

    New stamps of unchanged contents are remembered, where the folder can be written.
    """
    known, found = recall(product), look(root, rows, params, read=False)
    moved = {name for name, now in found.items() if name in known and known[name].stamp != now.stamp}
    again = look(root, [row for row in rows if row["sample_id"] in moved], params)
    same = {name: now._replace(key=known[name].key) for name, now in again.items() if now[2] == known[name].content}
    if same:
        with suppress(OSError, StorageError):
            remember(product, known | same)
    kept = {name: known[name] for name in found if name in known and name not in moved}
    return found | again | kept | same


def beside(product: Path) -> Path:
    """Return the file in which it stands what a product was made of."""
    return product.with_suffix(ENDING)


def recall(product: Path) -> dict[str, Seen]:
    """Return what `remember` wrote; empty where there is nothing, or something else."""
    try:
        told = json.loads(beside(product).read_text(encoding="utf-8"))
        return {str(name): Seen(*map(str, values)) for name, values in told.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def remember(product: Path, seen: Mapping[str, Seen]) -> None:
    """Write what a product was made of; raises `StorageError`, `OSError`."""
    write_text(beside(product), json.dumps(seen, indent=0, sort_keys=True) + "\n")
