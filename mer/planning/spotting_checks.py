"""What a configuration says of spotting, checked before any job starts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from mer.core.errors import ConfigError
from mer.core.registry import nearest
from mer.datasets.labels import VIEWS
from mer.spotting.experiment import SpottingBlock


class Experiment(Protocol):
    """What is looked at of the block of a recognition experiment."""

    @property
    def protocol(self) -> str:
        """What is held out."""

    @property
    def data(self) -> list[str]:
        """Its datasets."""

    @property
    def inputs(self) -> dict[str, str]:
        """The product of each of its inputs."""


@dataclass(frozen=True)
class Named:
    """What a configuration names: datasets, the stage of every product, experiments, and what a product's clips are."""

    datasets: Collection[str]
    stages: Mapping[str, str]
    experiments: Mapping[str, Experiment]
    unit: Callable[[str], str]


def check_units(named: Named, where: str) -> None:
    """Refuse a recognition experiment whose input is made from whole recordings; raises `ConfigError`."""
    for name, experiment in named.experiments.items():
        for key, product in experiment.inputs.items():
            if named.unit(product) == "recordings":
                path = f"{where}: experiments.{name}.inputs.{key}"
                raise ConfigError(path, f"{product} holds whole recordings", "single expressions", "see align.clips")


def check_spotting(name: str, block: SpottingBlock, named: Named, where: str) -> None:
    """Refuse a spotting experiment that cannot run.

    Raises:
        ConfigError: unknown dataset, product, view or experiment, features that are none, or a network without a second
            head that is to recognise.
    """
    path = f"{where}: spotting.{name}"
    for dataset in block.data:
        if dataset not in named.datasets:
            remedy = nearest(dataset, named.datasets)
            raise ConfigError(f"{path}.data", f"no dataset {dataset!r}", "a dataset", remedy)
    for kind, product in block.features.items():
        key = f"{path}.features.{kind}"
        if product not in named.stages:
            raise ConfigError(key, f"no product {product!r}", "spot/<variant>", nearest(product, named.stages))
        if named.stages[product] != "spot":
            raise ConfigError(key, f"{product} holds no spotting features", "spot/<variant>")
        if named.unit(product) != "recordings":
            found = f"{product} is made from single expressions"
            raise ConfigError(key, found, "whole recordings", "set clips: recordings in its align")
    if block.view not in VIEWS:
        raise ConfigError(f"{path}.view", f"unknown view {block.view!r}", "a label view", nearest(block.view, VIEWS))
    if block.recognise == "own" and block.model == "softnet":
        raise ConfigError(f"{path}.recognise", "SOFTNet has no second head", "none or an experiment", "set it")
    if block.recognise not in ("own", "none"):
        _check_naming(f"{path}.recognise", block, named.experiments)


def _check_naming(path: str, block: SpottingBlock, experiments: Mapping[str, Experiment]) -> None:
    name = block.recognise
    if name not in experiments:
        remedy = nearest(name, ["own", "none", *experiments])
        raise ConfigError(path, f"no experiment {name!r}", "own, none or an experiment", remedy)
    if experiments[name].protocol != "loso":
        found = f"{name} has the protocol {experiments[name].protocol}"
        raise ConfigError(path, found, "loso", "so that its models did not see the person")
    lacking = sorted(set(block.data) - set(experiments[name].data))
    if lacking:
        raise ConfigError(path, f"{name} is not trained on {lacking[0]}", "an experiment on the same data")
