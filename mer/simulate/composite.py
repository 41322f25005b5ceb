"""A composite as uneven and as doubtful as the one of MEGC2019: 442 expressions of 68 people from three databases.

Who shows what follows the counts of the real one (specs/peers.md §2.1): clips per class and database, 1 to 39 of a
person, many people with a single class. What makes it hard is what makes real recordings hard, and every part is a
field of `Hardness`: faint expressions of uneven strength; people who move the same muscles in ways of their own; labels
that the face does not show, because they come from a film's title or from what the person says; stray movements; onset
and apex read off a few frames late or early, and no apex at all in SMIC, where the middle stands for it; heads that
move, blinks, light that changes.

Nothing here depends on the label but which action units are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from pydantic import Field

from mer.core.params import Params
from mer.core.seeds import derive_seed
from mer.simulate.action_units import ACTION_UNITS, Bump
from mer.simulate.content import SHOWN, draw_play
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan, draw_interval

CLASSES = ("negative", "positive", "surprise")
# Emotions behind a class, in the databases' words, and how often each is meant.
EMOTIONS: dict[str, dict[str, float]] = {
    "negative": {"disgust": 0.4, "anger": 0.3, "repression": 0.12, "contempt": 0.08, "sadness": 0.05, "fear": 0.05},
    "positive": {"happiness": 1.0},
    "surprise": {"surprise": 1.0},
}
LEANING = 4.0  # the smaller, the more a person shows one emotion of a class


class Hardness(Params):
    """What keeps the composite from being easy."""

    strength: float = Field(2.0, gt=0, description="median intensity of an action unit; 1 peaks near 1-3 px at 640x480")
    spread: float = Field(0.5, ge=0, description="standard deviation of its logarithm over clips")
    style: float = Field(0.05, ge=0, description="how differently people move the same muscle; 0: alike")
    doubtful: float = Field(
        0.36, ge=0, le=1, description="share of clips called negative whose face shows what any label could mean"
    )
    surer: float = Field(0.3, ge=0, le=1, description="that share of clips of the other labels, times `doubtful`")
    stray: float = Field(0.1, ge=0, le=1, description="probability of a movement that has nothing to do with the label")
    late: float = Field(0.1, ge=0, le=1, description="largest error of an annotated event, share of onset to apex")
    drift: float = Field(1.5, ge=0, description="amplitude of head drift, pixels at 640x480")
    blink: float = Field(0.2, ge=0, le=1, description="probability that a clip contains a blink")
    noise: float = Field(1.5, ge=0, description="sensor noise at mid-grey, grey levels")
    light: float = Field(0.02, ge=0, description="largest change of the light across the face, share")


@dataclass(frozen=True)
class Source:
    """One database of the composite: people, clips of each class, most clips of a person, and its camera."""

    name: str
    people: int
    counts: tuple[int, int, int]
    most: int
    camera: Mapping[str, float]
    midpoint: bool = False


SOURCES = (
    Source("smic", 16, (70, 51, 43), 39, {"fps": 100.0, "width": 320, "height": 240}, midpoint=True),
    Source("casme2", 24, (88, 32, 25), 31, {"fps": 200.0, "width": 320, "height": 240}),
    Source("samm", 28, (92, 26, 15), 20, {"fps": 200.0, "width": 320, "height": 240}),
)
FACES = 120  # numbers of faces apart


@dataclass(frozen=True)
class Shown:
    """One clip of the composite.

    Args:
        dataset: its database.
        group: its person.
        label: index into `CLASSES`.
        plan: what is filmed, with the true events.
        events: annotated onset, apex and offset, in (whole) file numbers.
        params: of its camera.
    """

    dataset: str
    group: str
    label: int
    plan: ClipPlan
    events: tuple[int, int, int]
    params: SimulateParams


def shares(total: int, people: int, most: int, rng: np.random.Generator) -> np.ndarray:
    """Return how many of `total` clips each of `people` has (people,) int64: 1 to `most`, the largest has `most`."""
    weights = np.sort(rng.lognormal(0.0, 0.9, people))[::-1]
    counts = np.ones(people, np.int64)
    counts[0] = most
    for _ in range(total - int(counts.sum())):
        open_ = np.where(counts[1:] < most, weights[1:] / counts[1:], 0.0)
        counts[1 + int(open_.argmax())] += 1
    return counts


def dealt(counts: np.ndarray, classes: tuple[int, ...], rng: np.random.Generator) -> list[np.ndarray]:
    """Return the labels of each person's clips: exactly `classes` of each class, unevenly over people."""
    left = np.array(classes)
    labels: list[np.ndarray] = []
    for size in counts:
        leaning = rng.dirichlet(2.0 * left / max(1, left.sum()) + 1e-3)
        own = []
        for _ in range(size):
            weights = leaning * (left > 0) + 1e-9 * left
            own.append(int(rng.choice(len(left), p=weights / weights.sum())))
            left[own[-1]] -= 1
        labels.append(np.array(own))
    return labels


