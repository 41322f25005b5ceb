"""What an experiment takes from outside its folds: weights that are used as they are, and trunks that learned to spot.

No fold may use what learned from its held-out persons. Checkpoints of ours name their persons; of published files the
release does (`mer.weights.per_fold`). Where nobody knows them, the checkpoint, the scores and the report say so: such
a score does not prove that nothing leaked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mer.core.errors import ModelError
from mer.core.params import Params
from mer.models.contract import Model
from mer.models.state import State
from mer.training.checkpoint import load_checkpoint, read_metadata
from mer.training.separation import require_trained_as
from mer.weights.locate import sha256
from mer.weights.per_fold import FoldFile

UNKNOWN = "not leak-proof: nobody knows whom the weights were trained on: {files}"
REFUSED = "{count} folds without weights that left their person out: {reason}"
# A network of both tasks whose trunk can be frozen; of several kinds of expression the first one that was learned.
SPOTTING = "spotting mean"
KINDS = ("micro", "macro")


def record(files: Iterable[FoldFile], **more: Any) -> dict[str, Any]:
    """Return what a checkpoint says of the files that it was made from: `weights` of its metadata."""
    given = list(files)
    known = all(one.trained_on is not None or one.refused for one in given)
    named = [f"{Path(one.path).name}, sha256 {one.sha256}" for one in given if not one.refused]
    reasons = [one.refused for one in given if one.refused]
    return {"files": named, "persons": "known" if known else "unknown", "refused": "; ".join(reasons), **more}


def groups_of(files: Iterable[FoldFile]) -> list[str]:
    """Return every person whom some of the files are known to have learned from."""
    return sorted({group for one in files for group in one.trained_on or ()})


def own_checkpoint(
    source: FoldFile, held_out: Sequence[str], **wanted: Any
) -> tuple[State, dict[str, Any], dict[str, Any]]:
    """Return the state and the metadata of an earlier run's checkpoint, and what the one made of it says.

    Args:
        source: the file, with its SHA-256 when the run was planned.
        held_out: persons whom it must not have learned from.
        wanted: what its metadata must say.

    Raises:
        ModelError: as `load_checkpoint`; another file than planned, one that learned from a held-out person, or one
            that was trained as something else than `wanted`.
    """
    require_planned(source)
    require_clean(read_metadata(source.path), source.path, held_out)
    state, meta = load_checkpoint(source.path)
    require_trained_as(meta, source.path, **wanted)
    known = None if unknown_persons(meta) else tuple(meta["train_groups"])
    file = FoldFile(source.path, source.sha256, known)
    kept = {key: meta[key] for key in ("train_groups", "inputs")}
    return state, meta, {**kept, "weights": record([file], from_fold=meta["fold"], from_seed=meta["seed"])}


def report(fold: str, weights: Mapping[str, Any], log: Callable[[str], None]) -> None:
    """Say in the log of a fold what stood in for its training: `weights` of a checkpoint's metadata."""
    for line in filter(None, (*weights["files"], weights["refused"])):
        log(f"fold {fold}: nothing trained; {line}")
    if weights["persons"] == "unknown":
        log(f"fold {fold}: not leak-proof: nobody knows whom these weights were trained on")


def require_planned(source: FoldFile) -> None:
    """Refuse a file that is not the one with which the run was planned; raises `ModelError`."""
    if sha256(source.path) != source.sha256:
        expected = f"sha256 {source.sha256[:16]}…"
        raise ModelError(source.path, "changed since the run was planned", expected, "start the run again")


def require_clean(meta: Mapping[str, Any], path: str | Path, held_out: Iterable[str]) -> None:
    """Refuse a checkpoint that names a held-out person among those it learned from; raises `ModelError`."""
    seen = sorted(set(meta.get("train_groups", ())) & set(held_out))
    if seen:
        remedy = "name the checkpoint of the fold that left this person out: {fold}"
        raise ModelError(
            path, f"was trained on {seen[0]}, whom the fold holds out", "another fold's checkpoint", remedy
        )


def require_same_settings(meta: Mapping[str, Any], path: str | Path, card: Model, settings: Params) -> None:
    """Refuse a checkpoint of other settings than an experiment's; where its trunk came from is none of them."""
    aside = {"trunk"} if card.start else set()
    kept = {key: value for key, value in dict(meta["settings"]).items() if key not in aside}
    wanted = {key: value for key, value in settings.model_dump(mode="json").items() if key not in aside}
    for key in sorted(kept.keys() | wanted.keys()):
        if kept.get(key) != wanted.get(key):
            found, remedy = f"trained with {key} {kept.get(key)}", "set it in `train` as it was then"
            raise ModelError(path, found, f"{key} {wanted.get(key)}", remedy)


def unknown_persons(meta: Mapping[str, Any]) -> bool:
    """Return whether nobody knows all persons whom a checkpoint learned from."""
    return str((meta.get("weights") or {}).get("persons", "known")) == "unknown"


def trunk_of(path: str | Path, fold: str, held_out: Sequence[str] = ()) -> tuple[State, dict[str, Any]]:
    """Return the spotting network in the checkpoint of a spotting experiment's fold, and the checkpoint's metadata.

    Raises:
        ModelError: no such checkpoint, of SOFTNet or another fold, or one that learned from a held-out person.
    """
    state, meta = load_checkpoint(path)
    if meta["model"] != SPOTTING or meta["fold"] != fold:
        found = f"a model of {meta['model']}, fold {meta['fold']}"
        raise ModelError(path, found, f"{SPOTTING}, fold {fold}", "name a spotting experiment with model: mean")
    require_clean(meta, path, held_out)
    for kind in KINDS:
        prefix = f"{kind}.spot."
        arrays = {name.removeprefix(prefix): value for name, value in state.arrays.items() if name.startswith(prefix)}
        if arrays:
            return State(arrays), meta
    raise ModelError(path, "holds no spotting network", "one of fold " + fold, "its person has no recording to spot in")


def told(models: Sequence[str | Path]) -> tuple[dict[str, Any] | None, list[str]]:
    """Return what the checkpoints of an experiment say of weights from outside, and a line per reason to distrust it.

    The first is None for an experiment that trained everything itself.
    """
    records = [meta["weights"] for meta in map(read_metadata, models) if meta.get("weights")]
    if not records:
        return None, []
    unknown = sorted({file for one in records if one["persons"] == "unknown" for file in one["files"]})
    reasons = sorted({one["refused"] for one in records if one["refused"]})
    flags = [UNKNOWN.format(files=_some(unknown))] if unknown else []
    refused = sum(bool(one["refused"]) for one in records)
    flags += [REFUSED.format(count=refused, reason=reasons[0])] if reasons else []
    return {"persons": "unknown" if unknown else "known", "folds_without": refused, "folds": records}, flags


def _some(files: Sequence[str]) -> str:
    names = [file.partition(",")[0] for file in files]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
