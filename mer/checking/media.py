"""Looking at the images and videos that the rows of a database use (V15, V16), without reading any of them whole twice.

The header of every image of every annotated interval is read, which tells an empty or foreign file and a size that
changes inside a clip; a few images per clip are decoded, which tells a damaged one and its colour.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mer.core.errors import MediaError
from mer.core.filenames import is_image, number_in, split_pattern
from mer.core.images import image_size, read_image
from mer.core.media import inside
from mer.core.sample import Sample
from mer.core.video import VideoInfo, probe
from mer.datasets.contract import Database, Picture
from mer.datasets.files import entries
from mer.datasets.reading import Problem

THREADS = 8
#: Images that are decoded at most, whatever the number of rows; a sample, spread evenly.
MOST_DECODED = 400
#: Share of an interval that may lie behind the end of a video.
MAY_MISS = 0.1
#: Views whose images may differ in size inside a clip: face crops.
CROPS = ("cropped", "aligned")


@dataclass(frozen=True)
class Media:
    """One folder or file that rows use: `files` get their header read, `decoded` are decoded as well.

    Paths are relative to the dataset root; `sample_id` is the first row that uses the medium. `intervals` are the
    (sample_id, onset, offset) of all its rows that have both.
    """

    sample_id: str
    kind: str
    files: tuple[str, ...]
    decoded: tuple[str, ...]
    picture: Picture
    crop: bool
    intervals: tuple[tuple[str, int, int], ...] = ()


@dataclass
class Looked:
    """What some media are like: numbers of files, and the problems."""

    files: int = 0
    decoded: int = 0
    sizes: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)

    def add(self, other: Looked) -> None:
        """Add what others are like."""
        self.files += other.files
        self.decoded += other.decoded
        self.sizes += other.sizes
        self.problems += other.problems


def plan(root: Path, samples: Iterable[Sample], decode: int = 3, card: Database | None = None) -> list[Media]:
    """Return what is to be looked at for the usable rows, one entry per folder or file, in row order.

    Args:
        root: the dataset's folder, symlinks resolved.
        samples: canonical rows; those without media are passed over.
        decode: images to decode per row, spread from onset to offset.
        card: the database, which documents the form of its images; without one every form is allowed.

    Raises:
        DatasetError: a folder cannot be listed, or holds a link that leads outside the root.
    """
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.status == "ok" and sample.media_path:
            groups.setdefault(sample.media_path, []).append(sample)
    return _sampled([_media(root, path, rows, decode, card) for path, rows in groups.items()])


def _sampled(media: Sequence[Media]) -> list[Media]:
    """Return the media with at most `MOST_DECODED` images to decode: of every clip first one, then more."""
    wanted = sorted((turn, place) for place, medium in enumerate(media) for turn in range(len(medium.decoded)))
    if len(wanted) <= MOST_DECODED:
        return list(media)
    first = sum(turn == 0 for turn, _ in wanted)
    if first > MOST_DECODED:
        wanted = [wanted[round(step)] for step in np.linspace(0, first - 1, MOST_DECODED)]
    number = Counter(place for _, place in wanted[:MOST_DECODED])
    return [replace(medium, decoded=_spread(medium.decoded, number[place])) for place, medium in enumerate(media)]


def _spread(names: tuple[str, ...], number: int) -> tuple[str, ...]:
    """Return `number` of the names, the middle ones of as many equal parts."""
    return tuple(names[len(names) * (2 * part + 1) // (2 * number)] for part in range(number))


def _media(root: Path, path: str, rows: Sequence[Sample], decode: int, card: Database | None) -> Media:
    first = rows[0]
    tree = card.tree_of(first.view) if card else None
    picture, crop = tree.picture if tree else Picture(), first.view in CROPS
    if first.media_kind != "frames":
        events = ((row.sample_id, row.onset, row.offset) for row in rows)
        known = tuple((who, onset, offset) for who, onset, offset in events if onset is not None and offset is not None)
        return Media(first.sample_id, first.media_kind, (path,), (path,), picture, crop, known)
    folder, pattern = split_pattern(path)
    files = {number_in(name, pattern): name for name in entries(root, inside(root, folder))[1] if is_image(name)}
    numbers = sorted(number for number in files if number is not None)
    if not numbers:
        return Media(first.sample_id, "frames", (), (), picture, crop)
    used: set[int] = set()
    decoded: set[int] = set()
    for sample in rows:
        low = numbers[0] if sample.onset is None else sample.onset
        high = numbers[-1] if sample.offset is None else sample.offset
        interval = [number for number in numbers if low <= number <= high]
        used.update(interval)
        places = np.linspace(0, len(interval) - 1, min(decode, len(interval))).round().astype(int)
        decoded.update(interval[place] for place in places)
    chosen = tuple(f"{folder}/{files[number]}" for number in sorted(used))
    looked = tuple(f"{folder}/{files[number]}" for number in sorted(decoded))
    return Media(first.sample_id, "frames", chosen, looked, picture, crop)


def look(root: Path, media: Sequence[Media], progress: Callable[[int, int], None] | None = None) -> Looked:
    """Look at all media, several at a time; `progress(done, total)` counts files.

    A slow disk, not the processor, is what this waits for: hence threads.
    """
    total, all_looked = sum(len(medium.files) for medium in media), Looked()
    with ThreadPoolExecutor(min(THREADS, 4 * (os.cpu_count() or 1))) as pool:
        for looked in pool.map(lambda medium: look_at(root, medium), media):
            all_looked.add(looked)
            if progress is not None:
                progress(all_looked.files, total)
    return all_looked


def look_at(root: Path, medium: Media) -> Looked:
    """Return what is wrong with one folder or file; never raises for the medium's content."""
    if medium.kind == "video":
        return _look_at_video(root, medium)
    sizes: dict[str, tuple[int, int]] = {}
    broken: dict[str, str] = {}
    if medium.files:
        inside(root, medium.files[0])  # all lie in one folder
    for name in medium.files:
        try:
            sizes[name] = image_size(f"{root}/{name}")
        except MediaError as error:
            broken[name] = error.found
    channels: int | None = None
    decoded = 0
    for name in medium.decoded:
        if name in broken:
            continue
        try:
            channels = max(channels or 1, channels_of(read_image(inside(root, name))[::4, ::4]))
            decoded += 1
        except MediaError as error:
            broken[name] = error.found
    problems = [*_broken(medium, broken), *_uneven(medium, sizes), *_form(medium, sizes, channels)]
    return Looked(len(medium.files), decoded, Counter(f"{w}x{h}" for w, h in sizes.values()), problems)


