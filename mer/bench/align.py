"""`mer bench align`: the whole `align` stage, from files to container, per frame and against time.

Every case runs alone in a process of its own: decoding, following, cutting and writing. The peer is the usual way,
dlib's HOG detector and landmarks on every frame by itself and one similarity from the eyes, on the same files and
written to the same kind of container.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mer.bench.clips import truths, write_clips
from mer.bench.measure import Clock, Measured, run_alone
from mer.bench.table import BenchRow, column
from mer.core.errors import ClipError
from mer.core.progress import bar

SIZE = 224
SAMPLE = "bench"
SHORT, FEW = 120, 6  # frames of an ordinary case, and of one that is slow on a CPU


@dataclass(frozen=True)
class AlignRow(BenchRow):
    """One line: a case, its frames, and what a frame cost.

    `residual` is the motion of rigid points left in the crop (pixels RMS at 224; NaN where there is no truth),
    `frames_per_second` that of one core, `speed_ratio` how many times faster than detection on every frame of the same
    files (NaN where that was not run), `peak_mib` the peak memory of a process that did only this.
    """

    case: str = column("case")
    frames: int = column("frames")
    residual: float = column("rigid px RMS", "{:.3f}")
    frames_per_second: float = column("frames/s a core", "{:.1f}")
    cpu_ms: float = column("CPU ms a frame", "{:.2f}")
    peak_mib: float = column("peak MiB", "{:.0f}")
    speed_ratio: float = column("speed", "{:.2f}×")


def run_align_bench(
    video: Path | None = None,
    hours: float = 0.0,
    fps: float = 30.0,
    seed: int = 0,
    log: Callable[[str], None] = print,
) -> list[AlignRow]:
    """Measure the stage.

    Args:
        video: measure on this file alone instead of the simulated cases.
        hours: also measure a stream of this length and a tenth of it, one simulated clip shown to and fro.
        fps: of that stream.
        seed: of the simulated clips.
        log: receives a line per case.
    """
    total = 8 if hours > 0 else 6
    with tempfile.TemporaryDirectory(prefix="mer-bench-align-") as name, bar("rows") as update:
        root = Path(name)
        if video is not None:
            return _rows("video", _video_listing(root, video), {}, log, peer=True)
        log("simulating 640x480")
        ordinary = _recording(root / "ordinary", 640, 480, seed)
        rows = _rows("640x480, hog", ordinary.shown(SHORT), {}, log, peer=True)
        update(len(rows), total)
        rows += _rows("640x480, hog, landmarks alone", ordinary.shown(SHORT), {"refine": False}, log)
        rows += _rows("640x480, cnn", ordinary.shown(FEW), {"detector": "cnn", "redetect_every": 1}, log)
        update(len(rows), total)
        log("simulating 2040x1088")
        rows += _rows(
            "2040x1088, hog", _recording(root / "large", 2040, 1088, seed).shown(SHORT // 2), {}, log, peer=True
        )
        update(len(rows), total)
        if hours > 0:
            log("simulating 320x240")
            small = _recording(root / "small", 320, 240, seed)
            for share in (0.1, 1.0):
                count = max(1, round(share * hours * 3600 * fps))
                rows += _rows(f"320x240, stream of {count / fps:.0f} s", small.shown(count), {"size": 64}, log)
        return rows


@dataclass(frozen=True)
class Listing:
    """A `frames` product on disk: where, below which folder, how many frames, and the rigid points of each if known."""

    path: Path
    root: Path
    count: int
    rigid: Path | None = None


@dataclass(frozen=True)
class Recording:
    """One simulated clip as files, and its rigid points (T, 9, 2) in frame pixels."""

    root: Path
    files: tuple[str, ...]
    rigid: np.ndarray

    def shown(self, count: int) -> Listing:
        """List `count` frames of it, forwards and backwards in turn, so that no frame follows a jump."""
        once = np.arange(len(self.files))
        order = np.resize(np.concatenate([once, once[-2:0:-1]]), count)
        path = self.root / f"frames{count}.h5"
        _write_listing(path, [self.files[i] for i in order], {"media_kind": "frames", "media_path": "."})
        np.save(path.with_suffix(".npy"), self.rigid[order])
        return Listing(path, self.root, count, path.with_suffix(".npy"))


def _recording(root: Path, width: int, height: int, seed: int) -> Recording:
    folder = write_clips(root, 1, seed, drift=6, width=width, height=height)
    clip = next(truths(folder, 1))
    base = next(root.glob(f"*/*/{clip.sample_id}")).relative_to(root)
    files = tuple(f"{base}/img{number}.jpg" for number in clip.numbers)
    return Recording(root, files, np.stack([clip.rigid_points(i) for i in range(len(files))]))


def _video_listing(root: Path, video: Path) -> Listing:
    from mer.core.video import iterate

    count = sum(1 for _ in iterate(video))
    path = root / "frames.h5"
    _write_listing(path, count, {"media_kind": "video", "media_path": video.name})
    return Listing(path, video.parent, count)


def _write_listing(path: Path, files: Sequence[str] | int, attributes: Mapping[str, str]) -> None:
    from mer.core.container import ContainerWriter

    count = files if isinstance(files, int) else len(files)
    with ContainerWriter(path, "frames") as out, out.clip(SAMPLE) as clip:
        if not isinstance(files, int):
            clip.write("files", np.array(files, dtype=object))
        clip.write("numbers", np.arange(count))
        clip.attributes({**attributes, "fps": 200.0})


def _rows(
    case: str, listing: Listing, keys: Mapping[str, Any], log: Callable[[str], None], peer: bool = False
) -> list[AlignRow]:
    log(f"{case}: {listing.count} frames")
    common = {"listing": listing.path, "root": listing.root, "rigid": listing.rigid}
    ours = run_alone("mer.bench.align:stage_task", keys=dict(keys), **common)
    if not peer:
        return [_row(case, listing.count, ours, float("nan"))]
    log(f"{case}: detection on every frame")
    naive = run_alone("mer.bench.align:naive_task", **common)
    return [
        _row(case, listing.count, ours, naive.cpu_seconds / ours.cpu_seconds),
        _row(f"{case}, every frame detected", listing.count, naive, 1.0),
    ]


def _row(case: str, count: int, measured: Measured, ratio: float) -> AlignRow:
    residual, _ = measured.errors.get("rigid points", (float("nan"), ""))
    seconds = measured.cpu_seconds
    return AlignRow(case, count, residual, 1 / seconds, 1e3 * seconds, measured.peak_mib, ratio)


def stage_task(
    clock: Clock, listing: Path, root: Path, rigid: Path | None, keys: Mapping[str, Any]
) -> dict[str, tuple[float, str]]:
    """Run the stage over a listing; return the motion of rigid points that is left."""
    from mer.core.container import Container, ContainerWriter
    from mer.core.media import open_frames
    from mer.core.source import Source
    from mer.stages.align.dlib68 import METHOD
    from mer.stages.align.stage import process

    params = METHOD.Params(**{"size": SIZE, **keys})
    product = listing.with_name("align.h5")
    with Container(listing) as box, ContainerWriter(product, "align") as out:
        clip = box.clip(SAMPLE)
        # Loading the models is not the work of a frame: one frame first, untimed.
        METHOD.align([next(open_frames(clip, root))], params)
        clock.warm = True
        with out.clip(SAMPLE) as writer:
            source = Source({"sample_id": SAMPLE}, root, clip)
            clock.time(process, source, writer, METHOD, params, units=len(clip.lazy("numbers")))
    return _judged(product, rigid, params.size)


def naive_task(clock: Clock, listing: Path, root: Path, rigid: Path | None) -> dict[str, tuple[float, str]]:
    """Detect, predict, warp and write every frame by itself; return the motion of rigid points that is left."""
    from mer.core.container import Container, ContainerWriter
    from mer.core.media import open_frames
    from mer.stages.align.models import hog_detector, shape_predictor

    product = listing.with_name("naive.h5")
    hog_detector(), shape_predictor()
    clock.warm = True
    with Container(listing) as box, ContainerWriter(product, "align") as out, out.clip(SAMPLE) as writer:
        clip = box.clip(SAMPLE)

        def everything() -> None:
            for image in open_frames(clip, root):
                made = _naive(image)
                if not made and rigid is not None:
                    raise ClipError(SAMPLE, "no face", "a face in every simulated frame")
                for name, value in made.items():
                    writer.append(name, value[None])

        clock.time(everything, units=len(clip.lazy("numbers")))
    return _judged(product, rigid, SIZE)


def _naive(image: np.ndarray) -> dict[str, np.ndarray]:
    """Return what detection alone gives for a picture (H, W, 3) uint8; nothing where it finds no face."""
    import cv2

    from mer.core.geometry import canonical_eyes, eye_centres, similarity
    from mer.stages.align.landmarks import predict
    from mer.stages.align.models import hog_detector

    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    faces = hog_detector()(grey, 1)
    if not len(faces):
        return {}
    face = faces[0]
    points = predict(grey, np.array([face.left(), face.top(), face.right(), face.bottom()]))
    matrix = similarity(eye_centres(points), canonical_eyes(SIZE))
    crop = cv2.warpAffine(image, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return {"frames": crop, "transform": matrix, "landmarks": points.astype(np.float32)}


def _judged(product: Path, rigid: Path | None, size: int) -> dict[str, tuple[float, str]]:
    from mer.bench.tasks import wander
    from mer.core.container import Container

    with Container(product) as box:
        if SAMPLE not in box.clip_ids:
            raise ClipError(SAMPLE, box.failures[SAMPLE])
        if rigid is None:
            return {}
        points, transform = np.load(rigid), box.clip(SAMPLE).read("transform")
    return {"rigid points": (wander(transform, points) * SIZE / size, "px RMS at 224")}
