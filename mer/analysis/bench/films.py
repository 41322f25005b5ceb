"""What spotters say of films and of the same films with implants: the work of the bench, one film a process.

A video is written again as its control, once, and analysed; its face, as followed there, is what expressions are
implanted into, another draw for each seed. Several spotters see the very same files, and share the face crops where
they ask for the same ones.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from mer.analysis.bench.causes import cause_of
from mer.analysis.bench.matching import Candidate, Said
from mer.analysis.bench.simulated import Happening, true_causes, write_person
from mer.analysis.bench.tracked import Tracked, parts_of, stays, tracked
from mer.analysis.command import Options, analyze
from mer.analysis.footage import open_footage
from mer.analysis.implanting import TRUTH, Recipe, open_film, write_control, write_film, write_truth
from mer.analysis.spotters import Spotters, open_spotters
from mer.core.errors import MerError
from mer.core.one_thread import one_thread_each
from mer.simulate.implant import Face, Implant

AMPLITUDES = (0.01, 0.02, 0.03, 0.05, 0.08)
APART = 0.25  # seconds between two peaks of a score that count as two


@dataclass(frozen=True)
class Spotter:
    """Models as `mer analyze --experiment` takes them (None: those that come with mer), and a name for tables."""

    name: str
    experiment: Path | None = None

    @property
    def ensemble(self) -> Spotters:
        """The opened models; raises `ModelError` when they cannot be used."""
        return _opened(self.experiment)


@lru_cache(maxsize=4)
def _opened(experiment: Path | None) -> Spotters:
    return open_spotters(experiment)


@dataclass(frozen=True)
class Watched:
    """One film as every spotter saw it.

    Args:
        name: of the video, and of the person.
        film: of the file that was analysed.
        fps: frames per second.
        seconds: in which the face is followed well.
        landmarks: (T, 68, 2) pixels of the film, NaN where the face is followed poorly.
        implants: in it.
        said: by each spotter, in their order.
        happenings: what else happens, of a simulated person; None of a real one.
    """

    name: str
    film: Path
    fps: float
    seconds: float
    landmarks: np.ndarray
    implants: Sequence[Implant]
    said: Sequence[Said]
    happenings: Sequence[Happening] | None = None


@dataclass(frozen=True)
class Job:
    """The work on one video.

    Args:
        video: a film of a face; of a simulated person, where it is to be written.
        name: for tables.
        folder: for what is made of it.
        spotters: that see it.
        kept: leave films and pages in the folder.
        person: the number of a simulated person.
        recipe: of the implants.
    """

    video: Path
    name: str
    folder: Path
    spotters: Sequence[Spotter]
    kept: bool = False
    person: int | None = None
    recipe: Recipe = field(default_factory=lambda: Recipe(amplitudes=AMPLITUDES))


def watch_control(job: Job) -> Watched:
    """Write and analyse a video as it was filmed.

    Raises:
        MediaError: it cannot be decoded, or shows no face.
    """
    happenings = None if job.person is None else write_person(job.person, job.video)
    footage = open_film(job.video)
    path = job.folder / "control.mp4"
    write_control(footage, path, job.recipe.quality)
    return watch(job, path, [], happenings)


def watch_film(job: Job, control: Watched) -> Watched:
    """Write and analyse a video with what the job's recipe implants.

    Raises:
        ClipError: the face is too small, or seen for too short.
    """
    footage = open_film(job.video)
    path = job.folder / f"film{job.recipe.seed}.mp4"
    implants = write_film(footage, Face(control.landmarks, job.name), job.recipe, path)
    if job.kept:
        write_truth(path.with_name(f"{path.stem}-{TRUTH}"), footage, implants)
    return watch(job, path, implants, control.happenings)


def watch(job: Job, path: Path, implants: Sequence[Implant], happenings: Sequence[Happening] | None = None) -> Watched:
    """Analyse one file with every spotter of a job; crops and, unless `kept`, the rest are removed again."""
    footage = open_footage(path)
    folders = [job.folder / f"{path.stem}-{number}" for number in range(len(job.spotters))]
    try:
        asked = [
            _asked(path, spotter, folder, folders[0]) for folder, spotter in zip(folders, job.spotters, strict=True)
        ]
    finally:
        for folder in folders:
            shutil.rmtree(folder / "parts" if job.kept else folder, ignore_errors=True)
        if not job.kept:
            path.unlink()
    said, known = [one for one, _ in asked], asked[0][1]
    return Watched(job.name, path, footage.fps, known.seconds, known.landmarks, implants, said, happenings)


def _asked(path: Path, spotter: Spotter, folder: Path, shared: Path) -> tuple[Said, Tracked]:
    """Return what a spotter says of a film and what is known of its face; `shared` is the first analysis's folder."""
    if folder != shared:
        _share(shared / "parts", folder / "parts")
    value = analyze(open_footage(path), folder, spotter.ensemble, Options(folder, spotter.experiment))
    return said_of(path, folder, value)


