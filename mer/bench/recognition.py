"""What recognition is worth: baselines, learning curve, inputs and shuffled labels, on a composite as hard as life.

Parts of persons are held out in turn, every choice is made inside the training part, and every model of a seed sees the
same parts. An input is compared with the 28×28 images that were stretched one by one, on the same clips, by the paired
bootstrap over persons and seeds of `mer.metrics.bootstrap`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from mer.bench.in_processes import Each
from mer.bench.recognition_inputs import Input
from mer.bench.table import BenchRow, column
from mer.core.seeds import derive_seed
from mer.metrics import bootstrap, chance
from mer.metrics.recognition import confusion, uar, uf1
from mer.models.grouping import deal_groups
from mer.models.registry import model

CLASSES = 3
#: Of the real images (specs/peers.md §3.6): training people -> UF1.
REAL_CURVE = {8: 0.685, 34: 0.736, 67: 0.745}
Log = Callable[[str], None]


@dataclass(frozen=True)
class RecognitionRow(BenchRow):
    """A score, or a difference of scores, with its 95 % interval; of shuffled labels the band of chance."""

    part: str = column("part")
    what: str = column("what")
    seeds: int = column("seeds")
    uf1: float = column("UF1", "{:.3f}")
    uf1_low: float = column("from", "{:.3f}")
    uf1_high: float = column("to", "{:.3f}")
    uar: float = column("UAR", "{:.3f}")
    uar_low: float = column("UAR from", "{:.3f}")
    uar_high: float = column("UAR to", "{:.3f}")
    told: str = column("")


@dataclass(frozen=True)
class People:
    """Clips by what is known of them: labels (N,) int64, persons (N,) str as file names, and databases (N,) str."""

    y: np.ndarray
    groups: np.ndarray
    datasets: np.ndarray

    def parts(self, folds: int, seed: int) -> np.ndarray:
        """Return the part (N,) str in which each clip is held out; with 0 folds every person is one."""
        if not folds:
            return self.groups
        given = deal_groups(self.groups, folds, seed)
        return np.array([f"part{given[str(group)] + 1}" for group in self.groups])


@dataclass(frozen=True)
class System:
    """A model with settings, and the input that it sees."""

    name: str
    model: str
    preset: str
    sees: Input
    settings: Mapping[str, Any]


def answers(
    system: System, x: np.ndarray, people: People, folds: int, seeds: Sequence[int], each: Each = map, train: int = 0
) -> np.ndarray:
    """Return the scores (S, N, C) float64 that a system gives to held-out clips, for each seed.

    Args:
        system: what is trained.
        x: its features, of all clips.
        people: labels and persons.
        folds: parts of persons, 0 for one person at a time; the same parts for all seeds.
        seeds: of the training.
        each: computes every fold (`mer.bench.in_processes`).
        train: so many persons of each training part are drawn, anew for each seed; 0 for all.
    """
    part = people.parts(folds, 0)
    tasks = [(seed, name) for seed in seeds for name in sorted(set(part))]
    work = partial(_fold, system, x, people, part, train)
    found = np.empty((len(seeds), len(people.y), CLASSES))
    for (seed, name), scores in zip(tasks, each(work, tasks), strict=True):
        found[list(seeds).index(seed), part == name] = scores
    return found


def _fold(
    system: System, x: np.ndarray, people: People, part: np.ndarray, train: int, task: tuple[int, str]
) -> np.ndarray:
    seed, name = task
    held = part == name
    shown = ~held
    # As a fold of the workflow (`mer.training.training_part`), so that both give the same scores.
    own = derive_seed(seed, system.model, system.preset, name)
    if train:
        others = np.unique(people.groups[shown])
        drawn = np.random.default_rng(own).choice(others, min(train, len(others)), replace=False)
        shown &= np.isin(people.groups, drawn)
    card = model(system.model, "bench")
    preset = card.presets[system.preset].model_copy(update=dict(system.settings))
    if len(np.unique(people.y[shown])) < 2:
        return np.eye(CLASSES)[np.full(held.sum(), people.y[shown][0])]
    state = card.fit(x[shown], people.y[shown], people.groups[shown], CLASSES, preset, own, lambda line: None)
    return np.asarray(card.predict(state, x[held]))


def scored(part: str, what: str, people: People, found: np.ndarray, told: str = "") -> RecognitionRow:
    """Return the row of a system's scores (S, N, C): the mean over seeds and its interval over persons and seeds."""
    named = found.argmax(axis=2)
    spread = bootstrap.interval(people.y, named, list(people.groups), list(people.datasets), CLASSES)
    return _row(part, what, len(found), spread, told)


