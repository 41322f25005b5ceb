"""Invented rows that have every count of a release: who they are of, what they show and in which film they lie.

A count says how many rows, or how many people with such a row, there are of some persons and labels. Whole numbers of
rows per person and label that meet all of them are found by integer programming; where there are none, two counts
contradict each other.
"""

import re
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

NEGATIVE = {"anger", "contempt", "disgust", "fear", "sadness", "repression", "negative"}
THREE = {**dict.fromkeys(NEGATIVE, "negative"), "positive": "positive", "happiness": "positive", "surprise": "surprise"}
CASME2 = {"disgust": "negative", "repression": "negative", "happiness": "positive", "surprise": "surprise"}
#: Views by what the pages say of them (specs/datasets.md §0.3, §12.1): database -> emotion -> class.
VIEWS = {
    "megc2019": {"casme2": CASME2, "samm": THREE, "flow_images": THREE},
    "emotion_3": {"": THREE},
    "emotion_4": {"": {**THREE, "others": "others"}},
    "emotion_5": {
        "casme2": {word: word for word in ("disgust", "happiness", "others", "repression", "surprise")},
        "samm": {word: word for word in ("anger", "contempt", "happiness", "others", "surprise")},
    },
    "emotion_7": {"": {}},
    "deception": {"rld": {"deceptive": "deceptive", "truthful": "truthful"}},
}
OBJECTIVE, FIVE = "objective", {str(number) for number in range(1, 6)}
#: Clips that MEGC2019 leaves out by name (§12.1): person -> names and the emotion of the 2019 and of the 2014 table.
LEFT_OUT = {
    "sub04": (("EP12_01f",), "disgust", "disgust"),
    "sub05": (("EP09_05f",), "disgust", "disgust"),
    "sub24": (("EP07_01", "EP07_04f", "EP10_03"), "surprise", "sadness"),
}


@dataclass(frozen=True)
class Label:
    """What a row may show: `kind` is micro, macro or clip, or a part of a composite; `out`: MEGC2019 leaves it out."""

    kind: str
    emotion: str
    out: bool = False


@dataclass
class Invented:
    """One row without frames: `film` counts the person's films from 0."""

    subject: str
    label: Label
    objective: str = ""
    film: int = 0
    units: list[int] = field(default_factory=list)


@dataclass
class Whole:
    """Whole numbers, one for each cell, under constraints that are met exactly."""

    cells: list
    low: list[int] = field(default_factory=list)
    high: list[int] = field(default_factory=list)
    rows: list[tuple[dict[int, int], float, float]] = field(default_factory=list)
    dear: list[int] = field(default_factory=list)

    def __post_init__(self):
        self.low, self.high = [0] * len(self.cells), [5000] * len(self.cells)

    def total(self, chosen, number):
        """Demand a sum over the cells that `chosen` takes."""
        self.rows.append(({i: 1 for i, cell in enumerate(self.cells) if chosen(*cell)}, number, number))

    def people(self, chosen, number):
        """Demand how many persons have one of the cells that `chosen` takes."""
        subjects = {}
        for i, cell in enumerate(self.cells):
            if chosen(*cell):
                subjects.setdefault(cell[0], []).append(i)
        there = {}
        for own in subjects.values():
            there[len(self.low)] = 1
            self.low.append(0)
            self.high.append(1)
            flag = len(self.low) - 1
            self.rows.append(({**dict.fromkeys(own, 1), flag: -1}, 0, np.inf))
            self.rows.append(({**dict.fromkeys(own, 1), flag: -5000}, -np.inf, 0))
        self.rows.append((there, number, number))

    def alike(self, chosen):
        """Keep the greatest number of one person small, so that there are rows for all films."""
        self.low.append(0)
        self.high.append(5000)
        greatest = len(self.low) - 1
        for subject in {cell[0] for cell in self.cells}:
            own = {i: 1 for i, cell in enumerate(self.cells) if cell[0] == subject and chosen(*cell)}
            self.rows.append(({**own, greatest: -1}, -np.inf, 0))
        self.dear.append(greatest)

    def solve(self, what):
        """Return cell -> number; says so when the constraints contradict each other."""
        entries = [(at, column, value) for at, (row, _, _) in enumerate(self.rows) for column, value in row.items()]
        places, values = tuple(zip(*[entry[:2] for entry in entries], strict=True)), [entry[2] for entry in entries]
        matrix = csr_array((values, places), shape=(len(self.rows), len(self.low)))
        limits = LinearConstraint(matrix, [row[1] for row in self.rows], [row[2] for row in self.rows])
        # Distinct small prices make the answer the same everywhere.
        prices = (np.arange(len(self.low)) * 7919) % 101
        prices[self.dear] = 100_000
        found = milp(prices, constraints=limits, bounds=Bounds(self.low, self.high), integrality=np.ones(len(self.low)))
        assert found.x is not None, f"{what}: no table has all counts: {found.message}"
        return dict(zip(self.cells, np.rint(found.x[: len(self.cells)]).astype(int).tolist(), strict=True))


def view_of(database, view, label):
    """Return the class of a label in a view, None where it takes no part."""
    if view == "emotion_7":
        known = label.emotion and not (database == "samm" and label.emotion == "others")
        return label.emotion if known else None
    by_emotion = VIEWS[view].get(database, VIEWS[view].get("", {}))
    out = label.out and view == "megc2019"
    return None if out or not label.emotion else by_emotion.get(label.emotion)


