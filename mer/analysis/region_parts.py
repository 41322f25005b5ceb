"""The motion of facial regions along a video: computed part by part, and joined to one recording."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from mer.analysis.parts import CLIP, AlignedVideo, Part, Track, finished
from mer.core.container import Clip, Container, ContainerWriter, file_digest
from mer.provenance import code_digest, library_line
from mer.spotting.region_motion import RegionMotion, region_motion, stride_of, unknown_motion

REGIONS = "regions"
BY_STEP = ("motion", "head", "unexplained")


def write_regions(part: Part, fps: float, folder: Path) -> None:
    """Write the motion of an aligned part, unless it is there already.

    Pictures are frames of the video whose number is a multiple of `stride_of(fps)`; a part writes its own, and looks
    into the next one for the second picture of a pair.
    """
    source, out = part.path(folder, "align"), part.path(folder, REGIONS)
    stride = stride_of(fps)
    made_of = {"fps": fps, "stride": stride, "start": part.start, "own": part.joint}
    inputs, code = {source.name: file_digest(source)}, code_digest("mer.analysis.region_parts")
    if finished(out, made_of, inputs, code):
        return
    with (
        ContainerWriter(out, REGIONS, "analyze", made_of, inputs, code, library_line()) as writer,
        Container(source) as box,
    ):
        if CLIP not in box.clip_ids:
            writer.fail(CLIP, box.failures[CLIP])
            return
        first = -part.start % stride
        motion = _motion(box.clip(CLIP), slice(first, None, stride), fps / stride)
        own = len(range(first, part.joint - part.start, stride))
        with writer.clip(CLIP) as clip:
            for name, value in vars(motion.part(0, own)).items():
                if name not in ("rate", "steps"):
                    clip.write(name, value)
            clip.attributes({"rate": motion.rate})


def _motion(clip: Clip, taken: slice, rate: float) -> RegionMotion:
    frames = clip.lazy("frames")
    crops = (frames[k] for k in range(len(frames))[taken])
    landmarks, transform, quality = (clip.read(name)[taken] for name in ("landmarks", "transform", "quality"))
    return region_motion(crops, landmarks, transform, quality, rate)


def join_regions(video: AlignedVideo, track: Track) -> RegionMotion | None:
    """Return the motion along a whole video; None when no part shows a face.

    Nothing is known of pairs with a frame without a face, nor of those across a cut.
    """
    stride = stride_of(video.footage.fps)
    count = -(-len(video.footage) // stride)
    whole: RegionMotion | None = None
    units: list[tuple[np.ndarray, np.ndarray]] = []
    for part in video.parts:
        with video.clip(part, REGIONS) as clip:
            if clip is None:
                continue
            if whole is None:
                blank = np.full((count, 68, 2), np.nan), np.full((count, 2, 3), np.nan), np.zeros(count)
                whole = unknown_motion(*blank, float(clip.attributes["rate"]))
            first = -(-part.start // stride)
            units.append((clip.read("units"), clip.read("units_at") + first))
            for one in fields(RegionMotion):
                if one.name in ("rate", "steps", "units", "units_at"):
                    continue
                value, target = clip.read(one.name), getattr(whole, one.name)
                if one.name in BY_STEP:
                    target[:, first : first + value.shape[1]] = value
                else:
                    target[first : first + len(value)] = value
    if whole is None:
        return None
    blind = np.array([track.blind[k : k + stride].any() for k in range(0, len(video.footage), stride)])
    seen, at = (np.concatenate(parts) for parts in zip(*units, strict=True))
    return replace(_filled(whole), units=seen, units_at=at).blanked(blind, [-(-cut // stride) for cut in track.cuts])


def _filled(motion: RegionMotion) -> RegionMotion:
    """Return the motion with landmarks and transforms where no part has any, those of the last one that has."""
    known = np.flatnonzero(np.isfinite(motion.transform).all(axis=(1, 2)))
    nearest = known[np.clip(np.searchsorted(known, np.arange(len(motion)), side="right") - 1, 0, None)]
    return replace(motion, landmarks=motion.landmarks[nearest], transform=motion.transform[nearest])
