"""The outcome of a spotting bench as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mer.analysis.bench.causes import CAUSES
from mer.analysis.bench.matching import Scored
from mer.analysis.bench.spotting import Outcome
from mer.analysis.bench.summary import (
    UNDECIDED,
    agreed,
    agreement,
    by_cause,
    by_group,
    confusion,
    naming_reliability,
    over_people,
    paired,
    spotting_reliability,
)
from mer.core.texttable import text_table
from mer.report.wording import counted


def render(outcome: Outcome) -> str:
    """Return every table of an outcome, with a blank line between two."""
    parts = [_rows(outcome)]
    casts = outcome.casts
    for cast in casts:
        people = "" if len(casts) == 1 else "simulated people, " if cast.simulated else "real people, "
        for number, spotter in enumerate(cast.spotters):
            parts += [f"# {people}{spotter.name}", *_details(cast, number)]
            if number:
                parts.append(_against(cast, number))
    return "\n\n".join(parts)


def _percent(amplitude: float) -> str:
    return f"{100 * amplitude:g} %"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    return text_table(head, rows, right=set(head[left:]))


def _rows(outcome: Outcome) -> str:
    several = len(outcome.spotters) > 1
    head = ["film", "face, s", *map(_percent, outcome.amplitudes), "named right", "F1, IoU .5", "precision", "recall",
            "false a minute", "in the control"]  # fmt: skip
    cells = [
        [one.film, f"{one.seconds:.0f}", *(str(one.found[a]) for a in outcome.amplitudes), str(one.named),
         f"{one.f1:.3f}", f"{one.precision:.2f}", f"{one.recall:.2f}", f"{one.alarms:.2f}", f"{one.control:.2f}"]
        for one in outcome.rows
    ]  # fmt: skip
    if several:
        head = ["spotter", *head]
        cells = [[one.spotter, *cell] for one, cell in zip(outcome.rows, cells, strict=True)]
    return _table(head, cells, 2 if several else 1)


def _details(outcome: Outcome, number: int) -> list[str]:
    """Return groups, causes, confusion and what is told in a line, of one spotter."""
    films, controls = outcome.films[number], outcome.controls[number]
    groups = by_group(films, outcome.amplitudes)
    found = _table(
        ("found by action units", *map(_percent, outcome.amplitudes)),
        [(name, *(str(some[a]) for a in outcome.amplitudes)) for name, some in groups.items()],
    )
    counts = [(name, by_cause(some)) for name, some in (("with implants", films), ("controls", controls))]
    causes = _table(
        ("false alarms a minute (count)", *CAUSES),
        [(name, *(f"{rate:.2f} ({n})" for n, rate in some.values())) for name, some in counts],
    )
    agree = _agreement([*films, *controls]) if outcome.simulated else []
    return [found, causes, *agree, *_confusion(outcome, number), "\n".join(_lines(outcome, number))]


def _agreement(films: Sequence[Scored]) -> list[str]:
    """Return the causes by the rules against the true ones."""
    counts = agreement(films)
    true = sorted({one for one, _ in counts})
    table = _table(
        ("false alarms: what happened below", *CAUSES),
        [(one, *(str(counts.get((one, told), 0)) for told in CAUSES)) for one in true],
    )
    return [f"{table}\nthe rules name something that happened: {agreed(counts)}"] if counts else []


def _confusion(outcome: Outcome, number: int) -> list[str]:
    hits = confusion(outcome.films[number])
    if not hits:
        return []
    names = sorted({name for pair in hits for name in pair})
    true = sorted({true for true, _ in hits})
    return [_table(("hits, true class below", *names), [(t, *(str(hits.get((t, n), 0)) for n in names)) for t in true])]


def _lines(outcome: Outcome, number: int) -> list[str]:
    films = outcome.films[number]
    lines = []
    for name, kind in (("spotting", spotting_reliability(films)), ("naming", naming_reliability(films))):
        bins, cases = counted(len(kind.bins), "bin"), counted(kind.cases, "case")
        error = f"{kind.error:.3f}" if kind.cases else "-"
        lines.append(f"expected calibration error of {name}: {error} ({cases} in {bins} of equal mass)")
    people = over_people(films)
    if people:
        found, alarms = people["found"], people["alarms"]
        lines.append(
            f"over people, 95 %: found {found['value']:.2f} [{found['low']:.2f}, {found['high']:.2f}], "
            f"false alarms a minute {alarms['value']:.2f} [{alarms['low']:.2f}, {alarms['high']:.2f}]"
        )
    lucky, repeated = sum(one.lucky for one in films), sum(one.repeated for one in films)
    lines.append(
        f"the film without implants has a candidate, too, at {counted(lucky, 'implant')} found and "
        f"{counted(repeated, 'false alarm')} of {sum(len(one.alarms) for one in films)}"
    )
    undecided = sum(n for (_, name), n in confusion(films).items() if name == UNDECIDED)
    if undecided:
        lines.append(f"no decision on the class of {counted(undecided, 'hit')}")
    return lines


def _against(outcome: Outcome, number: int) -> str:
    first, second = outcome.spotters[0].name, outcome.spotters[number].name
    told = paired(outcome.films[0], outcome.films[number], outcome.amplitudes)
    names = {"both": "by both", "only_first": f"by {first} alone", "only_second": f"by {second} alone",
             "neither": "by neither"}  # fmt: skip
    table = _table(
        ("of the same implants, found", *map(_percent, outcome.amplitudes)),
        [(words, *(str(told[name][a]) for a in outcome.amplitudes)) for name, words in names.items()],
    )
    found, alarms = (_ratio(told[name]) for name in ("found", "alarms"))
    return f"{table}\n{first} / {second}, paired over people: found {found}, false alarms a minute {alarms}"


def _ratio(told: dict[str, Any] | None) -> str:
    if told is None:
        return "- (the second has none)"
    if "low" not in told:
        return f"{told['value']:.2f}"
    return f"{told['value']:.2f} [{told['low']:.2f}, {told['high']:.2f}]"
