"""`mer predict`: a trained experiment applied to new clips, by the preprocessing that its checkpoints record.

A checkpoint carries the whole chain of every input (`mer.planning.keys.origin`), so nothing but the file is needed. The
models of all folds and seeds of an experiment are averaged: none has seen a new person, and each saw other clips.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np

from mer import __version__
from mer.core.csvfile import write_csv
from mer.core.errors import ModelError
from mer.core.progress import bar
from mer.core.run_plan import models_of
from mer.models.registry import MODELS, model
from mer.provenance import code_digest
from mer.stages.registry import METHODS
from mer.stages.run import StageSpec, run_subject, stage_digest
from mer.training.checkpoint import load_checkpoint, read_metadata, require_format
from mer.training.fold_tables import Row
from mer.training.gather import features_for, gather
from mer.training.new_clips import EVENTS, NewClip, fill_apex, fill_ends, find_clips
from mer.training.separation import require_same_products
from mer.weights.locate import used

SOURCE = "new/clips"
FRAMES = "frames.h5"
SAME = ("model", "preset", "settings", "classes", "inputs", "origin")
Log = Callable[[str], None]


@dataclass(frozen=True)
class Ensemble:
    """Checkpoints that were trained alike, and what they have in common."""

    paths: tuple[Path, ...]
    meta: Mapping[str, Any]

    @property
    def chains(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """The steps that lead to each input."""
        chains: Mapping[str, Sequence[Mapping[str, Any]]] = self.meta["origin"]["chains"]
        return chains

    @property
    def reads_images(self) -> bool:
        """Whether an input is made of published images, one a clip, rather than of frames."""
        return any(steps[0]["stage"] != "frames" for steps in self.chains.values())

    def notes(self) -> list[str]:
        """Return what a reader of the predictions must know."""
        origin, lines = self.meta["origin"], []
        if origin["simulated"]:
            lines.append("trained on simulated faces only: on real faces its answers mean nothing yet")
        if origin["labels"] == "permuted":
            lines.append("trained on permuted labels: its answers mean nothing")
        changed = {
            f"stage {step['stage']}, method {step['method']},"
            for step in (step for steps in self.chains.values() for step in steps)
            if stage_digest(step["stage"], step["method"], weights_of(step)) != step["code"]
        }
        # Checkpoints before this was recorded have it for models of plug-ins alone.
        trained = origin.get("model_code") or origin.get("plugins", {}).get("model")
        if trained is not None and code_digest(MODELS[self.meta["model"]]) != trained:
            changed.add(f"model {self.meta['model']}")
        since = f"since the training, which was with mer {self.meta['versions']['mer']}; this is {__version__}"
        return sorted([*lines, *(f"the code of {what} has changed {since}" for what in changed)])


@dataclass
class Answer:
    """What the models say of one clip: mean `scores` (C,) and the share that agrees, or the `reason` for silence."""

    clip: NewClip
    scores: np.ndarray | None = None
    agreement: float = 0.0
    events: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    reason: str = ""


def open_ensemble(where: Path) -> Ensemble:
    """Find and check the checkpoints of an experiment's folder, or one checkpoint.

    Raises:
        ModelError: none there, of another format, without its preprocessing, or of different experiments or protocols.
    """
    if not where.exists():
        raise ModelError(where, "no such file or folder", "an experiment's folder or a model.safetensors")
    paths = models_of(where, sorted(where.rglob("model*.safetensors"))) if where.is_dir() else [where]
    if not paths:
        raise ModelError(where, "holds no model", "model.safetensors below seed<k>/<fold>", "run the fit steps")
    try:
        return _agreeing(paths)
    except (AttributeError, TypeError, LookupError, RecursionError) as error:
        found = "metadata of another shape than that of a checkpoint"
        raise ModelError(where, found, "a checkpoint of the workflow", "train again") from error


def _agreeing(paths: list[Path]) -> Ensemble:
    first: dict[str, Any] = {}
    for path in paths:
        meta = read_metadata(path)
        require_format(path, meta)
        if not (meta.get("origin") or {}).get("chains"):
            found = "does not say how its inputs were made"
            raise ModelError(path, found, "a checkpoint of the workflow", "train again")
        alike = {key: _comparable(key, meta.get(key)) for key in SAME}
        first = first or {**meta, "_alike": alike}
        if alike != first["_alike"]:
            differs = next(key for key in SAME if alike[key] != first["_alike"][key])
            raise ModelError(path, f"has another {differs} than {paths[0].name}", "models of one experiment")
    require_one_protocol(paths)
    _check_methods(paths[0], first)
    return Ensemble(tuple(paths), first)


def require_one_protocol(paths: Sequence[Path]) -> None:
    """Refuse models of one seed that hold the same person out twice: they are of different protocols.

    Raises:
        ModelError: names the two.
    """
    seen: dict[tuple[int, str], Path] = {}
    for path in paths:
        meta = read_metadata(path)
        for group in meta.get("held_out", ()):
            other = seen.setdefault((meta["seed"], group), path)
            if other is not path:
                found = f"holds out {group}, as {other} does: they are folds of different protocols"
                raise ModelError(path, found, "models of one experiment", "name one model, or remove the older ones")


def weights_of(step: Mapping[str, Any]) -> list[Path]:
    """Return the weight files that a step of a chain uses, as they are here; none where they are not."""
    try:
        return used(SimpleNamespace(**step.get("params", {})))
    except ModelError:
        return []


def _comparable(key: str, value: Any) -> str:
    if key == "inputs":
        # Folds are trained on different subjects, whose files have different digests.
        value = {name: {k: v for k, v in entry.items() if k != "digests"} for name, entry in (value or {}).items()}
    return json.dumps(value, sort_keys=True)


def _check_methods(path: Path, meta: Mapping[str, Any]) -> None:
    files = meta["origin"].get("plugins", {}).get("files", [])
    # Never imported because a checkpoint says so: it may come from anyone.
    needed = f"name the plug-ins: mer {' '.join(f'--plugin {file}' for file in files)} predict ..." if files else ""
    if meta.get("model") not in MODELS:
        found = f"holds a model {meta.get('model')!r}" + (f" of a plug-in ({', '.join(files)})" if files else "")
        raise ModelError(path, found, f"one of {', '.join(MODELS)}", needed or "update mer")
    for steps in meta["origin"]["chains"].values():
        for step in steps:
            if step["method"] not in METHODS.get(step["stage"], {}):
                found = f"was trained on stage {step['stage']}, method {step['method']}"
                expected = "a method of a plug-in that is named" if files else "a method of this version of mer"
                raise ModelError(path, found, expected, needed or "update mer or train again")


def predict_clips(
    ensemble: Ensemble, clips: Sequence[NewClip], root: Path, work: Path, log: Log = print, device: str = "cpu"
) -> list[Answer]:
    """Return the answer to every clip, in their order.

    Args:
        ensemble: of `open_ensemble`.
        clips: of `mer.training.new_clips.find_clips`.
        root: the folder that their paths are relative to.
        work: an empty folder for the products.
        log: takes one line per clip and stage.
        device: `cpu` or `cuda`.

    Raises:
        ModelError: a checkpoint is damaged, or the products differ from those of the training.
        ClipError: a given event is not among the frames of its clip.
    """
    answers = [Answer(clip) for clip in clips]
    products, told = _products(ensemble, clips, root, work, log)
    card = model(ensemble.meta["model"], "model")
    rows = [Row(clip.name, "new", "", "new", "", SOURCE, clip.units) for clip in clips]
    preset = type(card.presets[ensemble.meta["preset"]]).model_validate(ensemble.meta["settings"])
    containers = {name: {SOURCE: path} for name, path in products.items()}
    data = gather(rows, containers, card, preset, allow_empty=True, device=device)
    require_same_products(data.inputs, ensemble.meta["inputs"], "train again")
    by_name = {answer.clip.name: answer for answer in answers}
    for row, reason in data.excluded:
        by_name[row.sample_id].reason = reason
    for answer in answers:
        answer.events = told.get(answer.clip.name, {})
    if data.rows:
        features = features_for(card, data.features)
        scores = np.stack([card.predict(load_checkpoint(path)[0], features, device) for path in ensemble.paths])
        votes = scores.argmax(axis=2)
        for i, row in enumerate(data.rows):
            mean = scores[:, i].mean(axis=0)
            answer = by_name[row.sample_id]
            answer.scores, answer.agreement = mean, float((votes[:, i] == mean.argmax()).mean())
    return answers


def _products(
    ensemble: Ensemble, clips: Sequence[NewClip], root: Path, work: Path, log: Log
) -> tuple[dict[str, Path], dict[str, dict[str, str]]]:
    """Run every step of every chain once; return the product of each input and how the events came about."""
    done: dict[str, Path] = {}
    told: dict[str, dict[str, str]] = {}
    rows, products = [clip.row() for clip in clips], {}
    for name, steps in ensemble.chains.items():
        source: Path | None = None
        key = ""
        for step in steps:
            key += json.dumps(step, sort_keys=True)
            if key not in done:
                out = work / (FRAMES if step["stage"] == "frames" else f"{len(done):02d}-{step['stage']}.h5")
                spec = StageSpec(step["stage"], "", step["method"], step["params"])
                run_subject(spec, rows, out, source, root, log)
                if step["stage"] == "frames":
                    told |= fill_ends(out, clips)
                elif step["stage"] == "align":
                    fill_apex(out, work / FRAMES, told)
                done[key] = out
            source = done[key]
        assert source is not None
        products[name] = source
    return products, told


def answer_rows(ensemble: Ensemble, answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """Return the answers as rows of a table, None where a cell has nothing.

    Columns: `clip`, `prediction` (None where there is none), `score_<class>` (mean over the models), `models`,
    `agreement` (share of the models whose first choice is the prediction), for each event how it came about, and
    `reason`.
    """
    classes, rows = ensemble.meta["classes"], []
    for answer in answers:
        row: dict[str, Any] = {
            "clip": answer.clip.path,
            "prediction": None,
            **{f"score_{name}": None for name in classes},
        }
        row |= {"models": len(ensemble.paths), "agreement": None}
        if answer.scores is not None:
            row["prediction"], row["agreement"] = classes[int(answer.scores.argmax())], round(answer.agreement, 3)
            row |= {f"score_{name}": float(f"{score:.6g}") for name, score in zip(classes, answer.scores, strict=True)}
        rows.append(row | {event: answer.events.get(event) for event in EVENTS} | {"reason": answer.reason or None})
    return rows


def summary(ensemble: Ensemble, answers: Sequence[Answer]) -> str:
    """Return one line: how many clips got which class, and what answered."""
    classes = ensemble.meta["classes"]
    counts = Counter(classes[int(a.scores.argmax())] for a in answers if a.scores is not None)
    silent = sum(a.scores is None for a in answers)
    named = ", ".join(f"{counts[name]} {name}" for name in classes if counts[name]) or "none"
    what = "one model" if len(ensemble.paths) == 1 else f"the mean of {len(ensemble.paths)} models"
    return f"{named}" + (f"; {silent} without an answer" if silent else "") + f" ({what})"


def run_predict(model: Path, clips: Path, out: Path, log: Log = print) -> list[dict[str, Any]]:
    """Apply an experiment, or one model of it, to new clips, write `out` (`answer_rows`) and return its rows.

    Args:
        model: folder of an experiment, or a checkpoint.
        clips: as `mer.training.new_clips.find_clips`.
        out: the CSV file.
        log: takes progress, notes and the summary, one line at a time.

    Raises:
        ModelError: unusable models, or no clip that they can name; the message gives the first reason.
        DatasetError: no clips, or a bad table of clips.
        ClipError: a given event is not among the frames of its clip.
    """
    ensemble = open_ensemble(model)
    root, new = find_clips(clips, ensemble.reads_images)
    steps = {json.dumps(chain[: k + 1]) for chain in ensemble.chains.values() for k in range(len(chain))}
    with TemporaryDirectory(prefix="mer-predict-") as work, bar("clips through every stage") as update:
        numbers = count(1)

        def said(line: str) -> None:
            log(line)
            update(next(numbers), len(steps) * len(new))

        answers = predict_clips(ensemble, new, root, Path(work), said)
    rows = answer_rows(ensemble, answers)
    write_csv(out, [*rows[0]], ([*row.values()] for row in rows))
    for note in ensemble.notes():
        log(f"note: {note}")
    estimated = sum(answer.events.get("apex") == "estimated" for answer in answers)
    if estimated:
        log(f"note: the apex of {estimated} of {len(answers)} clips was estimated, not given")
    if all(answer.scores is None for answer in answers):
        raise ModelError(clips, f"no clip could be named ({answers[0].reason})", "clips as the models need them")
    log(f"wrote {out}: {summary(ensemble, answers)}")
    return rows
