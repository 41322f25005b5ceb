"""Exact ground truth of simulated recordings: the container per subject, and its reader.

A truth container (`stage = "truth"`) holds per clip, over T frames (from onset to offset, or all that the layout
records of the clip: `Tree.whole_truth`):

| array | shape | what |
|---|---|---|
| `numbers` | (T,) int64 | file number of each frame |
| `intensities` | (T, 12) float32 | intensity of each unit of `action_units.AU_NUMBERS`; 1 is its full extent |
| `pose` | (T, 2, 3) float64 | head pose, neutral material pixels to frame pixels |
| `landmarks` | (T, 68, 2) float32 | landmarks (x, y), frame pixels |
| `rigid` | (T, 9, 2) float32 | points that no unit moves: `mer.simulate.action_units.rigid_points` |
| `closure` | (T,) float32 | how far the lids are closed |
| `flow` | (H, W, 2) float32 | flow from onset to apex, pixels (u right, v down) |
| `valid`, `moving` | (H, W) uint8 | where that flow can be seen; where the face moves beyond its head |

and the attributes `onset`, `apex`, `offset` (indices on the T axis, the true ones), `fps`, `emotion`, `units`
(as text, `R12+6`), `identity` (JSON). Where files show only a window of the frame (face crops), `window` (left, top,
right, bottom) says which: subtract its corner from points of the frame. Anything at other frames or times is computed
from the plan.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mer.core.container import Clip, Container
from mer.core.errors import ContainerError
from mer.simulate.camera import develop, to_bytes
from mer.simulate.params import SimulateParams
from mer.simulate.registry import plan
from mer.simulate.take import Take


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
        places = np.flatnonzero(self.numbers == number)
        if places.size == 0:
            raise ContainerError(self.sample_id, f"frame number {number}", f"{self.numbers[0]}..{self.numbers[-1]}")
        return int(places[0])

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
