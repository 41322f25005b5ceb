"""Rendering a subject's clips to disk, with their ground truth."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from mer.core.container import ContainerWriter
from mer.core.errors import DatasetError
from mer.core.registry import nearest
from mer.simulate.camera import develop, expose, flicker_gain, write_jpeg
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan, plan
from mer.simulate.take import Take
from mer.simulate.truth import write_clip_truth


def subject_clips(params: SimulateParams, subject: str) -> list[ClipPlan]:
    """Return the plans of one subject's clips.

    Raises:
        DatasetError: no such subject.
    """
    clips = plan(params)
    found = [clip for clip in clips if clip.subject == subject]
    if not found:
        known = list(dict.fromkeys(clip.subject for clip in clips))
        raise DatasetError("simulate", f"no subject {subject!r}", f"one of {params.subjects}", nearest(subject, known))
    return found


def write_recordings(
    params: SimulateParams,
    subject: str,
    folders: Mapping[str, Path],
    name: Callable[[int], str],
    truth_path: str | Path,
) -> None:
    """Render every clip of one subject as JPEG files, and write its ground truth.

    Args:
        folders: view -> folder of that view; 'selected' holds a plan's `numbers`, 'raw' the whole recording.
        name: file name of a frame number.
        truth_path: where the truth container goes.

    Raises:
        DatasetError: no such subject.
        StorageError: the disk is full or not writable.
    """
    for folder in folders.values():
        shutil.rmtree(folder / subject, ignore_errors=True)  # Clips of another configuration must not stay.
    parameters = {"subject": subject, "simulate": params.model_dump()}
    with ContainerWriter(truth_path, "truth", params.layout, parameters) as out:
        for clip in subject_clips(params, subject):
            take = Take(params, clip)
            numbers = recorded_numbers(params, clip)
            for number in numbers:
                paths = [
                    folder / clip.sample_id / name(number)
                    for view, folder in folders.items()
                    if view == "raw" or number in clip.numbers
                ]
                frame = photographed(params, take, number)
                for path in paths:
                    write_jpeg(path, frame, params.jpeg_quality)
            with out.clip(clip.sample_id) as writer:
                write_clip_truth(writer, take, numbers)


def recorded_numbers(params: SimulateParams, clip: ClipPlan) -> list[int]:
    """Return the file numbers of the widest view that is written."""
    return list(range(1, clip.recorded + 1)) if params.raw else list(clip.numbers)


def photographed(params: SimulateParams, take: Take, number: int) -> np.ndarray:
    """Return frame `number` (H, W, 3) uint8 RGB as the camera sees it: flicker, response, noise."""
    gain = flicker_gain(take.clip.seed, params.flicker, number, take.clip.fps)
    return expose(develop(take.frame(number), gain), params.noise, take.clip.seed, number)
