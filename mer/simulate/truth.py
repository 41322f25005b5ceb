"""Exact ground truth of simulated recordings: the container per subject, and its reader.

A truth container (`stage = "truth"`) holds per clip, over the T recorded frames (`numbers`, file numbers):

| array | shape | what |
|---|---|---|
| `numbers` | (T,) int64 | file number of each frame |
| `intensities` | (T, 12) float32 | intensity of each unit of `AU_NUMBERS`; 1 is its full extent |
| `pose` | (T, 2, 3) float64 | head pose, neutral material pixels to frame pixels |
| `landmarks` | (T, 68, 2) float32 | landmarks (x, y), frame pixels |
| `rigid` | (T, 9, 2) float32 | points that no unit moves: `mer.simulate.action_units.rigid_points` |
| `closure` | (T,) float32 | how far the lids are closed |
| `flow` | (H, W, 2) float32 | flow from onset to apex, pixels (u right, v down) |
| `valid`, `moving` | (H, W) uint8 | where that flow can be seen; where the face moves beyond its head |

and the attributes `onset`, `apex`, `offset` (indices on the T axis, the true ones), `fps`, `emotion`, `units`
(as text, `R12+6`), `identity` (JSON). Anything at other frames or times is computed from the plan.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from mer.core.container import Clip, ClipWriter, Container
from mer.core.errors import ContainerError
from mer.simulate.action_units import ACTION_UNITS
from mer.simulate.camera import develop, to_bytes
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan, plan
from mer.simulate.take import Take

AU_NUMBERS = tuple(sorted(ACTION_UNITS))


def write_clip_truth(writer: ClipWriter, take: Take, numbers: list[int]) -> None:
    """Write one clip's arrays and attributes (see the module's table)."""
    clip = take.clip
    writer.write("numbers", np.array(numbers, dtype=np.int64))
    writer.write("intensities", np.stack([unit_columns(clip, take.levels(n)) for n in numbers]).astype(np.float32))
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


def unit_columns(clip: ClipPlan, levels: np.ndarray) -> np.ndarray:
    """Return the intensity (12,) of each unit of `AU_NUMBERS` given those of the clip's own units (n_units,)."""
    columns = np.zeros(len(AU_NUMBERS))
    for unit, level in zip(clip.units, levels, strict=True):
        columns[AU_NUMBERS.index(unit.number)] = level
    return columns


class ClipTruth:
    """Truth of one clip. Frames are named by index on the T axis (0 is `numbers[0]`); fractions lie between frames.

    Args:
        stored: the clip in the truth container.
        take: the recording as a function of time.
    """

    def __init__(self, stored: Clip, take: Take) -> None:
        self.sample_id = stored.sample_id
        self.attributes = stored.attributes
        self.numbers: np.ndarray = stored.read("numbers")
        self.intensities: np.ndarray = stored.read("intensities")
        self.closure: np.ndarray = stored.read("closure")
        self.take = take

    def index(self, number: int) -> int:
        """Return the index of file `number`.

        Raises:
            ContainerError: the file was not recorded.
        """
        found = np.flatnonzero(self.numbers == number)
        if found.size == 0:
            raise ContainerError(self.sample_id, f"frame number {number}", f"{self.numbers[0]}..{self.numbers[-1]}")
        return int(found[0])

    def time(self, i: float) -> float:
        """Return the file number, fractional, of index `i`.

        Raises:
            ContainerError: outside the recording.
        """
        if not 0 <= i <= len(self.numbers) - 1:
            raise ContainerError(self.sample_id, f"frame index {i}", f"0..{len(self.numbers) - 1}")
        return float(np.interp(i, np.arange(len(self.numbers)), self.numbers))

    def flow(self, i: float, j: float) -> np.ndarray:
        """Return the exact flow (H, W, 2) float32 in pixels from frame i to frame j; see `Take.flow`."""
        return self.take.flow(self.time(i), self.time(j))

    def valid(self, i: float, j: float) -> np.ndarray:
        """Return where (H, W) bool the flow from i to j can be seen; see `Take.valid`."""
        return self.take.valid(self.time(i), self.time(j))

    def moving(self, i: float, j: float, threshold: float = 0.1) -> np.ndarray:
        """Return where (H, W) bool, within `valid`, the face moves over `threshold` px beyond head motion."""
        return self.take.moving(self.time(i), self.time(j), threshold)

    def landmarks(self, i: float) -> np.ndarray:
        """Return the landmarks (68, 2) float64 in frame pixels."""
        return self.take.landmarks(self.time(i))

    def rigid_points(self, i: float) -> np.ndarray:
        """Return the points (9, 2) float64 in frame pixels that no unit moves."""
        return self.take.rigid_points(self.time(i))

    def pose(self, i: float) -> np.ndarray:
        """Return the head pose (2, 3) float64, neutral material pixels to frame pixels."""
        return self.take.head_motion.matrix(self.time(i))

    def clean(self, i: float) -> np.ndarray:
        """Return frame i (H, W, 3) uint8 RGB without flicker, noise and compression."""
        return to_bytes(develop(self.take.frame(self.time(i))))

    def magnified(self, i: float, factor: float) -> np.ndarray:
        """Return clean frame i with its facial displacement relative to the onset times `factor`, head pose kept.

        Raises:
            MediaError: the factor folds the skin over itself.
        """
        return to_bytes(develop(self.take.frame(self.time(i), factor)))

    def between(self, i: int, fraction: float) -> np.ndarray:
        """Return the clean frame `fraction` (0-1) of the way from frame i to frame i + 1."""
        return self.clean(i + fraction)


class Truth:
    """Read a truth container: `with Truth(path) as truth: truth.clip("sub01/EP02_01f").flow(0, 10)`.

    Raises:
        ContainerError: not a finished truth container.
    """

    def __init__(self, path: str | Path) -> None:
        self._box = Container(path)
        if self._box.attributes["stage"] != "truth":
            stage = self._box.attributes["stage"]
            self._box.__exit__(None, None, None)
            raise ContainerError(path, f"a container of stage {stage!r}", "a truth container")
        self.params = SimulateParams(**self._box.parameters()["simulate"])
        self._plans = {clip.sample_id: clip for clip in plan(self.params)}
        self.clip_ids = list(self._box.clip_ids)

    def __enter__(self) -> Truth:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; clips already read stay usable."""
        self._box.__exit__(None, None, None)

    def clip(self, sample_id: str) -> ClipTruth:
        """Return one clip; raises `ContainerError` when it is not in the file."""
        return ClipTruth(self._box.clip(sample_id), Take(self.params, self._plans[sample_id]))

    def stored(self, sample_id: str) -> Clip:
        """Return the clip as stored: the arrays of the module's table, read lazily."""
        return self._box.clip(sample_id)
