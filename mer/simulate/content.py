"""What the people of a simulated database show: labels in its own words, and the action units behind them.

A label says which emotions a clip may show. With probability `1 - label_signal` the emotion is drawn from all three
classes, whatever the label; then nothing in the frames depends on it. Emotions and their units are those of
`mer.simulate.expression`, and anger (4 with 5, 7, 17) and contempt (14) besides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mer.core.seeds import derive_seed
from mer.simulate.expression import COMBINATIONS, ONE_SIDED, ONE_SIDED_PROBABILITY, UnitPlan
from mer.simulate.params import SimulateParams

# Faces are numbered over all databases: those of other people lie this far apart, those of one family are the same.
FAMILY_SIZE = 120
MACRO_STRENGTH = 1.8
# Emotion -> sets of action units that show it.
SHOWN: dict[str, tuple[tuple[int, ...], ...]] = {
    **COMBINATIONS,
    "anger": ((4, 7), (4, 5), (4, 7, 17), (4,)),
    "contempt": ((14,), (14,), (10, 14)),
}
# Sets of action units by objective class (Davison, Merghani, Yap, J. Imaging 2018); every other set is class 7.
OBJECTIVE: tuple[tuple[frozenset[int], ...], ...] = tuple(
    tuple(frozenset(units) for units in row)
    for row in (
        ((6,), (12,), (6, 12), (6, 7, 12), (7, 12)),
        ((1, 2), (5,), (25,), (1, 2, 25), (25, 26), (5, 24)),
        ((23,), (4,), (4, 7), (4, 5), (4, 5, 7), (17, 24), (4, 6, 7), (4, 38)),
        ((9,), (10,), (4, 9), (4, 40), (4, 5, 40), (4, 7, 9), (4, 9, 17), (4, 7, 10), (4, 5, 7, 9), (7, 10)),
        ((1,), (15,), (1, 4), (6, 15), (15, 17)),
        ((1, 2, 4), (20,)),
    )
)
ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII")


@dataclass(frozen=True)
class Repertoire:
    """The labels of a database.

    Args:
        families: the labels of each class, drawn with equal probability within a class (repeat one to favour it).
        shows: label -> emotions of `SHOWN` that a clip so labelled shows; a label absent here shows itself.
    """

    families: tuple[tuple[str, ...], ...]
    shows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def emotions(self, label: str) -> tuple[str, ...]:
        """Return the emotions that a label may show."""
        return self.shows.get(label, (label,))


def draw_labels(repertoire: Repertoire, count: int, rng: np.random.Generator) -> list[str]:
    """Return `count` labels, the classes as equal in number as possible, in random order."""
    families = repertoire.families
    order = rng.permutation(len(families))
    chosen = [families[order[k % len(families)]] for k in range(count)]
    labels = [family[int(rng.random() * len(family))] for family in chosen]
    return [labels[k] for k in rng.permutation(count)]


def subject_labels(params: SimulateParams, repertoire: Repertoire, face: int) -> list[str]:
    """Return the labels of a person's clips; the same in every database of a family."""
    rng = np.random.default_rng(derive_seed(params.seed, "simulate", face, "labels"))
    return draw_labels(repertoire, params.clips, rng)


def draw_emotion(repertoire: Repertoire, label: str, signal: float, rng: np.random.Generator) -> str:
    """Draw what a clip shows: an emotion of its label, or with probability `1 - signal` one of any class."""
    follows = rng.random() < signal
    family = repertoire.families[int(rng.random() * len(repertoire.families))]
    other = family[int(rng.random() * len(family))]
    choices = repertoire.emotions(label if follows else other)
    return choices[int(rng.random() * len(choices))]


def draw_content(
    params: SimulateParams, repertoire: Repertoire, label: str, seed: int, macro: bool = False
) -> tuple[UnitPlan, ...]:
    """Draw the action units of the clip with this seed, stronger by `MACRO_STRENGTH` in a macro-expression."""
    rng = np.random.default_rng(derive_seed(seed, "content"))
    emotion = draw_emotion(repertoire, label, params.label_signal, rng)
    choices = SHOWN[emotion]
    strength = params.intensity * (MACRO_STRENGTH if macro else 1.0)
    return draw_play(choices[int(rng.random() * len(choices))], strength, rng)


def draw_play(numbers: Sequence[int], strength: float, rng: np.random.Generator) -> tuple[UnitPlan, ...]:
    """Draw sides, peaks and timing of a set of action units, as `mer.simulate.expression.draw_units` does.

    Each call makes the same number of draws. One unit starts at the onset, others within the first quarter of the rise.
    """
    one_sided, drawn = rng.random() < ONE_SIDED_PROBABILITY, "LR"[int(rng.random() * 2)]
    side = drawn if one_sided and len(numbers) == 1 and numbers[0] in ONE_SIDED else ""
    peaks = strength * rng.uniform(0.45, 1.15) * rng.uniform(0.75, 1.17, 4)
    lags, leads = rng.uniform(0.0, 0.25, 4), rng.uniform(0.0, 0.2, 4)
    lags[int(rng.random() * len(numbers))] = 0.0
    return tuple(
        UnitPlan(n, side, float(peaks[k]), float(lags[k]), float(leads[k])) for k, n in enumerate(sorted(numbers))
    )


def fixed_units(params: SimulateParams, seed: int, *units: tuple[int, str]) -> tuple[UnitPlan, ...]:
    """Return given (number, side) units at intensities drawn from the seed: for rows whose cell is a quirk."""
    rng = np.random.default_rng(derive_seed(seed, "units"))
    return tuple(UnitPlan(n, side, float(params.intensity * rng.uniform(0.6, 1.1)), 0.0, 0.0) for n, side in units)


def joined(units: Sequence[UnitPlan]) -> str:
    """Return action units as most tables write them: `R12+15`."""
    return "+".join(unit.text for unit in units)


def objective_class(units: Sequence[UnitPlan]) -> int:
    """Return the objective class 1 to 7 of a set of action units."""
    numbers = frozenset(unit.number for unit in units)
    return next((k for k, row in enumerate(OBJECTIVE, start=1) if numbers in row), 7)


def intensity_letter(unit: UnitPlan, strength: float) -> str:
    """Return the FACS intensity A to E of a unit, whose peak is relative to the database's `strength`."""
    level = unit.peak / strength if strength else 0.0
    return "ABCDE"[sum(level >= bound for bound in (0.5, 0.75, 1.0, 1.25))]
