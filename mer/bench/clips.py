"""What the stages are measured on: simulated clips with their truth, seen through one fixed crop per clip.

Everything is rendered once, into one file per clip, so that a measured process holds its method and one clip and
nothing of the simulator.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mer.core.geometry import apply, canonical_eyes, eye_centres, invert, similarity
from mer.core.images import read_image
from mer.core.registry import load
from mer.simulate.params import SimulateParams
from mer.simulate.registry import LAYOUTS
from mer.simulate.truth import ClipTruth, Truth

SIZE = 224


@dataclass(frozen=True)
class Folder:
    """A simulated database written for a bench: its root, truth files and parameters."""

    root: Path
    truths: tuple[Path, ...]
    params: SimulateParams


def write_clips(root: Path, count: int, seed: int, **options: float) -> Folder:
    """Write at least `count` clips of different people below `root`; `options` are keys of the simulator."""
    clips = min(count, 3)
    params = SimulateParams(subjects=-(-count // clips), clips=clips, seed=seed, quirks=False, blink=0, **options)
    layout = load(LAYOUTS, params.layout, "layout")
    layout.write_tables(params, root)
    truths = []
    for subject in layout.subjects(params):
        truths.append(root / "truth" / f"{subject}.h5")
        layout.write_subject(params, subject, root, truths[-1])
    return Folder(root, tuple(truths), params)


def truths(folder: Folder, count: int) -> Iterator[ClipTruth]:
    """Yield the truth of the first `count` clips."""
    for path in folder.truths:
        with Truth(path) as truth:
            for sample_id in truth.clip_ids:
                if count <= 0:
                    return
                count -= 1
                yield truth.clip(sample_id)


class Crop:
    """A fixed similarity onto canonical eyes, the same for every frame of a clip, so that all motion stays in it."""

    def __init__(self, clip: ClipTruth, size: int = SIZE) -> None:
        onset = clip.landmarks(int(clip.attributes["onset"]))
        self.matrix = similarity(eye_centres(onset), canonical_eyes(size))
        grid = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1).astype(np.float64)
        self.source = apply(invert(self.matrix), grid).astype(np.float32)

    def image(self, frame: np.ndarray) -> np.ndarray:
        """Return the crop (S, S, 3) uint8 of a frame."""
        from mer.stages.align.warp import antialias_sigma, crop

        scale = float(np.sqrt(np.linalg.det(self.matrix[:, :2])))
        return crop(frame, self.matrix, len(self.source), antialias_sigma(scale))

    def field(self, flow: np.ndarray) -> np.ndarray:
        """Return a flow field (H, W, 2) of the frame as (2, S, S) in pixels of the crop."""
        seen = cv2.remap(np.ascontiguousarray(flow), self.source[..., 0], self.source[..., 1], cv2.INTER_LINEAR)
        return np.einsum("ij,yxj->iyx", self.matrix[:, :2], seen)

    def mask(self, region: np.ndarray) -> np.ndarray:
        """Return a mask (H, W) of the frame as (S, S) bool."""
        nearest = cv2.remap(region.astype(np.uint8), self.source[..., 0], self.source[..., 1], cv2.INTER_NEAREST)
        return nearest.astype(bool)


def prepare(folder: Folder, count: int, out: Path, factors: tuple[float, ...] = ()) -> list[Path]:
    """Render the first `count` clips through their crops into `out/<k>.npz` and return the files.

    Each file holds, for one clip: `onset`, `apex` (S, S, 3) uint8, both without noise; `flow` (2, S, S) float32, the
    true flow between them; `valid`, `moving` (S, S) bool; `rise` (T, S, S, 3), every frame from onset to apex;
    `magnified_<factor>` (S, S, 3), the truly magnified apex; `landmarks` (68, 2) of the onset.
    """
    out.mkdir(parents=True, exist_ok=True)
    files = []
    for k, clip in enumerate(truths(folder, count)):
        files.append(out / f"{k:04d}.npz")
        np.savez(files[-1], allow_pickle=False, **_arrays(clip, factors))
    return files


def _arrays(clip: ClipTruth, factors: tuple[float, ...]) -> dict[str, np.ndarray]:
    onset, apex = int(clip.attributes["onset"]), int(clip.attributes["apex"])
    crop = Crop(clip)
    rise = np.stack([crop.image(clip.clean(i)) for i in range(onset, apex + 1)])
    return {
        "onset": rise[0],
        "apex": rise[-1],
        "flow": crop.field(clip.flow(onset, apex)).astype(np.float32),
        "valid": crop.mask(clip.valid(onset, apex)),
        "moving": crop.mask(clip.moving(onset, apex)),
        "rise": rise,
        "landmarks": apply(crop.matrix, clip.landmarks(onset)).astype(np.float32),
        **{f"magnified_{factor:g}": crop.image(clip.magnified(apex, factor)) for factor in factors},
    }


def prepare_recordings(folder: Folder, count: int, out: Path) -> list[Path]:
    """Store the first `count` recordings, with noise and compression, and their truth as `out/<k>.npz`.

    Each file holds `frames` (T, H, W, 3) uint8, `rigid` (T, 9, 2) and `landmarks` (T, 68, 2) in frame pixels.
    """
    out.mkdir(parents=True, exist_ok=True)
    files = []
    for k, clip in enumerate(truths(folder, count)):
        base = next(folder.root.glob(f"*/*/{clip.sample_id}"))
        steps = range(len(clip.numbers))
        files.append(out / f"{k:04d}.npz")
        np.savez(
            files[-1],
            frames=np.stack([read_image(base / f"img{number}.jpg") for number in clip.numbers]),
            rigid=np.stack([clip.rigid_points(i) for i in steps]),
            landmarks=np.stack([clip.landmarks(i) for i in steps]),
        )
    return files
