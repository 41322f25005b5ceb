"""Building the report: one self-contained HTML page, and its tables as CSV and LaTeX beside it.

The same inputs give the same bytes: no time of day, no random number, every list in a fixed order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mer.core.atomic import write_text
from mer.core.container import file_digest
from mer.provenance import versions
from mer.report.answer import answer, title
from mer.report.cd6me import UnitTable, cd6me_csv, unit_tables
from mer.report.charts import Interval, bar_chart, interval_chart
from mer.report.clips import sample_clips
from mer.report.data import Dataset, load_dataset
from mer.report.details import details
from mer.report.html import render
from mer.report.inputs import ReportInputs
from mer.report.origin import ProductRecord, as_yaml, record
from mer.report.scores import Comparison, Experiment, Score, Twin, comparisons, load_experiment, score_rows, twins
from mer.report.spotting import Spotting, load_spotting
from mer.report.tables import comparisons_csv, scores_csv, scores_tex
from mer.report.times import StageTime, known_jobs, stage_times


@dataclass(frozen=True)
class Content:
    """Everything the page shows, read and computed."""

    inputs: ReportInputs
    experiments: Sequence[Experiment]
    scores: Sequence[Score]
    comparisons: Sequence[Comparison]
    twins: Sequence[Twin]
    units: Sequence[UnitTable]
    datasets: Sequence[Dataset]
    records: Mapping[str, Sequence[ProductRecord]]
    times: Sequence[StageTime]
    spotting: Sequence[Spotting]


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
    write_text(out, render("report.html", **page_values(content)))


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


def page_values(content: Content) -> dict[str, Any]:
    """Return what the template `report.html` prints."""
    inputs, pooled = content.inputs, [score for score in content.scores if score.dataset is None]
    bars = [(f"{row.stage} {row.what}", row.cpu, f"{row.cpu:.1f} s") for row in content.times if row.cpu is not None]
    return {
        "title": title(pooled),
        "answers": [answer(score) for score in pooled],
        "content": content,
        "score_chart": interval_chart([_interval(score) for score in content.scores], "UF1"),
        "experiments": [details(experiment) for experiment in content.experiments],
        "clips": [
            sample_clips(dataset, content.records[dataset.name], inputs.sources, inputs.clips)
            for dataset in content.datasets
        ],
        "time_chart": bar_chart(bars, "CPU seconds per stage") if bars else None,
        "versions": versions(),
        "index_digests": {dataset.name: file_digest(dataset.inputs.index) for dataset in content.datasets},
        "configuration": as_yaml(inputs.configuration),
    }


def _interval(score: Score) -> Interval:
    label = score.experiment.name if score.dataset is None else f"{score.experiment.name}, {score.dataset}"
    level = score.chance["uf1"]
    return Interval(label, score.value["uf1"], score.low["uf1"], score.high["uf1"], level["low"], level["high"])


def clip_counts(records: Mapping[str, Sequence[ProductRecord]]) -> dict[tuple[str, str], int]:
    """Return the number of clips by (stage, `<dataset>[/<variant>]`), as benchmark files are laid out."""
    counts = {}
    for dataset, products in records.items():
        for product in products:
            stage, _, variant = product.product.partition("/")
            counts[stage, f"{dataset}/{variant}" if variant else dataset] = len(product.clip_ids)
    return counts
