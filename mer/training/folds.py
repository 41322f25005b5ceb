"""Protocols: which persons are held out together, and what each fold trains on.

The unit is the group (`family:subject`, mer.core.sample): all clips of a person are on the same side, in whichever
dataset or release they are. Folds depend on the set of clips, never on the order of rows or files.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from mer.core.errors import ConfigError, DatasetError
from mer.core.sample import Sample, subject_key
from mer.core.seeds import derive_seed
from mer.datasets.views import View
from mer.models.grouping import deal_groups
from mer.training.fold_tables import Row, permute_labels, sorted_rows
from mer.training.separation import TableRow

R = TypeVar("R", bound=TableRow)


@dataclass(frozen=True)
class Selection:
    """Clips that take part in an experiment, and how many of the others were left out for which reason."""

    rows: tuple[Row, ...]
    classes: tuple[str, ...]
    left_out: dict[str, int]


@dataclass(frozen=True)
class Fold(Generic[R]):
    """One split of the rows of any task: clips, or whole recordings."""

    name: str
    held_out: tuple[str, ...]
    train: tuple[R, ...]
    test: tuple[R, ...]

    @property
    def train_sources(self) -> tuple[str, ...]:
        """Sorted `<dataset>/<subject key>` of the containers that training may open."""
        return tuple(sorted({row.source for row in self.train}))

    @property
    def test_sources(self) -> tuple[str, ...]:
        """Sorted `<dataset>/<subject key>` of the containers that prediction opens."""
        return tuple(sorted({row.source for row in self.test}))


def notes(fold: Fold[Row]) -> tuple[str, ...]:
    """Return what a reader of the fold's result must know: classes that are missing from the training part."""
    lacking = sorted({row.label for row in fold.test} - {row.label for row in fold.train})
    return tuple(f"fold {fold.name}: no training clip of class {label}" for label in lacking)


def select(indexes: Mapping[str, Iterable[Sample]], view: View, classes: Sequence[str]) -> Selection:
    """Pick the usable clips: status ok, and a class of `view` among `classes`.

    Args:
        indexes: rows of each configured dataset, by its name in the configuration.
        view: the class scheme.
        classes: the fixed class set, in the order of the scores; at least two different names.

    Returns:
        rows sorted by (dataset, sample_id); `left_out` counts the others by reason.

    Raises:
        ConfigError: fewer than two different classes.
        DatasetError: no usable clip, a class without any clip, or a subject that cannot be told apart.
    """
    if len(set(classes)) != len(classes) or len(classes) < 2:
        raise ConfigError("classes", f"{', '.join(map(str, classes)) or 'none'}", "at least two different classes")
    rows, left_out, heard = [], Counter[str](), set[str]()
    for name, samples in indexes.items():
        for sample in samples:
            value = view.class_of(sample)
            heard |= {sample.emotion_norm or ""} if any(view.words(sample.dataset)) else set()
            if sample.status != "ok":
                left_out[f"{name}: {sample.status}"] += 1
            elif value is None:
                word = f" ({sample.emotion_norm or 'no emotion'})" if any(view.words(sample.dataset)) else ""
                left_out[f"{name}: no class in {view.name}{word}"] += 1
            elif value not in classes:
                left_out[f"{name}: class {value} not in the experiment"] += 1
            else:
                rows.append(_row(sample, name, value))
    _check(rows, view.name, classes, sorted(filter(None, heard)))
    return Selection(tuple(sorted_rows(rows, "experiment")), tuple(classes), dict(sorted(left_out.items())))


def _row(sample: Sample, name: str, label: str) -> Row:
    if not sample.group or sample.group.endswith(":"):
        raise DatasetError(f"{name} clip {sample.sample_id}", "no subject", "family:subject", "mend the index row")
    source = f"{name}/{subject_key(sample)}"
    # FACS calls the neutral face 0: coded, and nothing seen.
    coded = "0" if sample.au_raw and not sample.au_notes else ""
    units = "+".join(str(number) for number in sample.au_numbers) or coded
    return Row(sample.sample_id, sample.dataset, sample.subject, sample.group, label, source, units)


def _check(rows: Sequence[Row], view: str, classes: Sequence[str], heard: Sequence[str]) -> None:
    counts = Counter(row.label for row in rows)
    empty = [name for name in classes if not counts[name]]
    if not rows or empty:
        found = f"no usable clip of class {', '.join(empty)}" if rows else "no usable clip"
        remedy = "change the classes or the datasets"
        remedy += f"; the rows have the emotions {', '.join(heard)}" if heard else ""
        raise DatasetError(f"view {view}", found, "clips of every class", remedy)


