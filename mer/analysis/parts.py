"""A long video in parts: each aligned, then turned into spotting features, in containers that a re-run finds again.

Parts overlap by `overlap` frames, so that every frame pair, and every interval that begins in a part, lies within one.
The arrays of an aligned part are those of the `align` product (docs/architecture.md), and besides `lost` (T,) bool
(picture not decodable), `doubt` (T,) uint8 (bits by `DOUBTS`) and `cuts` (K,) int64.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from mer.analysis.footage import Footage
from mer.analysis.shot_cuts import CutDetector, filled
from mer.core.container import Clip, ClipWriter, Container, ContainerWriter, file_digest
from mer.core.errors import ContainerError, MediaError
from mer.provenance import code_digest, library_line
from mer.stages.align.method import AlignMethod
from mer.stages.align.write import write_crops
from mer.stages.registry import METHODS, load_method
from mer.stages.run import StageSpec, run_subject, stage_digest

CLIP = "part"
PART_SECONDS = 10.0
HEAD_RATE = 50.0  # places of the face a second that follow any head; faster films are interpolated between them
CACHE_MB = 200  # holds a part of 640 x 360 pixels at 25 frames a second
#: What alignment remarks on a frame, and what is said of an interval with such frames. Bit k of `doubt` is the k-th.
DOUBTS = {
    "turned head": "the head is turned",
    "leaves the picture": "the face leaves the picture",
    "odd shape": "the landmarks look wrong",
    "not confirmed": "the detector finds no face where one is followed",
    "hidden or changed": "part of the face may be hidden",
}

Step = Callable[[], None]


@dataclass(frozen=True)
class Part:
    """Grid places `start` to `stop` (exclusive) of a video; those from `joint` on are the next part's, too."""

    number: int
    start: int
    joint: int
    stop: int

    def path(self, folder: Path, stage: str) -> Path:
        """Return the container of one stage of the part."""
        return folder / f"part{self.number:04d}-{stage}.h5"


def plan(length: int, fps: float, overlap: int) -> list[Part]:
    """Return parts of equal size, about `PART_SECONDS` each.

    Args:
        length: frames of the grid.
        fps: frames per second.
        overlap: frames by which a part reaches into the next.
    """
    count = max(1, round(length / (PART_SECONDS * fps)))
    edges = np.linspace(0, length, count + 1).round().astype(int).tolist()
    return [Part(k, a, b, min(b + overlap, length)) for k, (a, b) in enumerate(pairwise(edges))]


def align_part(footage: Footage, part: Part, method: str, given: Mapping[str, Any], folder: Path, step: Step) -> None:
    """Write the face crops of a part, unless they are there already.

    Args:
        footage: the video.
        part: which frames.
        method: of the align stage.
        given: keys of the method.
        folder: of the parts.
        step: called once per frame and pass.
    """
    chosen = load_method("align", method, "align")
    params = chosen.Params.model_validate({**given, **sparing(chosen, footage.fps), "cache_mb": CACHE_MB})
    made_of = {
        **{"method": method, **params.model_dump(mode="json")},
        **{"start": part.start, "own": part.joint, "stop": part.stop, "fps": footage.fps, "longest": footage.longest},
    }
    inputs = {footage.path.name: footage.digest}
    code = code_digest("mer.analysis.parts", METHODS["align"][method])
    out = part.path(folder, "align")
    if finished(out, made_of, inputs, code):
        for _ in range(2 * (part.stop - part.start)):
            step()
        return
    writing = ContainerWriter(out, "align", "analyze", made_of, inputs, code, library_line())
    with writing as writer, writer.clip(CLIP) as clip:
        _align(footage, part, chosen, params, clip, step)


def sparing(method: AlignMethod[Any], fps: float) -> dict[str, Any]:
    """Return the keys that make a method fast enough for a film of `fps`: the crops stay as steady (docs/analyze.md).

    Landmarks of one box are as good as the mean of three for what is drawn and masked here; the crop follows the
    registration, not them.
    """
    known = {"samples": 1, "every": max(1, round(fps / HEAD_RATE))}
    return {"clips": "recordings", **{key: value for key, value in known.items() if key in method.Params.model_fields}}


def _align(footage: Footage, part: Part, method: AlignMethod[Any], params: Any, out: ClipWriter, step: Step) -> None:
    watch = CutDetector()

    def opened(start: int) -> Any:
        if not start:
            return watch(footage.frames(part.start, part.stop), step)
        # A lost picture is replaced by the last one that is there.
        there = np.flatnonzero(~np.array(watch.lost[: start + 1]))
        begin = int(there[-1]) if len(there) else 0
        again = filled(footage.frames(part.start + begin, part.stop))
        return (picture for picture, _ in islice(again, start - begin, None))

    where = f"{footage.path.name} from {part.start / footage.fps:.1f} s"
    measurement, count = write_crops(opened, out, method, params, where, shown=step)
    flags = measurement.flags.indices()
    doubt = np.zeros(count, np.uint8)
    for bit, name in enumerate(DOUBTS):
        doubt[flags.get(name, [])] |= 1 << bit
    out.write("doubt", doubt)
    out.write("lost", np.array(watch.lost[:count]))
    out.write("cuts", np.array(watch.cuts, np.int64))
    out.write("numbers", footage.numbers[part.start : part.start + count].astype(np.float64))
    out.attributes({"fps": footage.fps, **measurement.remarks()})


