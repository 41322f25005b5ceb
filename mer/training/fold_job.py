"""One fold that a job trains."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FoldJob:
    """One fold to train, of any task.

    Attributes:
        fold: its name; with the seed it decides every random number.
        held_out: groups that must not be in the table.
        train_table: the training rows, written by the task.
        out: the checkpoint, `.safetensors`.
        resume: where the state is kept while training, so that a killed job goes on; None for nowhere.
        board: folder of TensorBoard event files; None for none.
    """

    fold: str
    held_out: tuple[str, ...]
    train_table: Path
    out: Path
    resume: Path | None = None
    board: Path | None = None

    @property
    def state_files(self) -> tuple[Path, ...]:
        """What an interrupted job leaves: the state of its training, and the choice of epochs; none if not `resume`."""
        return (self.resume, self.resume.with_suffix(".inner.json")) if self.resume is not None else ()
