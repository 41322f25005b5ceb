"""Videos as they come: uneven times, thinning, damage, large pictures, cuts."""

import analysis_world as world
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mer.analysis.cards import span
from mer.analysis.face_motion import gain_for
from mer.analysis.footage import _grid, open_footage
from mer.analysis.parts import plan
from mer.analysis.shot_cuts import CutDetector, filled
from mer.analysis.timeline import clock
from mer.analysis.video_seeking import frames_at, list_frames, reduced
from mer.core.errors import MediaError
from mer.core.runs import runs


def numbered(count, width=96, height=64):
    """Return frames whose grey level tells their number."""
    return np.stack([np.full((height, width, 3), 10 + 4 * k, np.uint8) for k in range(count)])


def told(picture):
    return round((float(np.median(picture)) - 10) / 4)


def test_seeks_to_the_frames_that_are_wanted(tmp_path):
    listing = list_frames(world.write_film(tmp_path / "n.mp4", numbered(50)))
    assert len(listing.seconds) == 50 and listing.missing == 0
    for first in (0, 7, 31, 49):
        wanted = np.arange(first, min(first + 3, 50))
        assert [(k, told(image)) for k, image in frames_at(listing, wanted, 1000)] == [(k, k) for k in wanted]


def test_uneven_times_are_laid_on_a_regular_grid(tmp_path):
    stamps = [20 * k for k in range(20)] + [400 + 60 * k for k in range(6)] + [760 + 20 * k for k in range(10)]
    footage = open_footage(world.write_film(tmp_path / "vfr.mp4", numbered(len(stamps)), stamps))
    assert footage.fps == pytest.approx(30, rel=0.01)
    assert any("varies" in remark for remark in footage.remarks)
    grid = np.arange(len(footage)) / footage.fps
    assert np.abs(footage.seconds - grid).max() <= 0.051
    assert [told(picture) for picture in footage.frames(0, len(footage))] == footage.indices.tolist()


def test_fast_videos_are_thinned(tmp_path):
    footage = open_footage(world.write_film(tmp_path / "fast.mp4", numbered(48), fps=48), limit=24.0)
    assert footage.fps == 24 and 24 <= len(footage) <= 25
    assert footage.numbers[:4].tolist() == [0, 2, 4, 6]
    assert open_footage(tmp_path / "fast.mp4", limit=60.0).fps == pytest.approx(48)


def test_a_file_cut_short_is_read_as_far_as_it_goes(tmp_path):
    whole = world.write_film(tmp_path / "whole.avi", world.film(40, size=0.0))
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole.read_bytes()[: int(0.6 * whole.stat().st_size)])
    footage = open_footage(cut)
    pictures = list(footage.frames(0, len(footage)))
    assert 8 < sum(picture is not None for picture in pictures) < 40
    assert footage.listing.missing > 0 or any(picture is None for picture in pictures)


def test_sound_alone_and_a_single_picture_are_refused(tmp_path):
    with pytest.raises(MediaError, match="no video stream"):
        open_footage(world.write_sound(tmp_path / "sound.wav"))
    with pytest.raises(MediaError, match="moving picture"):
        open_footage(world.write_film(tmp_path / "one.mp4", numbered(1)))


def test_large_pictures_are_reduced_unless_the_face_is_small(tmp_path):
    frame = np.repeat(np.repeat(world.face(), 6, axis=0), 6, axis=1)
    large = open_footage(world.write_film(tmp_path / "large.mp4", [frame] * 3))
    assert large.size == (1800, 1440) and large.longest == 1280 and large.remarks
    assert next(large.frames(0, 1)).shape == (1024, 1280, 3)
    canvas = np.full((1440, 2560, 3), 100, np.uint8)
    canvas[400:640, 1000:1300] = world.face()
    small = open_footage(world.write_film(tmp_path / "small.mp4", [canvas] * 3))
    assert small.longest > 1600


def test_rotation_is_applied(tmp_path):
    import av

    with av.open(str(tmp_path / "turned.mp4"), "w") as out:
        stream = out.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.set_display_rotation(90)
        for _ in range(3):
            picture = np.zeros((64, 96, 3), np.uint8)
            picture[:, :48] = 200
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode())
    footage = open_footage(tmp_path / "turned.mp4")
    image = next(footage.frames(0, 1))
    assert footage.size == (64, 96) and image.shape == (96, 64, 3)
    assert abs(float(image[:40].mean()) - float(image[-40:].mean())) > 100
    assert any("turned" in remark for remark in footage.remarks)


