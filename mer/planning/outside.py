"""Which file every fold is given of weights from outside, found and looked into before any job starts.

A fold's file must not have learned from the fold's persons (`mer.weights.per_fold`, `mer.training.outside`). A person
whom no spotting file left out stops the run; one whom no recognition file left out is not recognised, which the
scores then say.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from mer.core.errors import ConfigError, DatasetError, ModelError
from mer.models.registry import model
from mer.training.checkpoint import FIELDS, read_metadata
from mer.training.folds import Fold
from mer.training.outside import require_clean, require_same_settings
from mer.training.recipe import Settled
from mer.training.separation import require_trained_as
from mer.weights.keras import read_keras
from mer.weights.locate import sha256
from mer.weights.per_fold import FoldFile, WeightFiles, fold_file
from mer.weights.releases import class_order

Blocks = dict[str, dict[str, Any]]


@lru_cache(maxsize=512)
def _looked_into(path: str, digest: str, network: str, classes: int) -> None:
    read_keras(path, network, classes)


def _file(
    told: WeightFiles,
    key: str,
    network: str,
    kind: str,
    fold: Fold[Any],
    classes: Sequence[str],
    where: str,
    people: Mapping[str, Sequence[str]] | None = None,
) -> FoldFile:
    """Return the Keras file of a fold; raises as `fold_file`, `read_keras` and `class_order`."""
    found = fold_file(told, key, network, kind, fold.name, fold.held_out, where, people)
    if not found.refused:
        if network == "recog":
            class_order(found.classes, classes)
        _looked_into(found.path, found.sha256, network, len(classes) if network == "recog" else 0)
    return found


def _checkpoint(told: WeightFiles, fold: Fold[Any], where: str, **wanted: Any) -> tuple[FoldFile, dict[str, Any]]:
    """Return the checkpoint of a fold and its metadata, which must have the values of `wanted`."""
    path = Path(told.checkpoint.replace("{fold}", fold.name)).expanduser()
    if not os.path.isfile(path):
        raise ConfigError(f"{where}.checkpoint", f"no file {str(path)!r}", f"a checkpoint for fold {fold.name}")
    meta = read_metadata(path)
    if lacking := [name for name in FIELDS if name not in meta]:
        raise ModelError(
            path, f"its metadata lacks {', '.join(lacking)}", ", ".join(FIELDS), "name a checkpoint of mer"
        )
    require_trained_as(meta, path, **wanted)
    require_clean(meta, path, fold.held_out)
    return FoldFile(str(path), sha256(path)), meta


def recognition_weights(
    told: WeightFiles, folds: Sequence[Fold[Any]], classes: Sequence[str], where: str, name: str, settled: Settled
) -> Blocks:
    """Return, by fold, the file of a recognition experiment: `checkpoint` (whether it is ours) and `file`.

    Args:
        told: the block `train.weights`.
        folds: of the experiment.
        classes: of the experiment.
        where: path of the block in the configuration.
        name: of the model.
        settled: its preset and settings, which a checkpoint of ours must have.

    Raises:
        ConfigError, ModelError: no fold has a usable file, or a file is absent, wrong or of a held-out person.
    """
    if told.checkpoint:
        wanted = {"model": name, "preset": settled.preset, "classes": list(classes)}
        found = {}
        for fold in folds:
            found[fold.name], meta = _checkpoint(told, fold, where, **wanted)
            require_same_settings(meta, found[fold.name].path, model(name, where), settled.settings)
    else:
        found = {fold.name: _file(told, "recog", "recog", "micro", fold, classes, where) for fold in folds}
    if all(one.refused for one in found.values()):
        first = next(iter(found.values()))
        raise ConfigError(f"{where}.recog", f"no fold has a file: {first.refused}", "files that left persons out")
    return {name: {"checkpoint": bool(told.checkpoint), "file": one.block()} for name, one in found.items()}


def spotting_weights(
    told: WeightFiles, folds: Sequence[Fold[Any]], kinds: Sequence[str], network: str, protocol: str,
    classes: Sequence[str], where: str,
) -> Blocks:  # fmt: skip
    """Return, by fold, the files of a spotting experiment: `checkpoint`, or `kinds` with `spot` and perhaps `recog`.

    Under `ref` a person without an expression of a kind is not spotted in, and gets no file for it.

    Args:
        told: the block `weights`.
        folds: of the experiment.
        kinds: of expression that are spotted.
        network: `mean` or `softnet`.
        protocol: `fixed` or `ref`.
        classes: that the network names.
        where: path of the block in the configuration.

    Raises:
        ConfigError, ModelError: a file is absent or wrong, or no spotting file left a fold's person out.
    """
    if told.checkpoint:
        wanted = {"model": f"spotting {network}", "preset": protocol, "classes": list(classes)}
        return {fold.name: {"checkpoint": _ours(told, fold, kinds, where, wanted)} for fold in folds}
    blocks: Blocks = {}
    people = {kind: _people(folds, kind) for kind in kinds}
    for fold in folds:
        entries: dict[str, dict[str, Any]] = {}
        for kind in (kind for kind in kinds if any(video.of_kind(kind) for video in fold.test)):
            layers = "softnet" if network == "softnet" else "spot"
            files = {"spot": _file(told, "spot", layers, kind, fold, (), where, people[kind])}
            if files["spot"].refused:
                raise ConfigError(f"{where}.spot", files["spot"].refused, f"a file for fold {fold.name}")
            if told.recog:
                files["recog"] = _file(told, "recog", "recog", kind, fold, classes, where)
            entries[kind] = {key: one.block() for key, one in files.items()}
        blocks[fold.name] = {"kinds": entries}
    return blocks


def _people(folds: Sequence[Fold[Any]], kind: str) -> dict[str, list[str]]:
    """Return who has an expression of a kind, by database."""
    found: dict[str, set[str]] = {}
    for video in (video for fold in folds for video in fold.test if video.of_kind(kind)):
        found.setdefault(video.dataset, set()).add(video.group)
    return {name: sorted(groups) for name, groups in found.items()}


def _ours(
    told: WeightFiles, fold: Fold[Any], kinds: Sequence[str], where: str, wanted: Mapping[str, Any]
) -> dict[str, Any]:
    found, meta = _checkpoint(told, fold, where, **wanted)
    if sorted(meta["state"]["kinds"]) != sorted(kinds):
        held = ", ".join(sorted(meta["state"]["kinds"])) or "nothing"
        raise ConfigError(f"{where}.checkpoint", f"{found.path} spots {held}", ", ".join(kinds), "see `features`")
    return found.block()


def trunks(folds: Sequence[Fold[Any]], spotting: Sequence[Fold[Any]], folder: Path, where: str) -> dict[str, str]:
    """Return, by fold of a recognition experiment, the checkpoint of the spotting experiment's fold of that person.

    Args:
        folds: of the recognition experiment.
        spotting: those of the spotting experiment.
        folder: the results of the spotting experiment's first seed.
        where: path of the key in the configuration.

    Raises:
        DatasetError: the spotting experiment has no fold of a person, whose recordings it does not have.
    """
    theirs = {fold.name: fold.held_out for fold in spotting}
    for fold in folds:
        if theirs.get(fold.name) != fold.held_out:
            found = f"the spotting experiment has no fold of {fold.name}: no whole recording of this person"
            raise DatasetError(where, found, "whole recordings of every person", "or take the preset joint")
    return {fold.name: (folder / fold.name / "model.safetensors").as_posix() for fold in folds}
