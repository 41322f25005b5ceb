"""What the report is made from: paths of files that the workflow wrote, and the raw configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class DatasetInputs:
    """The files of one configured dataset.

    `products` maps a product (`align/face224`, in the order of the journey) to `{subject key: container}`. `excluded`
    and `problems` are CSV files (`mer.stages.exclusions`, `mer.datasets.index`).
    """

    index: Path
    excluded: Path
    problems: Path
    products: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)


@dataclass(frozen=True)
class ExperimentInputs:
    """One experiment.

    `metrics` is `metrics.json` of `mer.training.score`; `predictions` are the CSV files of all folds and seeds, one or
    many; `settings` are its inputs, overrides and number of folds as canonical text.
    """

    metrics: Path
    predictions: Path | Sequence[Path]
    model: str
    preset: str
    view: str
    protocol: str
    data: Sequence[str]
    labels: str = "true"
    settings: str = ""

    @property
    def prediction_paths(self) -> list[Path]:
        """The prediction files as a list."""
        return [self.predictions] if isinstance(self.predictions, Path) else list(self.predictions)

    @property
    def recipe(self) -> str:
        """All that makes two experiments the same but for their labels and seeds."""
        return json.dumps([self.model, self.preset, self.view, self.protocol, list(self.data), self.settings])


@dataclass(frozen=True)
class SpottingInputs:
    """One spotting experiment: its folder, the seed whose curves are drawn, and its folds."""

    folder: Path
    seed: int
    folds: Sequence[str]


@dataclass(frozen=True)
class ReportInputs:
    """Everything that `mer.report.build.build_report` reads.

    `config` is the configuration as YAML gave it; `benchmarks` the folder of Snakemake's benchmark files, which may be
    absent; `clips` the number of sample clips pictured per dataset.
    """

    results: Path
    config: Mapping[str, Any]
    datasets: Mapping[str, DatasetInputs]
    experiments: Mapping[str, ExperimentInputs]
    benchmarks: Path
    clips: int = 3
    spotting: Mapping[str, SpottingInputs] = field(default_factory=dict)


def source_of(config: Mapping[str, Any], product: str) -> str | None:
    """Return the product that `product` reads by the configuration; None for frames, the index, or an unknown one."""
    stage, _, variant = product.partition("/")
    block = (config.get(stage) or {}).get(variant) if variant else None
    if not isinstance(block, Mapping):
        return None
    source = block.get("from", "frames" if stage == "align" else None)
    return None if source in (None, "index") else str(source)


def sources_of(config: Mapping[str, Any], products: Sequence[str]) -> dict[str, str]:
    """Return `{product: product it reads}` for those that read one."""
    found = {product: source_of(config, product) for product in products}
    return {product: source for product, source in found.items() if source is not None}
