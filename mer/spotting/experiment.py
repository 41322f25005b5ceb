"""What every fold of a spotting experiment has in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mer.spotting.settings import SpotRecipe


@dataclass(frozen=True)
class SpottingExperiment:
    """One run of a spotting experiment.

    Attributes:
        model: `mean` or `softnet`.
        protocol: `fixed` or `ref`.
        recipe: budget.
        classes: of recognition by MEAN's second head; empty for none.
        halves: k_p by kind over all annotations, for `ref`, which takes it from there (D5); empty otherwise.
        seed: of the run.
        device: `cpu` or `cuda`.
    """

    model: str
    protocol: str
    recipe: SpotRecipe
    classes: tuple[str, ...] = ()
    halves: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0
    device: str = "cpu"


def from_block(block: Mapping[str, Any], seed: int, device: str) -> SpottingExperiment:
    """Return the experiment that a job's parameters describe (`mer.planning.spotting`)."""
    recipe = SpotRecipe.model_validate(block["train"])
    return SpottingExperiment(
        block["model"], block["protocol"], recipe, tuple(block["classes"]), block["halves"], seed, device
    )


def crops_of(kind: str) -> str:
    """Return the name of the input that holds the aligned crops which the features of a kind were made from."""
    return f"{kind} crops"
