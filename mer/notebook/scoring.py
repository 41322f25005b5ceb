"""Scores of anyone's predictions, as the workflow scores its own (docs/scores.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mer.core.errors import ModelError
from mer.metrics import bootstrap, chance
from mer.metrics.recognition import STATISTICS
from mer.notebook.arrays import KEYS, keys_index
from mer.training.predictions import Predictions
from mer.training.predictions import compare as compare_predictions

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("subject", "group", "fold", "seed", "label", "prediction")


def score(
    y: Any,
    p: Any,
    groups: Any,
    *,
    classes: Sequence[Any] | None = None,
    datasets: Any = None,
    draws: int = bootstrap.DEFAULT_DRAWS,
    seed: int = 0,
) -> pd.DataFrame:
    """Score predictions with their uncertainty, and what labels in random order reach on the same clips.

    The same numbers as the workflow's for the same predictions: pooled over all clips, on a fixed class set
    (`mer.metrics.recognition`), with the 95 % interval of a bootstrap over persons, within databases
    (`mer.metrics.bootstrap`), and the mean and the central 95 % of random orders of the labels (`mer.metrics.chance`).

    Args:
        y: (N,) true classes; as `run.arrays` gives them they bring the class set and the databases along.
        p: (N,) predicted classes of the same clips in the same order, or (S, N) of S runs that differ in their seed.
        groups: (N,) the person of each clip.
        classes: the class set in its order; that of a categorical `y`, else the sorted classes in it.
        datasets: (N,) the database of each clip; the `dataset` of the index of `y`, else all clips are of one.
        draws: of the bootstrap and of the random orders.
        seed: of the same.

    Returns:
        a row for each of uf1, uar and accuracy: `value`, `low` and `high` of its interval, and `chance`, `chance_low`
        and `chance_high` of random orders, all in [0, 1].

    Raises:
        ModelError: different lengths or clips, an unknown class, a missing prediction, or fewer than 100 draws.

    >>> y, p = ["happy", "sad", "sad", "happy"] * 5, ["happy", "sad", "sad", "sad"] * 5
    >>> mer.score(y, p, groups=list("abcd") * 5).round(2)[["value", "low", "high", "chance_high"]]
              value   low  high  chance_high
    uf1        0.73  0.20   1.0          0.7
    uar        0.75  0.25   1.0          0.7
    accuracy   0.75  0.25   1.0          0.7
    """
    import pandas as pd

    names, strata = _classes(y, classes), _datasets(y, datasets)
    _same_clips({"y": y, "p": p, "groups": groups})
    truth, predicted = _codes(y, names, "y"), _codes(p, names, "p")
    people = [str(group) for group in np.asarray(groups, object)]
    interval = bootstrap.interval(truth, predicted, people, strata, len(names), draws, seed)
    random = chance.random_reference(truth, len(names), "permuted", draws, seed)
    rows = {
        name: {
            **interval[name],
            "chance": random[name]["mean"],
            "chance_low": random[name]["low"],
            "chance_high": random[name]["high"],
        }
        for name in STATISTICS
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def predictions(y: Any, p: Any, groups: Any) -> pd.DataFrame:
    """Return predictions of one's own as the table that `run.predictions` gives, so that both can be compared.

    Args:
        y: (N,) true classes as `run.arrays` gives them.
        p: (N,) predicted classes of the same clips in the same order, or (S, N) of S runs.
        groups: (N,) the person of each clip.

    Raises:
        ModelError: `y` does not say which clips they are, or as `score`.
    """
    index = getattr(y, "index", None)
    if list(getattr(index, "names", ())) != KEYS:
        raise ModelError("y", "does not say which clip a row is", "y as run.arrays gives it")
    names = _classes(y, None)
    _same_clips({"y": y, "p": p, "groups": groups})
    people = [str(group) for group in np.asarray(groups, object)]
    data = Predictions(
        keys=[(str(dataset), str(sample)) for dataset, sample in index],  # type: ignore[union-attr]
        subjects=[group.rpartition(":")[2] for group in people],
        groups=people,
        folds=people,
        classes=tuple(map(str, names)),
        truth=_codes(y, names, "y"),
        seeds=list(range(len(np.atleast_2d(_plain(p))))),
        predicted=np.atleast_2d(_codes(p, names, "p")),
        excluded={},
        excluded_labels={},
    )
    return as_table(data)


def compare(a: Any, b: Any, draws: int = bootstrap.DEFAULT_DRAWS, seed: int = 0) -> pd.DataFrame:
    """Compare two systems on the clips that both have named: a minus b, with the paired 95 % interval.

    The persons are drawn once for both, the seeds apart (`mer.metrics.bootstrap.paired_difference`).

    Args:
        a: predictions of one system, as `run.predictions(name)` or `mer.predictions` give them.
        b: of the other.
        draws: of the bootstrap over persons.
        seed: of the draws.

    Returns:
        a row for each of uf1, uar and accuracy: `value`, `low`, `high`, and `distinguishable`, whether the interval
        leaves 0 out. `attrs` has `n_clips`, and `only_first` and `only_second`, the clips left aside.

    Raises:
        ModelError: a table that is none, other classes or labels, or no clip in common.
    """
    import pandas as pd

    told = compare_predictions(as_predictions(a, "a"), as_predictions(b, "b"), draws, seed)
    table = pd.DataFrame.from_dict({name: told[name] for name in STATISTICS}, orient="index")
    table.attrs.update({name: told[name] for name in ("n_clips", "only_first", "only_second")})
    return table


def as_table(data: Predictions) -> pd.DataFrame:
    """Return aligned predictions as a table: a row per clip and seed, indexed by dataset and sample_id."""
    import pandas as pd

    times, classes = len(data.seeds), list(data.classes)
    columns = {
        "subject": data.subjects * times,
        "group": data.groups * times,
        "fold": data.folds * times,
        "seed": np.repeat(data.seeds, len(data.keys)),
        "label": pd.Categorical.from_codes(np.tile(data.truth, times), categories=classes),
        "prediction": pd.Categorical.from_codes(data.predicted.reshape(-1), categories=classes),
    }
    return pd.DataFrame(columns, index=keys_index(data.keys * times))


def as_predictions(table: Any, where: str) -> Predictions:
    """Return a table of `as_table` as aligned predictions.

    Raises:
        ModelError: a column is missing, or not every seed has every clip once.
    """
    missing = [name for name in COLUMNS if name not in getattr(table, "columns", ())]
    if missing or list(table.index.names) != KEYS:
        found = f"{', '.join(missing) or 'dataset and sample_id'} missing"
        raise ModelError(where, found, "predictions as run.predictions or mer.predictions give them")
    whole = table.sort_index(kind="stable")
    seeds = sorted(int(seed) for seed in whole["seed"].unique())
    parts = [whole[whole["seed"] == seed] for seed in seeds]
    first = parts[0]
    if not first.index.is_unique or any(list(part.index) != list(first.index) for part in parts):
        raise ModelError(where, "not every seed has every clip once", "a whole table of predictions")
    names = _classes(first["label"], None)
    return Predictions(
        keys=[(str(dataset), str(sample)) for dataset, sample in first.index],
        subjects=[str(name) for name in first["subject"]],
        groups=[str(name) for name in first["group"]],
        folds=[str(name) for name in first["fold"]],
        classes=tuple(map(str, names)),
        truth=_codes(first["label"], names, f"{where}: label"),
        seeds=seeds,
        predicted=np.stack([_codes(part["prediction"], names, f"{where}: prediction") for part in parts]),
        excluded={},
        excluded_labels={},
    )


def _classes(y: Any, classes: Sequence[Any] | None) -> list[Any]:
    """Return the class set: as named, that of a categorical series, or what occurs in `y`."""
    if classes is not None:
        return list(classes)
    categories = getattr(getattr(y, "cat", y), "categories", None)
    return list(categories) if categories is not None else sorted(set(np.asarray(y).ravel().tolist()))


def _plain(labels: Any) -> np.ndarray:
    return np.asarray(labels, object)


def _codes(labels: Any, classes: Sequence[Any], where: str) -> np.ndarray:
    """Return labels of any shape as places in the class set, int64."""
    places = {str(name): place for place, name in enumerate(classes)}
    plain = _plain(labels)
    unknown = next((label for label in plain.ravel() if str(label) not in places), None)
    if unknown is not None or any(label is None for label in plain.ravel()):
        raise ModelError(where, f"class {unknown!r}", f"one of {', '.join(places)}, for every clip")
    return np.array([places[str(label)] for label in plain.ravel()], np.int64).reshape(plain.shape)


def _datasets(y: Any, datasets: Any) -> list[str]:
    if datasets is not None:
        return [str(name) for name in np.asarray(datasets, object)]
    index = getattr(y, "index", None)
    if "dataset" in getattr(index, "names", ()):
        return [str(name) for name in index.get_level_values("dataset")]  # type: ignore[union-attr]
    return ["all"] * len(y)


def _same_clips(given: dict[str, Any]) -> None:
    """Refuse arguments that say they are of different clips, or have different lengths."""
    length = len(given["y"])
    indexes = {name: value.index for name, value in given.items() if hasattr(value, "index") and hasattr(value, "iloc")}
    for name, value in given.items():
        count = _plain(value).shape[-1] if name == "p" else len(value)
        if count != length:
            raise ModelError(name, f"{count} clips", f"{length}, as y")
    named = list(indexes)
    for other in named[1:]:
        if not indexes[other].equals(indexes[named[0]]):
            raise ModelError(other, f"is of other clips than {named[0]}, or in another order", "one order for both")
