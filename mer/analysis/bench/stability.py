"""`mer bench stability`: what changes in the results when the same content comes in another file.

A video is analysed as it is, and again after what happens to videos on their way: other encoders and qualities, a
smaller picture, a first frame that is cut off. Candidates of two versions are one when their apexes lie within
`SAME` s of each other in the original's time and are of one kind, the closest pairs first.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mer.analysis.bench.films import Spotter, tried
from mer.analysis.bench.matching import SAME, Candidate
from mer.analysis.command import Options, analyze
from mer.analysis.footage import Footage, open_footage
from mer.analysis.implanting import open_film, pictures
from mer.bench.in_processes import in_processes
from mer.bench.table import BenchRow, column
from mer.core.atomic import atomic_path
from mer.core.errors import MediaError, MerError
from mer.core.progress import each as in_turn

Log = Callable[[str], None]


@dataclass(frozen=True)
class Version:
    """A way to write a video again.

    Args:
        name: for tables.
        codec: name of the encoder.
        quality: its constant rate factor.
        scale: of width and height.
        skipped: frames left out at the start.
    """

    name: str
    codec: str = "libx264"
    quality: int = 18
    scale: float = 1.0
    skipped: int = 0


VERSIONS = (
    Version("H.264, CRF 18"),
    Version("H.264, CRF 23", quality=23),
    Version("H.264, CRF 28", quality=28),
    Version("HEVC, CRF 23", "libx265", 23),
    Version("75 % of its size", scale=0.75),
    Version("50 % of its size", scale=0.5),
    Version("first frame dropped", skipped=1),
)


@dataclass(frozen=True)
class StabilityRow(BenchRow):
    """What one version of a video changed.

    Args:
        video, version: names.
        candidates: in the version.
        stayed: candidates of the original that are in it, too.
        vanished: those that are not.
        appeared: candidates that the original does not have.
        renamed: of those that stayed, with another class.
        confidence: largest change of it among those that stayed; NaN where none did.
        probability: largest change of any class probability among them.
        weakest: confidence over the threshold of the strongest candidate that vanished or appeared; NaN without one.
    """

    video: str = column("video")
    version: str = column("as written")
    candidates: int = column("candidates")
    stayed: int = column("stay")
    vanished: int = column("vanish")
    appeared: int = column("appear")
    renamed: int = column("other class")
    confidence: float = column("confidence changes by up to", "{:.3f}")
    probability: float = column("a class probability by up to", "{:.3f}")
    weakest: float = column("lost or new exceed the threshold by", "{:.3f}")


def run_stability_bench(
    videos: Sequence[Path], experiment: Path | None = None, jobs: int = 1, log: Log = lambda line: None
) -> list[StabilityRow]:
    """Analyse every video, and every version of it; return a row per version, and one of all videos together.

    Raises:
        ModelError: the models cannot be used.
        MerError: none of the videos can be used.
    """
    spotter = Spotter("", experiment)
    spotter.ensemble  # noqa: B018 - what cannot be used is told before any film is made
    told: list[list[StabilityRow]] = []
    failed: list[MerError] = []
    with tempfile.TemporaryDirectory(prefix="mer-versions-") as name, in_processes(jobs) as each:
        wanted = [(v, video, Path(name) / str(k), spotter)
                  for k, video in enumerate(videos) for v in (None, *VERSIONS)]  # fmt: skip
        made = each(partial(tried, analysed_version), wanted)
        for video in in_turn(videos, "films"):
            original, *others = [next(made) for _ in range(1 + len(VERSIONS))]
            for one in (original, *others):
                if isinstance(one, MerError):
                    failed.append(one)
                    log(f"mer: {one.line()}")
            if isinstance(original, MerError):
                continue
            log(f"{video}: {len(original['intervals'])} candidates as it is")
            usable = [(v, one) for v, one in zip(VERSIONS, others, strict=True) if not isinstance(one, MerError)]
            told.append([compare(video.name, version, original, one) for version, one in usable])
    if not told:
        raise failed[0]
    rows = [one for some in told for one in some]
    if len(told) == 1:
        return rows
    each_version = [(v.name, [one for one in rows if one.version == v.name]) for v in VERSIONS]
    return [*rows, *(together(name, some) for name, some in each_version if some)]


def analysed_version(version: Version | None, video: Path, folder: Path, spotter: Spotter) -> dict[str, Any]:
    """Return what `analysis.json` holds of a version of a video; of the video itself when None.

    Raises:
        MediaError: it cannot be decoded or written, or shows no face.
    """
    own = folder / ("as it is" if version is None else version.name.replace(" ", "-"))
    footage = open_film(video)
    if version is not None:
        path = own / "film.mp4"
        write_version(footage, version, path)
        footage = open_footage(path)
    options = Options(own, spotter.experiment, keep_crops=False)
    try:
        return analyze(footage, own / "found", spotter.ensemble, options)
    finally:
        shutil.rmtree(own, ignore_errors=True)


def write_version(footage: Footage, version: Version, path: Path) -> None:
    """Write footage in another way; odd sizes lose their last row or column.

    Raises:
        MediaError: this build of FFmpeg has no such encoder.
    """
    import av

    try:
        av.codec.Codec(version.codec, "w")
    except av.codec.codec.UnknownCodecError:
        raise MediaError(path, f"no encoder {version.codec}", "a build of FFmpeg that has it") from None
    path.parent.mkdir(parents=True, exist_ok=True)
    rate = Fraction(footage.fps).limit_denominator(1001)
    with atomic_path(path) as temporary, av.open(str(temporary), "w", format="mp4") as out:
        quiet = {"x265-params": "log-level=error:pools=1:frame-threads=1"} if version.codec == "libx265" else {}
        options = {"crf": str(version.quality), "preset": "veryfast", "threads": "1", **quiet}
        stream: Any = out.add_stream(version.codec, rate=rate, options=options)
        stream.pix_fmt = "yuv420p"
        for number, image in enumerate(_scaled(pictures(footage), version.scale)):
            if number < version.skipped:
                continue
            if number == version.skipped:
                stream.height, stream.width = image.shape[:2]
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(stream.encode())


def _scaled(images: Iterator[np.ndarray], scale: float) -> Iterator[np.ndarray]:
    for image in images:
        height, width = (2 * int(scale * length / 2) for length in image.shape[:2])
        whole = image if scale == 1 else cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        yield np.ascontiguousarray(whole[:height, :width])


def compare(video: str, version: Version, original: Mapping[str, Any], other: Mapping[str, Any]) -> StabilityRow:
    """Return what a version changed; both as `analysis.json` has them."""
    shift = version.skipped / float(original["fps"])
    first, second = original["intervals"], other["intervals"]
    pairs = matched(first, second, shift)
    changes = [_changes(first[i], second[j]) for i, j in pairs]
    kept = ({i for i, _ in pairs}, {j for _, j in pairs})
    loose = [
        (one["confidence"] - told["model"]["thresholds"][one["type"]])
        for told, some, known in ((original, first, kept[0]), (other, second, kept[1]))
        for k, one in enumerate(some)
        if k not in known
    ]
    return StabilityRow(
        video=video,
        version=version.name,
        candidates=len(second),
        stayed=len(pairs),
        vanished=len(first) - len(pairs),
        appeared=len(second) - len(pairs),
        renamed=sum(first[i]["emotion"] != second[j]["emotion"] for i, j in pairs),
        confidence=max((change for change, _ in changes), default=float("nan")),
        probability=max((change for _, change in changes), default=float("nan")),
        weakest=max(loose, default=float("nan")),
    )


def matched(first: Sequence[Candidate], second: Sequence[Candidate], shift: float) -> list[tuple[int, int]]:
    """Return pairs of indices of candidates that are one; `shift` s at the start are missing in the second's film."""
    near = [
        (abs(one["apex_s"] - other["apex_s"] - shift), i, j)
        for i, one in enumerate(first)
        for j, other in enumerate(second)
        if one["type"] == other["type"]
    ]
    pairs: list[tuple[int, int]] = []
    for distance, i, j in sorted(near):
        if distance <= SAME + 1e-9 and all(i != a and j != b for a, b in pairs):
            pairs.append((i, j))
    return sorted(pairs)


def _changes(one: Candidate, other: Candidate) -> tuple[float, float]:
    names = {*one["scores"], *other["scores"]}
    classes = [abs(one["scores"].get(name, 0.0) - other["scores"].get(name, 0.0)) for name in names]
    return abs(one["confidence"] - other["confidence"]), max(classes, default=0.0)


def together(version: str, rows: Sequence[StabilityRow]) -> StabilityRow:
    """Return the sums and largest changes of one version of several videos."""
    told: dict[str, Any] = {}
    for name in ("candidates", "stayed", "vanished", "appeared", "renamed"):
        told[name] = sum(getattr(row, name) for row in rows)
    for name in ("confidence", "probability", "weakest"):
        told[name] = _largest([getattr(row, name) for row in rows])
    return StabilityRow(video="all", version=version, **told)


def _largest(values: Sequence[float]) -> float:
    return max((value for value in values if value == value), default=float("nan"))
