"""Which of the known faults of a release were corrected, and which were not and why: the errata listing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from mer.datasets.errata import Erratum, errata_of
from mer.datasets.reading import Reading

APPLIED, OFF = "applied", "switched off"
OTHER_VALUE = "not applied: the table holds another value"
NO_ROW = "not applied: no such row, or its files do not fit"


@dataclass(frozen=True)
class Correction:
    """One known fault of a release and what became of it (`state`); blank cells where the reader mended by a rule."""

    key: str
    field: str
    old: str
    new: str
    reason: str
    source: str
    state: str

    @property
    def name(self) -> str:
        """The correction as rows name it: `key field old->new`."""
        return f"{self.key} {self.field} {self.old or 'blank'}->{self.new}" if self.field else self.key


def corrections(reading: Reading, view: str, switched_on: bool = True) -> list[Correction]:
    """Return the known faults of a database in file order with what became of each, then what the reader mended itself.

    Args:
        reading: the rows and problems.
        view: the view that was read; some faults are those of one view.
        switched_on: whether the reading was asked to correct faults.
    """
    applied = Counter(name for sample in reading.samples for name in sample.errata)
    unmatched = " ".join(problem.message for problem in reading.problems if problem.rule == "V18")
    listed, found = set(), []
    for errata in errata_of(reading.dataset, view).values():
        for erratum in errata:
            siblings = [e.name for e in errata if e.field == erratum.field]
            listed.add(erratum.name)
            state = _state(erratum, siblings, applied, unmatched, switched_on)
            cells = (erratum.key, erratum.field, erratum.old, erratum.new, erratum.reason, erratum.source)
            found.append(Correction(*cells, state))
    own = [name for name in applied if name not in listed]
    return [*found, *(Correction(name, "", "", "", "a rule of the reader", "", APPLIED) for name in own)]


def _state(erratum: Erratum, siblings: list[str], applied: Counter[str], unmatched: str, switched_on: bool) -> str:
    if applied[erratum.name]:
        return APPLIED
    if erratum.field == "au_choice":
        return f"{OFF}: option `alternatives`, or no such row"
    if not switched_on:
        return OFF
    told = any(applied[name] or repr(name) in unmatched for name in siblings)
    return OTHER_VALUE if told else NO_ROW
