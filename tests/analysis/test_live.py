"""A live session without a camera: pictures from memory, and a file that is written on the go."""

import json
import time
import urllib.error
import urllib.request
from threading import Event, Thread

import analysis_world as world
import av
import numpy as np
import pytest

from mer.analysis.live import session
from mer.analysis.live.following import Follower
from mer.analysis.live.page import serve
from mer.analysis.live.scoring import RegionScorer, Scoring, Window
from mer.analysis.live.session import Board, run_live, run_session
from mer.analysis.live.sources import GrowingFile
from mer.analysis.spotters import open_spotters
from mer.core.errors import ConfigError, MediaError
from mer.stages.align import dlib68

PARAMS = dlib68.Params(size=64, samples=1)


class Given:
    """A source of pictures in memory, at once; those `dropped` are left out."""

    name, fps = "given", 30.0

    def __init__(self, frames, dropped=()):
        self.frames, self.left_out, self.dropped, self.closed = frames, set(dropped), len(dropped), False

    def pictures(self):
        for k, frame in enumerate(self.frames):
            if k not in self.left_out:
                yield k / self.fps, frame

    def close(self):
        self.closed = True


class Change:
    """A scorer that tells how much the crop changes; it remembers how long its windows were."""

    def __init__(self):
        self.lengths = []

    def __call__(self, window):
        self.lengths.append(len(window))
        change = np.abs(np.diff(window.crops.astype(float), axis=0)).mean(axis=(1, 2, 3))
        return window.first + np.arange(1, len(window)), np.clip(change / 10, 0, 1)


def test_a_session_scores_every_place_and_ends_with_a_summary():
    source, spotter = Given(world.film(24, [8], 8), dropped=[5]), Change()
    board = Board("given", 30.0)
    run_session(source, Scoring(spotter, 30.0, 30.0), PARAMS, board)
    assert source.closed and board.ended and board.places == 24 and board.pictures == 23
    assert sorted(board.scores)[-1] == 23
    moving = np.mean([board.scores[k] for k in range(10, 15)])
    assert moving > 1.5 * np.mean([board.scores[k] for k in range(19, 23)])
    state = board.state()
    assert state["dropped"] == 1 and state["faces"] == 1 and len(state["seconds"]) == len(state["score"])
    assert "1 dropped" in board.summary() and "nothing was kept" in board.summary()
    json.dumps(state)


def test_what_is_scored_live_is_what_the_file_would_give():
    from mer.spotting.region_motion import region_motion

    rng = np.random.default_rng(0)
    rest = rng.uniform(40, 180, (68, 2))
    rest[[36, 39, 42, 45]] = [[70, 80], [91, 80], [133, 80], [154, 80]]
    crops = np.cumsum(rng.normal(0, 3, (50, 224, 224, 3)), axis=0).clip(-90, 90).astype(np.int64) + 120
    crops = crops.astype(np.uint8)
    landmarks, transform = np.tile(rest, (50, 1, 1)), np.tile(np.eye(2, 3), (50, 1, 1))
    models = open_spotters()
    scorer = RegionScorer(models, 30.0)
    for last in (20, 35, 50):
        first = max(0, last - 40)
        part = slice(first, last)
        window = Window(first, 30.0, crops[part], landmarks[part], transform[part], np.ones(last - first, np.float32))
        places, score = scorer(window)
    assert places.tolist() == list(range(10, 50)) and (score >= 0).all() and (score <= 1).all()
    whole = region_motion(crops[10:], landmarks[10:], transform[10:], np.ones(40), 30.0)
    live = scorer._motion(window, np.arange(40))
    np.testing.assert_array_equal(live.motion, whole.motion)


def test_what_is_hidden_has_quality_0_and_a_dropped_picture_has_not():
    follower, frames = Follower(PARAMS, 30.0), world.film(4, size=0.0)
    assert len(follower.feed(0.0, frames[0])) == 1
    assert [one.quality > 0.5 for one in follower.feed(3 / 30, frames[1])] == [True] * 3
    assert follower.feed(3 / 30, frames[1]) == [] and follower.missing == 2
    assert [one.quality > 0 for one in follower.feed(13 / 30, frames[2])] == [False] * 9 + [True]
    black = follower.feed(14 / 30, np.zeros_like(frames[0]))
    assert black[0].quality == 0 and (black[0].crop == follower.feed(15 / 30, frames[3])[0].crop).mean() < 1


def test_the_page_is_for_this_machine_alone():
    with serve(lambda: {"now": 3}) as address:
        assert address.startswith("http://127.0.0.1:")
        assert b"live score" in urllib.request.urlopen(address).read()
        assert json.load(urllib.request.urlopen(address + "state.json")) == {"now": 3}
        foreign = urllib.request.Request(address + "state.json", headers={"Host": "elsewhere.example"})
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(foreign)
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(address + "other")
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(address, timeout=2)


def write_slowly(path, count, begun, pause=0.02):
    """Write a transport stream frame by frame, so that a reader can overtake."""
    with path.open("wb", buffering=0) as target, av.open(target, "w", format="mpegts") as out:
        stream = out.add_stream("mpeg2video", rate=30, options={"g": "1"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for k in range(count):
            picture = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 10 + 4 * k, np.uint8), format="rgb24")
            out.mux(stream.encode(picture))
            if k == 20:
                begun.set()
            time.sleep(pause)
        out.mux(stream.encode())
    begun.set()


def test_a_file_is_read_while_it_grows(tmp_path):
    path, begun = tmp_path / "grows.ts", Event()
    writer = Thread(target=write_slowly, args=(path, 40, begun))
    writer.start()
    begun.wait(20)
    source = GrowingFile(path, patience=1.0)
    came = list(source.pictures())
    writer.join()
    assert len(came) + source.dropped == 40 and source.fps == 30
    levels = [round((float(np.median(picture)) - 10) / 4) for _, picture in came]
    assert levels == [round(seconds * 30) for seconds, _ in came]


def test_what_is_no_live_source_is_refused_in_one_line(tmp_path):
    (tmp_path / "text.ts").write_text("no video")
    said = []
    for given, error in [
        (([], 97, None), MediaError),
        (([], None, tmp_path / "absent.ts"), MediaError),
        (([], None, tmp_path / "text.ts"), MediaError),
        (([], 0, tmp_path / "text.ts"), ConfigError),
        (([tmp_path / "x.mp4"], 0, None), ConfigError),
        (([], None, None), ConfigError),
    ]:
        with pytest.raises(error) as raised:
            run_live(*given, False, tmp_path, None, "largest", said.append)
        assert "\n" not in raised.value.line()
    assert said == []


def test_ctrl_c_ends_a_session_with_what_it_knows(tmp_path, monkeypatch):
    class Interrupted(Given):
        def pictures(self):
            yield from super().pictures()
            raise KeyboardInterrupt

    said = []
    monkeypatch.setattr(session, "GrowingFile", lambda path: Interrupted(world.film(6, size=0.0)))
    start = time.monotonic()
    board = run_live([], None, tmp_path / "any", True, tmp_path / "out", None, "largest", said.append)
    assert board.ended and "127.0.0.1" in said[0] and "kept" in said[-1]
    assert [path.name for path in (tmp_path / "out").iterdir()] == [session.SCORES]
    assert time.monotonic() - start < 60