def chooser(database, what):
    """Return (is it a number of people?, which persons and labels count) of a name of a count; None for others."""
    if match := re.fullmatch(r"(?:(micro|macro|clip|smic_hs|casme2|samm) )?(rows|subjects)", what):
        return match[2] == "subjects", lambda subject, label: match[1] in (None, label.kind)
    if match := re.fullmatch(r"type (\w+)", what):
        return False, lambda subject, label: label.kind == match[1]
    if match := re.fullmatch(r"emotion (\S+)", what):
        return False, lambda subject, label: label.emotion == match[1]
    if match := re.fullmatch(r"(?:(\w+) )?subject (\S+)", what):
        return False, lambda subject, label: subject == match[2] and match[1] in (None, label.kind, label.emotion)
    if match := re.fullmatch(rf"(?:(micro) )?({'|'.join(VIEWS)}) (\w+)", what):
        kind, view, name = match.groups()
        some = name in ("rows", "subjects")
        return (
            name == "subjects",
            lambda subject, label: (
                kind in (None, label.kind)
                and view_of(database, view, label) is not None
                and (some or view_of(database, view, label) == name)
            ),
        )
    if match := re.fullmatch(r"(micro|macro|smic_hs|casme2|samm) (\w+)", what):
        if match[2] == "videos":
            return None
        return False, lambda subject, label: (label.kind, label.emotion) == match.groups()
    return None


def invented(database, release, subjects, labels, films=1, year=2019):
    """Return rows that have all counts of a release.

    Args:
        database: name of the database.
        release: its known release.
        subjects: the persons, each with at least one row; kind -> persons where the kinds are of different people.
        labels: what a row may show.
        films: how many films a person can have at most.
        year: of CASME II, which table it is.
    """
    counts = {**release.counts, **release.secondary}
    parts = subjects if isinstance(subjects, dict) else {"": subjects}
    cells = [(s, label) for kind, names in parts.items() for s in names for label in labels if kind in ("", label.kind)]
    left_out = LEFT_OUT if database == "casme2" else {}
    out = {s: (Label("micro", emotion[year == 2014], True), names) for s, (names, *emotion) in left_out.items()}
    whole = Whole(cells + [(s, label) for s, (label, _) in out.items()])
    for what, number in counts.items():
        found = chooser(database, what)
        if found:
            (whole.people if found[0] else whole.total)(found[1], number)
    for names in parts.values():
        whole.people(lambda s, label, names=names: s in names, len(names))
    for subject, (label, names) in out.items():
        whole.total(lambda s, shown, own=(subject, label): (s, shown) == own, len(names))
    for kind in {label.kind for label in labels} if films > 1 else ():
        whole.alike(lambda s, label, kind=kind: label.kind == kind)
    numbers = whole.solve(f"{database} {release.name}")
    rows = [Invented(s, label) for (s, label), number in numbers.items() for _ in range(number)]
    rows.sort(key=lambda row: (row.subject, row.label.kind != "micro", row.label.emotion))
    _give_objective_classes(rows, counts)
    _give_films(rows, counts, films)
    _give_units(rows, counts)
    return rows


def _give_objective_classes(rows, counts):
    if f"{OBJECTIVE} 1" not in counts:
        return
    totals = Counter(row.subject for row in rows)
    whole = Whole([(s, str(number)) for s in totals for number in range(1, 8)])
    for subject, number in totals.items():
        whole.total(lambda s, o, own=subject: s == own, number)
    for number in range(1, 8):
        whole.total(lambda s, o, own=str(number): o == own, counts[f"{OBJECTIVE} {number}"])
    if "megc2018 rows" in counts:
        whole.total(lambda s, o: o in FIVE, counts["megc2018 rows"])
        whole.people(lambda s, o: o in FIVE, counts["megc2018 subjects"])
    left = whole.solve("objective classes")
    for row in rows:
        row.objective = next(o for (s, o), number in left.items() if s == row.subject and number)
        left[row.subject, row.objective] -= 1


def _give_films(rows, counts, films):
    """Put every person's rows into films: of one kind of expression only, or of both."""
    if films == 1:
        return
    kinds = sorted({row.label.kind for row in rows})
    totals = Counter((row.subject, row.label.kind) for row in rows)
    people = sorted({row.subject for row in rows})
    shares = [(kind,) for kind in kinds] + ([tuple(kinds)] if len(kinds) > 1 else [])
    whole = Whole([(s, share) for s in people for share in shares])
    for what, kind in (("videos", ""), *((f"{kind} videos", kind) for kind in kinds)):
        if what in counts:
            whole.total(lambda s, share, kind=kind: not kind or kind in share, counts[what])
    for subject in people:
        whole.rows.append(({i: 1 for i, (s, _) in enumerate(whole.cells) if s == subject}, 1, films))
        for kind in kinds:
            own = {i: 1 for i, (s, share) in enumerate(whole.cells) if s == subject and kind in share}
            whole.rows.append((own, min(1, totals[subject, kind]), totals[subject, kind]))
    numbers = whole.solve("films")
    for subject in people:
        own = [share for share in shares for _ in range(numbers[subject, share])]
        for kind in kinds:
            places = [at for at, share in enumerate(own) if kind in share]
            same = [row for row in rows if (row.subject, row.label.kind) == (subject, kind)]
            for at, row in enumerate(same):
                row.film = places[at % len(places)]


def _give_units(rows, counts):
    micro = [row for row in rows if row.label.kind == "micro"]
    for what, number in counts.items():
        if what.startswith("cd6me au "):
            start = int(what.split()[-1]) * 17
            for turn in range(number):
                micro[(start + turn) % len(micro)].units.append(int(what.split()[-1]))


def lengths(number, low, high, mean):
    """Return that many lengths with the smallest, the greatest and the mean (to two decimals) given."""
    total = round(mean * number)
    found = [low, high] + [(total - low - high) // (number - 2)] * (number - 2)
    for at in range(total - sum(found)):
        found[2 + at] += 1
    assert (min(found), max(found), sum(found)) == (low, high, total)
    return found
