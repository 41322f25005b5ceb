"""The configuration of a run, kept beside what it made: `config.yaml` of the results folder, as one file.

The workflow writes it when a run begins, so it is that of the last run. A folder of results can then be opened wherever
it has been copied to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mer.core.atomic import write_text
from mer.core.errors import ConfigError
from mer.planning.read_config import read_files

FILE = "config.yaml"


def record(raw: Mapping[str, Any], results: str | Path) -> Path:
    """Write the mapping that a run was planned from into its results folder, and return the file.

    Raises:
        StorageError: the disk is full or not writable.
    """
    path = Path(results) / FILE
    # Paths and numbers of a mapping that Snakemake has touched may be of types that YAML does not know.
    plain = json.loads(json.dumps(raw, default=str))
    write_text(path, yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))
    return path


def recorded(results: str | Path) -> dict[str, Any]:
    """Return the configuration of the last run that wrote into a results folder.

    Raises:
        ConfigError: the folder does not hold one, or it is no YAML mapping.
    """
    path = Path(results) / FILE
    if not path.is_file():
        remedy = "name the configuration file instead, or run snakemake again, which records it there"
        raise ConfigError(results, f"holds no {FILE}", "a results folder of a run", remedy)
    return read_files([path])
