"""What `mer check` says, as plain values: counts, problems, images, what became of known faults, and the verdict."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from mer.core.exits import Status
from mer.datasets.errata import Erratum, errata_of
from mer.datasets.expected import Count
from mer.datasets.reading import Problem, Reading

APPLIED, OFF = "applied", "switched off"
OTHER_VALUE = "not applied: the table holds another value"
NO_ROW = "not applied: no such row, it is right already, or its files do not fit"


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
    for erratum in chain.from_iterable(errata_of(reading.dataset, view).values()):
        # Rows name the one old value that they held.
        each = (dataclasses.replace(erratum, old=old) for old in erratum.olds)
        found = next((one for one in each if applied[one.name]), erratum)
        known.append(Correction(**dataclasses.asdict(found), state=_state(found, applied, unmatched, switched_on)))
    names = {correction.name for correction in known}
    by_rule = [name for name in applied if name not in names]
    return [*known, *(Correction(name, "", "", "", "a rule of the reader", "", APPLIED) for name in by_rule)]


def _state(erratum: Erratum, applied: Counter[str], unmatched: str, switched_on: bool) -> str:
    if applied[erratum.name]:
        return APPLIED
    if erratum.field == "au_choice":
        return f"{OFF}: option `alternatives`, or no such row"
    if not switched_on:
        return OFF
    return OTHER_VALUE if repr(erratum.name) in unmatched else NO_ROW


@dataclass(frozen=True)
class CheckReport:
    """The state of one download.

    `rows` counts rows by status (`ok`, `excluded`, `missing_media`), `left_out` those that the reader's own options
    exclude. `images` are files whose header was read, `decoded` those decoded, `sizes` how many have each size.
    `fatal` is the line that stopped the reading, '' when it went through. `stops` are the reasons why the download
    cannot be used as it is.
    """

    dataset: str
    root: str
    release: str = ""
    view: str = ""
    strict: bool = False
    rows: Mapping[str, int] = dataclasses.field(default_factory=dict)
    left_out: int = 0
    subjects: int = 0
    counts: tuple[Count, ...] = ()
    problems: tuple[Problem, ...] = ()
    corrections: tuple[Correction, ...] = ()
    leftovers: tuple[str, ...] = ()
    images: int = 0
    decoded: int = 0
    sizes: Mapping[str, int] = dataclasses.field(default_factory=dict)
    fatal: str = ""
    stops: tuple[str, ...] = ()

    @property
    def rules(self) -> dict[str, int]:
        """Number of problems per rule and severity, e.g. `V10 warning`."""
        return dict(sorted(Counter(f"{p.rule} {p.severity}" for p in self.problems).items()))

    @property
    def unusable_clips(self) -> frozenset[str]:
        """Ids of the rows that an error-level problem names."""
        return frozenset(p.sample_id for p in self.problems if p.severity == "error" and p.sample_id)

    @property
    def exit_code(self) -> int:
        """0 usable, 1 usable with exclusions, 2 unusable."""
        if self.fatal or self.stops:
            return Status.REFUSED
        faulty = sum(self.rows.values()) - self.rows.get("ok", 0) - self.left_out
        errors = any(problem.severity == "error" for problem in self.problems)
        return Status.NO if errors or faulty > 0 else Status.YES

    @property
    def verdict(self) -> str:
        """The exit code in words."""
        if self.fatal:
            return f"unusable: {self.fatal}"
        if self.stops:
            return "unusable: " + "; ".join(self.stops)
        total, usable = sum(self.rows.values()), self.rows.get("ok", 0)
        if self.exit_code == Status.YES:
            return f"usable: {usable} of {total} rows" + (
                f", {self.left_out} left out by options" * bool(self.left_out)
            )
        named = len(self.unusable_clips)
        return f"usable with exclusions: {usable} of {total} rows have their frames; {named} with an error"

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON-ready values."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        for name in ("counts", "problems", "corrections"):
            values[name] = [dataclasses.asdict(item) for item in values[name]]
        for entry, count in zip(values["counts"], self.counts, strict=True):
            entry["ok"] = count.ok
        values |= {"rows": dict(self.rows), "sizes": dict(self.sizes), "rules": self.rules}
        values |= {"leftovers": list(self.leftovers), "stops": list(self.stops)}
        return values | {"exit_code": int(self.exit_code), "verdict": self.verdict}