def spot_part(part: Part, name: str, method: str, given: Mapping[str, Any], folder: Path) -> None:
    """Write the spotting features of an aligned part, unless they are there already.

    Args:
        part: which frames.
        name: of the features among those of the models.
        method: of the spot stage.
        given: its keys.
        folder: of the parts.
    """
    source, out = part.path(folder, "align"), part.path(folder, name)
    params = load_method("spot", method, "spot").Params.model_validate(dict(given))
    made_of = {"method": method, **params.model_dump(mode="json")}
    inputs = {source.name: file_digest(source)}
    if not finished(out, made_of, inputs, stage_digest("spot", method)):
        spec, rows = StageSpec("spot", "analyze", method, given), [{"sample_id": CLIP}]
        # Nothing is said: the bar shows how far it is.
        run_subject(spec, rows, out, source, None, lambda line: None)


def finished(path: Path, parameters: Mapping[str, Any], inputs: Mapping[str, str], code: str) -> bool:
    """Tell whether an undamaged container was made with these parameters, from these inputs, by this code."""
    if not path.is_file():
        return False
    try:
        with Container(path) as box:
            box.raw.check_all()
            same = json.loads(json.dumps(dict(parameters))) == box.parameters()
            read = json.loads(str(box.attributes["inputs"]))
            return same and read == dict(inputs) and str(box.attributes["code"]) == code
    except (ContainerError, KeyError, ValueError):
        return False


@dataclass(frozen=True)
class AlignedVideo:
    """Footage, its parts, and the folder of their containers (`mer.analysis.parts`)."""

    footage: Footage
    parts: Sequence[Part]
    folder: Path

    def part_at(self, frame: int) -> Part:
        """Return the part that a frame of the grid belongs to."""
        return next(part for part in self.parts if part.start <= frame < part.joint)

    @contextmanager
    def clip(self, part: Part, stage: str = "align") -> Iterator[Clip | None]:
        """Open what one stage made of a part; None where it could not be made, for a reason that `failure` tells."""
        with Container(part.path(self.folder, stage)) as box:
            yield box.clip(CLIP) if CLIP in box.clip_ids else None

    def failure(self, part: Part, stage: str = "align") -> str:
        """Return why a stage could not make a part."""
        with Container(part.path(self.folder, stage)) as box:
            return box.failures[CLIP]


@dataclass
class Track:
    """What is known of every frame of the grid.

    Args:
        quality: (T,) float32 0-1 of the alignment; 0 where no face was found.
        lost: (T,) bool: the picture could not be decoded.
        doubt: (T,) uint8: what alignment remarks on it, bits by `mer.analysis.parts.DOUBTS`.
        cuts: first frames after a cut.
        faces: most faces seen at once, by part.
        failures: (first, last frame, reason) of parts without a result.
    """

    quality: np.ndarray
    lost: np.ndarray
    doubt: np.ndarray
    cuts: list[int] = field(default_factory=list)
    faces: dict[int, int] = field(default_factory=dict)
    failures: list[tuple[int, int, str]] = field(default_factory=list)

    @property
    def blind(self) -> np.ndarray:
        """(T,) bool: nothing can be said of this frame."""
        return self.lost | (self.quality <= 0)


def gather_track(video: AlignedVideo) -> Track:
    """Join what the aligned parts know of every frame.

    Raises:
        MediaError: no part shows a face.
    """
    count = len(video.footage)
    track = Track(np.zeros(count, np.float32), np.zeros(count, bool), np.zeros(count, np.uint8))
    for part in video.parts:
        with video.clip(part) as clip:
            if clip is None:
                track.failures.append((part.start, part.joint - 1, video.failure(part)))
                continue
            for name in ("quality", "lost", "doubt"):
                getattr(track, name)[part.start : part.joint] = clip.read(name)[: part.joint - part.start]
            track.cuts += [part.start + int(c) for c in clip.read("cuts") if part.start + c < part.joint]
            track.faces[part.number] = int(clip.attributes["faces"])
    if len(track.failures) == len(video.parts):
        # What alignment advises are keys of a configuration, which there is none of here.
        found = track.failures[0][2].partition("; expected")[0]
        seen, remedy = f"no face found: {found}", "name a video that shows a face from the front"
        raise MediaError(video.footage.path, seen, "a face in some frame", remedy)
    return track
