"""Making and training `spotter_small`: python -m mer.pretrain.spotter --out mer/weights/files/spotter_small.safetensors

Simulates long recordings in the layout of CAS(ME)^2 (people who show expressions, talk, turn their heads and blink,
and recordings in which nothing is shown), aligns them, computes spotting features and trains `mer.spotting.fit` on all
of them, after training once without the people of `HELD_OUT` and scoring those. Whatever is finished below `--work` is
kept, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mer.core.atomic import write_json
from mer.core.sample import Sample, by_subject, media_row
from mer.datasets.recordings import recordings
from mer.datasets.registry import reader
from mer.datasets.views import view_of
from mer.simulate.params import SimulateParams
from mer.simulate.registry import layout
from mer.spotting.evaluate import prediction_rows, read_lines, truth_rows
from mer.spotting.experiment import SpotRecipe, SpottingExperiment, crops_of
from mer.spotting.fit import fit_fold
from mer.spotting.predict import predict_fold
from mer.spotting.recording_tables import Video, videos, write_videos
from mer.spotting.score_intervals import score
from mer.stages.run import StageSpec, run_subject
from mer.training.checkpoint import load_checkpoint, save_checkpoint
from mer.training.separation import FoldJob

Log = Callable[[str], None]

FPS = 30.0
VIEW = view_of("emotion_3")
KINDS = ("micro",)
FOLD = "spotter"
_SMALL = {"width": 320, "height": 240, "talk": 0.25, "turn": 0.2, "blink": 0.4}
_DENSE = {**_SMALL, "subjects": 2, "clips": 24, "seconds": 9.0}
#: Simulated databases by name: the parameters of each, and which of its people take part.
WORLDS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "near": ({**_SMALL, "subjects": 6, "clips": 6, "seconds": 40.0}, ("s15", "s16", "s20", "s21")),
    "dense": ({**_DENSE, "seed": 1}, ("s15", "s16")),
    "noisy": ({**_DENSE, "seed": 2, "width": 400, "height": 300, "noise": 3.0, "intensity": 0.8}, ("s15",)),
}
#: (world, subject) of the people that are scored by a model which never saw them.
HELD_OUT = (("near", "s20"), ("dense", "s16"))
STAGES = (
    StageSpec("frames", "", "list", {}),
    StageSpec("align", "long", "dlib", {"size": 128, "clips": "recordings"}),
    StageSpec("spot", "fifth", "clean", {"distance": 0.2, "head": "median"}),
)
RECIPE = SpotRecipe(epochs=20, learning_rate=2e-3)


@dataclass(frozen=True)
class Person:
    """One simulated person: recordings with their truth, and the containers of crops and features."""

    key: tuple[str, str]
    videos: tuple[Video, ...]
    aligned: Path
    features: Path

    @property
    def source(self) -> str:
        """The name of the person's containers in tables."""
        return "/".join(self.key)


def world_params(values: Mapping[str, Any]) -> SimulateParams:
    """Return the simulator's parameters of one world."""
    return SimulateParams.model_validate({"layout": "casme_sq", "fps": FPS, "raw": True, **values})


def make_person(world: str, values: Mapping[str, Any], subject: str, work: Path, log: Log) -> Person:
    """Simulate one person of a world and make crops and features, unless they are there already."""
    params, folder = world_params(values), work / world
    root, truth = folder / "simulate", folder / "truth" / f"{subject}.h5"
    paths = {spec.stage: folder / spec.stage / f"{subject}.h5" for spec in STAGES}
    if not paths["spot"].is_file():
        if not truth.is_file():
            layout(params.layout).write_tables(params, root)
            layout(params.layout).write_subject(params, subject, root, truth)
            log(f"{world} {subject}: simulated")
        rows = [media_row(row) for row in _rows(params, subject)[0]]
        source = None
        for spec in STAGES:
            if not paths[spec.stage].is_file():
                run_subject(spec, rows, paths[spec.stage], source, root, log)
            source = paths[spec.stage]
    recorded = videos(world, *_rows(params, subject), VIEW)
    named = tuple(replace(v, dataset=world, group=f"{world}:{subject}", source=f"{world}/{subject}") for v in recorded)
    return Person((world, subject), named, paths["align"], paths["spot"])


