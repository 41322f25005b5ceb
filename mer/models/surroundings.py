"""What surrounds a training: its precision, its clipping, and who is told of every epoch.

`mer.models.loop.train` and `mer.models.together.train_together` ask `current()`, so that a model says nothing of
resuming, logs or progress and yet has all of them. The default surroundings change nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from torch import nn

Precision = Literal["float32", "tf32", "bf16", "auto"]


class Optimiser(Protocol):
    """What the loop needs of a `torch.optim.Optimizer`."""

    param_groups: list[dict[str, Any]]

    def step(self) -> Any:
        """Move the weights by their gradients."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state, tensors by the number of the weight."""

    def load_state_dict(self, state_dict: Any) -> None:
        """Take over what `state_dict` returned."""


@dataclass(frozen=True)
class Part:
    """What changes from epoch to epoch in one call of the loop, and all of it.

    `generators` are NumPy generators that the loss draws from besides torch's own random state.
    """

    name: str
    network: nn.Module
    optimiser: Optimiser
    epochs: int
    generators: Sequence[np.random.Generator] = ()


class Surroundings:
    """Defaults; `mer.training.fit_session` overrides them.

    Attributes:
        precision: what the training may compute in (`mer.models.precision`).
        gradient_clip: largest norm of the gradient of all parameters together; 0 for no limit.
    """

    precision: Precision = "float32"
    gradient_clip: float = 0.0

    def begin(self, part: Part) -> tuple[int, float]:
        """Return how many epochs are already done, and the mean loss of the last; may fill `part` with their state."""
        return 0, float("nan")

    def after(self, part: Part, done: int, loss: float) -> None:
        """Take note that `done` epochs are over, the last with this mean loss."""

    def each(self, done: int, losses: Sequence[float]) -> None:
        """Take note of the mean loss of every fold that is trained in one call of `mer.models.together`."""

    def computed_in(self, kind: str) -> None:
        """Take note of the precision that was used, `float32`, `tf32` or `bf16`."""


_CURRENT: ContextVar[Surroundings | None] = ContextVar("surroundings", default=None)


@contextmanager
def surrounded(by: Surroundings) -> Iterator[None]:
    """Let every training in the block have these surroundings."""
    token = _CURRENT.set(by)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def current() -> Surroundings:
    """Return the surroundings of this training."""
    return _CURRENT.get() or Surroundings()
