"""The published weight sets of SOFTNet and MEAN: one Keras file per held-out person, and who that person is.

A file `s<number>.hdf5` belongs to the number-th person, in natural order, who has an expression of the kind
(specs/mean-softnet.md §1, §5.5). The persons of CAS(ME)^2, SAMM Long Videos and CASME II are listed there; those of
SMIC are the persons of its table, and the eight of them whom VIS and NIR filmed (deduced: the counts agree). Who has a
macro-expression is not listed: of SOFTNet's macro files the annotations of a whole database tell, if they have as many
persons as there are files (deduced).

The recognition files of CAS(ME)^2 are shifted (D2): the head of file 3 left out s24, its trunk s19. Only a person whom
both left out counts as left out here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mer.core.errors import ModelError

MEAN_PAGE = "https://github.com/genbing99/MEAN_Spot-then-recognize"
SOFTNET_PAGE = "https://github.com/genbing99/SoftNet-SpotME"
POLARITY = ("negative", "positive", "surprise")
FILE = "s{number}.hdf5"


@dataclass(frozen=True)
class Release:
    """One folder of published files.

    Attributes:
        network: `softnet`, `spot` or `recog`, as `mer.weights.keras` has them.
        database: name of the database (`Sample.dataset`).
        kind: of expression.
        folder: below the release.
        numbers: of the files.
        people: the groups (`Sample.group`) that it was trained on, all folds together; empty where nobody knows.
        left_out: by file number, whom all of its training left out; empty where nobody knows.
        classes: of recognition, in the order of the outputs.
    """

    network: str
    database: str
    kind: str
    folder: str
    numbers: tuple[int, ...]
    people: tuple[str, ...] = ()
    left_out: Mapping[int, tuple[str, ...]] | None = None
    classes: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """Where the files are published."""
        return f"{SOFTNET_PAGE if self.network == 'softnet' else MEAN_PAGE}, {self.folder}"


def _groups(family: str, names: Sequence[str | int], form: str = "{}") -> tuple[str, ...]:
    return tuple(f"{family}:{form.format(name)}" for name in names)


_SQ = _groups("casme_sq", (15, 16, 19, 23, 24, 25, 27, 29, 30, 31, 32, 35, 37, 38), "s{}")
_LV = _groups("samm", (6, 7, *range(9, 27), 28, *range(30, 38)), "{:03d}")
_CASME2 = _groups("casme2", range(1, 27), "sub{:02d}")
_SMIC = _groups("smic", (1, 2, 3, 4, 5, 6, 8, 9, *range(11, 16), *range(18, 21)), "s{:02d}")
_SMIC_LATE = tuple(group for group in _SMIC if group >= "smic:s11")
#: Database: the folder's name in the release, its persons, and the classes of its recognition.
_DATABASES: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "casme_sq": ("CASME_sq", _SQ, POLARITY),
    "samm_lv": ("SAMMLV", _LV, POLARITY),
    "casme2": ("CASME2", _CASME2, ("disgust", "happiness", "others", "surprise", "repression")),
    "smic_e_hs": ("SMIC_HS", _SMIC, POLARITY),
    "smic_e_vis": ("SMIC_VIS", _SMIC_LATE, POLARITY),
    "smic_e_nir": ("SMIC_NIR", _SMIC_LATE, POLARITY),
}
# Recognition files that do not exist, and those whose head and trunk left out different persons (D2).
_MISSING = {"casme_sq": {1, 4, 6, 11, 13}, "samm_lv": {19}}
_SHIFTED = {"casme_sq": {3, 5, 8, 9, 10, 12}}


def _mean(database: str, network: str) -> Release:
    folder, people, classes = _DATABASES[database]
    recog = network == "recog"
    missing = _MISSING.get(database, set()) if recog else set()
    shifted = _SHIFTED.get(database, set()) if recog else set()
    numbers = tuple(n for n in range(1, len(people) + 1) if n not in missing)
    left_out = {n: () if n in shifted else (people[n - 1],) for n in numbers}
    path = f"MEAN_Weights/{folder}/{network}"
    return Release(network, database, "micro", path, numbers, people, left_out, classes if recog else ())


def _softnet(database: str, kind: str, count: int) -> Release:
    folder, people, _ = _DATABASES[database]
    numbers, path = tuple(range(1, count + 1)), f"SOFTNet_Weights/{folder}/{kind}-expression"
    if kind == "macro":
        return Release("softnet", database, kind, path, numbers)
    left_out = {n: (people[n - 1],) for n in numbers}
    return Release("softnet", database, kind, path, numbers, people, left_out)


RELEASES: dict[str, Release] = {
    **{f"mean_{network}_{name}": _mean(name, network) for network in ("spot", "recog") for name in _DATABASES},
    "softnet_micro_casme_sq": _softnet("casme_sq", "micro", 14),
    "softnet_macro_casme_sq": _softnet("casme_sq", "macro", 20),
    "softnet_micro_samm_lv": _softnet("samm_lv", "micro", 29),
    "softnet_macro_samm_lv": _softnet("samm_lv", "macro", 29),
}


def release_of(network: str, database: str, kind: str) -> Release | None:
    """Return the release of a network on a database, or None where nothing was published."""
    wanted = (network, database, kind if network == "softnet" else "micro")
    found = (one for one in RELEASES.values() if (one.network, one.database, one.kind) == wanted)
    return next(found, None)


def class_order(published: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """Return the classes of an experiment in the order of a recognition file's outputs.

    Args:
        published: of the file's release; empty when unknown: then the order in which the released code has as many.
        wanted: of the experiment.

    Raises:
        ModelError: other classes than the file's.
    """
    orders = [tuple(published)] if published else [classes for _, _, classes in _DATABASES.values()]
    found = next((order for order in orders if set(order) == set(wanted)), None)
    if found is None:
        expected = " or ".join(sorted({", ".join(order) for order in orders}))
        raise ModelError("recognition weights", f"classes {', '.join(wanted)}", expected, "choose another view")
    return found
