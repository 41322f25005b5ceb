"""Which of the known faults of a release were corrected, and which were not and why: the errata listing."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass

from mer.datasets.errata import Erratum, errata_of
from mer.datasets.reading import Reading

APPLIED, OFF = "applied", "switched off"
OTHER_VALUE = "not applied: the table holds another value"
NO_ROW = "not applied: no such row, or its files do not fit"


@dataclass(frozen=True)
class Correction(Erratum):
    """One known fault of a release and what became of it (`state`); blank cells where the reader mended by a rule."""

    state: str

    @property
    def name(self) -> str:
        """The correction as rows name it: `key field old->new`."""
        return super().name if self.field else self.key


def corrections(reading: Reading, view: str, switched_on: bool = True) -> list[Correction]:
    """Return the known faults of a database in file order with what became of each, then what the reader mended itself.

    Args:
        reading: the rows and problems.
        view: the view that was read; some faults are those of one view.
        switched_on: whether the reading was asked to correct faults.
    """
    applied = Counter(name for sample in reading.samples for name in sample.errata)
    unmatched = " ".join(problem.message for problem in reading.problems if problem.rule == "V18")
    known = []
    for errata in errata_of(reading.dataset, view).values():
        for erratum in errata:
            siblings = [e.name for e in errata if e.field == erratum.field]
            state = _state(erratum, siblings, applied, unmatched, switched_on)
            known.append(Correction(**dataclasses.asdict(erratum), state=state))
    names = {correction.name for correction in known}
    by_rule = [name for name in applied if name not in names]
    return [*known, *(Correction(name, "", "", "", "a rule of the reader", "", APPLIED) for name in by_rule)]


def _state(erratum: Erratum, siblings: list[str], applied: Counter[str], unmatched: str, switched_on: bool) -> str:
    if applied[erratum.name]:
        return APPLIED
    if erratum.field == "au_choice":
        return f"{OFF}: option `alternatives`, or no such row"
    if not switched_on:
        return OFF
    told = any(applied[name] or repr(name) in unmatched for name in siblings)
    return OTHER_VALUE if told else NO_ROW
