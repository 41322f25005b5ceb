"""One fold that a job trains, and what every job of a fold checks before it reads anything: nobody on both sides."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mer.core.errors import ModelError


@dataclass(frozen=True)
class FoldJob:
    """One fold to train, of any task.

    Attributes:
        fold: its name; with the seed it decides every random number.
        held_out: groups that must not be in the table.
        train_table: the training rows, written by the task.
        out: the checkpoint, `.safetensors`.
        resume: where the state is kept while training, so that a killed job goes on; None for nowhere.
    """

    fold: str
    held_out: tuple[str, ...]
    train_table: Path
    out: Path
    resume: Path | None = None

    @property
    def state_files(self) -> tuple[Path, ...]:
        """What an interrupted job leaves: the state of its training, and the choice of epochs; none if not `resume`."""
        return (self.resume, self.resume.with_suffix(".inner.json")) if self.resume is not None else ()

    def forget(self) -> None:
        """Remove what an interrupted job would leave: the job is over."""
        for path in self.state_files:
            path.unlink(missing_ok=True)


class TableRow(Protocol):
    """A row of a fold's table, of any task."""

    @property
    def sample_id(self) -> str:
        """The clip or recording."""

    @property
    def group(self) -> str:
        """The person."""

    @property
    def source(self) -> str:
        """`<configured dataset>/<subject key>`: the container of the clip in every product."""

    @property
    def key(self) -> tuple[str, str]:
        """What identifies the clip among all datasets."""


def require_held_out(rows: Iterable[TableRow], held_out: Collection[str], table: str | Path) -> None:
    """Refuse a training table that names a held-out person.

    Raises:
        ModelError: no held-out person named, or one of them in the table.
    """
    if not held_out:
        raise ModelError(table, "no held-out subject named", "the groups that the fold leaves out")
    for row in rows:
        if row.group in held_out:
            found = f"clip {row.sample_id} belongs to the held-out subject {row.group}"
            raise ModelError(table, found, "clips of other subjects only", "write the fold's tables again")


def require_unseen(groups: Iterable[str], meta: Mapping[str, Any], checkpoint: str | Path, table: str | Path) -> None:
    """Refuse a checkpoint whose metadata name one of the persons of a test table; raises `ModelError`."""
    seen = sorted(set(groups) & set(meta["train_groups"]))
    if seen:
        raise ModelError(checkpoint, f"was trained on {seen[0]}, a subject of {table}", "held-out subjects only")


def require_trained_as(meta: Mapping[str, Any], checkpoint: str | Path, **wanted: Any) -> None:
    """Refuse a checkpoint whose metadata have other values than `wanted`, as JSON holds them; raises `ModelError`."""
    for key, value in wanted.items():
        if meta[key] != value:
            raise ModelError(checkpoint, f"trained with {key} {meta[key]}", f"{key} {value}", "run the fit step again")


def require_same_products(
    inputs: Mapping[str, Mapping[str, Any]], trained: Mapping[str, Mapping[str, Any]], remedy: str
) -> None:
    """Refuse inputs that were made otherwise than those of the training.

    Args:
        inputs: `stage` and `parameters` of each input; empty for one that nothing was read of.
        trained: the same from a checkpoint's metadata, or the parameters alone.
        remedy: for the message.

    Raises:
        ModelError: an input differs.
    """
    for name, product in inputs.items():
        for key in ("stage", "parameters"):
            if key in product and key in trained[name] and product[key] != trained[name][key]:
                found = f"{key} {product[key]} differ from those of the training part"
                raise ModelError(f"input {name}", found, f"{trained[name][key]}", remedy)
