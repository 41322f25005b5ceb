"""One exception type per kind of user mistake; every message is one line.

A message names where the fault is (file, row, frame or configuration key), what was found, what was
expected and what to do. `ClipError` excludes one clip and lets the run go on; every other type stops
the job before anything already computed is lost.
"""

from __future__ import annotations

LONGEST = 2000  # characters of a message


def _plain(line: str) -> str:
    """Return a line that a terminal shows as it is: names of files may hold escape codes, or turn text around."""
    if len(line) > LONGEST:
        line = f"{line[: LONGEST // 2]} … {line[-LONGEST // 2 :]}"
    return line if line.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


class MerError(Exception):
    """A mistake the user can mend.

    Args:
        where: file, row, frame or configuration key at fault.
        found: what was found there.
        expected: what should have been there; left out of the message when empty.
        remedy: what the user can do; left out of the message when empty.

    Attributes:
        damaged: `where` is a file of the results that was read and found not to be as it was written.
    """

    damaged = False

    def __init__(self, where: object, found: str, expected: str = "", remedy: str = "") -> None:
        self.where = str(where)
        self.found = found
        self.expected = expected
        self.remedy = remedy
        super().__init__(self.line())

    def line(self) -> str:
        """Return the whole message on one line."""
        parts = [f"{self.where}: {self.found}"]
        if self.expected:
            parts.append(f"expected {self.expected}")
        if self.remedy:
            parts.append(self.remedy)
        return _plain(" ".join("; ".join(parts).split()))

    def __reduce__(self) -> tuple[type[MerError], tuple[str, str, str, str]]:
        """Pickle by the four parts, so that the error survives a process border."""
        return (type(self), (self.where, self.found, self.expected, self.remedy))


class ConfigError(MerError):
    """A key, type or reference in the configuration is wrong; nothing was started."""


class DatasetError(MerError):
    """A dataset root or annotation table cannot be used; nothing was started."""


class MediaError(MerError):
    """An image or a video cannot be decoded."""


class ContainerError(MerError):
    """A container is missing, unfinished or not what its reader needs."""


class DamagedContainer(ContainerError):
    """A container was read and is not as it was written."""

    damaged = True


class ModelError(MerError):
    """A model file or a training set cannot be used."""


class DamagedModel(ModelError):
    """A checkpoint was read and is not as it was written."""

    damaged = True


class StorageError(MerError):
    """The disk is full or not writable."""


class ClipError(MerError):
    """One clip cannot go on; it is excluded with this reason and the run continues."""
