"""Candidates in words from known motion; reviews read, refused and laid on; exports read back."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from analysis_world import film, write_film
from test_face_signals import FPS, close_eyes, neutral, recording

from mer.analysis import words
from mer.analysis.exports import elan_text, has_elan, standing, write_exports
from mer.analysis.expressions import Expression
from mer.analysis.footage import open_footage
from mer.analysis.player import copy_size, write_copy
from mer.analysis.results import COPY, Result
from mer.analysis.review import FORMAT, Laid, ReviewError, film_digest, lay_on, read_review
from mer.motion.face_signals import face_signals
from mer.spotting.interval_files import read_table

EYES = 60.0


def bump(points, right, down):
    """Return a flow (2, 240, 200) that moves the skin around some landmarks by so many pixels."""
    y, x = np.mgrid[:240, :200].astype(float)
    flow = np.zeros((2, 240, 200))
    for px, py in np.atleast_2d(points):
        weight = np.exp(-(((x - px) ** 2 + (y - py) ** 2) / (2 * 9.0**2)))
        flow += weight * np.array([right, down])[:, None, None]
    return flow


def said(flow, back=None, pixels=EYES):
    landmarks = neutral()
    landmarks[17:27] = [[x, 62] for x in (52, 60, 68, 76, 84, 116, 124, 132, 140, 148)]
    moved = words.moved_places(flow, landmarks)
    after = words.moved_places(np.zeros_like(flow) if back is None else back, landmarks)
    return words.what_moved(moved, pixels), words.came_back(moved, after)


INNER = [(80, 62), (120, 62)]
CORNERS = [(75, 150), (125, 150)]


def test_raised_inner_brows_that_come_back():
    what, back = said(bump(INNER, 0, -1.5), pixels=120.0)
    assert what.startswith("inner brows up ") and back == "back to rest"
    pixels, share = float(what.split()[3]), float(what.split("(")[1].split()[0])
    # What is averaged over the place is less than its peak; a film of twice the size shows twice the pixels.
    assert 0.6 * 3.0 < pixels <= 3.0 and pixels == pytest.approx(share / 100 * 120, abs=0.1)


def test_a_smile_moves_the_corners_apart_and_one_corner_is_one():
    left, right = bump(CORNERS[0], -2, -2), bump(CORNERS[1], 2, -2)
    assert said(left + right)[0].startswith("mouth corners up and apart ")
    assert said(right)[0].startswith("right mouth corner up and to the right ")
    assert said(-left - right)[0].startswith("mouth corners down and together ")


def test_what_stays_is_said_to_stay():
    flow = bump(INNER, 0, 2)
    assert said(flow, flow) == (said(flow)[0], "does not come back")
    assert said(flow, 0.5 * flow)[1] == "most of it is undone at the end"
    assert said(flow, bump(CORNERS, 0, 3))[1] == "back to rest"
    assert said(0.01 * flow) == ("hardly any skin moves", "")


def test_blinks_lips_and_head_are_told():
    landmarks, transform = recording(shift=np.stack([np.where(np.arange(240) > 200, 2.0, 0.0) * 8, np.zeros(240)], 1))
    close_eyes(landmarks, 60, 67, 0.9)
    landmarks[100:110, 65:68, 1] += 9
    signals = face_signals(landmarks, transform, FPS)
    assert words.beside(signals, 10, 30) == ["no blink", "head still"]
    assert words.beside(signals, 55, 70)[0].startswith("1 blink (2.")
    assert words.beside(signals, 95, 115)[1] == "lips part or close by 15 % of the eye distance"
    assert words.beside(signals, 195, 210)[-1] == "head moves"
    nobody = face_signals(landmarks, transform, FPS, np.zeros(240, bool))
    assert words.beside(nobody, 10, 20) == ["eyes and head cannot be followed"]


@pytest.fixture(scope="module")
def footage(tmp_path_factory):
    return open_footage(write_film(tmp_path_factory.mktemp("film") / "moves.mp4", film(40, onset=10)))


def spotted(onset, offset, kind="micro", emotion="negative"):
    scores = {emotion: 0.8, "positive": 0.2}
    return Expression(kind, onset, (onset + offset) // 2, offset, 0.7, 0.9, scores=scores, words="inner brows up")


def written(path, footage, *intervals, **changes):
    known = {"format": FORMAT, "film": film_digest(footage), "coder": "A. B.", "changed": "2026-01-02T03:04:05Z"}
    path.write_text(json.dumps({**known, "intervals": list(intervals), **changes}))
    return path


def row(spotted, onset, offset, verdict="accepted", **more):
    known = {"spotted": spotted, "verdict": verdict, "type": "micro", "emotion": "", "onset": onset,
             "apex": (onset + offset) // 2, "offset": offset, "note": ""}  # fmt: skip
    return known | more


def test_verdicts_find_their_candidates_though_the_results_moved(footage, tmp_path):
    rows = [row(["micro", 10, 20], 9, 20, note="clear"), row(["micro", 25, 32], 25, 32, "rejected")]
    path = written(tmp_path / "r.json", footage, *rows, row(["micro", 1, 4], 1, 4), row(None, 35, 38))
    review = read_review(path, footage)
    laid = lay_on(review, [spotted(10, 20), spotted(24, 31), spotted(10, 20, "macro")], footage.numbers.tolist())
    first, second, third = laid.judged
    assert first.verdict == "accepted" and (first.onset, first.note) == (9, "clear")
    assert second.verdict == "rejected" and second.spotted == ("micro", 24, 31)
    assert third is None and laid.lost == 1 and len(laid.own) == 1 and laid.coder == "A. B."


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "not JSON"),
        ("[1]", "no review of mer"),
        (json.dumps({"format": FORMAT, "film": "0" * 16, "intervals": []}), "reviews film 0000000000000000"),
        ("[" * 100000, "not JSON"),
    ],
)
def test_a_file_that_is_no_review_of_this_film_is_one_line(footage, tmp_path, text, told):
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(ReviewError) as caught:
        read_review(path, footage)
    assert told in caught.value.line() and "\n" not in caught.value.line()


@pytest.mark.parametrize(
    "change", [{"verdict": "maybe"}, {"type": "mikro"}, {"onset": 1.5}, {"offset": 2}, {"spotted": ["micro", "x", 3]}]
)
def test_a_bad_interval_is_named(footage, tmp_path, change):
    path = written(tmp_path / "r.json", footage, row(None, 1, 3), row(["micro", 10, 20], 10, 20) | change)
    with pytest.raises(ReviewError, match="interval 2"):
        read_review(path, footage)
    with pytest.raises(ReviewError, match="no-such"):
        read_review(tmp_path / "no-such", footage)


def test_a_copied_film_is_the_same_film(footage, tmp_path):
    again = tmp_path / "copy.mp4"
    again.write_bytes(footage.path.read_bytes())
    assert film_digest(open_footage(again)) == film_digest(footage)
    other = open_footage(write_film(tmp_path / "other.mp4", film(40, onset=14)))
    assert film_digest(other) != film_digest(footage)


def result(footage, laid):
    ensemble = SimpleNamespace(classes=("negative", "positive"))
    expressions = [spotted(10, 20), spotted(18, 30), spotted(32, 36, "macro")]
    return Result(SimpleNamespace(footage=footage), ensemble, None, (), expressions, reviewed=laid)


def reviewed(footage, tmp_path):
    path = written(tmp_path / "r.json", footage, row(["micro", 10, 20], 9, 20, emotion="contempt", note="<b> & ü"),
                   row(["micro", 18, 30], 18, 30, "rejected"), row(None, 2, 5, emotion="positive"))  # fmt: skip
    return result(footage, lay_on(read_review(path, footage), result(footage, Laid()).expressions, range(40)))


def test_what_stands_is_exported_and_read_back(footage, tmp_path):
    judged = reviewed(footage, tmp_path)
    assert [(one.onset, one.verdict) for one in standing(judged)] == [(2, "accepted"), (9, "accepted"), (32, "")]
    write_exports(judged, tmp_path)
    strs, megc = read_table(tmp_path / "intervals.csv"), read_table(tmp_path / "megc.csv")
    assert not strs.problems and not megc.problems and (strs.format, megc.format) == ("strs", "megc")
    assert [(one.onset, one.offset, one.type) for one in megc.rows] == [(2, 5, "micro"), (9, 20, "micro"),
                                                                        (32, 36, "macro")]  # fmt: skip
    assert [one.emotion for one in strs.rows] == ["positive", "contempt", "negative"]


def test_elan_reads_the_annotations(footage, tmp_path):
    elan = pytest.importorskip("pympi.Elan", reason="pympi-ling is not installed")
    judged = reviewed(footage, tmp_path)
    assert has_elan()
    write_exports(judged, tmp_path)
    read = elan.Eaf(str(tmp_path / "intervals.eaf"))
    fps = footage.fps
    # Two micro candidates overlap, and a tier of ELAN holds one annotation at a time.
    assert set(read.get_tier_names()) == {"candidates micro", "candidates micro 2", "candidates macro", "reviewed"}
    ((start, stop, text, *_),) = read.get_annotation_data_for_tier("candidates micro")
    assert (start, stop) == (round(1000 * 10 / fps), round(1000 * 21 / fps)) and "inner brows up" in text
    texts = [one[2] for one in sorted(read.get_annotation_data_for_tier("reviewed"))]
    assert texts == ["accepted micro positive", "accepted micro contempt <b> & ü", "undecided macro negative"]
    assert "reviewed" not in elan_text(result(footage, Laid()), tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.eaf*")) == ["intervals.eaf"]


def test_the_copy_of_a_film_has_all_its_frames_and_lies_in_the_page_or_beside_it(footage, tmp_path):
    import av

    within = write_copy(footage, tmp_path)
    assert within.source.startswith("data:video/mp4;base64,") and not (tmp_path / COPY).exists()
    beside = write_copy(footage, tmp_path, embedded=100)
    assert beside.source == COPY and beside.beside
    with av.open(str(tmp_path / COPY)) as opened:
        frames = [frame.to_ndarray(format="rgb24") for frame in opened.decode(video=0)]
        assert opened.streams.video[0].average_rate == 30
    assert len(frames) == len(footage) and frames[0].shape[:2] == (240, 300)
    # Every frame is the film's own, at its place.
    true = list(footage.frames(0, len(footage)))
    apart = [[np.abs(a.astype(float) - b).mean() for b in frames] for a in (true[10], true[16])]
    assert np.argmin(apart[1]) in (15, 16, 17) and min(map(min, apart)) < 6
    write_copy(footage, tmp_path)
    assert not (tmp_path / COPY).exists()
    assert copy_size(SimpleNamespace(fps=30.0, size=(1080, 1920))) == (360, 640)
    assert copy_size(SimpleNamespace(fps=200.0, size=(640, 480))) == (320, 240)
    assert copy_size(SimpleNamespace(fps=30.0, size=(301, 241))) == (300, 240)
