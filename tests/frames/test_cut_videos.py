"""Videos that were trimmed, cut short, or filmed with pixels that are not square."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from mer.analysis.footage import open_footage
from mer.analysis.video_seeking import list_frames
from mer.core import video_length
from mer.core.video import Outcome, iterate, probe


def write(path: Path, count: int = 50, aspect: int = 1, **options: str) -> Path:
    """Film `count` frames at 25 a second, 10 to a group, whose grey tells the index; a circle in square pixels."""
    with av.open(str(path), "w", options=options) as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 96, "yuv420p"
        stream.codec_context.gop_size, stream.codec_context.max_b_frames = 10, 2
        stream.codec_context.sample_aspect_ratio = Fraction(aspect, 1)
        for index in range(count):
            wide = np.full((96, 64 * aspect, 3), 20 + 4 * index, np.uint8)
            cv2.circle(wide, (32 * aspect, 48), 24, (255, 255, 255), -1)
            frame = av.VideoFrame.from_ndarray(cv2.resize(wide, (64, 96), interpolation=cv2.INTER_AREA), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def trim(source: Path, target: Path, start: float) -> Path:
    """Copy from `start` seconds on without encoding, as `ffmpeg -ss` does: an edit list hides the frames before."""
    with av.open(str(source)) as given, av.open(str(target), "w") as out:
        stream = given.streams.video[0]
        copied, begin = out.add_stream_from_template(stream), int(start / stream.time_base)
        given.seek(begin, stream=stream, backward=True)
        for packet in given.demux(stream):
            if packet.dts is not None:
                packet.pts, packet.dts, packet.stream = packet.pts - begin, packet.dts - begin, copied
                out.mux(packet)
    return target


def test_a_trimmed_video_has_lost_nothing(tmp_path: Path) -> None:
    path = trim(write(tmp_path / "whole.mp4"), tmp_path / "trimmed.mp4", 0.56)
    with av.open(str(path)) as raw:
        assert raw.streams.video[0].frames > 36, "an edit list hides frames of the group it starts in"
    reader = iterate(path)
    greys = [round((float(image[0, 0, 0]) - 20) / 4) for _, _, image in reader]
    assert greys == list(range(14, 50)) and reader.outcome == Outcome(36, 0)
    assert probe(path).n_frames == 36 and list_frames(path).missing == 0


@pytest.mark.parametrize(
    ("name", "flags", "least"),
    [
        ("a.mp4", "frag_keyframe+empty_moov", 1),
        ("a.mp4", "frag_keyframe+empty_moov+default_base_moof+global_sidx", 15),
        ("a.mkv", "", 15),
    ],
)
def test_a_video_cut_short_says_what_is_missing(tmp_path: Path, name: str, flags: str, least: int) -> None:
    path = write(tmp_path / name, **({"movflags": flags} if flags else {}))
    whole = iterate(path)
    assert len(list(whole)) == 50 and whole.outcome == Outcome(50, 0) and list_frames(path).missing == 0
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 11 // 20])
    reader = iterate(path)
    seen = len(list(reader))
    assert reader.outcome is not None and reader.outcome.decoded == seen < 35
    assert least <= reader.outcome.lost <= 52 - seen and reader.outcome.reason
    listing = list_frames(path)
    assert listing.missing > 0 or len(listing.seconds) > seen
    if listing.missing:
        remarks = open_footage(path).remarks
        assert f"{listing.missing} frames that its header promises are missing at the end" in remarks


def test_pixels_become_square(tmp_path: Path) -> None:
    path = write(tmp_path / "wide.mp4", 2, aspect=2)
    info = probe(path)
    assert (info.width, info.height, info.aspect) == (128, 96, 2.0)
    image = next(iterate(path))[2]
    disc = image[..., 0] > 150
    assert image.shape == (96, 128, 3)
    assert np.ptp(np.flatnonzero(disc.any(axis=0))) == pytest.approx(np.ptp(np.flatnonzero(disc.any(axis=1))), abs=3)
    assert open_footage(path).size == (128, 96)


def test_a_box_that_claims_to_end_beyond_any_file_is_the_last():
    film = b"\0\0\0\1free" + ((1 << 64) - 1).to_bytes(8, "big") + bytes(24)
    assert [kind for kind, _, _ in video_length._boxes(io.BytesIO(film), 0, len(film))] == [b"free"]
