"""Writing a file so that it is either whole under its own name or absent."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mer.core.errors import StorageError

DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}
#: What stands in the way is the place, not what is on the disk.
PLACE_ERRORS = {errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP}


def storage_error(path: str | Path, error: OSError) -> StorageError:
    """Turn an operating-system refusal to read or write `path` into one clear line."""
    reason = os.strerror(error.errno).lower() if error.errno else str(error)
    if error.errno not in DISK_ERRORS:
        remedy = "check the path, its owner and its permissions"
        return StorageError(path, f"cannot be read or written ({reason})", remedy=remedy)
    return StorageError(
        path,
        f"cannot be written ({reason})",
        "a writable disk with free space",
        "free some space and run the same command again: finished files are kept",
    )


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block succeeds.

    Raises:
        StorageError: the disk is full, read-only or over quota, or the folder is not writable. What was at
            `path` stays.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with _told_of_the_disk(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            os.replace(temporary, path)
    finally:
        # Where the folder cannot be written to, there is nothing to remove.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder beside `path`; when the block succeeds it is renamed, and takes the place of what was there.

    Raises:
        StorageError: as `atomic_path`.
    """
    partial, old = (path.with_name(f".{path.name}.{os.getpid()}.{end}") for end in ("partial", "old"))
    try:
        with _told_of_the_disk(path):
            partial.mkdir(parents=True)
            yield partial
            if path.exists():
                os.replace(path, old)
            os.replace(partial, path)
    finally:
        for folder in (partial, old):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _told_of_the_disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # Of the files that the block reads, others than this one tell for themselves.
        own = error.filename is None or Path(error.filename).is_relative_to(path.parent)
        if error.errno in DISK_ERRORS or (own and error.errno in PLACE_ERRORS):
            raise storage_error(path, error) from error
        raise


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 `text` to `path` atomically with Unix line ends."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: str | Path, value: object) -> None:
    """Write `value` as indented, key-sorted JSON, so that equal values give equal bytes."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
