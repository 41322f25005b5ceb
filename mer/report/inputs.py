"""What the report is made from: paths of files that the workflow wrote, and what the configuration says of them."""

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
    and `problems` are CSV files (`mer.stages.exclusions`, `mer.datasets.reading`). Faces that are not `simulated` are
    licensed. `reader` is the name of its reader.
    """

    index: Path
    excluded: Path
    problems: Path
    products: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)
    simulated: bool = False
    reader: str = ""


@dataclass(frozen=True)
class ExperimentInputs:
    """One experiment.

    `metrics` is `metrics.json` of `mer.training.score`; `predictions` are the CSV files of all folds and seeds;
    `settings` are its inputs, overrides and number of folds as canonical text. `scheme` has a row of database, class
    and what it takes for each class of the view; `left_out` counts the clips that take no part by reason; `unheard`
    are the emotions that a view of the user's own names and no row has; `models` are the checkpoints of all folds and
    seeds, `products` what the model reads by the names of its inputs.
    """

    metrics: Path
    predictions: Sequence[Path]
    model: str
    preset: str
    view: str
    protocol: str
    data: Sequence[str]
    labels: str = "true"
    settings: str = ""
    scheme: Sequence[tuple[str, str, str]] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    unheard: Sequence[str] = ()
    models: Sequence[Path] = ()
    products: Mapping[str, str] = field(default_factory=dict)

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

    `benchmarks` is the folder of Snakemake's benchmark files, which may be absent; `clips` the number of sample clips
    pictured per dataset, `every_clip` whether small pictures of all are in the page; `sources` maps a product to the
    one that it is made from; `configuration` is printed as it was given, and nothing else is taken from it.
    """

    datasets: Mapping[str, DatasetInputs]
    experiments: Mapping[str, ExperimentInputs]
    benchmarks: Path
    clips: int = 3
    every_clip: bool = True
    spotting: Mapping[str, SpottingInputs] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    configuration: Mapping[str, Any] = field(default_factory=dict)
