"""Building the report: one self-contained HTML page, and its tables as CSV and LaTeX beside it.

The same inputs give the same bytes: no time of day, no random number, every list in a fixed order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mer.core.atomic import write_text
from mer.report.cd6me import cd6me_csv, unit_tables
from mer.report.data import load_dataset
from mer.report.inputs import DatasetInputs, ExperimentInputs, ReportInputs
from mer.report.origin import ProductRecord, record
from mer.report.page import Content, render
from mer.report.scores import comparisons, load_experiment, score_rows, twins
from mer.report.spotting import load_spotting
from mer.report.tables import comparisons_csv, scores_csv, scores_tex
from mer.report.times import known_jobs, stage_times

__all__ = ["DatasetInputs", "ExperimentInputs", "ReportInputs", "build_report"]


def build_report(inputs: ReportInputs, out: Path) -> None:
    """Write the page to `out`, and its tables beside it, each atomically, the page last.

    The tables are `scores.csv`, `scores.tex`, `comparisons.csv` and `cd6me.csv` (a head only without such experiments).

    Raises:
        ModelError: metrics or predictions are missing, unreadable or do not belong together.
        DatasetError: an index is missing or unreadable.
        ContainerError: a benchmark file is unreadable.
        StorageError: the disk is full.
    """
    content = gather(inputs)
    out = Path(out)
    write_text(out.with_name("scores.csv"), scores_csv(content.scores))
    write_text(out.with_name("scores.tex"), scores_tex(content.scores))
    write_text(out.with_name("comparisons.csv"), comparisons_csv(content.comparisons))
    write_text(out.with_name("cd6me.csv"), cd6me_csv(content.units))
    write_text(out, render(content))


def gather(inputs: ReportInputs) -> Content:
    """Read and compute everything the page shows; raises as `build_report`."""
    experiments = [load_experiment(name, files) for name, files in inputs.experiments.items()]
    records = {
        name: [record(product, paths) for product, paths in files.products.items()]
        for name, files in inputs.datasets.items()
    }
    known = known_jobs(inputs, {e.name: e.metrics["seeds"] for e in experiments})
    return Content(
        inputs=inputs,
        experiments=experiments,
        scores=[score for experiment in experiments for score in score_rows(experiment)],
        comparisons=comparisons(experiments),
        twins=twins(experiments),
        units=unit_tables(experiments),
        datasets=[load_dataset(name, files) for name, files in inputs.datasets.items()],
        records=records,
        times=stage_times(inputs.benchmarks, clip_counts(records), known),
        spotting=[
            load_spotting(name, files.folder, files.seed, files.folds) for name, files in inputs.spotting.items()
        ],
    )


def clip_counts(records: Mapping[str, Sequence[ProductRecord]]) -> dict[tuple[str, str], int]:
    """Return the number of clips by (stage, `<dataset>[/<variant>]`), as benchmark files are laid out."""
    counts = {}
    for dataset, products in records.items():
        for product in products:
            stage, _, variant = product.product.partition("/")
            counts[stage, f"{dataset}/{variant}" if variant else dataset] = len(product.clip_ids)
    return counts