def compared(what: str, people: People, found: np.ndarray, base: np.ndarray) -> RecognitionRow:
    """Return the row of a difference of scores (S, N, C), on the same draws of persons."""
    spread = bootstrap.paired_difference(
        people.y, found.argmax(axis=2), base.argmax(axis=2), list(people.groups), list(people.datasets), CLASSES
    )
    signs = {name: 1 if spread[name]["low"] > 0 else -1 if spread[name]["high"] < 0 else 0 for name in ("uf1", "uar")}
    told = {1: "helps", -1: "hurts"}.get(signs["uf1"] if signs["uf1"] == signs["uar"] else 0, "not told from nothing")
    return _row("over 28x28 min-max", what, len(found), spread, told)


def _row(part: str, what: str, seeds: int, spread: Mapping[str, Mapping[str, float]], told: str) -> RecognitionRow:
    first, second = spread["uf1"], spread["uar"]
    return RecognitionRow(
        part, what, seeds, first["value"], first["low"], first["high"], second["value"], second["low"], second["high"],
        told,
    )  # fmt: skip


def shuffled(people: People, order: int) -> People:
    """Return the clips with their labels in another order within each database, as `labels: permuted` does."""
    y = people.y.copy()
    for name in np.unique(people.datasets):
        clips = np.flatnonzero(people.datasets == name)
        rng = np.random.default_rng(derive_seed(order, "permuted labels", str(name)))
        y[clips] = people.y[clips][rng.permutation(len(clips))]
    return People(y, people.groups, people.datasets)


def permuted(
    system: System, x: np.ndarray, people: People, folds: int, orders: int, each: Each = map
) -> list[RecognitionRow]:
    """Return a row for each order of shuffled labels: the score, and the band of its own answers under other orders."""
    rows = []
    for order in range(orders):
        mixed = shuffled(people, order)
        found = answers(system, x, mixed, folds, (order,), each).argmax(axis=2)
        band = chance.permutation_band(mixed.y, found, mixed.datasets, CLASSES)
        table = confusion(mixed.y, found[0], CLASSES)
        value = {"uf1": float(uf1(table)), "uar": float(uar(table))}
        rows.append(against_chance(f"{system.name}, order {order}", value, band))
    return [*rows, mean_of_orders(system.name, rows)] if rows else []


def against_chance(
    what: str, value: Mapping[str, float], band: Mapping[str, Mapping[str, float]], seeds: int = 1
) -> RecognitionRow:
    """Return the row of `uf1` and `uar` on shuffled labels beside a band (`mer.metrics.chance.permutation_band`)."""
    spread = {name: {"value": value[name], **{e: band[name][e] for e in ("low", "high")}} for name in ("uf1", "uar")}
    told = "inside chance"
    if any(value[name] > band[name]["high"] for name in spread):
        told = f"above chance, p {band['uf1']['p']:.3f}"
    elif any(value[name] < band[name]["low"] for name in spread):
        told = "below chance"
    return _row("shuffled labels", what, seeds, spread, told)


def mean_of_orders(system: str, rows: Sequence[RecognitionRow]) -> RecognitionRow:
    """Return the row of the mean scores of several orders of the labels."""
    means = {"uf1": np.mean([row.uf1 for row in rows]), "uar": np.mean([row.uar for row in rows])}
    middle = {name: {"value": float(mean), "low": float("nan"), "high": float("nan")} for name, mean in means.items()}
    return _row("shuffled labels", f"{system}, mean of orders", len(rows), middle, "")


def curve(
    system: System,
    x: np.ndarray,
    people: People,
    folds: int,
    seeds: Sequence[int],
    whole: np.ndarray,
    each: Each = map,
) -> list[RecognitionRow]:
    """Return the scores after training on fewer people, beside those of the real images; `whole` are those of all."""
    most = len(set(people.groups)) - 1
    rows = []
    for count, real in REAL_CURVE.items():
        if count <= most:
            found = whole if count == most else answers(system, x, people, folds, seeds, each, count)
            rows.append(scored("learning curve", f"{system.name}, {count} people", people, found, f"real UF1 {real}"))
    return rows
