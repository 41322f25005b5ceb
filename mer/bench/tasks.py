"""The measurements of `mer bench stages`: each runs one method of one stage against the truth, alone in a process.

A task gets a `Clock` and the files of `mer.bench.clips`, times only the method itself, and returns
`{measure: (error, unit)}`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from mer.bench.measure import Clock
from mer.core.geometry import apply
from mer.core.levels import as_uint8
from mer.core.seeds import derive_seed
from mer.stages.registry import METHODS, load_method, load_stage
from mer.stages.rois.method import RoisMethod

Errors = dict[str, tuple[float, str]]
Arrays = dict[str, np.ndarray]
SIZE = 224
# Pairs given at once to a method that takes many: what the flow stage gives at this size.
TOGETHER = 32
# True motions, pixels, by which errors can be told apart, and the least pixels of a pair that say something of one.
MOTIONS = ((0.1, 0.5), (0.5, 1.0), (1.0, 2.0), (2.0, 3.0), (3.0, 6.0))
LEAST_PIXELS = 20
# Light on the second image relative to the first: gain at x and y from -1 to 1 across the crop.
LIGHTS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "steady": lambda x, y: np.ones_like(x),
    "flicker": lambda x, y: np.full_like(x, 1.03),
    "drifting": lambda x, y: 1 + 0.02 * x + 0.02 * y**2,
}


def opened(files: Sequence[Path]) -> Iterator[tuple[int, Arrays]]:
    """Yield the arrays of one clip after the other."""
    for k, path in enumerate(files):
        with np.load(path) as arrays:
            yield k, dict(arrays)


def noisy(image: np.ndarray, sigma: float, *names: object) -> np.ndarray:
    """Return an image as uint8, with Gaussian noise of `sigma` grey levels."""
    if sigma == 0:
        return image if image.dtype == np.uint8 else as_uint8(image)
    rng = np.random.default_rng(derive_seed(0, "bench noise", *names))
    noise = sigma * rng.standard_normal(image.shape, dtype=np.float32)
    return as_uint8(image + noise)


def squared_error(made: np.ndarray, truth: np.ndarray, region: np.ndarray | None = None) -> float:
    """Return the mean squared difference of two uint8 images (S, S, 3), over `region` (S, S) when given."""
    error = (made.astype(np.float64) - truth) ** 2
    return float(error.mean() if region is None else error[region].mean())


def decibels(squared: float, least: float = 1e-12) -> float:
    """Return the peak signal-to-noise ratio in dB of a mean squared error, grey levels squared, of at least `least`."""
    return float(10 * np.log10(255**2 / max(squared, least)))


def rms(values: Sequence[float]) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.mean(np.square(values))))


def flow(
    clock: Clock,
    files: Sequence[Path],
    method: str,
    options: dict[str, Any],
    sigma: float,
    light: str = "steady",
    size: int = SIZE,
    together: bool = True,
    by_motion: bool = False,
) -> Errors:
    """End-point error of onset-apex flow where the face moves, and on the still rest of the crop.

    Args:
        clock: times the method; a unit of work is a pair.
        files: pairs of `mer.bench.clips.prepare`.
        method: a registered method, or the module of one that is not.
        options: keys of its parameters.
        sigma: noise of both images, grey levels.
        light: a key of `LIGHTS`; it falls on the second image.
        size: side to which the crops are shrunk, pixels.
        together: give a method with `estimate_many` up to `TOGETHER` pairs at once, else one after the other.
        by_motion: also give the error by the true motion of the pixels, in the steps of `MOTIONS`.
    """
    chosen = load_method("flow", method, "bench") if method in METHODS["flow"] else import_module(method).METHOD
    params = chosen.Params(**options)
    many = chosen.estimate_many if together else None
    errors: dict[str, list[float]] = {}
    for start in range(0, len(files), TOGETHER):
        some = opened(files[start : start + TOGETHER])
        clips = [_judged(clip, k + start, sigma, light, size) for k, clip in some]
        firsts, seconds = (np.stack([clip[name] for clip in clips]) for name in ("first", "second"))
        if many is not None:
            made = clock.time(many, firsts, seconds, params, units=len(clips))
        else:
            made = [clock.time(chosen.estimate, *pair, params) for pair in zip(firsts, seconds, strict=True)]
        for clip, field in zip(clips, made, strict=True):
            for measure, value in _missed(clip, field, by_motion).items():
                errors.setdefault(measure, []).append(value)
    return {measure: (float(np.mean(values)), "px EPE") for measure, values in errors.items()}


def _judged(clip: Arrays, k: int, sigma: float, light: str, size: int) -> Arrays:
    """Return the two grey images of a pair, and the true flow and masks at their size."""
    import cv2

    from mer.motion.grey import grey

    gain = LIGHTS[light](*np.meshgrid(np.linspace(-1, 1, SIZE), np.linspace(-1, 1, SIZE)))
    images = {"first": clip["onset"], "second": clip["apex"]}
    if light != "steady":
        images["second"] = images["second"] * gain[..., None]
    judged = {name: grey(noisy(image, sigma, k, name), size) for name, image in images.items()}
    truth = clip["flow"].transpose(1, 2, 0)
    if size != SIZE:
        truth = cv2.resize(truth, (size, size), interpolation=cv2.INTER_AREA) * (size / SIZE)
    judged["flow"] = np.ascontiguousarray(truth.transpose(2, 0, 1))
    for name in ("moving", "valid"):
        mask = cv2.resize(clip[name].astype(np.uint8), (size, size), interpolation=cv2.INTER_NEAREST)
        judged[name] = mask.astype(bool)
    return judged


def _missed(clip: Arrays, field: np.ndarray, by_motion: bool) -> dict[str, float]:
    errors, length = np.hypot(*(field.astype(np.float64) - clip["flow"])), np.hypot(*clip["flow"])
    regions = {"moving": clip["moving"], "still": clip["valid"] & ~clip["moving"]}
    if by_motion:
        for low, high in MOTIONS:
            regions[motion_name(low, high)] = clip["moving"] & (length >= low) & (length < high)
    return {name: float(errors[region].mean()) for name, region in regions.items() if region.sum() >= LEAST_PIXELS}


def motion_name(low: float, high: float) -> str:
    """Return the measure's name for pixels whose true motion is within a step of `MOTIONS`."""
    return f"moving {low:g}-{high:g} px"