def test_cuts_are_seen_and_flashes_are_not():
    one, other = world.face(), np.ascontiguousarray(world.face()[::-1, :, ::-1])
    flash = np.clip(one.astype(int) + 60, 0, 255).astype(np.uint8)
    watch = CutDetector()
    list(watch([one, one, flash, one, other, other, None, one], lambda: None))
    assert watch.cuts == [4, 7]
    assert watch.lost == [False] * 6 + [True, False]


def test_missing_pictures_are_filled_from_the_nearest_before():
    found = list(filled(iter([None, None, 3, None, 5])))
    assert found == [(3, True), (3, True), (3, False), (3, True), (5, False)]


@given(
    length=st.integers(1, 5000), fps=st.floats(10, 200), overlap=st.integers(1, 300)
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_parts_cover_every_frame_once_and_overlap(length, fps, overlap):
    parts = plan(length, fps, overlap)
    owned = [frame for part in parts for frame in range(part.start, part.joint)]
    assert owned == list(range(length))
    assert all(part.stop == min(part.joint + overlap, length) for part in parts)


@given(st.lists(st.floats(0.001, 0.5), min_size=2, max_size=80))
@settings(max_examples=60, deadline=None)
def test_the_grid_never_goes_back_and_stays_near(steps):
    seconds = np.concatenate([[0.0], np.cumsum(steps)])
    rate, indices, _ = _grid("v", seconds, None)
    assert (np.diff(indices) >= 0).all() and indices[0] == 0
    assert indices.min() >= 0 and indices.max() < len(seconds)
    times = np.arange(len(indices)) / rate
    spread = np.abs(seconds[:, None] - times[None]).min(axis=0)
    if len(indices) != len(seconds):
        assert (np.abs(seconds[indices] - times) <= spread + 1e-9).all()


def test_small_helpers():
    assert runs(np.array([1, 1, 0, 1], bool)) == [(0, 1), (3, 3)] and runs(np.zeros(3, bool)) == []
    assert [clock(3.456), clock(64.0, 1.0), clock(3723.0, 1.0)] == ["3.46 s", "1:04", "1:02:03"]
    assert [clock(59.996), clock(119.999)] == ["1:00.00", "2:00.00"]
    assert reduced(np.zeros((40, 80, 3), np.uint8), 20).shape == (10, 20, 3)


@pytest.mark.parametrize("fps", [24.0, 25.0, 29.97, 30.0, 60.0, 200.0])
def test_seconds_of_a_span_add_up(fps):
    for frame in range(50):
        first, last, lasts = span(frame / fps, 10 / fps).replace(" to ", ", ").replace(" s", "").split(", ")
        assert f"{float(last) - float(first):.2f}" == lasts, (frame, first, last, lasts)


def test_a_rate_that_the_user_overrules_is_said(tmp_path):
    film = world.write_film(tmp_path / "n.mp4", numbered(50))
    assert not open_footage(film, fps=30.0).remarks
    overruled = open_footage(film, fps=100.0)
    assert overruled.fps == pytest.approx(100) and "time stamps say 30" in overruled.remarks[0]
    (slow,) = open_footage(film, limit=10.0).remarks[1:]
    assert "10 frames per second" in slow and "0.20 s" in slow


def test_pictures_of_another_size_are_left_out(tmp_path):
    from mer.core.images import write_image

    for number in range(1, 9):
        write_image(tmp_path / f"img{number}.png", numbered(1)[0] if number != 4 else numbered(1, 48, 32)[0])
    footage = open_footage(tmp_path, fps=30.0)
    assert (
        footage.size == (96, 64) and "1 image of another size than 96 x 64 left out, e.g. img4.png" in footage.remarks
    )
    assert [picture is None for picture in footage.frames(0, 8)] == [number == 4 for number in range(1, 9)]


@pytest.mark.parametrize(("motion", "gain"), [(0.0, 5.0), (0.02, 5.0), (0.08, 2.5), (0.13, 1.54), (0.2, 0.0)])
def test_a_large_motion_is_enlarged_less_or_not(motion, gain):
    assert gain_for(motion) == pytest.approx(gain, abs=0.01)


def test_missing_files_leave_a_hole(tmp_path):
    from mer.core.images import write_image

    for number in [*range(1, 11), *range(20, 30), 31]:
        write_image(tmp_path / f"img{number:03d}.png", numbered(1)[0] + np.uint8(number))
    footage = open_footage(tmp_path, fps=30.0)
    assert len(footage) == 31 and any("without a file" in remark for remark in footage.remarks)
    assert np.flatnonzero(footage.holes).tolist() == list(range(10, 19))
    pictures = list(footage.frames(0, 31))
    assert [k for k, picture in enumerate(pictures) if picture is None] == list(range(10, 19))
    assert int(pictures[19][0, 0, 0]) == 30
