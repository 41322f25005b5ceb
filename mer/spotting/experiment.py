"""What a spotting experiment may choose, and what all its folds have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from mer.core.params import Params
from mer.training.products import Chains
from mer.weights.per_fold import WeightFiles

Kind = Literal["micro", "macro"]


class SpotRecipe(Params):
    """How the spotting network, and the recognition head on it, are trained."""

    epochs: int = Field(10, ge=1, le=10_000, description="Passes over the balanced positions; 10 as published.")
    batch_size: int | None = Field(
        None, ge=1, description="Positions per step; 32 when absent, and 12 for `softnet` under `ref`, as published."
    )
    learning_rate: float = Field(5e-4, gt=0, le=1, description="Step size; 5e-4 in both systems.")
    ratio: int = Field(5, ge=1, le=100, description="Negative positions kept per positive one (MEAN).")
    most: int = Field(
        40_000, ge=100, description="At most so many positions are trained on; drawn when there are more."
    )
    head_epochs: int = Field(
        100, ge=1, le=10_000, description="Passes of the recognition head over training expressions."
    )
    context_steps: int = Field(
        400, ge=1, le=100_000, description="Steps of what looks at a position's surroundings (`fixed`)."
    )
    inner: int = Field(3, ge=2, le=20, description="Inner parts of training persons that set the threshold (`fixed`).")


class SpottingBlock(Params):
    """One network that spots expressions in long recordings, and perhaps names them."""

    data: list[str] = Field(min_length=1, description="Datasets with whole recordings, pooled.")
    features: dict[Kind, str] = Field(
        min_length=1, description="Features of each kind of expression that is spotted: `micro: spot/<variant>`."
    )
    model: Literal["mean", "softnet"] = Field("mean", description="The network: MEAN's or SOFTNet's.")
    protocol: Literal["fixed", "ref"] = Field(
        "fixed",
        description="`fixed`: all recordings, widths and threshold from training persons, one-to-one matching. "
        "`ref`: as published: only recordings with an expression, widths from all annotations, p = 0.55.",
    )
    view: str = Field("emotion_3", description="Label view of the classes to be recognised.")
    recognise: str = Field(
        "own", description="`own`: MEAN's second head; `none`; or an experiment that names the spotted intervals."
    )
    seeds: list[Annotated[int, Field(ge=0)]] = Field([0], min_length=1, description="One whole run per seed.")
    train: SpotRecipe = Field(default_factory=SpotRecipe, description="Training of the network.")
    weights: WeightFiles | None = Field(
        None, description="Weights that are used as they are: nothing is trained (docs/weights.md)."
    )


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
        weights: by fold, the files that stand in for a training (`mer.spotting.convert`); empty where there is one.
        chains: the steps that must have led to each input; empty where nobody says.
        made: as of `mer.training.experiment.Experiment`.
    """

    model: str
    protocol: str
    recipe: SpotRecipe
    classes: tuple[str, ...] = ()
    halves: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0
    device: str = "cpu"
    weights: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    chains: Chains = field(default_factory=dict)
    made: str = ""

    @property
    def batch_size(self) -> int:
        """Positions per step."""
        published = 12 if self.model == "softnet" and self.protocol == "ref" else 32
        return self.recipe.batch_size or published


def from_block(block: Mapping[str, Any], seed: int, device: str) -> SpottingExperiment:
    """Return the experiment that a job's parameters describe (`mer.planning.spotting`)."""
    recipe = SpotRecipe.model_validate(block["train"])
    told = block["model"], block["protocol"], recipe, tuple(block["classes"]), block["halves"], seed, device
    options = {name: block[name] for name in ("weights", "chains", "made") if name in block}
    return SpottingExperiment(*told, **options)


def crops_of(kind: str) -> str:
    """Return the name of the input that holds the aligned crops which the features of a kind were made from."""
    return f"{kind} crops"
