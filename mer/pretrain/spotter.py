"""Making and training `spotter_faces`: what `mer analyze` spots with unless told otherwise.

    python -m mer.pretrain.spotter --out spotter_faces.safetensors --film woman.mp4 --tell calm.mp4 --tell talking.mp4

Simulates life-like people (`mer.simulate.lifelike`: talking, turning, nodding, blinking, with expressions that last),
and reads `--film`s, faces whose terms allow to learn from them. Expressions are implanted into the motion of both
(`mer.pretrain.implanted_motion`). Everything is judged by trees that have not seen that person; from these judgements
come the calibration and the scores. Films given by `--tell` are never learned from: they only help to tell how many
moments of ordinary footage reach a probability, and each is scored with the threshold that the others tell. Whatever
is finished below `--work` is kept.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import log_softmax

from mer.core.atomic import write_json
from mer.core.errors import ClipError
from mer.core.process import processes
from mer.core.seeds import derive_seed
from mer.core.video import iterate, probe
from mer.models.state import State
from mer.pretrain.implanted_motion import (
    Drawn,
    MovingFace,
    load_motion,
    motion_of,
    save_motion,
)
from mer.simulate.habits import Habits
from mer.simulate.lifelike import lifelike
from mer.spotting.boosted import from_sklearn
from mer.spotting.faces import FORMAT, alarm_table, sigmoid, threshold_of
from mer.spotting.shown_class import CLASSES
from mer.spotting.unit_templates import movements
from mer.training.checkpoint import save_checkpoint

Log = Callable[[str], None]

SEED_OF_PEOPLE = 900  # the first simulated person; benches and demonstrations use others
SIZE = (480, 360)
PARTS = 6  # in which people are held out
TREES: Mapping[str, Any] = {
    "max_iter": 200,
    "learning_rate": 0.05,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 40,
    "l2_regularization": 5.0,
}
FILMED = 5.0  # how much more than a simulated minute a filmed one tells of false alarms
AS_FILMED = 5.0  # weight of a moment of a recording without implants


@dataclass(frozen=True)
class Recipe:
    """How much is made.

    Args:
        people: simulated persons.
        seconds: of each.
        draws: of implants, for each recording.
        film_weight: of a filmed person's moments against a simulated one's.
        seed: decides everything.
    """

    people: int = 60
    seconds: float = 14.0
    draws: int = 12
    film_weight: float = 3.0
    seed: int = 0


def habits_of(seed: int) -> tuple[Habits, float]:
    """Draw what a simulated person and the camera do, and the frame rate; without micro-expressions."""
    rng = np.random.default_rng(derive_seed(seed, "habits"))
    draw = rng.uniform
    fps = float(rng.choice([24, 25, 30, 30, 60]))
    seldom = [0.0, 0.0, 0.0]
    habits = Habits(
        micro=0,
        macro=draw(2, 9),
        blink=draw(4, 24),
        half_blink=draw(0, 5),
        double_blink=draw(0, 2),
        gaze=draw(2, 12),
        turn=draw(0, 8),
        nod=draw(0, 8),
        sway=draw(0, 1.2),
        talk=float(rng.choice([0, 0.2, 0.4, 0.7])),
        chewing=float(rng.choice([*seldom, 1.5])),
        swallow=draw(0, 2),
        hand=float(rng.choice([*seldom, 1.5])),
        zoom=float(rng.choice([0, 0, 2.0])),
        shake=float(rng.choice([0, 0, 0.5])),
        flicker=float(rng.choice([0, 0.003, 0.01])),
        light=float(rng.choice([0, 0, 2.0])),
        noise=draw(0.7, 3),
        key_frames=float(rng.choice([0, 0, 1.0, 4.0])),
    )
    return habits, fps


def simulate(seed: int, seconds: float, work: Path) -> None:
    """Make the motion of one simulated person, unless it is there already or the face is hardly seen."""
    path = work / f"person{seed}.npz"
    if path.is_file():
        return
    habits, fps = habits_of(seed)
    recording = lifelike(seed, seconds, fps, SIZE, habits)
    with suppress(ClipError):
        save_motion(path, motion_of(list(recording.frames()), fps, path.stem))
        print(f"{path.stem}: simulated", flush=True)


def simulated(seed: int, work: Path, log: Log) -> MovingFace | None:
    """Return one simulated person; None when the face is hardly seen."""
    path = work / f"person{seed}.npz"
    try:
        return MovingFace(path.stem, load_motion(path)) if path.is_file() else None
    except ClipError as error:
        log(f"{path.stem}: left out: {error.line()}")
        return None


def filmed(film: Path, work: Path, log: Log) -> MovingFace:
    """Return the person of a film; raises `MediaError` and `ClipError`."""
    path = work / f"{film.stem}.npz"
    if not path.is_file():
        fps = probe(film).fps
        save_motion(path, motion_of([picture for _, _, picture in iterate(film)], fps, film.name))
        log(f"{film.name}: followed")
    return MovingFace(path.stem, load_motion(path))


@dataclass(frozen=True)
class Person:
    """One person: the moments as filmed, and with draws of implants; `weight` of each in the training."""

    name: str
    minutes: float
    plain: Drawn
    draws: Sequence[Drawn]
    weight: float

    def stacked(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return features, targets and weights of all moments."""
        every = [one for one in (*self.draws, self.plain) if len(one.features)]
        weights = [np.full(len(d.features), self.weight * (1 if d.implants else AS_FILMED)) for d in every]
        return tuple(np.concatenate(a) for a in ([d.features for d in every], [d.true for d in every], weights))  # type: ignore[return-value]


