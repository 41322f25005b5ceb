"""Weights that were trained elsewhere: the key `weights` of an experiment, and which file a fold is given.

A file may be given to a fold only if it did not learn from the fold's person. For published files that is known where
the release says whom each file left out (`mer.weights.releases`), for files of one's own training with the released
code where the key `left_out` says so; for any other it is unknown, which the results then say. Our own checkpoints
name their persons themselves (`mer.training.outside`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from mer.core.errors import ConfigError
from mer.core.params import Params
from mer.core.registry import nearest
from mer.weights.fetch_set import require_accepted, set_folder
from mer.weights.locate import sha256
from mer.weights.releases import FILE, RELEASES, Release, release_of


class WeightFiles(Params):
    """Weights that are used as they are; nothing is trained then."""

    spot: str = Field(
        "",
        description="Keras files of the spotting network: a set of `mer weights list`, or a path with `{number}`, "
        "`{fold}` or `{kind}` in it, such as `MEAN_Weights/CASME_sq/spot/s{number}.hdf5`.",
    )
    recog: str = Field(
        "", description="Keras files of MEAN's recognition network, named in the same way; without, nothing is named."
    )
    checkpoint: str = Field(
        "", description="Instead of both: checkpoints of an earlier run, `.../seed0/{fold}/model.safetensors`."
    )
    release: str = Field(
        "", description="Database of the release that a path with `{number}` leads to: it says whom each file left out."
    )
    left_out: tuple[str, ...] = Field(
        (),
        description="Instead of `release`, for files of your own: whom file 1, 2, ... left out, as `family:subject`.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> WeightFiles:
        if bool(self.checkpoint) == bool(self.spot or self.recog):
            raise ValueError("either checkpoint, or Keras files")
        if self.checkpoint and (self.release or self.left_out):
            raise ValueError("a checkpoint names its persons itself; leave release and left_out out")
        if self.release and self.left_out:
            raise ValueError("either release or left_out")
        return self


@dataclass(frozen=True)
class FoldFile:
    """What a fold is given.

    Attributes:
        path, sha256: of the file; empty where it was refused.
        trained_on: groups that it learned from; None when nobody knows.
        classes: of a published recognition file in the order of its outputs; empty when unknown.
        refused: why there is no file for this fold.
    """

    path: str = ""
    sha256: str = ""
    trained_on: tuple[str, ...] | None = None
    classes: tuple[str, ...] = ()
    refused: str = ""

    def block(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        known = None if self.trained_on is None else list(self.trained_on)
        told = {"path": self.path, "sha256": self.sha256, "trained_on": known}
        return {**told, "classes": list(self.classes), "refused": self.refused}

    @staticmethod
    def of(block: Mapping[str, Any]) -> FoldFile:
        """Return what `block` returned."""
        known = block["trained_on"]
        persons = None if known is None else tuple(known)
        return FoldFile(block["path"], block["sha256"], persons, tuple(block["classes"]), block["refused"])


def fold_file(
    told: WeightFiles,
    key: str,
    network: str,
    kind: str,
    fold: str,
    held_out: Sequence[str],
    where: str,
    people: Mapping[str, Sequence[str]] | None = None,
) -> FoldFile:
    """Return the Keras file of one fold.

    Args:
        told: the block `weights`.
        key: `spot` or `recog`, the entry of it that names the files.
        network: `softnet`, `spot` or `recog`.
        kind: of expression, for `{kind}`.
        fold: its name, for `{fold}`.
        held_out: its persons (`Sample.group`).
        where: path of the block in the configuration, for messages.
        people: by database, who has an expression of the kind: whom the files of a release left out that lists nobody,
            if there are as many.

    Raises:
        ConfigError, ModelError: a set that was not fetched or is damaged, a path without a file, `{number}` without a
            word on whom each file left out, or an unknown release.
    """
    path = f"{where}.{key}"
    name = str(getattr(told, key)).replace("{kind}", kind).replace("{fold}", fold)
    release = _release(told, name, network, kind, where, path)
    fetched = name if name in RELEASES else ""
    if fetched:
        name = str(set_folder(name) / FILE)
    known_people = (people or {}).get(release.database, ()) if release else ()
    everyone, left_out = _persons(told, release, known_people)
    if "{number}" in name and not left_out:
        if release is not None:
            found = f"{len(known_people)} persons with a {kind}-expression in {release.database}"
            expected = f"{len(release.numbers)}, a file for each"
            raise ConfigError(path, found, expected, "say whom each file left out in left_out, or name them by {fold}")
        raise ConfigError(path, "{number} without a word on whom each file left out", "release or left_out")
    known: tuple[str, ...] | None = everyone if left_out else None
    if left_out:
        number = next((n for n, out in left_out.items() if set(held_out) <= set(out)), None)
        if number is None and release is not None and not set(held_out) & set(everyone):
            # Someone whom the release knows nothing of: every file left them out.
            number = min(left_out)
        if "{number}" in name and number is None:
            who = ", ".join(held_out)
            return FoldFile(refused=f"no file left {who} out of all of its training (specs/mean-softnet.md D2, §5.5)")
        if "{number}" in name:
            name = name.replace("{number}", str(number))
            known = tuple(group for group in everyone if group not in left_out[number or 0])
        seen = sorted(set(known or ()) & set(held_out))
        if seen:
            return FoldFile(refused=f"one file for all folds: it was trained on {seen[0]}")
    file = Path(name).expanduser()
    if not file.is_file():
        raise ConfigError(path, f"no file {name!r}", f"a Keras file for fold {fold}", _remedy(fetched))
    if fetched:
        require_accepted(fetched, file)
    return FoldFile(str(file), sha256(file), known, release.classes if release is not None else ())


def _remedy(fetched: str) -> str:
    return f"run: mer weights fetch {fetched} --file FOLDER --accept-licence" if fetched else "mend the path"


def _release(told: WeightFiles, name: str, network: str, kind: str, where: str, path: str) -> Release | None:
    """Return the release of a set by its name, or of a path by the key `release`."""
    if name in RELEASES:
        found = RELEASES[name]
        if found.network != network or (network == "softnet" and found.kind != kind):
            remedy = f"name one of {', '.join(n for n, one in RELEASES.items() if one.network == network)}"
            raise ConfigError(path, f"{name} holds {found.network} for {found.kind}", f"{network} for {kind}", remedy)
        return found
    if not any(letter in name for letter in "/\\.{"):
        raise ConfigError(path, f"unknown weights {name!r}", "a set, or the path of a file", nearest(name, RELEASES))
    if not told.release:
        return None
    given = release_of(network, told.release, kind)
    if given is None:
        databases = {one.database for one in RELEASES.values() if one.network == network}
        remedy = nearest(told.release, databases)
        raise ConfigError(f"{where}.release", f"no release of {network} for {told.release!r}", "a database", remedy)
    return given


def _persons(
    told: WeightFiles, release: Release | None, people: Sequence[str]
) -> tuple[tuple[str, ...], dict[int, tuple[str, ...]]]:
    """Return all persons of the training, and by file number whom the file left out; empty where nobody knows."""
    if told.left_out:
        return told.left_out, {n: (group,) for n, group in enumerate(told.left_out, start=1)}
    if release is not None and release.left_out is not None:
        return release.people, dict(release.left_out)
    if release is not None and len(people) == len(release.numbers):
        return tuple(sorted(people)), {n: (group,) for n, group in enumerate(sorted(people), start=1)}
    return (), {}
