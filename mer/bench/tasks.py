"""The measurements of `mer bench stages`: each runs one method of one stage against the truth, alone in a process.

A task gets a `Clock` and the files of `mer.bench.clips`, times only the method itself, and returns
`{measure: (error, unit)}`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mer.bench.measure import Clock
from mer.core.geometry import apply
from mer.core.registry import load
from mer.core.seeds import derive_seed
from mer.stages.registry import METHODS

Errors = dict[str, tuple[float, str]]
Arrays = dict[str, np.ndarray]
SIZE = 224


def opened(files: Sequence[Path]) -> Iterator[tuple[int, Arrays]]:
    """Yield the arrays of one clip after the other."""
    for k, path in enumerate(files):
        with np.load(path) as arrays:
            yield k, dict(arrays)


def noisy(image: np.ndarray, sigma: float, *names: object) -> np.ndarray:
    """Return a uint8 image with Gaussian noise of `sigma` grey levels."""
    if sigma == 0:
        return image
    rng = np.random.default_rng(derive_seed(0, "bench noise", *names))
    return np.clip(np.rint(image + sigma * rng.standard_normal(image.shape)), 0, 255).astype(np.uint8)


def rms(values: Sequence[float]) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.mean(np.square(values))))


def flow(clock: Clock, files: Sequence[Path], method: str, options: dict[str, Any], sigma: float) -> Errors:
    """End-point error of onset-apex flow where the face moves, and on the still rest of the crop."""
    from mer.motion.endpoint import endpoint_errors
    from mer.motion.grey import grey

    module = load(METHODS["flow"], method, "bench")
    params = module.Params(**options)
    moving, still = [], []
    for k, clip in opened(files):
        first, second = (grey(noisy(clip[name], sigma, k, name)) for name in ("onset", "apex"))
        errors = endpoint_errors(clock.time(module.estimate, first, second, params), clip["flow"])
        moving.append(float(errors[clip["moving"]].mean()))
        still.append(float(errors[clip["valid"] & ~clip["moving"]].mean()))
    return {"moving": (float(np.mean(moving)), "px EPE"), "still": (float(np.mean(still)), "px EPE")}


def interpolate(clock: Clock, files: Sequence[Path], method: str, sigma: float) -> Errors:
    """Every second frame from onset to apex held out and reconstructed from the others."""
    module = load(METHODS["interpolate"], method, "bench")
    errors = []
    for k, clip in opened(files):
        rise = clip["rise"]
        given = np.stack([noisy(frame, sigma, k, i) for i, frame in enumerate(rise[::2])])
        positions = np.arange(len(given) - 1) + 0.5
        made = clock.time(module.resample, given, positions, None, units=len(positions))
        errors.append(rms((made.astype(float) - rise[1 : 2 * len(positions) : 2]).ravel()))
    return {"mid-frames": (rms(errors), "grey levels RMS")}


def magnify(clock: Clock, files: Sequence[Path], algorithm: str, factor: float, sigma: float) -> Errors:
    """Obtained against asked displacement, and the picture against the truly magnified one.

    The displacement is measured by the same estimator in the made and in the true picture: its own bias cancels.
    """
    from mer.motion.grey import grey
    from mer.motion.tvl1 import TVL1Options
    from mer.motion.tvl1 import flow as measure
    from mer.stages.magnify import lagrangian

    params = lagrangian.Params(alphas=[factor], flow=algorithm)
    gains, pictures = [], []
    for k, clip in opened(files):
        pair = np.stack([noisy(clip[name], sigma, k, name) for name in ("onset", "apex")])
        made = clock.time(lambda frames=pair: next(lagrangian.magnified(frames, 0, params))[1])
        truth, region, field = clip[f"magnified_{factor:g}"], clip["moving"], clip["flow"]
        start = grey(clip["onset"])
        along = [
            float((measure(start, grey(image), TVL1Options()) * field)[:, region].sum()) for image in (made, truth)
        ]
        gains.append(along[0] / along[1])
        pictures.append(rms((made.astype(float) - truth)[region].ravel()))
    return {"gain": (100 * abs(float(np.mean(gains)) - 1), "% of asked"), "picture": (rms(pictures), "grey levels RMS")}


def align(clock: Clock, files: Sequence[Path], method: str) -> Errors:
    """Motion of rigid face points left after alignment, and what there was in a crop held still."""
    module = load(METHODS["align"], method, "bench")
    left, before, landmarks = [], [], []
    for _, clip in opened(files):
        made = clock.time(module.align, clip["frames"], module.Params(size=SIZE), "bench", units=len(clip["frames"]))
        still = np.broadcast_to(made.transform[0], made.transform.shape)
        left.append(_wander(made.transform, clip["rigid"]))
        before.append(_wander(still, clip["rigid"]))
        truth = np.stack([apply(m, p) for m, p in zip(made.transform, clip["landmarks"], strict=True)])
        landmarks.append(float(np.linalg.norm(made.landmarks - truth, axis=-1).mean()))
    return {
        "rigid points": (rms(left), "px RMS"),
        "rigid points, unaligned": (rms(before), "px RMS"),
        "landmarks": (float(np.mean(landmarks)), "px"),
    }


def _wander(transforms: np.ndarray, points: np.ndarray) -> float:
    """Return the RMS distance of points (T, N, 2) under transforms (T, 2, 3) from their mean places."""
    moved = np.stack([apply(m, p) for m, p in zip(transforms, points, strict=True)])
    return rms(np.linalg.norm(moved - moved.mean(axis=0), axis=-1).ravel())


def frames(clock: Clock, root: Path, truths: Sequence[Path]) -> Errors:
    """Frames listed wrongly or not at all, from the table and folders of a written database."""
    from mer.core.container import Container, ContainerWriter
    from mer.core.sample import media_row
    from mer.core.source import Source
    from mer.datasets import casme2
    from mer.stages.frames import listing, stage

    clock.warm = True  # Listing a clip a second time into the same container is not possible, and nothing is imported.
    rows = {row.sample_id: media_row(row) for row in casme2.read(root, casme2.Options()).samples}
    wrong = 0
    for path in truths:
        with Container(path) as truth:
            for clip in truth:
                product = root / "bench.h5"
                with ContainerWriter(product, "frames") as out, out.clip(clip.sample_id) as writer:
                    clock.time(stage.process, Source(rows[clip.sample_id], root), writer, listing, listing.Params())
                with Container(product) as box:
                    listed = set(box.clip(clip.sample_id).read("numbers").tolist())
                wrong += len(listed ^ set(clip.read("numbers").tolist()))
    return {"listed": (float(wrong), "wrong frames")}


def rois(clock: Clock, files: Sequence[Path], method: str) -> Errors:
    """Share of the true motion of a clip that falls outside every box."""
    module = load(METHODS["rois"], method, "bench")
    params = module.Params()
    missed = []
    for _, clip in opened(files):
        boxes = clock.time(locate_and_cut, module, clip["landmarks"], clip["flow"], params)
        energy = (clip["flow"] ** 2).sum(axis=0) * clip["moving"]
        inside = np.zeros(energy.shape, bool)
        for left, top, right, bottom in np.rint(boxes).astype(int):
            inside[max(top, 0) : bottom, max(left, 0) : right] = True
        missed.append(float(100 * energy[~inside].sum() / energy.sum()))
    return {"motion missed": (float(np.mean(missed)), "% of energy")}


def locate_and_cut(module: Any, landmarks: np.ndarray, field: np.ndarray, params: Any) -> np.ndarray:
    """Find the boxes and cut them out of a flow field (2, S, S); return the boxes (R, 4)."""
    boxes: np.ndarray = module.locate(landmarks, SIZE, SIZE, params)
    module.patches(np.ascontiguousarray(field.transpose(1, 2, 0)), boxes, True, params)
    return boxes
