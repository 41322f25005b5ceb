"""Recognition models by name: a new one is a file that ends in a card (`mer.models.contract`), and one line here."""

from __future__ import annotations

from mer.core.errors import ConfigError
from mer.core.registry import Registry, nearest
from mer.models.contract import Model
from mer.models.foreign import guarded

_SHIPPED: dict[str, str] = {
    "svm_flow": "mer.models.svm_flow",
    "ststnet": "mer.models.ststnet",
    "flow_cnn": "mer.models.flow_cnn",
    "dual_branch": "mer.models.dual_branch",
    "dual_branch_msmh": "mer.models.dual_branch_msmh",
    "mean": "mer.models.mean_softnet",
    "au_fusion": "mer.models.au_fusion",
    "aman": "mer.models.aman",
}
MODELS = Registry("MODEL", _SHIPPED)


def model(name: str, where: str) -> Model:
    """Return the card of a model.

    Raises:
        ConfigError: no model has this name; the message names the nearest one.
    """
    if name not in MODELS:
        remedy = f"{nearest(name, MODELS)}; a file of your own is named under `plugins`"
        raise ConfigError(where, f"unknown model {name!r}", "a registered model", remedy)
    card: Model = MODELS.load(name, where)
    module = MODELS.plugged(name)
    return guarded(card, name, module) if module else card
