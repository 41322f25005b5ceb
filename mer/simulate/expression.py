"""Which action units show an emotion, how strongly and when: the content of one simulated clip.

Emotions and their action units follow the FACS-based reading of CASME II (happiness 6+12, surprise
1+2(+5), disgust 4+7, 9, 10, repression 14, 15, 17). With probability `1 - signal` a clip shows the
units of an emotion drawn independently of its label. Nothing but the units depends on the label:
intensities, sides, durations, drift and names come from other draws of the clip's seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CLASSES: dict[str, str] = {
    "happiness": "positive",
    "disgust": "negative",
    "repression": "negative",
    "surprise": "surprise",
}
LABELS: tuple[tuple[str, ...], ...] = (("happiness",), ("disgust", "repression"), ("surprise",))

COMBINATIONS: dict[str, tuple[tuple[int, ...], ...]] = {
    "happiness": ((12,), (6, 12), (6, 12), (12,)),
    "surprise": ((1, 2), (1, 2), (1, 2, 5), (2,)),
    "disgust": ((4, 7), (9,), (10,), (4, 9), (4, 7)),
    "repression": ((15,), (17,), (14,), (15, 17), (12, 15)),
    "others": ((4,), (14,), (17,), (1, 4)),
    "sadness": ((1, 15), (1, 4), (15,)),
    "fear": ((1, 2, 4), (1, 4, 5)),
}
ONE_SIDED = {2, 10, 12, 14, 15}
ONE_SIDED_PROBABILITY = 0.25


@dataclass(frozen=True)
class UnitPlan:
    """One action unit of a clip.

    Args:
        number: FACS number.
        side: 'L' or 'R' of the subject, or '' for both.
        peak: intensity at the apex; 1 is the extent listed in `mer.simulate.action_units`.
        lag: delay of its start after the onset, as a fraction of onset to apex.
        lead: how much before the offset it is back to rest, as a fraction of apex to offset.
    """

    number: int
    side: str
    peak: float
    lag: float
    lead: float

    @property
    def text(self) -> str:
        """The unit as a coding table writes it: `R12`, `4`."""
        return f"{self.side}{self.number}"


def draw_units(emotion: str, signal: float, strength: float, rng: np.random.Generator) -> tuple[UnitPlan, ...]:
    """Draw the action units of a clip labelled `emotion`.

    Args:
        emotion: a key of `COMBINATIONS`.
        signal: probability in [0, 1] that the units follow the label.
        strength: factor on every intensity.
        rng: the clip's generator; the number of draws does not depend on the label.

    Returns:
        Units in ascending order of number. Peaks lie in `strength` x [0.34, 1.35].
    """
    follows = rng.random() < signal
    family = LABELS[rng.integers(len(LABELS))]
    other = family[rng.integers(len(family))]
    choices = COMBINATIONS[emotion if follows or emotion not in CLASSES else other]
    numbers = choices[int(rng.random() * len(choices))]
    one_sided = rng.random() < ONE_SIDED_PROBABILITY
    side = "LR"[rng.integers(2)]
    level = rng.uniform(0.45, 1.15)
    spread = rng.uniform(0.75, 1.17, 4)
    lags, leads = rng.uniform(0.0, 0.25, 4), rng.uniform(0.0, 0.2, 4)
    lags[rng.integers(len(numbers))] = 0.0
    sided = one_sided and len(numbers) == 1 and numbers[0] in ONE_SIDED
    return tuple(
        UnitPlan(n, side if sided else "", float(strength * level * spread[k]), float(lags[k]), float(leads[k]))
        for k, n in enumerate(sorted(numbers))
    )


def balanced_labels(count: int, rng: np.random.Generator) -> list[str]:
    """Return `count` emotions, the three classes as equal in number as possible, in random order."""
    order = rng.permutation(len(LABELS))
    families = [LABELS[order[k % len(LABELS)]] for k in range(count)]
    labels = [family[rng.integers(len(family))] for family in families]
    return [labels[k] for k in rng.permutation(count)]