def _groups(rows: Sequence[TableRow], parts: int, where: str) -> dict[str, str]:
    """Return the fold-safe name of each sorted group after checking that there are at least `parts`."""
    keys = {row.group: row.source.rpartition("/")[2] for row in rows}
    if len(keys) < parts:
        raise DatasetError(where, f"{len(keys)} subjects", f"at least {parts}", "add subjects or change the protocol")
    shared = [key for key, n in Counter(keys.values()).items() if n > 1]
    if shared:
        raise DatasetError(where, f"two subjects share the file name {shared[0]}", "one name each", "rename one")
    return dict(sorted(keys.items()))


def _fold(name: str, held_out: Iterable[str], rows: Sequence[R]) -> Fold[R]:
    held = set(held_out)
    train = tuple(row for row in rows if row.group not in held)
    test = tuple(row for row in rows if row.group in held)
    return Fold(name, tuple(sorted(held)), train, test)


def loso(rows: Iterable[R]) -> list[Fold[R]]:
    """Return one fold per person, sorted by group; a fold is named by the person's `subject_key`.

    Raises:
        DatasetError: fewer than two persons, or two persons with the same file name.
        ModelError: a clip occurs twice.
    """
    ordered = sorted_rows(rows, "protocol loso")
    groups = _groups(ordered, 2, "protocol loso")
    return [_fold(key, (group,), ordered) for group, key in groups.items()]


def kfold(rows: Iterable[R], k: int, seed: int) -> list[Fold[R]]:
    """Return `k` folds of whole persons, `part1` … `part<k>`, of about equal numbers of clips.

    Args:
        rows: clips in any order.
        k: number of folds, at least 2.
        seed: of the dealing of persons (`mer.models.grouping.deal_groups`).

    Raises:
        ConfigError: k below 2.
        DatasetError: fewer persons than folds, or two persons with the same file name.
        ModelError: a clip occurs twice.
    """
    if k < 2:
        raise ConfigError("protocol kfold", f"k = {k}", "at least 2")
    ordered = sorted_rows(rows, "protocol kfold")
    groups = _groups(ordered, k, "protocol kfold")
    parts = deal_groups([row.group for row in ordered], k, seed)
    return [_fold(f"part{p + 1}", [g for g in groups if parts[g] == p], ordered) for p in range(k)]


def holdout_database(rows: Iterable[R]) -> list[Fold[R]]:
    """Return one fold per database family, sorted: trained on all the others, tested on all of its subjects.

    Releases of the same people (SAMM and SAMM Long Videos, the SMIC cameras) are one family: nobody is on both sides.

    Raises:
        DatasetError: fewer than two families.
        ModelError: a clip occurs twice.
    """
    ordered = sorted_rows(rows, "protocol database")
    families: dict[str, set[str]] = {}
    for row in ordered:
        families.setdefault(row.group.partition(":")[0], set()).add(row.group)
    if len(families) < 2:
        found = f"clips of one database family ({', '.join(families)})"
        raise DatasetError("protocol database", found, "at least two", "add a database or change the protocol")
    return [_fold(name, groups, ordered) for name, groups in sorted(families.items())]


def make_folds(
    rows: Iterable[Row], protocol: str, k: int, labels: str, seed: int, oracle: bool = False
) -> list[Fold[Row]]:
    """Return the folds of recognition under a protocol: `loso`, `kfold` or `database`.

    Args:
        rows: the selected clips.
        protocol: what is held out together.
        k: number of parts of `kfold`.
        labels: `permuted` shuffles the labels within each database before anything is split.
        seed: of the permutation and of `kfold`.
        oracle: leave the held-out clips their annotated action units, which nobody has for a new clip.
    """
    chosen = list(rows)
    if labels == "permuted":
        chosen = permute_labels(chosen, derive_seed(seed, "permuted labels"))
    split = {"loso": loso, "kfold": lambda clips: kfold(clips, k, seed), "database": holdout_database}[protocol]
    folds = split(chosen)
    return folds if oracle else [_blinded(fold) for fold in folds]


def _blinded(fold: Fold[Row]) -> Fold[Row]:
    return dataclasses.replace(fold, test=tuple(dataclasses.replace(row, units="") for row in fold.test))
