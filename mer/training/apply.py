"""Applying a trained experiment to new clips: the preprocessing that its checkpoints record, then their mean score.

A checkpoint carries the whole chain of every input (`mer.planning.keys.origin`), so nothing but the file is needed. The
models of all folds and seeds of an experiment are averaged: none has seen a new person, and each saw other clips.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mer import __version__
from mer.core.errors import ModelError
from mer.core.registry import load
from mer.models.registry import MODELS
from mer.models.state import State
from mer.stages.registry import METHODS
from mer.stages.run import StageSpec, run_subject, stage_digest
from mer.training.checkpoint import load_checkpoint
from mer.training.gather import Gathered, gather
from mer.training.monitor import read_metadata
from mer.training.newclips import EVENTS, NewClip, fill_apex, fill_ends
from mer.training.tables import Row

SOURCE = "new/clips"
FRAMES = "frames.h5"
SAME = ("model", "preset", "settings", "classes", "inputs", "origin")
Log = Callable[[str], None]


@dataclass(frozen=True)
class Experiment:
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
        origin, found = self.meta["origin"], []
        if origin["simulated"]:
            found.append("trained on simulated faces only: on real faces its answers mean nothing yet")
        if origin["labels"] == "permuted":
            found.append("trained on permuted labels: its answers mean nothing")
        for step in {(s["stage"], s["method"], s["code"]) for steps in self.chains.values() for s in steps}:
            if stage_digest(step[0], step[1]) != step[2]:
                found.append(f"the code of stage {step[0]}, method {step[1]}, has changed since the training")
        return sorted(found)


@dataclass
class Answer:
    """What the models say of one clip: mean `scores` (C,) and the share that agrees, or the `reason` for silence."""

    clip: NewClip
    scores: np.ndarray | None = None
    agreement: float = 0.0
    events: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    reason: str = ""


def open_experiment(where: Path) -> Experiment:
    """Find and check the checkpoints of an experiment's folder, or one checkpoint.

    Raises:
        ModelError: none there, of another version of mer, without its preprocessing, or of different experiments.
    """
    if not where.exists():
        raise ModelError(where, "no such file or folder", "an experiment's folder or a model.safetensors")
    paths = sorted(where.rglob("model*.safetensors")) if where.is_dir() else [where]
    if not paths:
        raise ModelError(where, "holds no model", "model.safetensors below seed<k>/<fold>", "run the fit steps")
    first: dict[str, Any] = {}
    for path in paths:
        meta = read_metadata(path)
        trained = (meta.get("versions") or {}).get("mer")
        if trained != __version__:
            remedy = "install that version or train again"
            raise ModelError(path, f"trained with mer {trained}", f"mer {__version__}, as installed", remedy)
        if not (meta.get("origin") or {}).get("chains"):
            found = "does not say how its inputs were made"
            raise ModelError(path, found, "a checkpoint of the workflow", "train again")
        alike = {key: _comparable(key, meta.get(key)) for key in SAME}
        first = first or {**meta, "_alike": alike}
        if alike != first["_alike"]:
            differs = next(key for key in SAME if alike[key] != first["_alike"][key])
            raise ModelError(path, f"has another {differs} than {paths[0].name}", "models of one experiment")
    _check_methods(paths[0], first)
    return Experiment(tuple(paths), first)


def _comparable(key: str, value: Any) -> str:
    if key == "inputs":
        # Folds are trained on different subjects, whose files have different digests.
        value = {name: {k: v for k, v in entry.items() if k != "digests"} for name, entry in (value or {}).items()}
    return json.dumps(value, sort_keys=True)


def _check_methods(path: Path, meta: Mapping[str, Any]) -> None:
    if meta.get("model") not in MODELS:
        raise ModelError(path, f"holds a model {meta.get('model')!r}", f"one of {', '.join(MODELS)}", "update mer")
    for steps in meta["origin"]["chains"].values():
        for step in steps:
            if step["method"] not in METHODS.get(step["stage"], {}):
                found = f"was trained on stage {step['stage']}, method {step['method']}"
                raise ModelError(path, found, "a method of this version of mer", "update mer or train again")


def apply(
    experiment: Experiment, clips: Sequence[NewClip], root: Path, work: Path, log: Log = print, device: str = "cpu"
) -> list[Answer]:
    """Return the answer to every clip, in their order.

    Args:
        experiment: of `open_experiment`.
        clips: of `mer.training.newclips.find_clips`.
        root: the folder that their paths are relative to.
        work: an empty folder for the products.
        log: takes one line per clip and stage.
        device: `cpu` or `cuda`.

    Raises:
        ModelError: a checkpoint is damaged, or the products differ from those of the training.
        ClipError: a given event is not among the frames of its clip.
    """
    answers = [Answer(clip) for clip in clips]
    products, told = _products(experiment, clips, root, work, log)
    module = load(MODELS, experiment.meta["model"], "model")
    rows = [Row(clip.name, "new", "", "new", "", SOURCE, clip.units) for clip in clips]
    preset = _preset(module, experiment.meta)
    data = gather(rows, {name: {SOURCE: path} for name, path in products.items()}, module, preset, allow_empty=True)
    _like_training(data, experiment.meta["inputs"])
    by_name = {answer.clip.name: answer for answer in answers}
    for row, reason in data.excluded:
        by_name[row.sample_id].reason = reason
    for answer in answers:
        answer.events = told.get(answer.clip.name, {})
    if data.rows:
        scores = np.stack([_scores(path, module, data, device) for path in experiment.paths])
        votes = scores.argmax(axis=2)
        for i, row in enumerate(data.rows):
            mean = scores[:, i].mean(axis=0)
            answer = by_name[row.sample_id]
            answer.scores, answer.agreement = mean, float((votes[:, i] == mean.argmax()).mean())
    return answers


def _preset(module: Any, meta: Mapping[str, Any]) -> Any:
    shape = type(module.PRESETS[meta["preset"]])
    return shape.model_validate(meta["settings"])


def _scores(path: Path, module: Any, data: Gathered, device: str) -> np.ndarray:
    state, _ = load_checkpoint(path)
    assert isinstance(state, State)
    scores: np.ndarray = module.predict(state, data.features, device)
    return scores


def _like_training(data: Gathered, trained: Mapping[str, Any]) -> None:
    for name, product in data.inputs.items():
        for key in ("stage", "parameters"):
            if product and product[key] != trained[name][key]:
                found = f"{key} {product[key]} differ from those of the training"
                raise ModelError(f"input {name}", found, f"{trained[name][key]}", "train again")


def _products(
    experiment: Experiment, clips: Sequence[NewClip], root: Path, work: Path, log: Log
) -> tuple[dict[str, Path], dict[str, dict[str, str]]]:
    """Run every step of every chain once; return the product of each input and how the events came about."""
    done: dict[str, Path] = {}
    told: dict[str, dict[str, str]] = {}
    rows, products = [clip.row() for clip in clips], {}
    for name, steps in experiment.chains.items():
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


def table(experiment: Experiment, answers: Sequence[Answer]) -> str:
    """Return the answers as CSV.

    Columns: `clip`, `prediction` (empty where there is none), `score_<class>` (mean over the models), `models`,
    `agreement` (share of the models whose own first choice is the prediction), for each event how it came about, and
    `reason`.
    """
    classes = experiment.meta["classes"]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    head = ["clip", "prediction", *(f"score_{name}" for name in classes), "models", "agreement"]
    writer.writerow([*head, *EVENTS, "reason"])
    for answer in answers:
        line: list[object] = [answer.clip.path]
        if answer.scores is None:
            line += ["", *[""] * len(classes), len(experiment.paths), ""]
        else:
            line += [classes[int(answer.scores.argmax())], *(format(float(s), ".6g") for s in answer.scores)]
            line += [len(experiment.paths), f"{answer.agreement:.3f}"]
        writer.writerow([*line, *(answer.events.get(event, "") for event in EVENTS), answer.reason])
    return buffer.getvalue()


def summary(experiment: Experiment, answers: Sequence[Answer]) -> str:
    """Return one line: how many clips got which class, and what answered."""
    classes = experiment.meta["classes"]
    counts = Counter(classes[int(a.scores.argmax())] for a in answers if a.scores is not None)
    silent = sum(a.scores is None for a in answers)
    named = ", ".join(f"{counts[name]} {name}" for name in classes if counts[name]) or "none"
    what = "one model" if len(experiment.paths) == 1 else f"the mean of {len(experiment.paths)} models"
    return f"{named}" + (f"; {silent} without an answer" if silent else "") + f" ({what})"
