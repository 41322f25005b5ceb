"""What `mer check` looks at: a folder and a reader as typed, or a dataset of a configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mer.core.errors import ConfigError
from mer.core.plugins import plug_in
from mer.core.registry import nearest
from mer.core.validation import validate
from mer.planning.blocks import DatasetBlock
from mer.planning.read_config import read_files


def check_target(
    root: Path | None, dataset: str, configs: Sequence[Path]
) -> tuple[Path, str, Mapping[str, Any], bool | None]:
    """Return the folder, the reader, its keys, and whether the licence is said to be signed (None: not said).

    Args:
        root: the folder as typed; that of the configuration when None.
        dataset: the reader, or with `configs` the dataset's name there, which may be absent where there is one.
        configs: configuration files, laid over each other.

    Raises:
        ConfigError: no folder or no dataset is told, or the configuration does not have it.
    """
    if not configs:
        if root is None or not dataset:
            lacking = "no folder" if root is None else "no reader"
            raise ConfigError("mer check", lacking, "ROOT --dataset READER, or --config FILE --dataset NAME")
        return root, dataset, {}, None
    where = " + ".join(map(str, configs))
    raw = read_files(configs)
    plug_in(raw.get("plugins") or [], f"{where}: plugins")
    blocks = raw.get("datasets") or {}
    if not dataset and len(blocks) == 1:
        (dataset,) = blocks
    if dataset not in blocks:
        found = f"no dataset {dataset!r}" if dataset else "several datasets"
        raise ConfigError(f"{where}: datasets", found, ", ".join(blocks) or "a dataset", nearest(dataset, blocks))
    block = validate(DatasetBlock, blocks[dataset], where, f"datasets.{dataset}")
    place = root or block.root
    if place is None:
        raise ConfigError(f"{where}: datasets.{dataset}", "is simulated", "a dataset with a root", "nothing to check")
    return place, block.reader, block.options, block.licence_accepted
