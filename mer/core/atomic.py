"""Writing a file so that it is either whole under its own name or absent."""

from __future__ import annotations

import errno
import glob
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mer.core.errors import MerError, StorageError

DAMAGED = ".damaged"

# Refusals of a disk, whatever was being written; of a permission, only where it is of the file that was to be written.
DISK_ERRORS = {
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.EHOSTDOWN,
    errno.ETIMEDOUT, errno.ENODEV,
}  # fmt: skip
_KEPT = "run the same command again: finished files are kept"
_REMEDIES = {
    errno.ENOSPC: f"free some space and {_KEPT}",
    errno.EDQUOT: f"free some of your quota and {_KEPT}",
    errno.EFBIG: f"lift the limit on the size of files (ulimit -f) and {_KEPT}",
    errno.EROFS: f"mount it for writing, or name another folder under `results`, and {_KEPT}",
    errno.EACCES: f"get the right to write there, or name another folder under `results`, and {_KEPT}",
    errno.EPERM: f"get the right to write there, or name another folder under `results`, and {_KEPT}",
    **dict.fromkeys((errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP), "name another file"),
}


def storage_error(path: str | Path, error: OSError) -> StorageError:
    """Turn an operating-system refusal to write `path` into one clear line."""
    reason = os.strerror(error.errno).lower() if error.errno else str(error)
    remedy = _REMEDIES.get(error.errno or 0, f"bring the disk or network folder back and {_KEPT}")
    return StorageError(path, f"cannot be written ({reason})", "a writable disk with free space", remedy)


def refusal(where: str | Path, error: OSError) -> MerError:
    """Turn an operating-system refusal of any kind, of the error's own file or else of `where`, into one clear line."""
    path = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else where
    if error.errno in DISK_ERRORS:
        return storage_error(path, error)
    reason = os.strerror(error.errno).lower() if error.errno else str(error)
    return MerError(path, f"cannot be opened ({reason})", remedy="check the path, its owner and its permissions")


def set_aside(error: MerError) -> MerError:
    """Rename the damaged file that an error is of to `<name>.damaged`, so that the next run makes it anew; say so."""
    path = Path(error.where)
    try:
        os.replace(path, path.with_name(path.name + DAMAGED))
    except OSError:
        return error
    remedy = f"it is kept as {path.name}{DAMAGED}; run the same command again: it is made anew"
    return type(error)(error.where, error.found, error.expected, remedy)


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
        with _told_of_the_disk(path, temporary):
            path.parent.mkdir(parents=True, exist_ok=True)
            _tidy(path)
            yield temporary
            os.replace(temporary, path)
    finally:
        # Where the folder cannot be written to, there is nothing to remove.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _tidy(path: Path) -> None:
    """Remove what killed processes of this machine have left of a file."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        try:
            os.kill(int(left.name.split(".")[-2]), 0)
        except ProcessLookupError:
            left.unlink(missing_ok=True)
        except (ValueError, OSError):
            continue


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder beside `path`; when the block succeeds it is renamed, and takes the place of what was there.

    Raises:
        StorageError: as `atomic_path`.
    """
    partial, old = (path.with_name(f".{path.name}.{os.getpid()}.{end}") for end in ("partial", "old"))
    try:
        with _told_of_the_disk(path, partial):
            partial.mkdir(parents=True)
            yield partial
            if path.exists():
                os.replace(path, old)
            os.replace(partial, path)
    finally:
        for folder in (partial, old):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _told_of_the_disk(path: Path, temporary: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        own = error.filename is not None and {Path(os.fsdecode(error.filename))} & {temporary, path, *path.parents}
        if error.errno in DISK_ERRORS or own:
            raise storage_error(path, error) from error
        raise


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 `text` to `path` atomically with Unix line ends."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: str | Path, value: object) -> None:
    """Write `value` as indented, key-sorted JSON, so that equal values give equal bytes."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
