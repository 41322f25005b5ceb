"""From a checked configuration to what its report is made from: files, and plain words on each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mer.planning.catalog import Catalog
from mer.planning.config import Config
from mer.planning.keys import as_text
from mer.planning.recognition import PlannedRecognition
from mer.planning.spotting import PlannedSpotting
from mer.report.inputs import DatasetInputs, ExperimentInputs, ReportInputs, SpottingInputs


def report_inputs(catalog: Catalog, configuration: Mapping[str, Any]) -> ReportInputs:
    """Return everything that the report reads, as the workflow lays it out.

    Args:
        catalog: of the checked configuration.
        configuration: the mapping as it was given, which the report prints.
    """
    config = catalog.config
    datasets = {}
    for name, block in config.datasets.items():
        base = config.results / name
        products = {
            key: {subject: catalog.product(name, key, subject) for subject in catalog.subjects_of(name, key)}
            for key in config.products_of(name)
        }
        index, excluded, problems = (base / f"{table}.csv" for table in ("index", "excluded", "problems"))
        datasets[name] = DatasetInputs(index, excluded, problems, products, block.simulate is not None, block.reader)
    return ReportInputs(
        datasets=datasets,
        experiments={name: experiment_inputs(catalog, name) for name in config.experiments},
        benchmarks=config.results / "benchmarks",
        clips=config.report.clips,
        every_clip=config.report.every_clip,
        spotting={name: _spotting(catalog, name) for name in config.spotting},
        sources=sources(config),
        configuration=configuration,
    )


def sources(config: Config) -> dict[str, str]:
    """Return `{product: the product that it is made from}`; what is read from an index has none."""
    return {key: variant.source for key, variant in config.variants.items() if variant.source != "index"}


def experiment_inputs(catalog: Catalog, name: str) -> ExperimentInputs:
    """Return the files of a scored recognition experiment, and what the configuration says of it."""
    block = catalog.config.experiments[name]
    settings = {
        "inputs": block.inputs,
        "train": block.train.model_dump(mode="json", exclude_none=True),
        "folds": block.folds if block.protocol == "kfold" else None,
    }
    plan, selection = PlannedRecognition(catalog, name), catalog.selection(name)
    return ExperimentInputs(
        metrics=catalog.config.results / "experiments" / name / "metrics.json",
        predictions=plan.files("predictions.csv"),
        model=block.model,
        preset=catalog.config.settled[name].preset,
        view=block.view,
        protocol=block.protocol,
        data=block.data,
        labels=block.labels,
        settings=as_text(settings),
        scheme=tuple(plan.view.told(row.dataset for row in selection.rows)),
        left_out=selection.left_out,
        unheard=plan.unheard_words(),
        models=plan.files("model.safetensors"),
        products=block.inputs,
    )


def _spotting(catalog: Catalog, name: str) -> SpottingInputs:
    plan = PlannedSpotting(catalog, name)
    return SpottingInputs(plan.folder, plan.block.seeds[0], [fold.name for fold in plan.folds])
