"""Building the report: one self-contained HTML page, and its tables as CSV and LaTeX beside it.

The same inputs give the same bytes: no time of day, no random number, every list in a fixed order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from mer.core.atomic import write_text
from mer.core.container import file_digest
from mer.provenance import versions
from mer.report.answer import answer, title
from mer.report.cd6me import cd6me_csv, unit_tables
from mer.report.charts import Interval, bar_chart, interval_chart
from mer.report.citations import bibliography
from mer.report.clips import sample_clips
from mer.report.courses import Courses, read_courses
from mer.report.data import Dataset, load_dataset
from mer.report.details import Details
from mer.report.every_clip import every_clip, pictured
from mer.report.html import PACKAGE, digest_of, render
from mer.report.inputs import ReportInputs
from mer.report.methods import methods_tex
from mer.report.origin import ProductRecord, as_yaml, record
from mer.report.scores import Experiment, Score, comparisons, load_experiment, overview, score_rows, twins
from mer.report.spotting import load_spotting
from mer.report.tables import comparisons_csv, scores_csv, scores_tex
from mer.report.times import known_jobs, stage_times


def build_report(inputs: ReportInputs, out: Path) -> None:
    """Write the page to `out`, and its tables beside it, each atomically, the page last.

    The tables are `scores.csv`, `scores.tex`, `comparisons.csv` and `cd6me.csv` (a head only without such experiments);
    for a paper, `methods.tex` says what ran, and `references.bib` holds what the two texts cite.

    Raises:
        ModelError: metrics or predictions are missing, unreadable or do not belong together.
        DatasetError: an index is missing or unreadable.
        ContainerError: a benchmark file is unreadable.
        StorageError: the disk is full.
    """
    out = Path(out)
    experiments = [load_experiment(name, files) for name, files in inputs.experiments.items()]
    trained = [(one, read_courses(one.inputs.models)) for one in experiments]
    scores = [score for experiment in experiments for score in score_rows(experiment)]
    pairs, units = comparisons(experiments), unit_tables(experiments)
    script = (files(PACKAGE) / "templates" / "report.js").read_text(encoding="utf-8")
    data = _data_values(inputs, experiments)
    page = render(
        "report.html",
        **_experiment_values(trained, scores),
        **data,
        script=script,
        script_digest=digest_of(script),
        comparisons=pairs,
        units=units,
        spotting=[load_spotting(name, files) for name, files in inputs.spotting.items()],
        versions=versions(),
        configuration=as_yaml(inputs.configuration),
    )
    texts = {
        "scores.tex": scores_tex(scores, _readers(data["datasets"])),
        "methods.tex": methods_tex(data["datasets"], data["records"], trained, inputs.sources),
    }
    tables = {
        "scores.csv": scores_csv(scores),
        **texts,
        "references.bib": bibliography(texts.values()),
        "comparisons.csv": comparisons_csv(pairs),
        "cd6me.csv": cd6me_csv(units),
    }
    for name, text in tables.items():
        write_text(out.with_name(name), text)
    write_text(out, page)


def _readers(datasets: Sequence[Dataset]) -> dict[str, str]:
    """Return the reader behind what the rows of each database carry as their name."""
    return {sample.dataset: one.inputs.reader for one in datasets for sample in one.samples[:1]}


def _experiment_values(trained: Sequence[tuple[Experiment, Courses]], scores: Sequence[Score]) -> dict[str, Any]:
    """Return what the page prints of the experiments."""
    pooled = [score for score in scores if score.dataset is None]
    return {
        "title": title(pooled),
        "answers": [answer(score) for score in pooled],
        "scores": scores,
        "score_chart": interval_chart([_interval(score) for score in scores], "UF1"),
        "twins": twins([experiment for experiment, _ in trained]),
        "overview": overview(scores),
        "experiments": [(Details(experiment), courses) for experiment, courses in trained],
    }


def _data_values(inputs: ReportInputs, experiments: Sequence[Experiment]) -> dict[str, Any]:
    """Return what the page prints of datasets, of their clips and of the time that their products took."""
    datasets = [load_dataset(name, files) for name, files in inputs.datasets.items()]
    records = {
        name: [record(product, paths) for product, paths in files.products.items()]
        for name, files in inputs.datasets.items()
    }
    known = known_jobs(inputs)
    times = stage_times(inputs.benchmarks, clip_counts(records), known)
    clips = [sample_clips(one, records[one.name], inputs.sources, inputs.clips) for one in datasets]
    every = every_clip(datasets, experiments)
    if inputs.every_clip:
        every = pictured(every, datasets, records, inputs.sources, {one.name: one.scales for one in clips})
    bars = [(f"{row.stage} {row.what}", row.cpu, f"{row.cpu:.1f} s") for row in times if row.cpu is not None]
    return {
        "datasets": datasets,
        "records": records,
        "index_digests": {dataset.name: file_digest(dataset.inputs.index) for dataset in datasets},
        "clips": clips,
        "every": every,
        "times": times,
        "time_chart": bar_chart(bars, "CPU seconds per stage") if bars else None,
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
