"""The paragraph *Methods* of a paper, in LaTeX: what a run did, from what its files say of themselves.

Counts come from the tables and metrics, parameters of stages from the containers, settings of trainings from the
checkpoints, so the text is true to what ran. What a reader of a paper would not ask is left to the report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mer.core.latex import escape
from mer.provenance import versions
from mer.report.citations import called, cite
from mer.report.courses import Courses
from mer.report.data import Dataset
from mer.report.origin import ProductRecord
from mer.report.scores import Experiment
from mer.report.wording import counted, plain

STAGES = {
    "align": "Faces were found and aligned",
    "interpolate": "Frames were interpolated",
    "magnify": "Motion was magnified",
    "flow": "Optical flow was computed",
    "rois": "Facial regions were cut out",
}
PROTOCOLS = {
    "loso": "leave-one-subject-out: every person was held out once",
    "kfold": "persons held out in {folds} parts",
    "database": "every database held out once",
}
SILENT = ("method", "cache_mb", "device", "clips", "dtype")  # parameters that change no picture, or are told elsewhere
# What a reader of a paper asks of a training, where its settings have it.
TRAINING = ("epochs", "batch_size", "learning_rate", "weight_decay", "dropout")


def methods_tex(
    datasets: Sequence[Dataset],
    records: Mapping[str, Sequence[ProductRecord]],
    experiments: Sequence[tuple[Experiment, Courses]],
    sources: Mapping[str, str],
) -> str:
    """Return the paragraph; what it cites is in `mer.report.citations`.

    Args:
        datasets: of the run.
        records: of each dataset's products.
        experiments: with what their checkpoints say.
        sources: product -> product it was made from.
    """
    true = [(one, courses) for one, courses in experiments if not one.permuted]
    used = [one for one in datasets if any(one.name in e.inputs.data for e, _ in true)] or list(datasets)
    told = {record.product: record for one in used for record in records[one.name]}
    sentences = [_data(used), *_stages(true, told, sources), *(_system(*pair) for pair in true), *_scoring(true)]
    known = versions()
    sentences.append(f"Everything was computed with mer {_text(known['mer'])}.")
    return "% What this run did, from what its files say of themselves.\n" + "\n".join(sentences) + "\n"


def _text(value: object) -> str:
    return escape(plain(value))


def _joined(parts: Sequence[str]) -> str:
    if len(parts) < 2:
        return parts[0] if parts else "nothing"
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _data(datasets: Sequence[Dataset]) -> str:
    parts, lost = [], Counter[str]()
    for one in datasets:
        reader = f"reader:{one.inputs.reader}"
        name = called(reader, _text(one.name)) + cite(reader)
        name = f"simulated faces in the layout of {name}" if one.inputs.simulated else name
        parts.append(f"{name} ({counted(len(one.usable), 'clip')} of {counted(len(one.subjects), 'subject')})")
        lost.update(row["stage"] for row in one.excluded or ())
    stages = [f"{counted(count, 'clip')} at the stage {_text(stage)}" for stage, count in sorted(lost.items())]
    left_out = f" Left out, with a reason each, were {_joined(stages)}." if stages else ""
    return f"We used {_joined(parts)}.{left_out}"


def _stages(
    experiments: Sequence[tuple[Experiment, Courses]],
    told: Mapping[str, ProductRecord],
    sources: Mapping[str, str],
) -> Iterator[str]:
    """Yield a sentence per stage and method that leads to what a system reads, in the order of the journey."""
    wanted: set[str] = set()
    for experiment, _ in experiments:
        for product in experiment.inputs.products.values():
            while product in told:
                wanted.add(product)
                product = sources.get(product, "")
    for product in (name for name in told if name in wanted and name.split("/")[0] in STAGES):
        record = told[product]
        stage, _, variant = product.partition("/")
        method = str(record.told.get("method", "not recorded"))
        of = sources.get(product, "")
        behind = f" from {_text(of)}" if of.partition("/")[0] in STAGES else ""
        mixed = " (not the same for all people; see the report)" if record.mixed else ""
        yield (
            f"{STAGES[stage]}{behind} by {_text(method)}{cite(f'{stage}:{method}')}, "
            f"in short \\emph{{{_text(variant)}}}{_parameters(record.told)}{mixed}."
        )


def _parameters(values: Mapping[str, Any]) -> str:
    simple = {k: v for k, v in sorted(values.items()) if k not in SILENT and isinstance(v, int | float | str | list)}
    words = [f"{_text(k.replace('_', ' '))} {_value(v)}" for k, v in simple.items()]
    return f" ({', '.join(words)})" if words else ""


def _value(value: Any) -> str:
    if isinstance(value, list):
        return _joined([_value(one) for one in value]) if value else "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else _text(str(value).replace("_", " "))


def _system(experiment: Experiment, courses: Courses) -> str:
    use = f"model:{experiment.inputs.model}"
    name = called(use, _text(experiment.inputs.model)) + cite(use)
    inputs = _joined(
        [f"\\emph{{{_text(product.partition('/')[2])}}}" for product in experiment.inputs.products.values()]
    )
    words = [f"{_text(k.replace('_', ' '))} {_value(courses.settings[k])}" for k in TRAINING if k in courses.settings]
    seeds = counted(experiment.seeds, "seed")
    settings = f"preset {_text(experiment.inputs.preset)}{''.join(', ' + one for one in words)}, {seeds}"
    outside = " with weights from outside" if experiment.metrics.get("weights") else ""
    oracle = " (an oracle: annotated action units chose regions, held-out clips included)"
    return (
        f"\\emph{{{_text(experiment.name)}}} is {name}{outside} ({settings}) on {inputs}"
        f"{oracle if experiment.metrics.get('oracle') else ''}."
    )


def _scoring(experiments: Sequence[tuple[Experiment, Courses]]) -> Iterator[str]:
    groups: dict[tuple[str, str, int], list[Experiment]] = {}
    for one, _ in experiments:
        folds = len(set(one.scored.folds))
        groups.setdefault((one.inputs.view, one.inputs.protocol, folds), []).append(one)
    for (view, protocol, folds), some in groups.items():
        first = some[0]
        who = "All systems" if len(groups) == 1 else _joined([f"\\emph{{{_text(one.name)}}}" for one in some])
        how = PROTOCOLS.get(protocol, _text(protocol)).format(folds=folds)
        scheme = "cd6me" if view.startswith("cd6me") else view
        classes = _joined([_text(name) for name in first.metrics["classes"]])
        counts = sorted({int(one.metrics["n_clips"]) for one in some})
        clips = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        yield (
            f"{who} told {len(first.metrics['classes'])} classes apart"
            f" ({classes}; {_text(view)}{cite('view:' + scheme)})"
            f" on {clips} clips under {how}, so that no clip of a held-out person was seen in training."
        )
    if experiments:
        draws = experiments[0][0].metrics["interval"]["draws"]
        yield (
            "Unweighted F1 (UF1), unweighted average recall (UAR) and accuracy are of the pooled predictions of all"
            f" folds, with 95\\,\\% percentile intervals of {draws} bootstrap draws of whole people within each"
            " database (and of seeds, where there are several); chance is what random orders of the true labels reach."
        )