def channels_of(image: np.ndarray) -> int:
    """Return 1 for an (H, W, 3) image whose channels are equal, 3 otherwise."""
    same = np.array_equal(image[..., 0], image[..., 1]) and np.array_equal(image[..., 0], image[..., 2])
    return 1 if same else 3


def _broken(medium: Media, broken: dict[str, str]) -> Iterator[Problem]:
    if broken:
        name, reason = next(iter(sorted(broken.items())))
        more = f"; {len(broken)} such files in this clip" if len(broken) > 1 else ""
        yield Problem("V15", "error", name, None, f"cannot decode: {reason}{more}", medium.sample_id)


def _uneven(medium: Media, sizes: dict[str, tuple[int, int]]) -> Iterator[Problem]:
    if len(set(sizes.values())) < 2:
        return
    usual = Counter(sizes.values()).most_common(1)[0][0]
    odd = [name for name, size in sizes.items() if size != usual]
    width, height = sizes[odd[0]]
    message = f"size {width}x{height} differs from {usual[0]}x{usual[1]} ({len(odd)} of {len(sizes)} images)"
    yield Problem("V15", "warning" if medium.crop else "error", odd[0], None, message, medium.sample_id)


def _form(medium: Media, sizes: dict[str, tuple[int, int]], channels: int | None) -> Iterator[Problem]:
    for name, (width, height) in sizes.items():
        fault = medium.picture.fault(width, height, channels)
        if fault:
            yield Problem("V16", "warning", name, None, fault, medium.sample_id)
            return


def _look_at_video(root: Path, medium: Media) -> Looked:
    name = medium.files[0]
    try:
        info = probe(inside(root, name))
    except MediaError as error:
        return Looked(1, 0, Counter(), list(_broken(medium, {name: error.found})))
    size = {name: (info.width, info.height)}
    problems = [*_form(medium, size, None), *_outside(medium, info)]
    return Looked(1, 1, Counter([f"{info.width}x{info.height}"]), problems)


def _outside(medium: Media, info: VideoInfo) -> Iterator[Problem]:
    """Yield a problem for every interval that ends behind the video's last frame, as far as its header tells it (V10).

    A tenth of an interval may be missing, as in the `frames` stage.
    """
    if info.n_frames is None:
        return
    for sample_id, onset, offset in medium.intervals:
        lacking = offset - max(info.n_frames, onset) + 1
        if lacking > 0:
            severity = "error" if lacking > MAY_MISS * (offset - onset + 1) else "warning"
            message = f"onset {onset}, offset {offset}, counted from 0: the video has {info.n_frames} frames"
            yield Problem("V10", severity, medium.files[0], None, message, sample_id)
