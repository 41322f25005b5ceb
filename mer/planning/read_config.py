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

from mer.core.errors import ConfigError
from mer.core.plugins import located, plug_in
from mer.core.plugins import views as plugged_views
from mer.core.validation import validate
from mer.core.yaml_text import read_yaml
from mer.datasets.views import View, shipped_views, view_block
from mer.models.registry import model
from mer.planning.blocks import ExperimentBlock, Top
from mer.planning.checks import check
from mer.planning.config import Config, Variant
from mer.planning.gpus import asks_for_gpu
from mer.stages.registry import METHODS, STAGES, load_method, load_stage
from mer.training.recipe import Settled, settle

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.]*\Z")
VARIANT_STAGES = [stage for stage in STAGES if stage != "frames"]


def parse(raw: Mapping[str, Any], where: str = "config.yaml", databases: bool = True) -> Config:
    """Check a configuration mapping.

    Args:
        raw: the mapping as YAML gave it.
        where: its name in messages.
        databases: the folders of the databases must be there; False for one who only looks at results.

    Raises:
        ConfigError: unknown or misspelt key, wrong type, dangling reference, missing dataset root, unusable plug-in.
    """
    named = raw.get("plugins")
    if isinstance(named, list) and all(isinstance(entry, str) for entry in named):
        # First, because every other block may name what they hold.
        plug_in(named, f"{where}: plugins")
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
        subjects_per_job=0 if top.subjects_per_job == "auto" else top.subjects_per_job,
        where=where,
    )
    check(config, databases)
    return config


def _views(top: Top, where: str) -> dict[str, View]:
    """Return the class schemes that ship, those of plug-ins, and the configuration's own, by names of their own."""
    known = dict(shipped_views())
    plugged = [(name, f"{file}: VIEWS.{name}", block) for name, (file, block) in plugged_views().items()]
    own = [(name, f"{where}: views.{name}", block) for name, block in top.views.items()]
    for name, at, block in [*plugged, *own]:
        if name in known:
            kind = "that comes with mer" if name in shipped_views() else "of a plug-in"
            raise ConfigError(at, f"the name of a view {kind}", "another name")
        known[name] = View(name, view_block(block, at))
    return known


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

    Plug-ins that lie beside the file that names them are returned as absolute paths.

    Raises:
        ConfigError: a file is missing, is no YAML mapping, or has a key twice (`mer.core.yaml_text`).
    """
    merged: dict[str, Any] = {}
    for path in paths:
        _overlay(merged, place_plugins(_read(path), [path.parent]))
    return merged


def place_plugins(raw: dict[str, Any], folders: Sequence[Path]) -> dict[str, Any]:
    """Put the absolute paths of its plug-ins into a configuration mapping, and return it.

    Args:
        raw: changed in place where it has the key `plugins`.
        folders: of the files that the mapping was read from.
    """
    if isinstance(raw.get("plugins"), list):
        raw["plugins"] = located(raw["plugins"], folders)
    return raw


def _overlay(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            _overlay(below[key], value)
        else:
            below[key] = value


def _read(path: Path) -> dict[str, Any]:
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        raise ConfigError(path, "not a mapping", "keys such as `datasets` and `experiments`")
    return raw
