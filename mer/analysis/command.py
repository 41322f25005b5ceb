"""`mer analyze`: from a video to intervals, tables and a page."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mer.analysis.exports import write_exports
from mer.analysis.face_models import FaceModels
from mer.analysis.face_motion import with_motion
from mer.analysis.footage import Footage, open_footage
from mer.analysis.negatives import films_in, from_negatives
from mer.analysis.page import page_of
from mer.analysis.part_work import Clock, Work, work_on
from mer.analysis.parts import AlignedVideo, gather_track, plan
from mer.analysis.player import write_copy
from mer.analysis.recording_signals import curves_of, recording_signals, region_curves
from mer.analysis.remarks import remarks_of
from mer.analysis.results import COPY, PAGE, Result, claim, discard, own_folder, write_results
from mer.analysis.review import Laid, ReviewError, lay_on, read_review
from mer.analysis.spotters import Spotters, open_spotters, spot
from mer.core.atomic import write_text
from mer.core.errors import ConfigError, MerError
from mer.core.process import processes
from mer.core.progress import bar
from mer.report.wording import counted
from mer.stages.align.track import FACES

Log = Callable[[str], None]
Update = Callable[[int, int], None]
PARTS, NEGATIVES = "parts", "negatives"
PASSES = 3  # times that each frame counts on the bar: followed, cut out, and spotted in


@dataclass(frozen=True)
class Options:
    """What the command line says besides the videos.

    Args:
        output: folder of the results.
        experiment: folder of a spotting experiment, or one checkpoint; None for the models that come with mer.
        fps: frames per second of folders of images.
        fps_limit: largest frame rate that is analysed.
        jobs: processes that work on parts at the same time.
        alarms_per_minute: false alarms that are accepted, of the models that come with mer; theirs when None.
        keep_crops: leave the face crops and features in `parts/`, so that a re-run is quick.
        film: put a small copy of the film into the page; never without `keep_crops`.
        reviewed: a review that the page of the video saved.
        face: who is followed among several, as the align stage's `face` says.
        negatives: folder of films of ordinary behaviour that decide the threshold instead.
    """

    output: Path
    experiment: Path | None = None
    fps: float | None = None
    fps_limit: float | None = None
    jobs: int = 1
    keep_crops: bool = True
    alarms_per_minute: float | None = None
    film: bool = True
    reviewed: Path | None = None
    face: str = "largest"
    negatives: Path | None = None

    def command(self, video: Path) -> str:
        """Return what one would type to analyse a video so."""
        told = {
            "--output": self.output,
            "--experiment": self.experiment,
            "--fps": self.fps,
            "--fps-limit": self.fps_limit,
            "--alarms-per-minute": self.alarms_per_minute,
            "--negatives": self.negatives,
            "--reviewed": self.reviewed,
            "--face": None if self.face == "largest" else self.face,
        }
        words = ["mer", "analyze", str(video)]
        words += [str(word) for key, value in told.items() if value is not None for word in (key, value)]
        flags = {"--discard-crops": not self.keep_crops, "--no-video": not self.film}
        return shlex.join([*words, *(flag for flag, given in flags.items() if given)])


def run_analyze(videos: Sequence[Path], options: Options, log: Log) -> tuple[list[dict[str, Any]], bool]:
    """Analyse every video into a folder of its own below `options.output`.

    Returns:
        what each `analysis.json` holds, with `folder` and `cpu_seconds` by step, or `video` and `error`; and whether
        every video could be analysed.

    Raises:
        ConfigError: no such face can be asked for.
        ModelError: the models cannot be used.
    """
    if not re.fullmatch(FACES, options.face):
        raise ConfigError("--face", repr(options.face), "largest, left, right, or 1 to 9, counted from the left")
    ensemble = open_spotters(options.experiment, options.alarms_per_minute)
    if options.negatives is not None:
        ensemble = with_own_threshold(ensemble, options, log)
    analysed: list[dict[str, Any]] = []
    for video in videos:
        folder = own_folder(video, options.output)
        try:
            footage = open_footage(video, options.fps, options.fps_limit)
            analysed.append(analyze(footage, folder, ensemble, options))
            seconds = ", ".join(f"{step} {value:.1f}" for step, value in analysed[-1]["cpu_seconds"].items())
            spotted = counted(len(analysed[-1]["intervals"]), "candidate")
            log(f"{video}: {spotted}, {folder / PAGE} (CPU-seconds: {seconds})")
        except MerError as error:
            if not isinstance(error, ReviewError):
                discard(folder)
            analysed.append({"video": str(video), "error": error.line()})
            log(f"mer: {error.line()}")
        finally:
            if not options.keep_crops:
                shutil.rmtree(folder / PARTS, ignore_errors=True)
    return analysed, not any("error" in one for one in analysed)


def analyze(footage: Footage, folder: Path, ensemble: Spotters, options: Options) -> dict[str, Any]:
    """Analyse one video and write its tables and its page (`mer.analysis.results.WRITTEN`) into `folder`.

    What is finished in `folder/parts` is used again when it was made from the same video with equal parameters.

    Raises:
        MediaError: no face in any frame, or too few frames.
        StorageError: the disk is full.
        ReviewError: the review is not one of this video.
    """
    review = read_review(options.reviewed, footage) if options.reviewed is not None else None
    claim(folder, footage.path)
    video, clock = follow_face(footage, folder / PARTS, ensemble, options)
    track = gather_track(video)
    spotted = spot(video, ensemble, track)
    clock.lap("score and name")
    signals = recording_signals(video, track)
    moves = bool(spotted.expressions or spotted.left_out or signals.blinks)
    footage = replace(footage, remarks=(*footage.remarks, *remarks_of(video, track, options.face, moves)))
    video = replace(video, footage=footage)
    moved = [with_motion(one, video, signals) for one in spotted.expressions]
    laid = lay_on(review, moved, footage.numbers.tolist()) if review is not None else Laid()
    command = options.command(footage.path)
    result = Result(video, ensemble, track, spotted.curves, moved, spotted.left_out, command, options.keep_crops, laid)
    written = write_results(result, folder)
    write_exports(result, folder)
    clock.lap("motion, words and tables")
    motion = spotted.motion
    curves = region_curves(video, track) if motion is None else curves_of(motion)
    film = write_copy(footage, folder) if options.film and options.keep_crops else None
    if film is None:
        (folder / COPY).unlink(missing_ok=True)
    clock.lap("copy of the film")
    write_text(folder / PAGE, page_of(result, signals, curves, film))
    clock.lap("pictures and page")
    rounded = {step: round(value, 2) for step, value in clock.seconds.items()}
    return {**written, "folder": str(folder), "cpu_seconds": rounded}


def with_own_threshold(spotters: Spotters, options: Options, log: Log) -> Spotters:
    """Return the models that come with mer with the threshold from the films of `options.negatives`.

    Raises:
        ConfigError: other models, no film, or a face that is seen for too short.
    """
    if not isinstance(spotters, FaceModels) or options.negatives is None:
        found = "--negatives with --experiment"
        raise ConfigError(found, "its models have thresholds of their own", "one of both")

    place, made = options.output / NEGATIVES, list[Path]()

    def followed(film: Path) -> AlignedVideo:
        folder = own_folder(film, place)
        claim(folder, film)
        made.append(folder)
        return follow_face(open_footage(film, None, options.fps_limit), folder / PARTS, spotters, options)[0]

    try:
        return from_negatives(spotters, films_in(options.negatives), followed, log)
    finally:
        # Only what was made here: a user's own films may lie beside it.
        for folder in () if options.keep_crops else made:
            shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            place.rmdir()


def follow_face(footage: Footage, folder: Path, ensemble: Spotters, options: Options) -> tuple[AlignedVideo, Clock]:
    """Follow the face of a video and compute what its spotters look at, part by part, below `folder`.

    Raises:
        StorageError: the disk is full.
    """
    clock, jobs = Clock(), options.jobs
    overlap = ensemble.longest(footage.fps) + _reach(ensemble, footage.fps)
    parts = plan(len(footage), footage.fps, overlap)
    features = {name: ensemble.keys_of(name, footage.fps) for name in ensemble.features}
    align = (ensemble.training.method, {**ensemble.training.align, "face": options.face})
    works = [Work(footage, part, folder, align, features) for part in parts]
    with bar(footage.path.name) as update:
        for seconds in _together(works, jobs, update) if jobs > 1 and len(works) > 1 else _in_turn(works, update):
            clock.add(seconds)
    clock.lap()
    return AlignedVideo(footage, parts, folder), clock


def _reach(ensemble: Spotters, fps: float) -> int:
    """Return the longest pair distance in frames, and one frame more."""
    keys = [ensemble.keys_of(name, fps)[1] for name in ensemble.features]
    return 1 + max(int(key.get("distance_frames") or max(1, round(key["distance"] * fps))) for key in keys)


def _in_turn(works: Sequence[Work], update: Update | None) -> Iterator[dict[str, float]]:
    total = PASSES * sum(work.part.stop - work.part.start for work in works)
    done = 0

    def step(count: int = 1) -> None:
        nonlocal done
        done += count
        if update is not None:
            update(min(done, total), total)

    for work in works:
        yield work_on(work, step)
        step(work.part.stop - work.part.start)


def _together(works: Sequence[Work], jobs: int, update: Update | None) -> Iterator[dict[str, float]]:
    with processes(min(jobs, len(works))) as pool:
        waiting = [pool.submit(work_on, work) for work in works]
        for done, one in enumerate(as_completed(waiting), 1):
            yield one.result()
            if update is not None:
                update(done, len(works))
