"""The run behind `mer bench recognition`, on the simulated composite or on published flow images."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mer.bench.in_processes import Each, in_processes
from mer.bench.recognition import (
    Log,
    People,
    RecognitionRow,
    System,
    answers,
    compared,
    curve,
    permuted,
    scored,
)
from mer.bench.recognition_clips import STILL, FlowClips, render_clips
from mer.bench.recognition_inputs import Input
from mer.core.registry import lookup
from mer.models import flow_cnn, svm_flow
from mer.models.face_regions import SIDE
from mer.simulate.composite import Hardness


@dataclass(frozen=True)
class Asked:
    """What to run: seeds of the composite and of training, parts of persons, orders of shuffled labels.

    `inputs` names those to compare; `models` those to run, all of them where there is none.
    """

    seed: int = 0
    seeds: Sequence[int] = range(5)
    folds: int = 0
    orders: int = 5
    inputs: Sequence[str] = ()
    models: Sequence[str] = ()
    jobs: int = 1
    keep: Path | None = None
    hardness: Hardness = field(default_factory=Hardness)


def _still(*pairs: str) -> tuple[str, ...]:
    return tuple(pair + STILL for pair in pairs)


def cnn(name: str, sees: Input) -> System:
    """Return the small network on an input; what it shifts and blots out grows with the image.

    Regions are 28 pixels a side all together, since it knows no larger mosaic.
    """
    sees = replace(sees, side=28) if sees.regions else sees
    scale = sees.side // 28
    reach = {"shift": 2.0 * scale, "cutout": 8.0 * scale, "side": sees.side, "pairs": len(sees.pairs)}
    return System(name, "flow_cnn", "minmax_image" if sees.minmax else "float_flow", sees, reach)


def linear(name: str, sees: Input) -> System:
    """Return the linear machine on an input; of regions it sees them as the preset `mer` does."""
    preset = "minmax_image" if sees.minmax else "mer" if sees.regions else "float_flow"
    cells = svm_flow.PRESETS["mer" if sees.regions else preset].cells
    return System(name, "svm_flow", preset, sees, {"pairs": len(sees.pairs), "cells": cells})


BASE, LINEAR = cnn("flow_cnn", Input()), linear("svm_flow", Input())
SHALLOW = System("ststnet", "ststnet", "clean", Input(), {})
MODELS = ("svm_flow", "ststnet", "flow_cnn")
#: The plain input with one change at a time, and with several.
INPUTS = {
    "magnitude": ("magnitude in pixels", Input(minmax=False)),
    "still": ("head held still", Input(_still("apex"))),
    "56": ("56 pixels", Input(side=56)),
    "112": ("112 pixels", Input(side=112)),
    "falling": ("onset-apex and apex-offset", Input(("apex", "falling"))),
    "frames": ("onset-rising, onset-apex, apex-offset", Input(("rising", "apex", "falling"))),
    "regions": ("9 regions about landmarks", Input(side=SIDE, regions=True)),
    "magnified": ("magnified 3 times", Input(("magnified",))),
    "mer": (
        "preset mer: regions, magnitude, head held still",
        Input(_still("apex"), side=SIDE, minmax=False, regions=True),
    ),
}


def run_recognition_bench(asked: Asked, log: Log) -> list[RecognitionRow]:
    """Return the rows of the simulated composite: level, learning curve, inputs, shuffled labels.

    Raises:
        ConfigError: an unknown input.
    """
    for name in asked.inputs:
        lookup(dict.fromkeys(INPUTS, ""), name, "--inputs")
    chosen = [INPUTS[name] for name in asked.inputs]
    fields = sorted({*BASE.sees.pairs, *(pair for _, sees in chosen for pair in sees.pairs)})
    clips = render_clips(asked.seed, asked.hardness, fields, asked.jobs, asked.keep, log)
    people = People(clips.y, clips.groups, clips.datasets)
    with in_processes(asked.jobs) as each:
        rows, bases = _levels(asked, people, BASE.sees.of(clips), each, log)
        for name, sees in chosen:
            # The linear machine pools a whole face to 7x7 cells, whatever its side.
            larger = sees.side > BASE.sees.side and not sees.regions
            built = {"flow_cnn": cnn} if larger else {"svm_flow": linear, "flow_cnn": cnn}
            for system in (build(f"{of}, {name}", sees) for of, build in built.items() if of in bases):
                log(f"recognition: {system.name}")
                found = answers(system, seen(system, clips), people, asked.folds, tuple(asked.seeds), each)
                rows += [
                    scored("input", system.name, people, found),
                    compared(system.name, people, found, bases[system.model]),
                ]
        return rows


def run_image_bench(root: Path, asked: Asked, log: Log) -> list[RecognitionRow]:
    """Return the rows of a folder of published flow images: level, and shuffled labels of every system.

    Raises:
        ConfigError: an unknown model.
        DatasetError, ClipError: as the reader `flow_images` and its method.
    """
    images, people = published(root)
    with in_processes(asked.jobs) as each:
        return _levels(asked, people, images, each, log, real=True)[0]


def _levels(
    asked: Asked, people: People, images: np.ndarray, each: Each, log: Log, real: bool = False
) -> tuple[list[RecognitionRow], dict[str, np.ndarray]]:
    """Return the rows of every baseline on min-max images, and the scores that each gives."""
    seeds = tuple(asked.seeds)
    rows: list[RecognitionRow] = []
    bases: dict[str, np.ndarray] = {}
    for name in asked.models:
        lookup(dict.fromkeys(MODELS, ""), name, "--models")
    for system in (LINEAR, *((SHALLOW,) if real else ()), BASE):
        if system.name not in (asked.models or MODELS):
            continue
        log(f"recognition: {system.name} on {len(people.y)} clips of {len(set(people.groups))} people")
        x, started = features(system, images), time.perf_counter()
        found = answers(system, x, people, asked.folds, seeds, each)
        rows.append(scored("level", system.name, people, found, f"{time.perf_counter() - started:.0f} s"))
        log(f"recognition: UF1 {rows[-1].uf1:.3f}, UAR {rows[-1].uar:.3f}, {rows[-1].told}")
        if len(seeds) > 1:
            rows.append(scored("level", f"{system.name}, mean of seeds' scores", people, found.mean(axis=0)[None]))
        if system.name == LINEAR.name and not real:
            rows += curve(system, x, people, asked.folds, seeds, found, each)
        rows += permuted(system, x, people, asked.folds, asked.orders, each)
        bases[system.model] = found
    return rows, bases


def seen(system: System, clips: FlowClips) -> np.ndarray:
    """Return what a system computes of the flow of clips, in the size that it knows."""
    return features(system, system.sees.of(clips))


def features(system: System, images: np.ndarray) -> np.ndarray:
    """Return what a system computes of images (N, C, S, S)."""
    if system.model == "svm_flow":
        settings = svm_flow.PRESETS[system.preset].model_copy(update=dict(system.settings))
        return np.stack([svm_flow.pooled_features(image, settings) for image in images])
    if system.model == "ststnet":
        from mer.models import ststnet

        return np.stack([ststnet.scale_image(image, ststnet.PRESETS[system.preset].scaling) for image in images])
    preset = flow_cnn.PRESETS[system.preset]
    return np.stack([flow_cnn.prepared(image, preset) for image in images])


def published(root: Path) -> tuple[np.ndarray, People]:
    """Return published flow images (N, 3, 28, 28) float32, u and v less their medians, and whose they are.

    Order and rounding are those of the workflow.
    """
    from mer.core.sample import subject_key
    from mer.datasets.flow_images import READER
    from mer.stages.flow.published import Params, decode, read

    reading = READER.read(root, READER.options())
    rows = sorted((s for s in reading.samples if s.status == "ok"), key=lambda s: (s.dataset, s.sample_id))
    classes = ("negative", "positive", "surprise")
    decoded = (decode(read(root / row.media_path), Params()) for row in rows)
    images = np.stack([np.concatenate([flow, bent[None]]) for flow, bent in decoded]).astype(np.float32)
    y = np.array([classes.index(row.emotion_norm) for row in rows])
    return images, People(y, np.array([subject_key(row) for row in rows]), np.array([row.dataset for row in rows]))