def person_of(face: MovingFace, recipe: Recipe, weight: float) -> Person:
    """Draw implants for a person."""
    return Person(face.name, face.minutes, face.drawn(None), face.draws(recipe.draws, recipe.seed), weight)


def fit_trees(people: Sequence[Person], seed: int) -> Any:
    """Train on people; returns a `HistGradientBoostingClassifier`."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    x, y, weight = (np.concatenate(a) for a in zip(*(one.stacked() for one in people), strict=True))
    return HistGradientBoostingClassifier(**TREES, random_state=derive_seed(seed, "trees") % 2**32).fit(x, y, weight)


def fit_naming(people: Sequence[Person]) -> np.ndarray:
    """Return weights (K + 1, C) that name moments, the last row the constant.

    Classes are as frequent as in the implants: most combinations of action units are negative.
    """
    from sklearn.linear_model import LogisticRegression

    x, names = _named(people)
    model = LogisticRegression(C=0.3, max_iter=2000).fit(x, names)
    order = [list(model.classes_).index(name) for name in CLASSES.classes]
    return np.concatenate([model.coef_.T, model.intercept_[None]])[:, order]


def _named(people: Sequence[Person]) -> tuple[np.ndarray, np.ndarray]:
    rows = [
        (one.naming[k], name)
        for person in people
        for one in person.draws
        for k, name in enumerate(one.classes)
        if name and one.true[k]
    ]
    return np.array([row for row, _ in rows]), np.array([name for _, name in rows])


@dataclass(frozen=True)
class HeldOut:
    """What models that have not seen a person make of that person.

    Args:
        person: that.
        plain: log odds of all moments of the recording as filmed.
        draws: of those of every draw.
        names: (N, C) logits of the classes of all true moments.
        classes: (N,) their classes.
    """

    person: Person
    plain: np.ndarray
    draws: Sequence[np.ndarray]
    names: np.ndarray
    classes: np.ndarray


def held_out(people: Sequence[Person], seed: int) -> list[HeldOut]:
    """Judge every person by trees that were trained on the other parts of the people."""
    order = np.random.default_rng(derive_seed(seed, "parts")).permutation(len(people))
    part = np.empty(len(people), int)
    part[order] = np.arange(len(people)) % PARTS
    result: list[HeldOut] = []
    for number in range(PARTS):
        inside = [one for one, its in zip(people, part, strict=True) if its != number]
        trees, naming = from_sklearn(fit_trees(inside, seed)), fit_naming(inside)
        outside = [one for one, its in zip(people, part, strict=True) if its == number]
        result += [judged(one, trees, naming) for one in outside]
    return result


def judged(person: Person, trees: Callable[[np.ndarray], np.ndarray], naming: np.ndarray) -> HeldOut:
    """Return what models make of a person's moments."""
    x, classes = _named([person])
    names = x @ naming[:-1] + naming[-1] if len(x) else np.zeros((0, naming.shape[1]))
    return HeldOut(person, trees(person.plain.features), [trees(one.features) for one in person.draws], names, classes)


def doubt(people: Sequence[HeldOut]) -> float:
    """Return what logits of classes are multiplied by to be believed as they are (Guo et al., ICML 2017)."""
    from scipy.optimize import minimize_scalar

    logits = np.concatenate([one.names for one in people])
    true = np.array([CLASSES.classes.index(name) for one in people for name in one.classes])

    def loss(factor: float) -> float:
        return -float(np.take_along_axis(log_softmax(factor * logits, axis=1), true[:, None], axis=1).mean())

    return float(minimize_scalar(loss, bounds=(0.1, 3.0), method="bounded").x)


def calibration(people: Sequence[HeldOut]) -> np.ndarray:
    """Return constant and slope (2,) from log odds to those that hold on people held out, each person alike."""
    from sklearn.linear_model import LogisticRegression

    odds = np.concatenate([values for one in people for values in one.draws])
    true = np.concatenate([drawn.true for one in people for drawn in one.person.draws])
    weight = np.concatenate(
        [np.full(len(v), one.person.weight / max(1, sum(map(len, one.draws)))) for one in people for v in one.draws]
    )
    model = LogisticRegression(C=1e6).fit(odds[:, None], true, weight / weight.mean())
    return np.array([model.intercept_[0], model.coef_[0, 0]])


