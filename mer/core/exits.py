"""What the exit status of every `mer` command means (docs/how-to/in-scripts.md)."""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """The exit statuses of `mer`; what a command of its own means by `NO` stands in its `--help`."""

    YES = 0, "done; of a question, yes"
    NO = 1, "done; the answer is no, or yes with exceptions (mer run: a job failed)"
    REFUSED = 2, "a wrong option, file or configuration: one line says which"
    FAULT = 3, "a mistake in mer itself: please report what it printed"
    INTERRUPTED = 130, "stopped by Ctrl-C"

    meaning: str

    def __new__(cls, value: int, meaning: str) -> Status:
        """Return a status that says what it means."""
        made = int.__new__(cls, value)
        made._value_, made.meaning = value, meaning
        return made
