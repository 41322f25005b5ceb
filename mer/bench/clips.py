"""What the stages are measured on: simulated clips with their truth, seen through one fixed crop per clip.

Everything is rendered once, into one file per clip, so that a measured process holds its method and one clip and
nothing of the simulator. Of most clips only the frames that a stage is judged by are rendered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mer.core.geometry import apply, canonical_eyes, eye_centres, invert, similarity
from mer.core.images import read_image
from mer.simulate.camera import develop, to_bytes
from mer.simulate.params import SimulateParams
from mer.simulate.registry import layout, plan
from mer.simulate.take import Take
from mer.simulate.truth import ClipTruth, Truth

SIZE = 224
# Factors on the facial displacement: peaks of about 0.2 to 4 pixels in the crop, most of them from 0.3 to 3.
INTENSITIES = (0.25, 0.5, 1.0, 1.5, 2.5)
CLIPS_EACH = 10
LEAST_MOVING = 100


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
    return Folder(root, tuple(truth for _, truth in layout(params.layout).write(params, root)), params)


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

    def __init__(self, landmarks: np.ndarray, size: int = SIZE) -> None:
        """Take the eyes of `landmarks` (68, 2) in frame pixels as those of the crop."""
        self.matrix = similarity(eye_centres(landmarks), canonical_eyes(size))
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


def prepare(
    out: Path,
    count: int,
    seed: int,
    intensities: Sequence[float] = INTENSITIES,
    factors: Sequence[float] = (),
    rise: bool = False,
    drift: float = 1.5,
) -> list[Path]:
    """Render `count` onset-apex pairs through their crops into `out/<k>.npz` and return the files.

    Only the frames that are asked for are rendered. Clips in which hardly anything moves are left out. Neighbouring
    files show different intensities, so that the first few are a fair sample of all.

    Args:
        out: the folder.
        count: number of pairs.
        seed: of the people and their clips.
        intensities: factors on the facial displacement, in turn; those of `INTENSITIES` peak at 0.2 to 4 pixels.
        factors: magnification factors for which the truly magnified apex is rendered too.
        rise: render every frame from onset to apex.
        drift: amplitude of the head's motion, pixels at 640 x 480.

    Returns:
        files that hold, for one pair each: `onset`, `apex` (S, S, 3) uint8, without noise; `flow` (2, S, S) float32,
        the true flow between them; `valid`, `moving` (S, S) bool; `landmarks` (68, 2) of the onset; as asked for,
        `magnified_<factor>` (S, S, 3) and `rise` (T, S, S, 3).
    """
    out.mkdir(parents=True, exist_ok=True)
    people = -(-count // CLIPS_EACH)
    made: list[list[Path]] = []
    for person in range(people):
        wanted = -(-(count - sum(map(len, made))) // (people - person))
        options = {"subjects": person + 1, "seed": seed, "drift": drift}
        made.append(_person(out, person, wanted, options, intensities, tuple(factors), rise))
    return [path for turn in zip_longest(*made) for path in turn if path is not None]


def _person(
    out: Path,
    person: int,
    wanted: int,
    options: dict[str, Any],
    intensities: Sequence[float],
    factors: tuple[float, ...],
    rise: bool,
) -> list[Path]:
    """Render pairs of one person; the clips and their units are the same whatever the intensity."""
    database = [
        SimulateParams(clips=min(40, 3 * wanted), quirks=False, blink=0, intensity=strength, **options)
        for strength in intensities
    ]
    plans = [[clip for clip in plan(params) if clip.face == person] for params in database]
    files: list[Path] = []
    for k in range(len(plans[0])):
        # The first file of each person has another intensity.
        chosen = (len(files) + person) % len(intensities)
        if len(files) == wanted:
            break
        arrays = _arrays(Take(database[chosen], plans[chosen][k]), factors, rise)
        if arrays["moving"].sum() >= LEAST_MOVING:
            files.append(out / f"{person:03d}-{k:03d}.npz")
            np.savez(files[-1], allow_pickle=False, **arrays)
    return files


def _arrays(take: Take, factors: tuple[float, ...], rise: bool) -> dict[str, np.ndarray]:
    onset, apex = take.clip.onset, take.clip.apex
    crop = Crop(take.landmarks(onset))

    def seen(number: int, factor: float = 1.0) -> np.ndarray:
        return crop.image(to_bytes(develop(take.frame(number, factor))))

    arrays = {
        "onset": seen(onset),
        "apex": seen(apex),
        "flow": crop.field(take.flow(onset, apex)).astype(np.float32),
        "valid": crop.mask(take.valid(onset, apex)),
        "moving": crop.mask(take.moving(onset, apex)),
        "landmarks": apply(crop.matrix, take.landmarks(onset)).astype(np.float32),
        **{f"magnified_{factor:g}": seen(apex, factor) for factor in factors},
    }
    if rise:
        arrays["rise"] = np.stack([seen(number) for number in range(onset, apex + 1)])
    return arrays


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
