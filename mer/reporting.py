"""From a configuration to the files that its report and its pictures are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mer.core.errors import ConfigError
from mer.planning.catalog import Catalog
from mer.planning.config import parse
from mer.planning.keys import as_text, preset
from mer.planning.recognition import PlannedRecognition
from mer.planning.spotting import PlannedSpotting
from mer.report.inputs import DatasetInputs, ExperimentInputs, ReportInputs, SpottingInputs, sources_of


def report_inputs(catalog: Catalog, raw: Mapping[str, Any]) -> ReportInputs:
    """Return everything that the report reads, as the workflow lays it out."""
    config = catalog.config
    datasets = {}
    for name in config.datasets:
        base = config.results / name
        products = {
            key: {subject: catalog.product(name, key, subject) for subject in catalog.subjects_of(name, key)}
            for key in config.products_of(name)
        }
        datasets[name] = DatasetInputs(base / "index.csv", base / "excluded.csv", base / "problems.csv", products)
    experiments = {
        name: ExperimentInputs(
            metrics=config.results / "experiments" / name / "metrics.json",
            predictions=PlannedRecognition(catalog, name).files("predictions.csv"),
            model=block.model,
            preset=preset(catalog, name),
            view=block.view,
            protocol=block.protocol,
            data=block.data,
            labels=block.labels,
            settings=as_text(
                {
                    "inputs": block.inputs,
                    "train": block.train.model_dump(mode="json", exclude_none=True),
                    "folds": block.folds if block.protocol == "kfold" else None,
                }
            ),
        )
        for name, block in config.experiments.items()
    }
    spotting = {name: _spotting(catalog, name) for name in config.spotting}
    benchmarks = config.results / "benchmarks"
    return ReportInputs(config.results, raw, datasets, experiments, benchmarks, config.report.clips, spotting)


def _spotting(catalog: Catalog, name: str) -> SpottingInputs:
    plan = PlannedSpotting(catalog, name)
    return SpottingInputs(plan.folder, plan.block.seeds[0], [fold.name for fold in plan.folds])


def read_configs(paths: Sequence[Path]) -> dict[str, Any]:
    """Read configuration files, each laid over the ones before, as snakemake does; raises as `read_config`."""
    merged: dict[str, Any] = {}
    for path in paths:
        _overlay(merged, read_config(path))
    return merged


def _overlay(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            _overlay(below[key], value)
        else:
            below[key] = value


def read_config(path: Path) -> dict[str, Any]:
    """Read a configuration file.

    Raises:
        ConfigError: the file is missing or is not a YAML mapping.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(path, "configuration not found", "a YAML file", "name one with --config") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(path, f"not YAML ({' '.join(str(error).split())[:120]})", "a YAML mapping") from None
    if not isinstance(raw, dict):
        raise ConfigError(path, "not a mapping", "keys such as `datasets` and `experiments`")
    return raw


def draw_clip(
    configs: Sequence[Path], dataset: str, sample_id: str, out: Path, only: Sequence[str] = (), width: int = 1800
) -> Path:
    """Draw the products of one clip into a PNG and return its path; one that was not made is named.

    Args:
        configs: configuration files, laid over each other.
        dataset: its name in the configuration.
        sample_id: the clip.
        out: the PNG.
        only: patterns of the products to draw (`rois`, `rois/*`); all when empty.
        width: of the picture in pixels, about.

    Raises:
        ConfigError: the configuration, the dataset or the clip does not exist.
        ContainerError: no product of the clip was made yet.
    """
    from mer.core.images import write_image
    from mer.report.picture import show_clip

    raw = read_configs(configs)
    where = " + ".join(map(str, configs))
    catalog = Catalog(parse(raw, where))
    if dataset not in catalog.config.datasets:
        raise ConfigError(f"{where}: datasets", f"no dataset {dataset!r}", ", ".join(catalog.config.datasets))
    owners = [key for key, rows in catalog.subjects(dataset).items() if sample_id in {row.sample_id for row in rows}]
    if not owners:
        raise ConfigError(dataset, f"no usable clip {sample_id!r}", "a sample_id of its index.csv")
    products = catalog.config.products_of(dataset)
    paths = {key: catalog.product(dataset, key, owners[0]) for key in products}
    if not any(path.exists() for path in paths.values()):
        raise ConfigError(dataset, f"no product of {sample_id} was made yet", "a finished run", "run snakemake first")
    write_image(out, show_clip(paths, sample_id, sources_of(raw, products), only, width))
    return out
