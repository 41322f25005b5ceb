"""Emotion names and the class schemes ("views") that papers use, each explicit and named.

A view is one rule from a row to a class or to None (the row takes no part). `emotion_3` is the generic
positive / surprise / negative folding; `megc2019` is the protocol of the composite database (specs/datasets.md §12.1),
which is not the same: CASME II fear and sadness stay out, by the labels of the 2014 table. Beside these schemes of
one class per row stand the action-unit targets of CD6ME (§12.2, leave one database out).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mer.core.errors import ConfigError
from mer.core.registry import nearest
from mer.core.sample import Sample
from mer.datasets.alternatives import resolve
from mer.datasets.au import parse_aus

POLARITY = ("negative", "positive", "surprise")
SEVEN = ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
_SYNONYMS = {
    "happy": "happiness",
    "happyiness": "happiness",
    "sad": "sadness",
    "other": "others",
    "comtempt": "contempt",
    "angry": "anger",
    "disgusted": "disgust",
    "surprised": "surprise",
    "tension": "tense",
}
_NEGATIVE = {"anger", "contempt", "disgust", "fear", "sadness", "repression", "negative"}
_POSITIVE = {"happiness", "positive"}
_OUT = {"others", "tense"}
_ROMAN = {"I": 1, "II": 2, "III": 3, "IV": 4, "V": 5, "VI": 6, "VII": 7}

_FIVE: Mapping[str, tuple[str, ...]] = {
    "casme2": ("disgust", "happiness", "others", "repression", "surprise"),
    "samm": ("anger", "contempt", "happiness", "others", "surprise"),
}
_MMEW_SEVEN = ("anger", "disgust", "fear", "happiness", "others", "sadness", "surprise")
_SEVEN: Mapping[str, tuple[str, ...]] = {
    "casme2": ("disgust", "fear", "happiness", "others", "repression", "sadness", "surprise"),
    "samm": SEVEN,
    "mmew": _MMEW_SEVEN,
    "casme3a": _MMEW_SEVEN,
}
# Two clips without a usable apex, and three that the 2014 table calls sadness, the 2019 table surprise; in lower case,
# as names on disk and in tables are compared.
_MEGC2019_OUT = {"sub04/ep12_01f", "sub05/ep09_05f", "sub24/ep07_01", "sub24/ep07_04f", "sub24/ep10_03"}
_MEGC2019_CASME2 = {"disgust": "negative", "repression": "negative", "happiness": "positive", "surprise": "surprise"}

#: CD6ME: its databases, each held out once, and its action units in the order of every table.
CD6ME_DATASETS = ("casme", "casme2", "samm", "fourdme", "mmew", "casme3a")
CD6ME_AUS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17)
PRESENCE = ("absent", "present")
#: Of whole clips of testimony (specs/dual-branch.md §3.2); the published class 0 is the lie.
TESTIMONY = ("deceptive", "truthful")


@dataclass(frozen=True)
class View:
    """A class scheme: `classes` in the fixed order of every table and confusion matrix."""

    name: str
    classes: tuple[str, ...]
    by_dataset: Mapping[str, tuple[str, ...]] | None = None


def _union(sets: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted({name for classes in sets for name in classes}))


VIEWS: dict[str, View] = {
    "megc2019": View("megc2019", POLARITY, dict.fromkeys(("smic_hs", "casme2", "samm"), POLARITY)),
    "emotion_3": View("emotion_3", POLARITY),
    "emotion_4": View("emotion_4", (*POLARITY, "others")),
    "emotion_5": View("emotion_5", _union(_FIVE.values()), _FIVE),
    "emotion_7": View("emotion_7", _union(_SEVEN.values()), _SEVEN),
    "objective": View("objective", tuple("1234567")),
    **{f"cd6me_au{number}": View(f"cd6me_au{number}", PRESENCE) for number in CD6ME_AUS},
    "deception": View("deception", TESTIMONY, {"rld": TESTIMONY}),
    "megc2018": View("megc2018", tuple("12345"), dict.fromkeys(("casme2", "samm"), tuple("12345"))),
}


def normalise_emotion(raw: str) -> str:
    """Return an emotion cell trimmed, in lower case, with synonyms folded: `Other ` gives `others`."""
    text = " ".join(str(raw).casefold().split())
    return _SYNONYMS.get(text, text)


def objective_class(raw: str) -> int | None:
    """Return the objective class 1 to 7 of a cell in arabic or roman figures, None for a blank or anything else."""
    text = str(raw).strip().upper()
    if text in _ROMAN:
        return _ROMAN[text]
    return int(text) if text in set("1234567") else None


def polarity(emotion: str) -> str | None:
    """Return the generic three-class folding of a normalised emotion, None for others, tense and doubtful words."""
    if emotion in _NEGATIVE:
        return "negative"
    if emotion in _POSITIVE:
        return "positive"
    return "surprise" if emotion == "surprise" else None


def view_of(name: str) -> View:
    """Return a view by name; raises `ConfigError` that names the nearest valid one."""
    if name not in VIEWS:
        raise ConfigError("view", f"unknown class scheme {name!r}", "a named class scheme", nearest(name, VIEWS))
    return VIEWS[name]


def classes_for(name: str, datasets: Iterable[str]) -> tuple[str, ...]:
    """Return the classes of a view that the given databases can have, in the view's fixed order.

    Raises:
        ConfigError: the view is unknown, or not defined for one of the databases.
    """
    view = view_of(name)
    if view.by_dataset is None:
        return view.classes
    datasets = sorted(set(datasets))
    foreign = [dataset for dataset in datasets if dataset not in view.by_dataset]
    if foreign:
        raise ConfigError(
            "view", f"{name} is not defined for {', '.join(foreign)}", f"one of {', '.join(view.by_dataset)}"
        )
    present = {label for dataset in datasets for label in view.by_dataset[dataset]}
    return tuple(label for label in view.classes if label in present)


def class_of(sample: Sample, view: str) -> str | None:
    """Return the class of a row in a view, None when the row takes no part in it. Status is not looked at.

    Raises:
        ConfigError: the view is unknown.
    """
    scheme = view_of(view)
    if scheme.by_dataset is not None and sample.dataset not in scheme.by_dataset:
        return None
    if view == "megc2019":
        return _megc2019(sample)
    if view.startswith("cd6me_au"):
        targets = au_targets(sample)
        return None if targets is None else PRESENCE[targets[CD6ME_AUS.index(int(view.removeprefix("cd6me_au")))]]
    if view in ("objective", "megc2018"):
        label = str(sample.objective_class)
        return label if label in scheme.classes else None
    if view == "emotion_3":
        return polarity(sample.emotion_norm)
    if view == "emotion_4":
        return "others" if sample.emotion_norm in _OUT else polarity(sample.emotion_norm)
    assert scheme.by_dataset is not None
    return sample.emotion_norm if sample.emotion_norm in scheme.by_dataset[sample.dataset] else None


def _megc2019(sample: Sample) -> str | None:
    if sample.emotion_norm in POLARITY and sample.emotion_norm != "surprise":
        return sample.emotion_norm
    if sample.dataset == "casme2":
        return None if sample.sample_id.casefold() in _MEGC2019_OUT else _MEGC2019_CASME2.get(sample.emotion_norm)
    return polarity(sample.emotion_norm)


def with_classes(sample: Sample) -> Sample:
    """Return the row with its `emotion_3` to `emotion_7` columns filled in from `emotion_norm`."""
    return dataclasses.replace(
        sample,
        emotion_3=class_of(sample, "emotion_3"),
        emotion_4=class_of(sample, "emotion_4"),
        emotion_5=class_of(sample, "emotion_5"),
        emotion_7=class_of(sample, "emotion_7"),
    )


def family_of(sample: Sample) -> str:
    """Return what a leave-one-database-out split must hold out together: releases with the same people are one."""
    return sample.group.partition(":")[0]


def au_targets(sample: Sample) -> tuple[int, ...] | None:
    """Return the 12 binary CD6ME targets of a row, in the order of `CD6ME_AUS`; None when it takes no part.

    Held units do not count, uncertain ones do, and the branches of an `or` are resolved as in CD6ME whatever the
    reader's option `alternatives` says. Status is not looked at.
    """
    if sample.dataset not in CD6ME_DATASETS or sample.expression_type != "micro":
        return None
    typed = parse_aus(sample.au_raw)[0]
    units = typed if any(unit.alternative for unit in typed) else sample.aus
    for key in (sample.sample_id, sample.sample_id.partition("/")[2]):
        resolved, choice = resolve(units, sample.dataset, key, "resolved")
        if choice:
            break
    present = {unit.number for unit in resolved if not unit.kept}
    return tuple(int(number in present) for number in CD6ME_AUS)
