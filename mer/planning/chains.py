"""The steps to every input of the models of a configuration, for `mer check-plugin --config`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mer.planning.read_config import parse, read_files
from mer.stages.run import StageSpec


def chains(configs: Sequence[Path]) -> dict[str, dict[str, list[StageSpec]]]:
    """Return model -> input -> steps, those of its first experiment.

    Args:
        configs: configuration files, laid over each other.

    Raises:
        ConfigError: the configuration is wrong.
    """
    config = parse(read_files(configs), " + ".join(map(str, configs)))
    found: dict[str, dict[str, list[StageSpec]]] = {}
    for block in config.experiments.values():
        steps = {name: config.chain(product) for name, product in block.inputs.items()}
        told = {
            name: [StageSpec(one.stage, "", one.method, one.params.model_dump(mode="json")) for one in chain]
            for name, chain in steps.items()
        }
        found.setdefault(block.model, told)
    return found
