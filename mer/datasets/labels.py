"""What the cells of a label say: emotion words, objective classes, action units shown, the targets of CD6ME.

Which class a row has in an experiment is up to a view (`mer.datasets.views`).
"""

from __future__ import annotations

from mer.core.sample import Sample
from mer.datasets.alternatives import resolve
from mer.datasets.au import parse_aus

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
_ROMAN = {"I": 1, "II": 2, "III": 3, "IV": 4, "V": 5, "VI": 6, "VII": 7}

#: CD6ME: its databases, each held out once, and its action units in the order of every table.
CD6ME_DATASETS = ("casme", "casme2", "samm", "fourdme", "mmew", "casme3a")
CD6ME_AUS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17)


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


def family_of(sample: Sample) -> str:
    """Return what a leave-one-database-out split must hold out together: releases with the same people are one."""
    return sample.group.partition(":")[0]


def shown_units(sample: Sample) -> frozenset[int] | None:
    """Return the action units that a row shows, None where its cell is blank and nobody coded it.

    Held units do not count, uncertain ones do, and the branches of an `or` are resolved as in CD6ME whatever the
    reader's option `alternatives` says.
    """
    if not sample.aus and not sample.au_raw.strip():
        return None
    typed = parse_aus(sample.au_raw)[0]
    units = typed if any(unit.alternative for unit in typed) else sample.aus
    for key in (sample.sample_id, sample.sample_id.partition("/")[2]):
        resolved, choice = resolve(units, sample.dataset, key, "resolved")
        if choice:
            break
    return frozenset(unit.number for unit in resolved if not unit.kept)


def au_targets(sample: Sample) -> tuple[int, ...] | None:
    """Return the 12 binary CD6ME targets of a row, in the order of `CD6ME_AUS`; None when it takes no part.

    Status is not looked at.
    """
    if sample.dataset not in CD6ME_DATASETS or sample.expression_type != "micro":
        return None
    shown = shown_units(sample) or frozenset()
    return tuple(int(number in shown) for number in CD6ME_AUS)
