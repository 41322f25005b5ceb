"""The table of CD6ME: the experiments on its action units, averaged over units and over databases."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mer.core.errors import ModelError
from mer.metrics.units import unit_averages
from mer.report.markup import Markup, folded, join, missing, table, tag
from mer.report.scores import Experiment
from mer.report.tables import cell, number

PREFIX = "cd6me_au"
UNITS = 12
EXPLAINED = (
    "Each action unit is an experiment of its own. The mean over units pools the held-out clips of all databases; the "
    "mean over databases averages each database's mean over units. Binary is F1 of the unit being present, macro the "
    "mean F1 of the classes seen. Intervals resample subjects, the same for every unit."
)
HEAD = ["experiments", "labels", "protocol", "of", "name", "present", "binary_f1", "binary_f1_low", "binary_f1_high"]
HEAD += ["macro_f1", "macro_f1_low", "macro_f1_high"]


@dataclass(frozen=True)
class UnitTable:
    """The averages of experiments that differ in nothing but the unit; or why there are none."""

    names: tuple[str, ...]
    system: str
    labels: str
    protocol: str
    clips: int = 0
    scores: Mapping[str, Any] | None = None
    problem: str = ""


def unit_tables(experiments: Sequence[Experiment]) -> list[UnitTable]:
    """Return one table for every set of CD6ME experiments of the same model, data, protocol and labels."""
    sets: dict[tuple[str, str], list[Experiment]] = {}
    for experiment in experiments:
        view = experiment.inputs.view
        if view.startswith(PREFIX):
            alike = experiment.inputs.recipe.replace(f'"{view}"', '"cd6me"', 1)
            sets.setdefault((alike, experiment.inputs.labels), []).append(experiment)
    return [_table(sorted(members, key=_unit)) for members in sets.values()]


def _unit(experiment: Experiment) -> int:
    return int(experiment.inputs.view.removeprefix(PREFIX))


def _table(members: Sequence[Experiment]) -> UnitTable:
    first = members[0]
    head = (tuple(e.name for e in members), first.system, first.inputs.labels, first.inputs.protocol)
    shared = set.intersection(*(set(e.scored.keys) for e in members))
    if len({_unit(e) for e in members}) < len(members):
        return UnitTable(*head, problem="two experiments on one unit differ in their seeds only")
    if not shared:
        return UnitTable(*head, problem="their experiments share no clip")
    parts = {f"AU{_unit(e)}": e.scored.restricted(shared) for e in members}
    base = next(iter(parts.values()))
    try:
        scores = unit_averages(
            {name: np.asarray(part.truth) for name, part in parts.items()},
            {name: part.predicted for name, part in parts.items()},
            base.groups,
            base.datasets,
            int(first.metrics["interval"]["draws"]),
        )
    except ModelError as error:
        return UnitTable(*head, problem=error.line())
    return UnitTable(*head, len(shared), scores)


def cd6me_csv(tables: Sequence[UnitTable]) -> str:
    """Return every unit, database and average as one line each; only the averages have intervals."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(HEAD)
    for entry in tables:
        if entry.scores is not None:
            head = [f"{entry.system}: {'+'.join(entry.names)}", entry.labels, entry.protocol]
            writer.writerows([cell(value) for value in [*head, *line]] for line in _lines(entry.scores))
    return buffer.getvalue()


def _lines(scores: Mapping[str, Any]) -> list[list[object]]:
    lines: list[list[object]] = []
    for kind in ("units", "datasets"):
        for name, entry in scores[kind].items():
            lines.append([kind, name, entry["present"], entry["binary"], None, None, entry["macro"], None, None])
    for kind, entry in scores["average"].items():
        spread = [entry[k][part] for k in ("binary", "macro") for part in ("value", "low", "high")]
        lines.append([f"mean of {kind}", "", None, *spread])
    for kind, entry in scores["all_present"].items():
        lines.append(
            [f"mean of {kind}", "always present", None, entry["binary"], None, None, entry["macro"], None, None]
        )
    return lines


def cd6me_block(tables: Sequence[UnitTable]) -> Markup | None:
    """Return the section; None where no experiment is on a CD6ME unit."""
    if not tables:
        return None
    head = ["system", "units", "clips", "binary F1 over units", "binary F1 over databases"]
    head += ["macro F1 over units", "macro F1 over databases"]
    rows, details = [], []
    for entry in tables:
        if entry.scores is None:
            details.append(missing(f"{', '.join(entry.names)}: no average, {entry.problem}."))
            continue
        rows.append(_row(entry))
        details.append(folded(f"Every unit and database: {_name(entry)}", _details(entry.scores)))
    constant = next((entry.scores["all_present"] for entry in tables if entry.scores), None)
    if constant:
        cells = [number(constant[kind][k]) for k in ("binary", "macro") for kind in ("units", "datasets")]
        rows.append([tag("span", "every unit named in every clip", class_="grey"), "", "", *cells])
    averages = table(head, rows, numbers=range(1, 7)) if rows else None
    return join([tag("h3", "CD6ME: action units"), averages, tag("p", EXPLAINED, class_="grey"), *details])


def _name(entry: UnitTable) -> str:
    return f"{entry.system}, {entry.protocol}" + (", permuted labels" if entry.labels == "permuted" else "")


def _row(entry: UnitTable) -> list[Markup | str]:
    assert entry.scores is not None
    cells = []
    for k in ("binary", "macro"):
        for kind in ("units", "datasets"):
            score = entry.scores["average"][kind][k]
            spread = tag("span", f" [{number(score['low'])}, {number(score['high'])}]", class_="range")
            cells.append(join([number(score["value"]), spread]))
    return [_name(entry), f"{len(entry.names)} of {UNITS}", str(entry.clips), *cells]


def _details(scores: Mapping[str, Any]) -> Markup:
    rows = [
        [name, str(entry["present"]), number(entry["binary"]), number(entry["macro"])]
        for kind in ("units", "datasets")
        for name, entry in scores[kind].items()
    ]
    return table(["unit or database", "clips with it", "binary F1", "macro F1"], rows, numbers=(1, 2, 3))
