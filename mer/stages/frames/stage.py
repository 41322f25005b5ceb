"""The `frames` stage: list what a clip is made of, without copying a pixel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mer.core.container import ClipWriter
from mer.core.errors import ClipError, MediaError
from mer.core.filenames import split_pattern
from mer.core.images import image_size, list_images
from mer.core.media import inside
from mer.core.source import ABSENT, Source
from mer.core.video import Outcome, VideoInfo, iterate, probe
from mer.stages.contract import Array, Stage
from mer.stages.frames.method import FramesMethod, FramesParams


def process(source: Source, out: ClipWriter, method: FramesMethod[Any], params: FramesParams) -> None:
    """Write the `frames` product of one clip (docs/architecture.md).

    Attributes besides those of every product: `media_kind`, `media_path`, `width`, `height` (of the first
    frame), `missing` (how many frames of the annotated interval are absent), and for videos `lost` and
    `lost_reason`. `onset`, `apex` and `offset` are left out when their own frame is absent, and named in `absent`; of a
    clip without any, `no_event: whole` takes the first, the middle and the last.

    Raises:
        ClipError, MediaError: the medium is missing, damaged or too incomplete.
    """
    row = source.row
    if source.root is None:
        raise ClipError(row["sample_id"], "no dataset folder", "the root of the dataset")
    path = inside(Path(source.root), str(row["media_path"]))
    listed = _video if row["media_kind"] == "video" else _folder
    listed(path, row, out, method, params)


def _folder(
    path: Path, row: Mapping[str, Any], out: ClipWriter, method: FramesMethod[Any], params: FramesParams
) -> None:
    files = list_images(path)
    numbers, missing = method.select(np.array(list(files), np.int64), row["onset"], row["offset"], params, str(path))
    folder = Path(split_pattern(str(path))[0])
    for number in numbers:
        if (folder / files[int(number)]).stat().st_size == 0:
            raise ClipError(folder / files[int(number)], "empty file", "an image file", "copy the file again")
    width, height = image_size(folder / files[int(numbers[0])])
    fps, relative = row.get("fps"), split_pattern(str(row["media_path"]))[0]
    out.write("files", np.array([f"{relative}/{files[int(n)]}" for n in numbers], dtype=object))
    out.write("numbers", numbers)
    out.write("seconds", (numbers - numbers[0]) / fps if fps else np.full(len(numbers), np.nan))
    out.attributes({"width": width, "height": height, "fps": fps})
    _annotate(row, out, numbers, missing, params)


def _video(
    path: Path, row: Mapping[str, Any], out: ClipWriter, method: FramesMethod[Any], params: FramesParams
) -> None:
    info = probe(path)
    present, seconds, outcome = timestamps(path)
    share = outcome.lost / max(1, outcome.lost + outcome.decoded)
    if share > params.max_missing:
        found = f"{outcome.lost} of {outcome.lost + outcome.decoded} frames cannot be decoded ({outcome.reason})"
        raise ClipError(path, found, f"at most {params.max_missing:.0%}", "copy the file again or raise max_missing")
    numbers, missing = method.select(present, row["onset"], row["offset"], params, str(path))
    out.write("numbers", numbers)
    out.write("seconds", seconds[np.isin(present, numbers)])
    out.attributes({"width": info.width, "height": info.height, "fps": _rate(row, info)})
    out.attributes({"lost": outcome.lost, "lost_reason": outcome.reason or None})
    _annotate(row, out, numbers, missing, params)


def timestamps(path: Path) -> tuple[np.ndarray, np.ndarray, Outcome]:
    """Decode a video once; return frame indices (N,) int64, seconds (N,) float64, and what was lost."""
    reader = iterate(path)
    pairs = [(index, seconds) for index, seconds, _ in reader]
    if reader.outcome is None:
        raise MediaError(path, "decoding stopped early", "a readable video")
    return np.array([p[0] for p in pairs], np.int64), np.array([p[1] for p in pairs]), reader.outcome


def _rate(row: Mapping[str, Any], info: VideoInfo) -> float | None:
    return row.get("fps") or info.fps or None


def _annotate(
    row: Mapping[str, Any], out: ClipWriter, numbers: np.ndarray, missing: list[int], params: FramesParams
) -> None:
    out.attributes({"media_kind": row["media_kind"], "media_path": str(row["media_path"]), "missing": len(missing)})
    events = {name: index_of(numbers, row[name]) for name in ("onset", "apex", "offset")}
    if params.no_event == "whole" and row["onset"] is None and row["offset"] is None:
        apex = events["apex"] if row["apex"] is not None else (len(numbers) - 1) // 2
        events = {"onset": 0, "apex": apex, "offset": len(numbers) - 1}
    absent = [f"{name} {row[name]}" for name, index in events.items() if index is None and row[name] is not None]
    out.attributes({**events, ABSENT: ", ".join(absent) or None})


def index_of(numbers: np.ndarray, number: int | None) -> int | None:
    """Return the position of a frame number in `numbers`, or None when it is absent or unknown."""
    if number is None:
        return None
    places = np.flatnonzero(numbers == number)
    return int(places[0]) if len(places) else None


STAGE = Stage(
    process,
    {
        "numbers": Array("T", "int64", "file numbers; of a video, the place in presentation order"),
        "seconds": Array("T", "float64", "time of each frame; NaN where the frame rate is unknown"),
    },
    source="index",
)