def _rows(params: SimulateParams, subject: str) -> tuple[list[Sample], list[Sample]]:
    """Return the recordings and the annotated expressions of one person, without looking at any file."""
    readings = reader("casme_sq")
    options = readings.options(view="raw")
    given = layout(params.layout).reader_input(params, options.model_dump())
    reading = readings.samples_from(given.table, given.listing, options, "simulated", True)
    whole = by_subject(recordings(reading))
    return next(rows for rows in whole.values() if rows[0].subject == subject), reading.samples


def fit(people: Sequence[Person], held_out: Sequence[str], out: Path, seed: int, recipe: SpotRecipe, log: Log) -> None:
    """Train on some people and write the checkpoint `out`; its tables lie beside it."""
    table = out.with_suffix(".train.csv")
    write_videos(table, [video for person in people for video in person.videos])
    job = FoldJob(FOLD, tuple(held_out), table, out)
    fit_fold(experiment(seed, recipe), job, containers(people), log)


def experiment(seed: int, recipe: SpotRecipe) -> SpottingExperiment:
    """Return what is trained."""
    return SpottingExperiment("mean", "fixed", recipe, VIEW.classes_of({"casme_sq"}), seed=seed)


def containers(people: Sequence[Person]) -> dict[str, dict[str, Path]]:
    """Return the features and the crops of people, as a fit reads them."""
    features = {kind: {p.source: p.features for p in people} for kind in KINDS}
    return features | {crops_of(kind): {p.source: p.aligned for p in people} for kind in KINDS}


def score_held_out(model: Path, people: Sequence[Person], seed: int, recipe: SpotRecipe, log: Log) -> dict[str, Any]:
    """Return what a model spots in the recordings of people whom it never saw, against their truth."""
    table, out = model.with_suffix(".test.csv"), model.with_suffix(".jsonl")
    every = [video for person in people for video in person.videos]
    write_videos(table, every)
    outs = (out, out.with_suffix(".npz"), out.with_suffix(".excluded"))
    predict_fold(experiment(seed, recipe), FOLD, model, table, containers(people), outs, log)
    spotted = prediction_rows(read_lines([out]))
    truth = truth_rows(every, KINDS)
    return {
        "recordings": len(every),
        "quiet_recordings": sum(not video.events for video in every),
        **score(truth, spotted, VIEW.classes_of({"casme_sq"})),
    }


def describe(model: Path, people: Sequence[Person], scores: Mapping[str, Any], out: Path) -> None:
    """Write `model` to `out` with what a user must know of it in its metadata."""
    state, meta = load_checkpoint(model)
    kept = ("tp", "fp", "fn", "f1_spotting", "f1_analysis", "recordings", "quiet_recordings")
    meta |= {
        "held_out": [],
        "fps": FPS,
        "align": {"method": STAGES[1].method, "parameters": dict(STAGES[1].params)},
        "trained_on": f"{len(people)} simulated people only; never validated on real faces",
        "scores": {"people": [":".join(key) for key in HELD_OUT], **{name: scores[name] for name in kept}},
    }
    meta.pop("format", None)
    save_checkpoint(out, state, meta)


def run(out: Path, work: Path, seed: int, recipe: SpotRecipe = RECIPE, log: Log = print) -> Path:
    """Make everything that is missing, train, score and write `out`; return it."""
    people = [
        make_person(world, values, subject, work, log)
        for world, (values, subjects) in WORLDS.items()
        for subject in subjects
    ]
    inside = [person for person in people if person.key not in HELD_OUT]
    outside = [person for person in people if person.key in HELD_OUT]
    partial = work / "partial.safetensors"
    fit(inside, [person.videos[0].group for person in outside], partial, seed, recipe, log)
    scores = score_held_out(partial, outside, seed, recipe, log)
    write_json(work / "scores.json", scores)
    log(json.dumps({name: scores[name] for name in ("tp", "fp", "fn", "f1_spotting", "f1_analysis", "by_type")}))
    whole = work / "whole.safetensors"
    fit(people, ["nobody"], whole, seed, recipe, log)
    describe(whole, people, scores, out)
    return out


def main() -> None:
    """Read the command line and train."""
    import torch

    parser = argparse.ArgumentParser(prog="python -m mer.pretrain.spotter", description="Make spotter_small.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, help="where recordings and features are kept; beside --out by default")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    work = arguments.work or arguments.out.with_suffix(".work")
    print(f"wrote {run(arguments.out, work, arguments.seed)}")


if __name__ == "__main__":
    main()
