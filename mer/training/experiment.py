"""What every fold of a recognition experiment has in common, and where it is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mer.core.cards import claim_card
from mer.core.params import Params
from mer.models import registry
from mer.models.contract import Model
from mer.training.products import Chains
from mer.training.recipe import Recipe, settle


@dataclass(frozen=True)
class Experiment:
    """One run of an experiment.

    Attributes:
        model: name in `mer.models.registry.MODELS`.
        preset: name of one of its presets.
        recipe: overrides of the preset.
        settings: the preset with the overrides in place.
        classes: the fixed class set, in the order of the scores.
        seed: of the run.
        device: `cpu` or `cuda`.
        origin: what `mer predict` needs to apply the model to a new clip (`mer.planning.keys.origin`).
        trunks: by fold, the checkpoint of a spotting experiment whose trunk the fold begins with; empty for none.
        weights: by fold, the file that stands in for a training (`mer.training.convert`); empty where there is one.
        made: digest of the job's parameters and code, by which a checkpoint is known to be the planned one.
        keep_every: of how many epochs the weights of one are kept, for the diagnostic of `mer.training.oracle_epochs`.
    """

    model: str
    preset: str
    recipe: Recipe
    settings: Params
    classes: tuple[str, ...]
    seed: int
    device: str = "cpu"
    origin: Mapping[str, Any] = field(default_factory=dict)
    keep_every: int = 1
    trunks: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    made: str = ""

    @property
    def chains(self) -> Chains:
        """The steps that must have led to each input; empty where nobody says."""
        chains: Chains = self.origin.get("chains", {})
        return chains

    @property
    def card(self) -> Model:
        """The model."""
        return registry.model(self.model, "model")


def checked(
    model: str,
    preset: str | None,
    recipe: Recipe,
    classes: Sequence[str],
    seed: int,
    where: str = "experiment",
    **options: Any,
) -> Experiment:
    """Return an experiment after checking it; `options` are its other attributes.

    Raises:
        ConfigError: as `mer.training.recipe.settle`.
    """
    preset, chosen = settle(model, preset, recipe, where, len(classes))
    return Experiment(model, preset, recipe, chosen, tuple(classes), seed, **options)


def from_block(block: Mapping[str, Any], seed: int, device: str) -> Experiment:
    """Return the experiment that a job's parameters describe (`mer.planning.experiments`); raises as `checked`."""
    recipe = Recipe.model_validate(block["train"])
    options = {"device": device, "origin": block["origin"], "keep_every": block.get("keep_every", 1)}
    options |= {name: block[name] for name in ("trunks", "weights", "made") if name in block}
    return checked(block["model"], block["preset"], recipe, block["classes"], seed, **options)


def choose_device(gpus: int, log: Callable[[str], None]) -> str:
    """Return `cuda` when the job has a GPU and PyTorch can use one, `cpu` otherwise; the log says which and why.

    Of several cards the job gets one of its own while there are (`mer.core.cards`); `cuda` is that one.
    """
    if not gpus:
        log("device: cpu (the job asked for no GPU)")
        return "cpu"
    import torch

    if not torch.cuda.is_initialized():
        claim_card(torch.cuda.device_count, log)
    if torch.cuda.is_available():
        log(f"device: cuda ({torch.cuda.get_device_name()})")
        return "cuda"
    log("device: cpu (PyTorch finds no CUDA device)")
    return "cpu"
