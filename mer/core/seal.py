"""The seal of a container: checksums of all its bytes, behind them in the same file.

HDF5's own checksums leave out headers, attributes, text and small arrays. So a finished file is followed by the CRC-32
of every 64 KiB of it and by a footer that says how long it is; HDF5 and its other readers end before that. Reading
through `SealedFile` checks each block once, when something of it is first read: a file cut short, filled with zeros or
with one bit flipped anywhere is found by whoever reads that part, and only that part has to be read.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

from mer.core.errors import ContainerError, DamagedContainer

BLOCK = 1 << 16
_MAGIC = b"mer-seal"
# Magic, bytes that are sealed, CRC-32 of the checksums and of these two.
_FOOTER = struct.Struct("<8sQI")
# Blocks that are read at a time.
_MANY = 64

_REMEDIES = {
    errno.EACCES: "ask its owner for the right to read it, and to enter its folders (chmod, chgrp)",
    errno.EPERM: "ask its owner for the right to read it, and to enter its folders (chmod, chgrp)",
    errno.EAGAIN: "another program has locked it: close that, or set HDF5_USE_FILE_LOCKING=FALSE",
    errno.ENOLCK: "its file system has no locks, as NFS at times: set HDF5_USE_FILE_LOCKING=FALSE",
    errno.EMFILE: "let more files be open at once (ulimit -n 4096)",
    errno.ENFILE: "close other programs: the machine has too many open files",
    errno.EISDIR: "a folder has its name: move that away and run again",
}
_WAIT = "nothing is wrong with the file as far as is known: run again when its disk or network folder answers"


def why_unreadable(error: OSError) -> tuple[str, str]:
    """Return in words why the system refuses to open or read a file, with its number, and what helps."""
    number = f"errno {error.errno}: {os.strerror(error.errno).lower()}" if error.errno else str(error)
    return f"cannot be read ({number})", _REMEDIES.get(error.errno or 0, _WAIT)


def refused(path: str | Path, error: OSError) -> ContainerError:
    """Turn a refusal to open or read a container into one line."""
    if error.errno == errno.ENOENT:
        return ContainerError(path, "container not found", remedy="run the stage that writes it")
    found, remedy = why_unreadable(error)
    return ContainerError(path, found, remedy=remedy)


def damaged(path: str | Path, found: str) -> DamagedContainer:
    """Return the error of a container whose content was read and is not what was written."""
    return DamagedContainer(path, found, "a container as it was written", "move it away and run again: it is made anew")


def write_seal(file: Any) -> None:
    """Append the seal to a file that is open for reading and writing, and whole."""
    size, sums = file.seek(0, os.SEEK_END), bytearray()
    for _, block in _blocks(file.fileno(), 0, size):
        sums += struct.pack("<I", crc32(block))
    told = _FOOTER.pack(_MAGIC, size, 0)[:-4]
    file.write(bytes(sums) + told + struct.pack("<I", crc32(told, crc32(sums))))


def read_seal(descriptor: int) -> tuple[int, bytes] | None:
    """Return how many bytes of an open file are sealed, and the checksums of their blocks; None without a seal."""
    length = os.fstat(descriptor).st_size
    footer = os.pread(descriptor, _FOOTER.size, max(0, length - _FOOTER.size))
    if len(footer) < _FOOTER.size:
        return None
    magic, size, told = _FOOTER.unpack(footer)
    many = 4 * -(-size // BLOCK)
    if magic != _MAGIC or size + many + _FOOTER.size != length:
        return None
    sums = os.pread(descriptor, many, size)
    return (size, sums) if crc32(footer[:-4], crc32(sums)) == told else None


def _blocks(descriptor: int, start: int, stop: int) -> Iterator[tuple[int, memoryview]]:
    """Yield the blocks between two borders of blocks, or the end of what is sealed, with their numbers."""
    for place in range(start, stop, _MANY * BLOCK):
        wanted = min(stop - place, _MANY * BLOCK)
        held = memoryview(os.pread(descriptor, wanted, place))
        for inside in range(0, wanted, BLOCK):
            yield (place + inside) // BLOCK, held[inside : inside + BLOCK]


class SealedFile:
    """A container's bytes for HDF5 to read, each checked before it is handed on.

    Attributes:
        sealed: whether it has a seal; without one nothing is checked.

    Raises:
        ContainerError: the system refuses to open it, or later to read it.
        DamagedContainer: when a part is read that is not what was written.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._at = path, 0
        try:
            # Not `os.open`: what a training may not read is told by the mode (`mer.training.closed_files`).
            self._file = open(path, "rb", buffering=0)  # noqa: SIM115
            seal = read_seal(self._file.fileno())
        except OSError as error:
            raise refused(path, error) from error
        self.sealed = seal is not None
        self.size, self._sums = seal or (os.fstat(self._file.fileno()).st_size, b"")
        self._checked = bytearray(len(self._sums) // 4)

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        """Move to a place of what is sealed."""
        self._at = place + (self._at if whence == os.SEEK_CUR else self.size if whence == os.SEEK_END else 0)
        return self._at

    def tell(self) -> int:
        """Return the place."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer from the place on."""
        view = memoryview(buffer).cast("B")[: max(0, self.size - self._at)]
        try:
            if self.sealed and len(view):
                self._check(self._at // BLOCK, (self._at + len(view) - 1) // BLOCK + 1)
            done = 0
            while done < len(view) and (got := os.preadv(self._file.fileno(), [view[done:]], self._at + done)):
                done += got
        except OSError as error:
            raise refused(self.path, error) from None
        self._at += done
        return done

    def read(self, count: int = -1) -> bytes:
        """Return `count` bytes from the place on, or all that there are."""
        left = max(0, self.size - self._at)
        held = bytearray(left if count < 0 else min(count, left))
        return bytes(held[: self.readinto(held)])

    def check_all(self) -> None:
        """Check every byte; raises as reading does."""
        if self.sealed:
            self._check(0, len(self._checked))

    def _check(self, first: int, last: int) -> None:
        if 0 not in self._checked[first:last]:
            return
        for number, block in _blocks(self._file.fileno(), first * BLOCK, min(last * BLOCK, self.size)):
            if not self._checked[number]:
                if crc32(block) != int.from_bytes(self._sums[4 * number : 4 * number + 4], "little"):
                    end = min(self.size, (number + 1) * BLOCK) - 1
                    raise damaged(
                        self.path, f"damaged: bytes {number * BLOCK} to {end} are not those that were written"
                    )
                self._checked[number] = 1

    def digest(self) -> str:
        """Return 8 hex digits of all checksums together, without reading what they are of; empty without a seal."""
        return f"{crc32(self._sums):08x}" if self.sealed else ""

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def flush(self) -> None:
        """Nothing is written."""
