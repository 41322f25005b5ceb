"""From configuration files, or the mapping that Snakemake read, to a checked `Config`.

The mapping is checked here and read here, nowhere else. A fault is one `ConfigError` that names the path of the key,
what was expected and the nearest valid name. No file of the user is touched beyond asking whether dataset roots exist;
neither torch, OpenCV nor scikit-learn is imported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mer.core.errors import ConfigError
from mer.datasets.views import View, shipped_views
from mer.models.registry import model
from mer.planning.blocks import ExperimentBlock, Top
from mer.planning.checks import check
from mer.planning.config import Config, Variant
from mer.planning.gpus import asks_for_gpu
from mer.planning.validation import validate
from mer.stages.registry import METHODS, STAGES, load_method, load_stage
from mer.training.recipe import Settled, settle

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.]*\Z")
VARIANT_STAGES = [stage for stage in STAGES if stage != "frames"]


def parse(raw: Mapping[str, Any], where: str = "config.yaml") -> Config:
    """Check a configuration mapping.

    Args:
        raw: the mapping as YAML gave it.
        where: its name in messages.

    Raises:
        ConfigError: unknown or misspelt key, wrong type, dangling reference, missing dataset root.
    """
    top = validate(Top, dict(raw), where, "")
    if top.results.exists() and not top.results.is_dir():
        raise ConfigError(f"{where}: results", f"{str(top.results)!r} is a file", "a folder", "name another one")
    for block in ("datasets", "views", "experiments", "spotting", *VARIANT_STAGES):
        for name in getattr(top, block):
            if not NAME.match(name):
                raise ConfigError(f"{where}: {block}.{name}", "bad name", "letters, digits, '_' and '.' only")
    settled = {
        name: settle(block.model, block.preset, block.train, f"{where}: experiments.{name}")
        for name, block in top.experiments.items()
    }
    config = Config(
        results=top.results,
        seed=top.seed,
        datasets=top.datasets,
        variants={variant.key: variant for variant in _variants(top, where)},
        views=_views(top, where),
        experiments={name: _read_inputs(block, settled[name]) for name, block in top.experiments.items()},
        spotting=top.spotting,
        bootstrap=top.bootstrap,
        report=top.report,
        settled=settled,
        gpu=asks_for_gpu(top.gpu),
        where=where,
    )
    check(config)
    return config


def _views(top: Top, where: str) -> dict[str, View]:
    """Return the shipped class schemes and the configuration's own, which may not bear the name of a shipped one."""
    shipped = shipped_views()
    for name in top.views:
        if name in shipped:
            raise ConfigError(f"{where}: views.{name}", "the name of a view that comes with mer", "another name")
    return {**shipped, **{name: View(name, block) for name, block in top.views.items()}}


def _read_inputs(block: ExperimentBlock, settled: Settled) -> ExperimentBlock:
    """Return an experiment without the inputs that its preset does not look at, so that no job makes them for it."""
    unread = model(block.model, "model").unread(settled.settings)
    kept = {name: product for name, product in block.inputs.items() if name not in unread}
    return block.model_copy(update={"inputs": kept})


def _variants(top: Top, where: str) -> Iterator[Variant]:
    frames = load_method("frames", "list", where)
    yield Variant("frames", "", "index", "list", validate(frames.Params, top.frames, where, "frames"))
    for stage in VARIANT_STAGES:
        for name, block in getattr(top, stage).items():
            yield _variant(stage, name, dict(block), where)


def _variant(stage: str, name: str, block: dict[str, Any], where: str) -> Variant:
    path = f"{stage}.{name}"
    source = block.pop("from", load_stage(stage).source)
    if source is None:
        raise ConfigError(f"{where}: {path}.from", "missing", "the product that this variant reads, as stage/variant")
    if "method" not in block:
        raise ConfigError(f"{where}: {path}.method", "missing", f"one of {', '.join(METHODS[stage])}")
    method = block.pop("method")
    chosen = load_method(stage, method, f"{where}: {path}.method")
    if (source == "index") != chosen.from_index:
        needs = "from: index" if source != "index" else "from: a product, as stage/variant"
        raise ConfigError(f"{where}: {path}.from", f"method {method} cannot read {source!r}", needs)
    return Variant(stage, name, str(source), str(method), validate(chosen.Params, block, where, path))


def read_files(paths: Sequence[Path]) -> dict[str, Any]:
    """Read configuration files as one mapping, each laid over the ones before, as snakemake does.

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
