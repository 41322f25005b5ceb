"""What a configuration says of spotting, checked before any job starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mer.core.errors import ConfigError
from mer.core.registry import nearest
from mer.datasets.labels import VIEWS
from mer.spotting.settings import SpottingBlock

if TYPE_CHECKING:
    from mer.planning.config import Config


def check_units(config: Config, where: str) -> None:
    """Refuse a recognition experiment whose input is made from whole recordings; raises `ConfigError`."""
    for name, experiment in config.experiments.items():
        for key, product in experiment.inputs.items():
            if config.unit(product) == "recordings":
                path = f"{where}: experiments.{name}.inputs.{key}"
                raise ConfigError(path, f"{product} holds whole recordings", "single expressions", "see align.clips")


def check_spotting(name: str, block: SpottingBlock, config: Config, where: str) -> None:
    """Refuse a spotting experiment that cannot run.

    Raises:
        ConfigError: unknown dataset, product, view or experiment, features that are none, or a network without a second
            head that is to recognise.
    """
    path = f"{where}: spotting.{name}"
    for dataset in block.data:
        if dataset not in config.datasets:
            remedy = nearest(dataset, config.datasets)
            raise ConfigError(f"{path}.data", f"no dataset {dataset!r}", "a dataset", remedy)
    for kind, product in block.features.items():
        if product not in config.variants:
            remedy = nearest(product, config.variants)
            raise ConfigError(f"{path}.features.{kind}", f"no product {product!r}", "spot/<variant>", remedy)
        if config.variants[product].stage != "spot":
            raise ConfigError(f"{path}.features.{kind}", f"{product} holds no spotting features", "spot/<variant>")
        if config.unit(product) != "recordings":
            found = f"{product} is made from single expressions"
            raise ConfigError(
                f"{path}.features.{kind}", found, "whole recordings", "set clips: recordings in its align"
            )
    if block.view not in VIEWS:
        raise ConfigError(f"{path}.view", f"unknown view {block.view!r}", "a label view", nearest(block.view, VIEWS))
    if block.recognise == "own" and block.model == "softnet":
        raise ConfigError(f"{path}.recognise", "SOFTNet has no second head", "none or an experiment", "set it")
    if block.recognise not in ("own", "none"):
        _check_second(f"{path}.recognise", block, config)


def _check_second(path: str, block: SpottingBlock, config: Config) -> None:
    known = ["own", "none", *config.experiments]
    if block.recognise not in config.experiments:
        raise ConfigError(path, f"no experiment {block.recognise!r}", "own, none or an experiment",
                          nearest(block.recognise, known))  # fmt: skip
    second = config.experiments[block.recognise]
    if second.protocol != "loso":
        raise ConfigError(path, f"{block.recognise} has the protocol {second.protocol}", "loso", "so that its models "
                          "did not see the person")  # fmt: skip
    lacking = sorted(set(block.data) - set(second.data))
    if lacking:
        raise ConfigError(path, f"{block.recognise} is not trained on {lacking[0]}", "an experiment on the same data")
