"""Files of every kind that cameras, phones and programs write, with a small face in them."""

import analysis_world as world
import av
import cv2
import numpy as np
import pytest

from mer.analysis.footage import open_footage
from mer.core.video import one_field
from mer.stages.align import dlib68
from mer.stages.align.detect import Detection, choose_asked, place_of


def encoded(path, frames, codec, pixels="yuv420p", fps=30, interlaced=False, **options):
    """Write frames with a codec; skips where this build of FFmpeg has no such encoder."""
    try:
        av.codec.Codec(codec, "w")
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"no encoder {codec}")
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = frames[0].shape[1], frames[0].shape[0], pixels
        if interlaced:
            stream.codec_context.flags |= av.codec.context.Flags.interlaced_dct | av.codec.context.Flags.interlaced_me
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format=pixels)
            out.mux(stream.encode(picture))
        out.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "options"),
    [
        ("vp9.webm", "libvpx-vp9", "yuv420p", {"deadline": "realtime", "cpu-used": "8"}),
        ("hevc.mp4", "libx265", "yuv420p", {"preset": "ultrafast", "x265-params": "log-level=none"}),
        ("ten.mp4", "libx265", "yuv420p10le", {"preset": "ultrafast", "x265-params": "log-level=none"}),
        ("moving.gif", "gif", "rgb8", {}),
        ("plain.mkv", "libx264", "yuv420p", {"preset": "ultrafast"}),
    ],
)
def test_a_face_is_found_whatever_wrote_the_file(tmp_path, name, codec, pixels, options):
    frames = world.film(12, size=0.0)
    rate = 25 if codec == "gif" else 30
    footage = open_footage(encoded(tmp_path / name, frames, codec, pixels, rate, **options))
    assert len(footage) == 12 and footage.size == (300, 240)
    assert footage.fps == pytest.approx(rate, rel=0.02)
    found = dlib68.METHOD.align(list(footage.frames(0, 4)), dlib68.Params())
    assert found.quality.min() > 0.5


def test_a_slow_gif_says_what_it_misses(tmp_path):
    footage = open_footage(encoded(tmp_path / "slow.gif", world.film(6, size=0.0), "gif", "rgb8", 10))
    assert any("is missed" in remark for remark in footage.remarks)


@pytest.mark.slow
def test_a_small_face_on_a_large_screen_is_found(tmp_path):
    screen = np.full((1080, 1920, 3), 235, np.uint8)
    small = cv2.resize(world.face(), None, fx=0.55, fy=0.55, interpolation=cv2.INTER_AREA)
    screen[300 : 300 + small.shape[0], 1600 : 1600 + small.shape[1]] = small
    footage = open_footage(encoded(tmp_path / "screen.mp4", [screen] * 3, "libx264", preset="ultrafast"))
    assert 1280 < footage.longest <= 1920
    found = dlib68.METHOD.align(list(footage.frames(0, 2)), dlib68.Params())
    assert found.quality.min() > 0.5


def test_of_interlaced_pictures_one_field_is_used(tmp_path):
    wide = [np.roll(world.face(), 6 * k, axis=1) for k in range(12)]
    frames = []
    for first, second in zip(wide[::2], wide[1::2], strict=True):
        both = first.copy()
        both[1::2] = second[1::2]
        frames.append(both)
    path = encoded(tmp_path / "i.mpg", frames, "mpeg2video", interlaced=True, qscale="2")
    footage = open_footage(path)
    assert any(remark.startswith("interlaced") for remark in footage.remarks)
    shown = next(footage.frames(2, 3))
    assert _combing(shown) < 0.3 * _combing(frames[2])
    assert one_field(frames[2]).shape == frames[2].shape


def _combing(picture):
    rows = picture.astype(float).mean(axis=2)
    return float(np.abs(2 * rows[1:-1] - rows[:-2] - rows[2:]).mean())


@pytest.mark.parametrize(
    ("face", "count", "place"),
    [("left", 3, 0), ("right", 3, 2), ("2", 3, 1), ("3", 2, None), ("right", 1, 0)],
)
def test_places_are_counted_from_the_left(face, count, place):
    assert place_of(face, count) == place


def test_nobody_steps_in_for_a_hidden_face():
    faces = Detection(np.array([[200, 10, 260, 70], [20, 10, 70, 60], [120, 5, 135, 20]], float), np.ones(3))
    left, right = choose_asked(faces, "left", 1), choose_asked(faces, "right", 1)
    assert left[0] == 20 and right[0] == 200
    assert choose_asked(faces, "2", 1)[0] == 200  # the small one in between does not count
    alone = Detection(faces.boxes[:1], faces.scores[:1])
    assert choose_asked(alone, "left", 2, near=left) is None
    assert choose_asked(alone, "right", 2, near=right)[0] == 200
    assert choose_asked(alone, "3", 1) is None


def test_the_face_asked_for_is_followed():
    pair = np.concatenate([world.face(), world.face()[:, ::-1]], axis=1)
    frames = [np.ascontiguousarray(pair)] * 3
    middle = {
        face: float(dlib68.METHOD.align(frames, dlib68.Params(face=face)).box[-1, [0, 2]].mean())
        for face in ("left", "right", "2")
    }
    assert middle["left"] < 300 < middle["right"] and middle["2"] == middle["right"]
