"""`mer analyze --camera` and `--follow`: follow, score and show until the source ends or Ctrl-C."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import numpy as np

from mer.analysis.live.following import Follower, Seen
from mer.analysis.live.page import serve
from mer.analysis.live.scoring import Scored, scored_beside
from mer.analysis.live.sources import Camera, FrameSource, GrowingFile
from mer.core.csvfile import write_csv
from mer.core.errors import ConfigError
from mer.core.one_thread import one_thread_each
from mer.report.wording import counted
from mer.stages.registry import load_method

SHOWN = 30.0  # seconds of score that are shown and held
PERIOD = 0.5  # seconds between two scorings, if they are that fast
THRESHOLD = 0.5
SCORES = "live_scores.csv"

Log = Callable[[str], None]


@dataclass
class Board:
    """What is known now; the page shows it, and the summary sums it up.

    Args:
        name: of the source.
        fps: places of the grid per second.
        keeps: file that the scores are kept in, '' when nothing is kept.
    """

    name: str
    fps: float
    keeps: str = ""
    scores: dict[int, float] = field(default_factory=dict)
    pictures: int = 0
    places: int = 0
    blind: int = 0
    dropped: int = 0
    faces: int = 0
    quality: float = 0.0
    delays: deque[float] = field(default_factory=lambda: deque(maxlen=200))
    ended: bool = False
    failure: str = ""
    lock: Any = field(default_factory=Lock)

    def state(self) -> dict[str, Any]:
        """Return what the page draws: seconds and scores of the last `SHOWN` seconds, and numbers beside them."""
        with self.lock:
            last = self.places - round(SHOWN * self.fps)
            shown = sorted((place, score) for place, score in self.scores.items() if place >= last)
            return {
                "name": self.name,
                "now": round(self.places / self.fps, 2),
                "shown": SHOWN,
                "threshold": THRESHOLD,
                "seconds": [round(place / self.fps, 3) for place, _ in shown],
                "score": [round(score, 4) for _, score in shown],
                "rate": round(self.rate, 1),
                "delay": None if not self.delays else round(float(np.median(self.delays)), 2),
                "dropped": self.dropped,
                "faces": self.faces,
                "quality": round(self.quality, 2),
                "keeps": self.keeps,
                "ended": self.ended,
                "failure": self.failure,
            }

    @property
    def rate(self) -> float:
        """Pictures followed per second of the source."""
        return self.pictures * self.fps / max(self.places, 1)

    def peaks(self) -> int:
        """Return how often the score rose above the threshold."""
        high = np.array([self.scores[place] >= THRESHOLD for place in sorted(self.scores)], np.int8)
        return int((np.diff(np.concatenate([[0], high])) > 0).sum())

    def summary(self) -> str:
        """Return the line that ends a session."""
        delay = f", score {np.median(self.delays):.1f} s behind" if self.delays else ""
        peaks = counted(self.peaks(), "rise")
        seen = 1 - self.blind / max(self.places, 1)
        return (
            f"{self.name}: {self.places / self.fps:.1f} s, {peaks} above the threshold, "
            f"face seen {seen:.0%} of the time, {self.rate:.1f} pictures a second, {self.dropped} dropped{delay}; "
            + (f"kept {self.keeps}" if self.keeps else "nothing was kept")
        )


class _Queue:
    """Places that the follower has seen and nobody has scored yet."""

    def __init__(self, fps: float) -> None:
        self._fresh: list[Seen] = []
        self._came: deque[tuple[int, float]] = deque(maxlen=round(SHOWN * fps))
        self._last = -1
        self._lock = Lock()

    def add(self, seen: list[Seen], last: int) -> None:
        """Add places, of which the last is `last`."""
        with self._lock:
            self._fresh.extend(seen)
            now = time.monotonic()
            self._came.extend((place, now) for place in range(last - len(seen) + 1, last + 1))
            self._last = last

    def take(self) -> tuple[list[Seen], int, dict[int, float]]:
        """Return what is new, the last place, and when each of the last places came."""
        with self._lock:
            fresh, self._fresh = self._fresh, []
            return fresh, self._last, dict(self._came)


def run_session(source: FrameSource, scoring: Scored, params: Any, board: Board) -> None:
    """Follow and score until the source ends; what is known stands on the board, also when Ctrl-C ends it.

    Args:
        source: of the pictures.
        scoring: scores what came, in a thread of its own.
        params: of the `dlib` method of the align stage.
        board: where it is written down.

    Raises:
        MediaError: the source broke.
        KeyboardInterrupt: Ctrl-C.
    """
    queue, stop = _Queue(board.fps), Event()
    follower = Follower(params, board.fps)
    worker = Thread(target=_score, args=(queue, scoring, board, stop), daemon=True)
    worker.start()
    try:
        for seconds, picture in source.pictures():
            seen = follower.feed(seconds, picture)
            queue.add(seen, follower.start)
            with board.lock:
                board.pictures += 1
                board.places = follower.start + 1
                board.blind += sum(one.quality <= 0 for one in seen)
                board.quality = seen[-1].quality if seen else board.quality if board.faces else 0.0
                board.faces, board.dropped = follower.faces, source.dropped
        stop.set()
        worker.join()
    finally:
        stop.set()
        source.close()
        board.ended = True


def _score(queue: _Queue, scoring: Scored, board: Board, stop: Event) -> None:
    """Score what came, again and again; once more when the source has ended."""
    last = False
    while not last:
        last = stop.wait(PERIOD)
        fresh, place, came = queue.take()
        if not fresh:
            continue
        newest = max(board.scores, default=-1)
        try:
            at, score = scoring(fresh, place)
        except Exception as error:  # What a thread raises would be lost; the page says it, and following goes on.
            board.failure = f"{type(error).__name__}: {error}"
            continue
        now = time.monotonic()
        with board.lock:
            board.scores.update(zip(at.tolist(), score.tolist(), strict=True))
            board.delays.extend(now - came[one] for one in at.tolist() if one > newest and one in came and not last)


def run_live(
    videos: Sequence[Path],
    camera: int | None,
    follow: Path | None,
    keep: bool,
    output: Path,
    experiment: Path | None,
    face: str,
    log: Log,
) -> Board:
    """Show the score of a camera or of a growing file on a local page until it ends.

    Args:
        videos: none; what is named besides a live source is refused.
        camera: number of the camera.
        follow: the file, when there is no camera.
        keep: write the scores into `output` at the end; pictures are never kept.
        output: folder.
        experiment: as in `mer.analysis.command.Options`.
        face: who is followed.
        log: where lines go.

    Raises:
        ConfigError: not one source.
        MediaError: no such camera or file, or it broke.
    """
    given = [
        *map(str, videos),
        *(f"--camera {camera}" for _ in range(camera is not None)),
        *([str(follow)] if follow else []),
    ]
    if len(given) != 1:
        raise ConfigError(
            "mer analyze", ", ".join(given) or "nothing to analyse", "videos, --camera or --follow, one of them"
        )
    source: FrameSource = Camera(camera) if follow is None and camera is not None else GrowingFile(follow or Path())
    one_thread_each()
    board = Board(source.name, source.fps, str(output / SCORES) if keep else "")
    with scored_beside(experiment, source.fps, SHOWN) as (training, scoring), serve(board.state) as address:
        if training.method != "dlib":
            raise ConfigError("mer analyze", f"models aligned by {training.method}", "models aligned by dlib")
        params = load_method("align", "dlib", "align").Params.model_validate(
            {**training.align, "face": face, "samples": 1}
        )
        log(f"{source.name}: {address} shows the score; Ctrl-C ends it")
        try:
            run_session(source, scoring, params, board)
        except KeyboardInterrupt:
            board.ended = True
        finally:
            if keep:
                _keep(board, output / SCORES)
            log(board.summary())
    return board


def _keep(board: Board, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [(f"{k / board.fps:.3f}", f"{board.scores[k]:.4f}") for k in sorted(board.scores)]
    write_csv(path, ("seconds", "score"), rows)