def alarms_of(people: Sequence[HeldOut], line: np.ndarray) -> np.ndarray:
    """Return `mer.spotting.faces.alarm_table` of the people as filmed; see `FILMED`."""
    probability = np.concatenate([sigmoid(line[0] + line[1] * one.plain) for one in people])
    counts = [1.0 if one.person.weight == 1.0 else FILMED for one in people]
    weight = np.concatenate([np.full(len(one.plain), count) for one, count in zip(people, counts, strict=True)])
    minutes = sum(count * one.person.minutes for one, count in zip(people, counts, strict=True))
    return alarm_table(probability, weight, minutes)


def scores(people: Sequence[HeldOut], line: np.ndarray, threshold: float) -> dict[str, Any]:
    """Return found and implanted by amplitude in hundredths, and false alarms a minute, of people held out."""
    found: dict[str, list[int]] = {}
    for one in people:
        for drawn, odds in zip(one.person.draws, one.draws, strict=True):
            hit = set(drawn.implant[(sigmoid(line[0] + line[1] * odds) >= threshold) & drawn.true].tolist())
            for number, implant in enumerate(drawn.implants):
                if implant.kind == "micro":
                    cell = found.setdefault(f"{100 * implant.amplitude:g} %", [0, 0])
                    cell[0] += number in hit
                    cell[1] += 1
    alarms = sum(int((sigmoid(line[0] + line[1] * one.plain) >= threshold).sum()) for one in people)
    minutes = sum(one.person.minutes for one in people)
    return {"found": dict(sorted(found.items())), "alarms_per_minute": alarms / minutes, "minutes": minutes}


def told_by_others(film: HeldOut, outside: Sequence[HeldOut], told: Sequence[HeldOut], line: np.ndarray) -> float:
    """Return the threshold that a film is scored with: that of one false alarm a minute in all the others."""
    return threshold_of(alarms_of([*outside, *(one for one in told if one is not film)], line), 1.0)


def run(
    out: Path, work: Path, films: Sequence[Path], tell: Sequence[Path], recipe: Recipe, jobs: int = 1, log: Log = print
) -> dict[str, Any]:
    """Make everything that is missing, train, score and write `out`; return the scores."""
    work.mkdir(parents=True, exist_ok=True)
    seeds = range(SEED_OF_PEOPLE, SEED_OF_PEOPLE + recipe.people)
    with processes(jobs) as pool:
        list(pool.map(simulate, seeds, repeat(recipe.seconds), repeat(work)))
    faces = [face for seed in seeds if (face := simulated(seed, work, log)) is not None]
    everybody = [person_of(face, recipe, 1.0) for face in faces]
    people = [one for one in everybody if any(len(drawn.features) for drawn in one.draws)]
    people += [person_of(filmed(film, work, log), recipe, recipe.film_weight) for film in films]
    log(f"{len(people)} people, {sum(one.minutes for one in people):.1f} minutes")
    outside = held_out(people, recipe.seed)
    model = from_sklearn(fit_trees(people, recipe.seed))
    naming = fit_naming(people) * doubt(outside)
    told = [judged(person_of(filmed(film, work, log), recipe, recipe.film_weight), model, naming) for film in tell]
    line = calibration(outside)
    alarms = alarms_of([*outside, *told], line)
    threshold = threshold_of(alarms, 1.0)
    report = {
        "threshold": threshold,
        "simulated": scores([one for one in outside if one.person.weight == 1.0], line, threshold),
        **{one.person.name: scores([one], line, threshold) for one in outside if one.person.weight != 1.0},
        **{one.person.name: scores([one], line, told_by_others(one, outside, told, line)) for one in told},
    }
    arrays = {f"trees.{name}": value for name, value in model.state().arrays.items()}
    state = State({**arrays, "calibration": line, "alarms": alarms, "naming": naming})
    names = next(one.names for person in people for one in person.draws if one.names)
    meta = {
        **{"model": "faces", "preset": "", "settings": {}, "inputs": {}, "seed": recipe.seed, "fold": "spotter"},
        **{"held_out": [], "train_groups": sorted(one.name for one in people)},
        "spotter": FORMAT,
        "features": list(names),
        "templates": ["+".join(map(str, units)) + side for units, side in movements()],
        "classes": list(CLASSES.classes),
        "trained_on": f"{len(faces)} simulated people" + (f" and {len(films)} filmed" if films else ""),
        "people": len(people),
        "minutes": sum(one.minutes for one in people),
        "scores": report,
    }
    save_checkpoint(out, state, meta)
    write_json(work / "scores.json", report)
    return report


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m mer.pretrain.spotter", description="Make spotter_faces.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--film", type=Path, action="append", default=[], help="a film to learn from")
    parser.add_argument("--tell", type=Path, action="append", default=[], help="a film to count false alarms in")
    parser.add_argument("--work", type=Path, help="where motions are kept; beside --out by default")
    parser.add_argument("--people", type=int, default=Recipe.people)
    parser.add_argument("--draws", type=int, default=Recipe.draws)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    arguments = parser.parse_args()
    work = arguments.work or arguments.out.with_suffix(".work")
    recipe = Recipe(people=arguments.people, draws=arguments.draws, seed=arguments.seed)
    for name, value in run(arguments.out, work, arguments.film, arguments.tell, recipe, arguments.jobs).items():
        print(name, value)


if __name__ == "__main__":
    main()
