"""The numbers of a bench: rates by amplitude, by group of action units and by cause, with intervals over people.

A person is a film: whoever is in it twice must be in one file. Intervals are those of a bootstrap over people
(`mer.metrics.bootstrap`); with one person there is none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mer.analysis.bench.causes import CAUSES
from mer.analysis.bench.matching import Candidate, Scored, sweep
from mer.analysis.bench.reliability import Reliability, reliability
from mer.analysis.bench.simulated import NOTHING
from mer.metrics.bootstrap import DEFAULT_DRAWS, draw_weights, estimate
from mer.metrics.spotting import total
from mer.simulate.implant import Implant
from mer.spotting.shown_class import shown_class
from mer.spotting.unit_templates import GROUPS

UNDECIDED = "no decision"
Pair = tuple[Implant, Candidate | None]


@dataclass(frozen=True)
class Share:
    """So many of so many."""

    part: int
    whole: int

    @property
    def value(self) -> float:
        """The share, NaN of nothing."""
        return self.part / self.whole if self.whole else float("nan")

    def __str__(self) -> str:
        return f"{self.part}/{self.whole}"


@dataclass(frozen=True)
class Row:
    """One film, or all of one spotter.

    Args:
        spotter, film: names.
        seconds: in which the face is followed well, of all films with implants.
        found: of the implants, by amplitude.
        all_found: of all of them.
        lucky: of those found, where the film without implants has a candidate, too.
        named: of the hits that were named, right.
        undecided: hits without a name.
        precision, recall, f1: of intervals that overlap by half.
        alarms: false, a minute.
        control: candidates a minute in the films without implants.
    """

    spotter: str
    film: str
    seconds: float
    found: Mapping[float, Share]
    all_found: Share
    lucky: int
    named: Share
    undecided: int
    precision: float
    recall: float
    f1: float
    alarms: float
    control: float

    def as_dict(self) -> dict[str, Any]:
        """Return the row for JSON and CSV; `at_3` is what was found at 3 % of the distance between the eyes."""
        plain = {name: getattr(self, name) for name in ("spotter", "film", "seconds")}
        at = {f"at_{round(100 * amplitude)}": str(share) for amplitude, share in self.found.items()}
        rest = {name: getattr(self, name) for name in ("lucky", "undecided", "precision", "recall", "f1", "alarms",
                                                       "control")}  # fmt: skip
        return {**plain, **at, "found": str(self.all_found), "named": str(self.named), **rest}


def row(
    spotter: str, name: str, films: Sequence[Scored], controls: Sequence[Scored], amplitudes: Sequence[float]
) -> Row:
    """Return the row of some films together, with their controls."""
    minutes = sum(one.minutes for one in films)
    pairs = pairs_of(films)
    counts = total(one.counts for one in films)
    named = hits_with_class(pairs)
    decided = [shown_class(implant.emotion) == one["emotion"] for implant, one in named if one["emotion"]]
    return Row(
        spotter=spotter,
        film=name,
        seconds=60 * minutes,
        found={a: _found(pair for pair in pairs if _at(pair[0], a)) for a in amplitudes},
        all_found=_found(pairs),
        lucky=sum(one.lucky for one in films),
        named=Share(sum(decided), len(decided)),
        undecided=len(named) - len(decided),
        precision=counts.precision,
        recall=counts.recall,
        f1=counts.f1,
        alarms=_rate(films, minutes),
        control=_rate(controls, sum(one.minutes for one in controls)),
    )


def pairs_of(films: Sequence[Scored]) -> list[Pair]:
    """Return every implant with the candidate that found it."""
    return [pair for one in films for pair in one.found]


def hits_with_class(pairs: Sequence[Pair]) -> list[tuple[Implant, Candidate]]:
    """Return the implants found whose emotion has a class, with what found them."""
    return [(implant, found) for implant, found in pairs if found is not None and shown_class(implant.emotion)]


def by_group(films: Sequence[Scored], amplitudes: Sequence[float]) -> dict[str, dict[float, Share]]:
    """Return what was found by group of action units and amplitude; a combination counts in every group it contains."""
    pairs = pairs_of(films)
    return {
        name: {a: _found(p for p in pairs if _at(p[0], a) and _moves(p[0], units)) for a in amplitudes}
        for name, units in GROUPS.items()
    }


def by_cause(films: Sequence[Scored]) -> dict[str, tuple[int, float]]:
    """Return how many false alarms each cause has, and how many a minute."""
    minutes = sum(one.minutes for one in films)
    counted = Counter(alarm["cause"] for one in films for alarm in one.alarms)
    return {cause: (counted[cause], counted[cause] / minutes if minutes else 0.0) for cause in CAUSES}


def agreement(films: Sequence[Scored]) -> dict[tuple[str, str], int]:
    """Return how many false alarms of simulated people have each (true causes joined by +, cause by the rules)."""
    alarms = [alarm for one in films if one.simulated for alarm in one.alarms]
    return dict(Counter((" + ".join(alarm["true_causes"]) or NOTHING, alarm["cause"]) for alarm in alarms))


def agreed(counts: Mapping[tuple[str, str], int]) -> Share:
    """Return for how many the rules named one of the true causes, or `other` where there was none of them."""
    right = sum(
        n for (true, told), n in counts.items() if told in (true.split(" + ") if true != NOTHING else ["other"])
    )
    return Share(right, sum(counts.values()))


def confusion(films: Sequence[Scored]) -> dict[tuple[str, str], int]:
    """Return how many hits of each (true, named) class there are; `no decision` is a name, too."""
    hits = hits_with_class(pairs_of(films))
    return dict(Counter((shown_class(implant.emotion), found["emotion"] or UNDECIDED) for implant, found in hits))


def spotting_reliability(films: Sequence[Scored]) -> Reliability:
    """Return how the confidence of candidates agrees with their being an implant."""
    true = [(c["confidence"], True) for one in films for _, c in one.found if c is not None]
    false = [(c["confidence"], False) for one in films for c in one.alarms]
    return reliability(*zip(*(true + false), strict=True)) if true + false else reliability([], [])


def naming_reliability(films: Sequence[Scored]) -> Reliability:
    """Return how the probability of the named class agrees with its being right, of hits that have a class."""
    hits = [(i, c) for i, c in hits_with_class(pairs_of(films)) if c["emotion"] and c["scores"]]
    told = [c["scores"][c["emotion"]] for _, c in hits]
    return reliability(told, [c["emotion"] == shown_class(i.emotion) for i, c in hits])


def over_people(films: Sequence[Scored], seed: int = 0) -> dict[str, dict[str, float]]:
    """Return share of implants found and false alarms a minute, each with the central 95 % of draws of people."""
    people = sorted({one.person for one in films})
    drawn = _drawn(films, people, seed)
    return {name: estimate(value, draws) for name, (value, draws) in drawn.items()} if len(people) > 1 else {}


def _drawn(films: Sequence[Scored], people: Sequence[str], seed: int) -> dict[str, tuple[float, np.ndarray]]:
    """Return by name the value of all people, and of each draw (D,)."""
    table = np.array([_counts([one for one in films if one.person == person]) for person in people])
    weights = draw_weights(["film"] * len(people), DEFAULT_DRAWS, seed)
    whole, parts = table.sum(axis=0), weights @ table
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "found": (float(whole[0] / max(whole[1], 1)), np.nan_to_num(parts[:, 0] / parts[:, 1])),
            "alarms": (float(whole[2] / whole[3]), parts[:, 2] / parts[:, 3]),
        }


def _counts(films: Sequence[Scored]) -> tuple[float, float, float, float]:
    """Return implants found, implants, false alarms, minutes."""
    found = _found(pairs_of(films))
    return found.part, found.whole, sum(len(one.alarms) for one in films), sum(one.minutes for one in films)


def paired(
    films: Sequence[Scored], against: Sequence[Scored], amplitudes: Sequence[float], seed: int = 0
) -> dict[str, Any]:
    """Return how two spotters compare on the same films.

    Returns:
        `found` and `alarms`: the ratio of the first's share (rate) to the second's with the central 95 % of draws of
        people, the same people in both; None where the second has none. `only_first`, `only_second`, `both`,
        `neither`: of the same implants, by amplitude.
    """
    people = sorted({one.person for one in films})
    ratios: dict[str, Any] = {}
    first, second = (_drawn(some, people, seed) for some in (films, against))
    for name, (value, draws) in first.items():
        other, others = second[name]
        if not other:
            ratios[name] = None
            continue
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = draws / others
        finite = ratio[np.isfinite(ratio)]
        ratios[name] = estimate(value / other, finite) if len(people) > 1 and len(finite) else {"value": value / other}
    both = list(zip(pairs_of(films), pairs_of(against), strict=True))
    seen = {a: Counter((x[1] is not None, y[1] is not None) for x, y in both if _at(x[0], a)) for a in amplitudes}
    names = {"both": (True, True), "only_first": (True, False), "only_second": (False, True), "neither": (False, False)}
    return {**ratios, **{name: {a: seen[a][key] for a in amplitudes} for name, key in names.items()}}


def as_object(films: Sequence[Scored], controls: Sequence[Scored], amplitudes: Sequence[float]) -> dict[str, Any]:
    """Return everything but the rows for JSON; keys are words."""
    groups = by_group(films, amplitudes)
    classes = sorted({name for one in films for name in one.said.classes})
    counted = confusion(films)
    pairs = pairs_of(films)
    return {
        "found": {f"{a:g}": str(_found(p for p in pairs if _at(p[0], a))) for a in amplitudes},
        "groups": {name: {f"{a:g}": str(share) for a, share in some.items()} for name, some in groups.items()},
        "causes": {name: {"alarms": n, "a_minute": rate} for name, (n, rate) in by_cause(films).items()},
        "causes_in_controls": {name: {"alarms": n, "a_minute": rate} for name, (n, rate) in by_cause(controls).items()},
        "causes_agree": [{"true": true, "rules": told, "alarms": n}
                         for (true, told), n in sorted(agreement([*films, *controls]).items())],
        "repeated_alarms": sum(one.repeated for one in films),
        "classes": classes,
        "confusion": [{"true": true, "named": named, "hits": n} for (true, named), n in sorted(counted.items())],
        "people": over_people(films),
        "reliability": {
            name: {"error": None if made.error != made.error else made.error, "cases": made.cases,
                   "bins": [asdict(one) for one in made.bins]}
            for name, made in (("spotting", spotting_reliability(films)), ("naming", naming_reliability(films)))
        },
        "sweep": [{"threshold": t, "alarms": alarms, "found": found} for t, alarms, found in sweep(films)],
        "threshold": float(np.mean([one.said.threshold for one in films])) if films else None,
    }  # fmt: skip


def _at(implant: Implant, amplitude: float) -> bool:
    return abs(implant.amplitude - amplitude) < 1e-9


def _moves(implant: Implant, units: Sequence[int]) -> bool:
    return any(unit.number in units for unit in implant.units)


def _found(pairs: Any) -> Share:
    given = [candidate is not None for _, candidate in pairs]
    return Share(sum(given), len(given))


def _rate(films: Sequence[Scored], minutes: float) -> float:
    return sum(len(one.alarms) for one in films) / minutes if minutes else 0.0
