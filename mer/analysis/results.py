"""What was spotted in a video, and where it is written: as JSON, and the score as CSV."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mer import __version__
from mer.analysis.expressions import Curve, Expression, LeftOut
from mer.analysis.footage import Footage
from mer.analysis.parts import AlignedVideo, Track
from mer.analysis.review import Laid
from mer.analysis.spotters import Spotters
from mer.core.atomic import write_text
from mer.core.csvfile import write_csv
from mer.core.runs import runs
from mer.datasets.annotations import safe_id
from mer.report.product_pictures import EVENTS

PAGE = "page.html"
OBJECTS, INTERVALS, SCORES = "analysis.json", "intervals.csv", "scores.csv"
MEGC, ELAN, COPY = "megc.csv", "intervals.eaf", "film.mp4"
WRITTEN = (PAGE, OBJECTS, INTERVALS, SCORES, MEGC, ELAN, COPY)
#: Holds the path of the video whose results a folder has.
SOURCE = "video.txt"


@dataclass(frozen=True)
class Result:
    """Everything that is known of one video.

    Args:
        command: what was asked for, as it would be typed.
        keeps_crops: the face crops stay on the disk.
        reviewed: what a person said of the candidates.
    """

    video: AlignedVideo
    ensemble: Spotters
    track: Track
    curves: Sequence[Curve]
    expressions: Sequence[Expression]
    left_out: Sequence[LeftOut] = ()
    command: str = ""
    keeps_crops: bool = True
    reviewed: Laid = field(default_factory=Laid)

    @property
    def calibrated(self) -> bool:
        """Whether confidences are probabilities."""
        return self.ensemble.protocol == "faces"

    @property
    def footage(self) -> Footage:
        """What was filmed."""
        return self.video.footage

    def when(self, frame: int) -> float:
        """Return the time of a frame of the grid in seconds."""
        return float(self.footage.seconds[frame])

    def number(self, frame: int) -> int:
        """Return the number of a frame of the grid: of its file, or its index in the video from 0."""
        return int(self.footage.numbers[frame])

    def gaps(self) -> list[tuple[int, int, str]]:
        """Return (first, last, why) of the stretches of the grid in which nothing can be said."""
        lost = [(a, b, "not decodable") for a, b in runs(self.track.lost)]
        return sorted(lost + [(a, b, "no face") for a, b in runs(self.track.blind & ~self.track.lost)])


def own_folder(video: Path, output: Path) -> Path:
    """Return the folder of a video's results: that of its name, unless it holds those of another video of that name."""
    path = video.resolve()
    name = safe_id(path.name)
    plain = output / name
    owner = plain / SOURCE
    if not plain.exists() or (owner.is_file() and owner.read_text(encoding="utf-8").strip() == str(path)):
        return plain
    return output / f"{name}-{hashlib.sha256(str(path).encode()).hexdigest()[:6]}"


def claim(folder: Path, video: Path) -> None:
    """Note down whose results a folder holds."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / SOURCE, f"{video.resolve()}\n")


def discard(folder: Path) -> None:
    """Remove what an earlier run said of a video that cannot be analysed; finished parts stay."""
    for name in WRITTEN:
        (folder / name).unlink(missing_ok=True)


def as_object(result: Result) -> dict[str, Any]:
    """Return the contents of `analysis.json`."""
    footage, ensemble, training = result.footage, result.ensemble, result.ensemble.training
    return {
        "mer": __version__,
        "command": result.command,
        "video": footage.path.name,
        "path": str(footage.path.resolve()),
        "digest": footage.digest,
        "width": footage.size[0],
        "height": footage.size[1],
        "fps": round(footage.fps, 6),
        "frames": len(footage),
        "seconds": round(footage.duration, 4),
        "remarks": list(footage.remarks),
        "model": {
            "name": ensemble.name,
            "protocol": ensemble.protocol,
            "kinds": list(ensemble.kinds),
            "classes": list(ensemble.classes),
            "trained_on": training.text,
            "thresholds": {curve.kind: round(curve.threshold, 6) for curve in result.curves},
        },
        "gaps": [
            {"from": result.number(a), "to": result.number(b), "from_s": round(result.when(a), 4),
             "to_s": round(result.when(b), 4), "reason": reason}
            for a, b, reason in result.gaps()
        ],
        "cuts": [{"frame": result.number(cut), "seconds": round(result.when(cut), 4)} for cut in result.track.cuts],
        "failures": [reason for _, _, reason in result.track.failures],
        "intervals": [_interval(result, k) for k in range(len(result.expressions))],
        "own_intervals": [asdict(one) for one in result.reviewed.own],
        "left_out": [
            {"type": one.kind, "onset": result.number(one.onset), "offset": result.number(one.offset),
             "onset_s": round(result.when(one.onset), 4), "offset_s": round(result.when(one.offset), 4),
             "reason": one.reason}
            for one in result.left_out
        ],
    }  # fmt: skip


def _interval(result: Result, place: int) -> dict[str, Any]:
    expression = result.expressions[place]
    judged = result.reviewed.judged[place] if result.reviewed.judged else None
    events = {name: getattr(expression, name) for name in EVENTS}
    return {
        "type": expression.kind,
        **{name: result.number(frame) for name, frame in events.items()},
        **{f"{name}_s": round(result.when(frame), 4) for name, frame in events.items()},
        "emotion": expression.emotion or None,
        "confidence": round(expression.confidence, 6),
        "scores": {name: round(value, 6) for name, value in expression.scores.items()},
        "quality": round(expression.quality, 4),
        "motion": {name: round(value, 6) for name, value in expression.motion.items()},
        "words": expression.words,
        "warnings": list(expression.warnings),
        "review": asdict(judged) if judged is not None else None,
    }


def write_results(result: Result, folder: Path) -> dict[str, Any]:
    """Write `analysis.json` and `scores.csv`; return what the first holds."""
    value = as_object(result)
    write_text(folder / OBJECTS, json.dumps(value, indent=1, ensure_ascii=False) + "\n")
    _write_scores(folder / SCORES, result)
    return value


def _write_scores(path: Path, result: Result) -> None:
    """Write one row per frame: number, time, quality, and the smoothed score of every kind where it exists."""
    rows = []
    for k in range(len(result.footage)):
        row: list[Any] = [result.number(k), round(result.when(k), 4), round(float(result.track.quality[k]), 4)]
        for curve in result.curves:
            place = k - curve.start
            row.append(round(float(curve.score[place]), 6) if 0 <= place < len(curve.score) else None)
        rows.append(row)
    write_csv(path, ["frame", "seconds", "quality", *(f"score_{curve.kind}" for curve in result.curves)], rows)
