"""One fit, of a fold or of several at once, and what goes with it: resuming after a kill, and its losses.

The loop calls it after every epoch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mer.models.surroundings import Part, Precision, Surroundings
from mer.training import resume


@dataclass
class Session(Surroundings):
    """The surroundings of one fit.

    Attributes:
        precision: asked for, `float32`, `tf32`, `bf16` or `auto`.
        gradient_clip: largest norm of the whole gradient; 0 for no limit.
        file: where the state is kept while training; None for nowhere.
        digest: of everything that decides the result; a file of another digest is not used.
        every: seconds between two writings of the file; 0 writes after every epoch.
        keeps_end: the file is also written after the last epoch, so that a fit that is over need not be repeated when
            the job goes on with others.
        log: takes one line.
        carried: state to start from instead of a file, and where the last state is left: how a training is made
            longer without being repeated (`mer.training.epoch_choice`). Used only when `carries`.
    """

    precision: Precision = "float32"
    gradient_clip: float = 0.0
    file: Path | None = None
    digest: str = ""
    every: float = 60.0
    keeps_end: bool = False
    log: Callable[[str], None] = print
    carries: bool = False
    carried: dict[int, resume.Snapshot] = field(default_factory=dict)
    used: str = "float32"
    _call: int = -1
    _written: float = 0.0
    _losses: Sequence[float] = ()
    _courses: dict[int, list[list[float]]] = field(default_factory=dict)

    def course(self, fold: int = 0) -> list[list[float]]:
        """Return the mean loss of every epoch, six digits, of each call of the loop, for one of the folds trained."""
        return [[float(f"{losses[fold]:.6g}") for losses in self._courses[call]] for call in sorted(self._courses)]

    def again(self) -> None:
        """Count the calls of the loop from the start: the same fit follows once more, with another budget."""
        self._call = -1

    def begin(self, part: Part) -> tuple[int, float]:
        """See `Surroundings.begin`: the state of the file, or of `carried`, is put into `part`."""
        self._call += 1
        self._written = time.monotonic()
        self._courses[self._call] = []
        snapshot = self.carried.get(self._call)
        if snapshot is None and self.file is not None:
            snapshot = resume.read(self.file, self.digest, self._call, self.log)
        if snapshot is None or snapshot.done > part.epochs:
            return 0, float("nan")
        resume.restore(part, snapshot)
        self._courses[self._call] = [list(losses) for losses in snapshot.values["losses"]]
        return snapshot.done, float(snapshot.values["loss"])

    def after(self, part: Part, done: int, loss: float) -> None:
        """See `Surroundings.after`: the state is kept."""
        self._courses[self._call].append([float(one) for one in self._losses or (loss,)])
        if self.carries and done == part.epochs:
            self.carried[self._call] = self._state(part, done, loss)
        due = time.monotonic() - self._written >= self.every or (self.keeps_end and done == part.epochs)
        if self.file is not None and due:
            resume.write(self.file, self.digest, self._call, self._state(part, done, loss))
            self._written = time.monotonic()

    def _state(self, part: Part, done: int, loss: float) -> resume.Snapshot:
        snapshot = resume.capture(part, done, loss)
        snapshot.values["losses"] = [list(losses) for losses in self._courses[self._call]]
        return snapshot

    def each(self, done: int, losses: Sequence[float]) -> None:
        """See `Surroundings.each`: every fold has its own losses."""
        self._losses = losses

    def computed_in(self, kind: str) -> None:
        """See `Surroundings.computed_in`."""
        self.used = kind