def compared_flow(clock: Clock, files: Sequence[Path], method: str, peer: str, size: int) -> Errors:
    """Largest difference of a method from a peer's flow of the same pairs, the peer alone being timed."""
    chosen, other = load_method("flow", method, "bench"), import_module(peer)
    largest = 0.0
    for k, clip in opened(files):
        judged = _judged(clip, k, 0.0, "steady", size)
        theirs = clock.time(other.flow, judged["first"], judged["second"])
        ours = chosen.estimate(judged["first"], judged["second"], chosen.Params())
        largest = max(largest, float(np.hypot(*(theirs - ours)).max()))
    return {f"largest difference from {method}": (largest, "px")}


def align(clock: Clock, files: Sequence[Path], method: str) -> Errors:
    """Motion of rigid face points left after alignment, and what there was in a crop held still."""
    chosen = load_method("align", method, "bench")
    left, before, landmarks = [], [], []
    for _, clip in opened(files):
        made = clock.time(chosen.align, clip["frames"], chosen.Params(size=SIZE), "bench", units=len(clip["frames"]))
        still = np.broadcast_to(made.transform[0], made.transform.shape)
        left.append(wander(made.transform, clip["rigid"]))
        before.append(wander(still, clip["rigid"]))
        truth = apply(made.transform, clip["landmarks"])
        landmarks.append(float(np.linalg.norm(made.landmarks - truth, axis=-1).mean()))
    return {
        "rigid points": (rms(left), "px RMS"),
        "rigid points, unaligned": (rms(before), "px RMS"),
        "landmarks": (float(np.mean(landmarks)), "px"),
    }


def wander(transforms: np.ndarray, points: np.ndarray) -> float:
    """Return the RMS distance of points (T, N, 2) under transforms (T, 2, 3) from their mean places."""
    moved = apply(transforms, points)
    return rms(np.linalg.norm(moved - moved.mean(axis=0), axis=-1).ravel())


def frames(clock: Clock, root: Path, truths: Sequence[Path]) -> Errors:
    """Frames listed wrongly or not at all, from the table and folders of a written database."""
    from mer.core.container import Container, ContainerWriter
    from mer.core.sample import media_row
    from mer.core.source import Source
    from mer.datasets.casme2 import READER, Options

    stage, method = load_stage("frames"), load_method("frames", "list", "bench")
    clock.warm = True  # Listing a clip a second time into the same container is not possible, and nothing is imported.
    rows = {row.sample_id: media_row(row) for row in READER.read(root, Options()).samples}
    wrong = 0
    for path in truths:
        with Container(path) as truth:
            for clip in truth:
                product = root / "bench.h5"
                with ContainerWriter(product, "frames") as out, out.clip(clip.sample_id) as writer:
                    clock.time(stage.process, Source(rows[clip.sample_id], root), writer, method, method.Params())
                with Container(product) as box:
                    listed = set(box.clip(clip.sample_id).read("numbers").tolist())
                wrong += len(listed ^ set(clip.read("numbers").tolist()))
    return {"listed": (float(wrong), "wrong frames")}


def rois(clock: Clock, files: Sequence[Path], method: str) -> Errors:
    """Share of the true motion of a clip that falls outside every box."""
    chosen = load_method("rois", method, "bench")
    params = chosen.Params()
    missed = []
    for _, clip in opened(files):
        boxes = clock.time(locate_and_cut, chosen, clip["landmarks"], clip["flow"], params)
        energy = (clip["flow"] ** 2).sum(axis=0) * clip["moving"]
        inside = np.zeros(energy.shape, bool)
        for left, top, right, bottom in np.rint(boxes).astype(int):
            inside[max(top, 0) : bottom, max(left, 0) : right] = True
        missed.append(float(100 * energy[~inside].sum() / energy.sum()))
    return {"motion missed": (float(np.mean(missed)), "% of energy")}


def locate_and_cut(method: RoisMethod[Any], landmarks: np.ndarray, field: np.ndarray, params: Any) -> np.ndarray:
    """Find the boxes and cut them out of a flow field (2, S, S); return the boxes (R, 4)."""
    boxes = method.locate(landmarks, SIZE, SIZE, params)
    method.patches(np.ascontiguousarray(field.transpose(1, 2, 0)), boxes, True, params)
    return boxes
