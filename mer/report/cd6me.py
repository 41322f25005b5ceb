"""The table of CD6ME: the experiments on its action units, averaged over units and over databases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mer.core.errors import ModelError
from mer.metrics.units import unit_averages
from mer.report.scores import Experiment
from mer.report.tables import safe_csv

PREFIX = "cd6me_au"
COLUMNS = ["experiments", "labels", "protocol", "of", "name", "present", "binary_f1", "binary_f1_low", "binary_f1_high"]
COLUMNS += ["macro_f1", "macro_f1_low", "macro_f1_high"]


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

    @property
    def title(self) -> str:
        """System, protocol, and whether its labels were shuffled."""
        return f"{self.system}, {self.protocol}" + (", permuted labels" if self.labels == "permuted" else "")


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
    rows = []
    for entry in tables:
        if entry.scores is not None:
            head = [f"{entry.system}: {'+'.join(entry.names)}", entry.labels, entry.protocol]
            rows += [[*head, *line] for line in _lines(entry.scores)]
    return safe_csv(COLUMNS, rows)


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