def composite(seed: int, hardness: Hardness, sources: tuple[Source, ...] = SOURCES) -> list[Shown]:
    """Return the clips, by database and person; pure, and the same for the same arguments."""
    clips = []
    for k, source in enumerate(sources):
        rng = np.random.default_rng(derive_seed(seed, "composite", source.name))
        counts = shares(sum(source.counts), source.people, source.most, rng)
        for person, labels in enumerate(dealt(counts, source.counts, rng)):
            params = SimulateParams(
                seed=seed, quirks=False, noise=hardness.noise, drift=hardness.drift, blink=hardness.blink,
                **source.camera,
            )  # fmt: skip
            habits = np.random.default_rng(derive_seed(seed, "composite", source.name, person, "habits"))
            leaning = {
                name: habits.dirichlet(LEANING * np.array([*meant.values()])) for name, meant in EMOTIONS.items()
            }
            for turn, label in enumerate(labels):
                where = (source.name, person, turn)
                clips.append(_clip(seed, hardness, source, params, k * FACES + person, where, int(label), leaning))
    return clips


def _clip(
    seed: int,
    hardness: Hardness,
    source: Source,
    params: SimulateParams,
    face: int,
    where: tuple[str, int, int],
    label: int,
    leaning: Mapping[str, np.ndarray],
) -> Shown:
    own = derive_seed(seed, "composite", *where)
    rng = np.random.default_rng(own)
    when = draw_interval(params, rng)
    shown = CLASSES[label]
    doubt = hardness.doubtful * (1.0 if shown == "negative" else hardness.surer)
    doubtful, other = rng.random() < doubt, CLASSES[int(rng.integers(len(CLASSES)))]
    shown = other if doubtful else shown
    emotion = [*EMOTIONS[shown]][int(rng.choice(len(EMOTIONS[shown]), p=leaning[shown]))]
    choices = SHOWN[emotion]
    strength = hardness.strength * float(np.exp(hardness.spread * rng.standard_normal()))
    units = list(draw_play(choices[int(rng.random() * len(choices))], strength, rng))
    strays, stray = rng.random() < hardness.stray, sorted(ACTION_UNITS)[int(rng.integers(len(ACTION_UNITS)))]
    extra = draw_play((stray,), 0.7 * hardness.strength, rng)
    if strays and stray not in {unit.number for unit in units}:
        units += extra
    # A face folds where an expression is far stronger than any micro-expression.
    units = [replace(unit, peak=min(unit.peak, 2.5)) for unit in units]
    rise = when.apex - when.onset
    errors = rng.uniform(-hardness.late, hardness.late, 3) * rise
    onset = when.onset + round(abs(errors[0]))
    offset = max(when.offset - round(abs(errors[2])), onset + 2)
    apex = (onset + offset) // 2 if source.midpoint else when.apex + round(errors[1])
    subject = f"{source.name}-{where[1]:02d}"
    plan = ClipPlan(
        subject, face, f"{where[2]:02d}", emotion, tuple(units), when.onset, when.apex, when.offset, (), params.fps, own
    )
    return Shown(source.name, subject, label, plan, (onset, min(max(apex, onset + 1), offset - 1), offset), params)


def own_muscles(seed: int, face: int, style: float) -> dict[int, tuple[Bump, ...]]:
    """Return how one person's skin follows the muscles: `ACTION_UNITS` with sizes, places and directions of their own.

    Args:
        style: 0 leaves the units as they are; 1 shifts centres by a tenth of the distance between the eyes, scales
            movements by a factor of 1.8 or its inverse and turns them by half a radian (one standard deviation each).
    """
    rng = np.random.default_rng(derive_seed(seed, "muscles", face))
    table = {}
    for number, bumps in ACTION_UNITS.items():
        gain = float(np.exp(0.6 * style * rng.standard_normal()))
        turn = 0.5 * style * rng.standard_normal()
        cos, sin = gain * np.cos(turn), gain * np.sin(turn)
        shift, size = 0.1 * style * rng.standard_normal(2), np.exp(0.2 * style * rng.standard_normal(2))
        table[number] = tuple(
            Bump(
                bump.landmarks,
                (bump.shift[0] + shift[0], bump.shift[1] + shift[1]),
                (bump.radii[0] * size[0], bump.radii[1] * size[1]),
                (cos * bump.move[0] - sin * bump.move[1], sin * bump.move[0] + cos * bump.move[1]),
            )
            for bump in bumps
        )
    return table
