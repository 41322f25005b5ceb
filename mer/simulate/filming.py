"""Rendering recordings to image and video files, with their ground truth.

The truth container is that of `mer.simulate.truth`, one clip per expression.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from mer.core.atomic import write_text
from mer.core.container import ClipWriter, ContainerWriter
from mer.core.media import inside
from mer.simulate.action_units import AU_NUMBERS
from mer.simulate.footage import Footage
from mer.simulate.images import VideoFile, write_image
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan, Recording
from mer.simulate.take import Take
from mer.simulate.tree import Picture, Sensor, Tree


def film(
    params: SimulateParams, tree: Tree, sensor: Sensor, recordings: Sequence[Recording], root: Path, truth_path: Path
) -> None:
    """Render the recordings of one subject under `root` and write their truth.

    Files that an earlier call wrote for this subject are removed first: clips of another configuration must not stay.
    They are listed in `.simulated/<subject>.txt` below `root`.

    Raises:
        StorageError: the disk is full or not writable.
    """
    subject = recordings[0].subject
    list_path = root / ".simulated" / f"{subject}.txt"
    _remove_earlier(root, list_path)
    paths = {p.path for r in recordings for n in r.numbers for p in tree.pictures(params, r, n)}
    write_text(list_path, "".join(f"{path}\n" for path in sorted(paths)))
    parameters = {"subject": subject, "simulate": params.model_dump()}
    with ContainerWriter(truth_path, "truth", params.layout, parameters) as out:
        for recording in recordings:
            footage = Footage(params, recording)
            window = face_window(footage, recording.numbers[0], round(tree.window * params.height))
            cropped = _write_frames(params, tree, sensor, recording, footage, window, root)
            for event in recording.events:
                numbers = recording.numbers if tree.whole_truth else range(event.onset, event.offset + 1)
                with out.clip(event.sample_id) as writer:
                    _write_truth(writer, Take(params, event, footage.renderer), list(numbers))
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
    sensor: Sensor,
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
            frame = footage.film(params, sensor, number)
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


def _write_truth(writer: ClipWriter, take: Take, numbers: list[int]) -> None:
    """Write one clip's arrays and attributes (see the table of `mer.simulate.truth`)."""
    clip = take.clip
    writer.write("numbers", np.array(numbers, dtype=np.int64))
    writer.write("intensities", np.stack([_unit_columns(clip, take.levels(n)) for n in numbers]).astype(np.float32))
    writer.write("pose", np.stack([take.head_motion.matrix(n) for n in numbers]))
    writer.write("landmarks", np.stack([take.landmarks(n) for n in numbers]).astype(np.float32))
    writer.write("rigid", np.stack([take.rigid_points(n) for n in numbers]).astype(np.float32))
    writer.write("closure", np.array([take.closure(n) for n in numbers], dtype=np.float32))
    # Rounded to 2^-12 px, far below what any estimator resolves, the flow compresses to a third.
    writer.write("flow", np.round(take.flow(clip.onset, clip.apex) * 4096) / np.float32(4096))
    writer.write("valid", take.valid(clip.onset, clip.apex).astype(np.uint8))
    writer.write("moving", take.moving(clip.onset, clip.apex).astype(np.uint8))
    writer.attributes(
        {
            "onset": clip.onset - numbers[0],
            "apex": clip.apex - numbers[0],
            "offset": clip.offset - numbers[0],
            "fps": clip.fps,
            "emotion": clip.emotion,
            "units": "+".join(u.text for u in clip.units),
            "identity": json.dumps(take.renderer.head.identity.parameters()),
        }
    )


def _unit_columns(clip: ClipPlan, levels: np.ndarray) -> np.ndarray:
    """Return the intensity (12,) of each unit of `AU_NUMBERS` given those of the clip's own units (n_units,)."""
    columns = np.zeros(len(AU_NUMBERS))
    for unit, level in zip(clip.units, levels, strict=True):
        columns[AU_NUMBERS.index(unit.number)] = level
    return columns