def _share(source: Path, target: Path) -> None:
    """Put aligned parts where another spotter's analysis looks for its own; it makes others when it needs others."""
    target.mkdir(parents=True, exist_ok=True)
    for path in source.glob("part*-align.h5"):
        shutil.copyfile(path, target / path.name)


def with_truth(said: Said, happenings: Sequence[Happening] | None, fps: float) -> Said:
    """Return what was said with `true_causes` of every candidate, of a simulated person."""
    if happenings is None:
        return said
    told = [{**one, "true_causes": true_causes(one, happenings, fps)} for one in said.candidates]
    return replace(said, candidates=told)


def said_of(path: Path, folder: Path, value: dict[str, Any]) -> tuple[Said, Tracked]:
    """Return what an analysis in `folder` says of a film, with causes, and what is known of its face.

    `value` is what `analysis.json` holds.
    """
    video = parts_of(path, folder / "parts")
    known = tracked(video)

    def told(one: Candidate) -> Candidate:
        left = stays(video, one["onset"], one["apex"], one["offset"])
        return {**one, "stays": left, "cause": cause_of(one, known, left)}

    candidates = [told(one) for one in value["intervals"]]
    weaker = weaker_peaks(folder / "scores.csv", value, video.footage.fps)
    thresholds = value["model"]["thresholds"]
    return Said(candidates, weaker, max(thresholds.values(), default=0.0), value["model"]["classes"]), known


def weaker_peaks(scores: Path, value: dict[str, Any], fps: float) -> np.ndarray:
    """Return (K, 2) frame and score of the peaks of every kind's score that are neither a candidate nor left out.

    Args:
        scores: `scores.csv` of an analysis.
        value: what its `analysis.json` holds.
        fps: frames per second.
    """
    from scipy.signal import find_peaks

    with scores.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    found: list[tuple[float, float]] = []
    for kind, threshold in value["model"]["thresholds"].items():
        score = np.array([float(row[f"score_{kind}"] or "-inf") for row in rows])
        taken = np.zeros(len(score), bool)
        for one in [*value["intervals"], *value["left_out"]]:
            if one["type"] == kind:
                taken[one["onset"] : one["offset"] + 1] = True
        peaks, _ = find_peaks(np.concatenate([[-np.inf], score, [-np.inf]]), distance=max(1, round(APART * fps)))
        # What is above the threshold and no candidate was turned down for another reason than its score.
        found += [(k, score[k]) for k in (peaks - 1).tolist() if not taken[k] and -np.inf < score[k] < threshold]
    return np.array(sorted(found), np.float64).reshape(-1, 2)


def tried(work: Callable[..., Any], given: Sequence[Any]) -> Any:
    """Return what a function makes of arguments, or the `MerError` that says why it could not."""
    one_thread_each()
    try:
        return work(*given)
    except MerError as error:
        return error


def with_seed(job: Job, seed: int) -> Job:
    """Return the job of another draw."""
    return replace(job, recipe=replace(job.recipe, seed=seed))
