"""Curves of a training while it runs, as TensorBoard event files; they change no result.

TensorBoard is optional (the extra `tensorboard`). The workflow writes event files beside a job's log when the
environment variable `MER_TENSORBOARD` is 1: a key of the configuration would train everything again.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mer.core.errors import ConfigError

SWITCH = "MER_TENSORBOARD"


def folder_beside(log: str | Path) -> Path | None:
    """Return the folder of a job's event files, or None when they were not asked for.

    Raises:
        ConfigError: the environment variable is neither 0 nor 1.
    """
    value = os.environ.get(SWITCH, "0")
    if value not in ("", "0", "1"):
        raise ConfigError(SWITCH, f"is {value!r}", "1 (write event files) or 0")
    return Path(log).with_suffix(".board") if value == "1" else None


class Board:
    """Writes scalars by epoch; the file is complete after every epoch, so that a killed job's curve can be read.

    Args:
        folder: of the event files, made when missing.

    Raises:
        ConfigError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ConfigError(
                SWITCH, "TensorBoard is not installed", "the extra `tensorboard`", "pip install tensorboard"
            ) from None
        self._writer: Any = SummaryWriter(str(folder))  # type: ignore[no-untyped-call]

    def epoch(self, done: int, values: dict[str, float]) -> None:
        """Write the values of an epoch, counted from 1."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, done)
        self._writer.flush()

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()
