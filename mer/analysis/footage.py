"""What is analysed: a video or a folder of numbered images, on a regular grid of time, with what is wrong with it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mer.analysis.video_seeking import Listing, frames_at, list_frames, reduced
from mer.core.errors import DatasetError, MediaError
from mer.core.images import image_size, list_images, read_image
from mer.datasets.annotations import safe_id
from mer.report.wording import counted

LONGEST = 1280  # pixels of the longer side; a face that fills a tenth of it is as large as the crop
SMALL_FACE = 110.0  # pixels below which a larger picture is worth its time
SAMPLES = 3  # frames in which the size of the face is looked up
UNEVEN = 0.5  # share of a frame's time by which steps may differ before they count as a variable rate
SAME_RATE = 0.99
SLOW = 25.0  # frames per second below which some micro-expressions (from 1/25 s) lie between two frames
HOLE = 0.15  # seconds between two pictures from which the time between them counts as not filmed


@dataclass(frozen=True)
class Footage:
    """One video or folder on a grid of `fps`.

    Args:
        name: a short name, safe as a folder's.
        path: of the video or the folder.
        fps: frames per second of the grid.
        indices: (T,) int64 which frame of the medium stands at each place of the grid, not descending.
        numbers: (T,) int64 its number: of the file, or the index of the video's frame from 0.
        seconds: (T,) float64 its time.
        holes: (T,) bool: nothing was filmed at this time.
        size: (width, height) of the upright picture as filmed.
        longest: longer side to which pictures are reduced, pixels.
        digest: of the content.
        remarks: what a reader of the results must know.
        listing: of a video.
        files: of a folder, by index.
        unlike: those of them that have another size than most; they are not shown.
    """

    name: str
    path: Path
    fps: float
    indices: np.ndarray
    numbers: np.ndarray
    seconds: np.ndarray
    holes: np.ndarray
    size: tuple[int, int]
    longest: int
    digest: str
    remarks: tuple[str, ...] = ()
    listing: Listing | None = None
    files: tuple[str, ...] = ()
    unlike: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the end of the last."""
        return len(self) / self.fps

    def frames(self, start: int, stop: int) -> Iterator[np.ndarray | None]:
        """Yield the pictures (H, W, 3) uint8 RGB at grid places `start` to `stop`; None where one cannot be
        decoded or was not filmed.

        Raises:
            MediaError: the medium is not what it was.
        """
        wanted = self.indices[start:stop]
        reader = self._read(np.unique(wanted))
        held: tuple[int, np.ndarray] | None = next(reader, None)
        for index, hole in zip(wanted.tolist(), self.holes[start:stop].tolist(), strict=True):
            while held is not None and held[0] < index:
                held = next(reader, None)
            yield held[1] if held is not None and held[0] == index and not hole else None

    def _read(self, wanted: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        if self.listing is not None:
            yield from frames_at(self.listing, wanted, self.longest)
            return
        for index in wanted.tolist():
            if self.files[index] in self.unlike:
                continue
            with suppress(MediaError):
                yield index, reduced(read_image(self.path / self.files[index]), self.longest)


def open_footage(path: Path, fps: float | None = None, limit: float | None = None) -> Footage:
    """Look at a video, or at a folder of numbered images, and lay a regular grid of time over it.

    Args:
        path: of the video or the folder.
        fps: frames per second of a folder of images, which does not tell; of a video, to overrule its header.
        limit: largest frame rate that is analysed; a faster medium is thinned.

    Raises:
        MediaError: nothing there, no video in it, or nothing that can be decoded.
        DatasetError: a folder without numbered images, or whose frame rate nobody knows.
    """
    whole = _folder(path, fps) if path.is_dir() else _video(path, fps)
    return _reduced(_on_grid(whole, limit))


def _video(path: Path, fps: float | None) -> Footage:
    listing = list_frames(path)
    seconds, remarks = listing.seconds, []
    if fps is not None:
        told = (len(seconds) - 1) / seconds[-1] if len(seconds) > 1 and seconds[-1] > 0 else 0.0
        if abs(told - fps) > (1 - SAME_RATE) * fps:
            remarks.append(f"analysed at {fps:g} frames per second, as --fps says; its own time stamps say {told:.4g}")
        seconds = np.arange(len(seconds)) / fps
    if listing.info.rotation:
        remarks.append(f"turned by {listing.info.rotation} degrees, as its header asks")
    if listing.interlaced:
        remarks.append(
            "interlaced: the upper field of each picture is used, at half the lines and half the fields a second"
        )
    if listing.missing:
        remarks.append(f"{listing.missing} frames that its header promises are missing at the end")
    known = {"size": (listing.info.width, listing.info.height), "digest": _digest([path]), "remarks": tuple(remarks)}
    return _whole(path, seconds, numbers=np.arange(len(seconds)), listing=listing, **known)


def _folder(path: Path, fps: float | None) -> Footage:
    files = list_images(path)
    if not files:
        raise DatasetError(path, "holds no numbered image", "img001.jpg, img002.jpg …, or name a video")
    if fps is None:
        raise DatasetError(path, "images do not tell their frame rate", "frames per second", "add --fps")
    numbers = np.array(list(files), np.int64)
    seconds = (numbers - numbers[0]) / fps
    absent = int(numbers[-1] - numbers[0] + 1 - len(numbers))
    remarks = [f"{counted(absent, 'number')} between the first and the last image without a file"] if absent else []
    names = tuple(files.values())
    size, odd = _usual_size(path, names)
    if odd:
        remarks.append(
            f"{counted(len(odd), 'image')} of another size than {size[0]} x {size[1]} left out, e.g. {odd[0]}"
        )
    known = {
        "size": size,
        "digest": _digest([path / name for name in names], "\n".join(names)),
        "unlike": frozenset(odd),
    }
    return _whole(path, seconds, numbers=numbers, files=names, remarks=tuple(remarks), **known)


def _usual_size(folder: Path, names: tuple[str, ...]) -> tuple[tuple[int, int], list[str]]:
    """Return the size of most images of a folder, and the names of those of another; a damaged one has none."""
    sizes: dict[str, tuple[int, int]] = {}
    for name in names:
        with suppress(MediaError):
            sizes[name] = image_size(folder / name)
    if not sizes:
        raise MediaError(folder, "none of its images can be read", "whole image files", "copy the folder again")
    ((usual, _),) = Counter(sizes.values()).most_common(1)
    return usual, [name for name, size in sizes.items() if size != usual]


def _whole(path: Path, seconds: np.ndarray, **known: Any) -> Footage:
    """Return footage with every frame at its own time; rate and reduction are settled later."""
    count = len(seconds)
    later: dict[str, Any] = {"fps": 0.0, "indices": np.arange(count), "holes": np.zeros(count), "longest": LONGEST}
    return Footage(name=safe_id(path.resolve().name), path=path, seconds=seconds, **later, **known)


def _on_grid(whole: Footage, limit: float | None) -> Footage:
    rate, indices, remarks = _grid(whole.path, whole.seconds, limit)
    return replace(
        whole,
        fps=rate,
        indices=indices,
        numbers=whole.numbers[indices],
        seconds=whole.seconds[indices],
        holes=_holes(whole.seconds, rate, len(indices)),
        remarks=(*whole.remarks, *remarks),
    )


def _reduced(footage: Footage) -> Footage:
    full = max(footage.size)
    longest = _needed(footage, full) if full > LONGEST else full
    if longest == full:
        return replace(footage, longest=full)
    remark = f"pictures of {footage.size[0]} x {footage.size[1]} reduced to {longest} pixels"
    return replace(footage, longest=longest, remarks=(*footage.remarks, remark))


def _holes(seconds: np.ndarray, rate: float, count: int) -> np.ndarray:
    """Return which places of a grid (count,) lie amid two pictures too far apart, off both by half a step."""
    grid = np.arange(count) / rate
    after = np.searchsorted(seconds, grid).clip(1, len(seconds) - 1)
    low, high = seconds[after - 1], seconds[after]
    wide = high - low > max(HOLE, 2.5 / rate)
    return wide & (grid - low > 0.5 / rate) & (high - grid > 0.5 / rate)


def _needed(small: Footage, full: int) -> int:
    """Return the longer side at which the face is large enough; `small` shows it at the usual one."""
    for place in np.linspace(0, len(small) - 1, SAMPLES).astype(int).tolist():
        side = _side(small, place)
        if side:
            return small.longest if side >= SMALL_FACE else min(full, round(small.longest * SMALL_FACE / side))
    # A face in a corner of a recorded screen may be too small to be found at the usual size.
    side = _side(replace(small, longest=full), len(small) // 2)
    return max(small.longest, min(full, round(full * SMALL_FACE / side))) if side else small.longest


def _side(footage: Footage, place: int) -> float:
    """Return the side of the face in a picture, in its pixels; 0 where none is seen."""
    import cv2

    from mer.stages.align.detect import choose, detect

    image = next(footage.frames(place, place + 1), None)
    if image is None:
        return 0.0
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    faces = detect(grey, "hog", 1 if max(grey.shape) <= 2 * LONGEST else 0)
    if not len(faces):
        return 0.0
    box = choose(faces, grey.shape)
    return float(box[2] - box[0])


def _grid(path: Path, seconds: np.ndarray, limit: float | None) -> tuple[float, np.ndarray, list[str]]:
    """Return the frame rate, the index of the frame at every place of the grid, and remarks."""
    if len(seconds) < 2 or seconds[-1] <= 0:
        raise MediaError(path, counted(len(seconds), "frame"), "a moving picture")
    steps = np.diff(seconds)
    usual = float(np.median(steps))
    even = bool((np.abs(steps - usual) <= UNEVEN * usual).all())
    rate = (len(seconds) - 1) / float(seconds[-1]) if even else 1 / usual
    remarks = []
    if not even:
        remarks.append(f"its frame rate varies: analysed at {rate:.3g} frames per second, the usual one")
    if limit is not None and limit < SAME_RATE * rate:
        remarks.append(f"thinned from {rate:.4g} to {limit:g} frames per second")
        rate, even = limit, False
    if rate < SAME_RATE * SLOW:
        seen = f"a movement shorter than {2 / rate:.2f} s may show in one frame or none, and is missed"
        remarks.append(f"{rate:.3g} frames per second: {seen}")
    if even:
        return rate, np.arange(len(seconds)), remarks
    grid = np.arange(int(seconds[-1] * rate + 0.5) + 1) / rate
    after = np.searchsorted(seconds, grid).clip(1, len(seconds) - 1)
    nearer = after - (grid - seconds[after - 1] < seconds[after] - grid)
    return rate, nearer.astype(np.int64), remarks


def _digest(paths: list[Path], text: str = "") -> str:
    """Return 16 hex digits of every file's size and time of change, and of the first and last MiB of all of them.

    Reading all takes too long.
    """
    digest = hashlib.sha256(text.encode())
    stats = [path.stat() for path in paths]
    for stat in stats:
        digest.update(f"{stat.st_size} {stat.st_mtime_ns};".encode())
    with paths[0].open("rb") as first, paths[-1].open("rb") as last:
        digest.update(first.read(1 << 20))
        last.seek(max(0, stats[-1].st_size - (1 << 20)))
        digest.update(last.read())
    return digest.hexdigest()[:16]
