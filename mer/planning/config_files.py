"""Configuration files as a mapping that `mer.planning.config.parse` can check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mer.core.errors import ConfigError


def read_configs(paths: Sequence[Path]) -> dict[str, Any]:
    """Read configuration files, each laid over the ones before, as snakemake does.

    Raises:
        ConfigError: a file is missing or is not a YAML mapping.
    """
    merged: dict[str, Any] = {}
    for path in paths:
        _overlay(merged, _read(path))
    return merged


def _overlay(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            _overlay(below[key], value)
        else:
            below[key] = value


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(path, "configuration not found", "a YAML file", "name one with --config") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(path, f"not YAML ({' '.join(str(error).split())[:120]})", "a YAML mapping") from None
    if not isinstance(raw, dict):
        raise ConfigError(path, "not a mapping", "keys such as `datasets` and `experiments`")
    return raw
