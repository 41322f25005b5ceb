"""Rendering recordings to image and video files, with their ground truth.

The truth container is that of `mer.simulate.truth`, one clip per expression; its frames are those from onset to
offset. Where files show only a window of the frame (face crops), the attribute `window` (left, top, right, bottom) says
which: subtract its corner from points of the frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from mer.core.atomic import write_text
from mer.core.container import ContainerWriter
from mer.core.media import inside
from mer.core.seeds import derive_seed
from mer.simulate import timeline
from mer.simulate.camera import develop, expose, flicker_gain
from mer.simulate.head import frame_scale
from mer.simulate.layouts.distractions import turns, with_speech
from mer.simulate.layouts.footage import Picture, Recording, Sensor, Tree
from mer.simulate.layouts.images import VideoFile, write_image
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan
from mer.simulate.take import Take
from mer.simulate.truth import write_clip_truth

LUMINANCE = {"grey": (0.2126, 0.7152, 0.0722), "infrared": (0.85, 0.12, 0.03)}
BLINK_REST = 0.2
BLINK_SLOT = 2.0
WALL_MILLIMETRES, HEAD_MILLIMETRES = 1500, 700


class Footage(Take):
    """A recording with any number of expressions as a function of time; numbers are those of its files.

    Args:
        params: the database's parameters.
        recording: what is filmed.
    """

    def __init__(self, params: SimulateParams, recording: Recording) -> None:
        spoken = with_speech(params, recording)
        self.events = spoken.events
        super().__init__(params, _whole(spoken))
        fps = recording.fps
        turned = turns(params, recording, frame_scale(params.width, params.height))
        self.head_motion = replace(self.head_motion, turns=turned)
        blinks = [timeline.draw_blink(e.seed, params.blink, e.onset, e.offset, fps) for e in recording.events]
        self.blinks = [blink for blink in (*blinks, *_between(params, recording)) if blink]

    def levels(self, time: float) -> np.ndarray:
        """Return the intensity of the units of every expression in turn (n_units,) at `time`."""
        at = np.asarray(time, dtype=np.float64)
        each = [timeline.intensities(e.units, e.onset, e.apex, e.offset, at) for e in self.events]
        return np.concatenate([np.zeros(0), *each])

    def closure(self, time: float) -> float:
        """Return how far the lids are closed at `time`, 0 to 1."""
        at = np.asarray(time, dtype=np.float64)
        return max((float(blink.closure(at)) for blink in self.blinks), default=0.0)

    def film(self, params: SimulateParams, sensor: Sensor, number: int) -> np.ndarray:
        """Return frame `number` as the camera sees it: (H, W, 3) uint8 RGB, or (H, W) where the sensor is grey."""
        light = self.frame(number)
        if sensor != "colour":
            light = light @ np.array(LUMINANCE[sensor], dtype=np.float32)
        gain = flicker_gain(self.clip.seed, params.flicker, number, self.clip.fps)
        frame = expose(develop(light, gain), params.noise, self.clip.seed, number)
        return np.repeat(frame[..., None], 3, axis=2) if sensor == "infrared" else frame

    def depth(self, number: int) -> np.ndarray:
        """Return the distance (H, W) uint16 in millimetres: the wall, and the head as a plane in front of it."""
        opacity = self.renderer.opacity(self.renderer.material(self.state(number)))
        nearer = (WALL_MILLIMETRES - HEAD_MILLIMETRES) * np.clip(opacity, 0, 1)
        return np.rint(WALL_MILLIMETRES - nearer).astype(np.uint16)


def write_footage(
    params: SimulateParams, tree: Tree, recordings: Sequence[Recording], subject: str, root: Path, truth_path: Path
) -> None:
    """Render the recordings of one subject under `root` and write their truth.

    Files that an earlier call wrote for this subject are removed first: clips of another configuration must not stay.
    They are listed in `.simulated/<subject>.txt` below `root`.

    Raises:
        StorageError: the disk is full or not writable.
    """
    _remove_earlier(root, root / ".simulated" / f"{subject}.txt")
    paths = {p.path for r in recordings for n in r.numbers for p in tree.pictures(params, r, n)}
    write_text(root / ".simulated" / f"{subject}.txt", "".join(f"{path}\n" for path in sorted(paths)))
    parameters = {"subject": subject, "simulate": params.model_dump()}
    with ContainerWriter(truth_path, "truth", params.layout, parameters) as out:
        for recording in recordings:
            footage = Footage(params, recording)
            window = face_window(footage, recording.numbers[0], round(tree.window * params.height))
            cropped = _write_frames(params, tree, recording, footage, window, root)
            for event in recording.events:
                with out.clip(event.sample_id) as writer:
                    numbers = list(range(event.onset, event.offset + 1))
                    write_clip_truth(writer, Take(params, event, footage.renderer), numbers)
                    writer.attributes({"window": list(window) if cropped else None})


def _remove_earlier(root: Path, written: Path) -> None:
    """Remove the files named in the list `written`, and the folders that they leave empty."""
    if not written.is_file():
        return
    for line in written.read_text(encoding="utf-8").splitlines():
        path = inside(root, line)
        path.unlink(missing_ok=True)
        for folder in path.parents:
            if folder == root or not folder.is_dir() or any(folder.iterdir()):
                break
            folder.rmdir()


def face_window(footage: Take, number: int, side: int) -> tuple[int, int, int, int]:
    """Return the square (left, top, right, bottom) of `side` pixels, inside the frame, around the face in a frame."""
    points = footage.landmarks(number)
    middle = (points.min(axis=0) + points.max(axis=0)) / 2 - [0, 0.06 * side]
    corner = []
    for place, length in zip(middle, (footage.renderer.width, footage.renderer.height), strict=True):
        corner.append(min(max(round(float(place) - side / 2), 0), length - side))
    return corner[0], corner[1], corner[0] + side, corner[1] + side


def _write_frames(
    params: SimulateParams,
    tree: Tree,
    recording: Recording,
    footage: Footage,
    window: tuple[int, int, int, int],
    root: Path,
) -> bool:
    """Write every file of a recording; return whether some show the face window only."""
    cropped = False
    with ExitStack() as stack:
        videos: dict[str, VideoFile] = {}
        for number in recording.numbers:
            pictures = list(tree.pictures(params, recording, number))
            if not pictures:
                continue
            frame = footage.film(params, tree.sensor(params), number)
            for picture in pictures:
                cropped = cropped or picture.cropped
                if picture.path.endswith(".mp4"):
                    if picture.path not in videos:
                        video = VideoFile(root / picture.path, recording.fps)
                        videos[picture.path] = stack.enter_context(video)
                    videos[picture.path].add(frame)
                else:
                    image = footage.depth(number) if picture.depth else frame
                    write_image(root / picture.path, _seen(image, picture, window), params.jpeg_quality)
    return cropped


def _seen(frame: np.ndarray, picture: Picture, window: tuple[int, int, int, int]) -> np.ndarray:
    if not picture.cropped:
        return frame
    left, top, right, bottom = window
    return np.ascontiguousarray(frame[top:bottom, left:right])


def _whole(recording: Recording) -> ClipPlan:
    """Return a recording as one clip that holds the units of all its expressions."""
    first, last = recording.numbers[0], recording.numbers[-1]
    plan = ClipPlan(
        subject=recording.subject,
        subject_index=recording.person,
        clip=recording.name,
        emotion="",
        units=(),
        onset=first,
        apex=first,
        offset=last,
        numbers=recording.numbers,
        recorded=last,
        fps=recording.fps,
        seed=recording.seed,
    )
    return replace(plan, units=tuple(unit for event in recording.events for unit in event.units))


def _between(params: SimulateParams, recording: Recording) -> list[timeline.Blink | None]:
    """Draw the blinks in the rests before, between and after the expressions, clear of them: one try in each 2 s."""
    ends = [recording.numbers[0], *(n for e in recording.events for n in (e.onset, e.offset)), recording.numbers[-1]]
    rest = round(BLINK_REST * recording.fps)
    found = []
    for k, (start, end) in enumerate(zip(ends[::2], ends[1::2], strict=True)):
        if end - start <= 2 * rest:
            continue
        tries = max(1, int((end - start - 2 * rest) / (BLINK_SLOT * recording.fps)))
        edges = np.linspace(start + rest, end - rest, tries + 1)
        for n, (first, last) in enumerate(pairwise(edges)):
            seed = derive_seed(recording.seed, "rest", k, *([n] if n else []))
            found.append(timeline.draw_blink(seed, params.blink, float(first), float(last), recording.fps))
    return found
