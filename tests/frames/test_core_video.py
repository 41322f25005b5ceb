"""Videos: times, rotation, and what becomes of damaged files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mer.core.errors import MediaError
from mer.core.video import Outcome, iterate, probe

Writer = Callable[..., Path]


def levels(frames: list[tuple[int, float, np.ndarray]]) -> list[int]:
    """The index written into each picture, read back from its grey level."""
    return [round((float(np.median(image)) - 20) / 5) for _, _, image in frames]


def test_frames_come_in_order_with_their_times(tmp_path: Path, write_video: Writer) -> None:
    reader = iterate(write_video(tmp_path / "a.mp4", 12))
    assert reader.outcome is None
    frames = list(reader)
    assert [index for index, _, _ in frames] == list(range(12)) == levels(frames)
    assert np.allclose([seconds for _, seconds, _ in frames], np.arange(12) / 25)
    assert frames[0][2].shape == (48, 64, 3) and frames[0][2].dtype == np.uint8
    assert reader.outcome == Outcome(12, 0)


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.mkv"])
def test_probe_reads_the_header(tmp_path: Path, write_video: Writer, name: str) -> None:
    info = probe(write_video(tmp_path / name, 12, rate=30))
    assert (info.width, info.height, info.rotation) == (64, 48, 0)
    assert info.fps == pytest.approx(30)
    assert info.duration == pytest.approx(12 / 30, abs=0.05)
    assert info.n_frames in (12, None)


@pytest.mark.parametrize("name", ["a.avi", "a.mkv", "a.mov", "a.m4v", "a.ts"])
def test_other_containers_lose_nothing(tmp_path: Path, write_video: Writer, name: str) -> None:
    reader = iterate(write_video(tmp_path / name, 12))
    assert levels(list(reader)) == list(range(12))
    assert reader.outcome == Outcome(12, 0)


def test_b_frames_come_in_presentation_order(tmp_path: Path, write_video: Writer) -> None:
    frames = list(iterate(write_video(tmp_path / "a.mp4", 12, codec="libx264")))
    assert levels(frames) == list(range(12))
    assert np.allclose([seconds for _, seconds, _ in frames], np.arange(12) / 25)


def test_rotation_is_applied(tmp_path: Path, write_video: Writer) -> None:
    path = write_video(tmp_path / "r.mp4", 2, size=(96, 48), rotation=90)
    info = probe(path)
    assert (info.width, info.height, info.rotation % 180) == (48, 96, 90)
    image = next(iterate(path))[2]
    assert image.shape == (96, 48, 3)
    # The bright corner is top left before, bottom left after a quarter turn against the clock.
    assert image[-6:, :6].mean() > 180 and image[-6:, -6:].mean() < 60


def test_variable_frame_rate_keeps_true_times(tmp_path: Path, write_video: Writer) -> None:
    ticks = [0, 1, 2, 7, 8, 20]
    frames = list(iterate(write_video(tmp_path / "v.mkv", 6, ticks=ticks)))
    assert np.allclose([seconds for _, seconds, _ in frames], np.array(ticks) / 25, atol=1e-3)


def test_an_avi_cut_at_the_end_yields_its_start_and_reports_the_rest(tmp_path: Path, write_video: Writer) -> None:
    path = write_video(tmp_path / "t.avi", 40)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    reader = iterate(path)
    frames = list(reader)
    assert reader.outcome is not None
    assert 4 < len(frames) < 40
    assert levels(frames) == list(range(len(frames)))
    assert reader.outcome.decoded + reader.outcome.lost == 40
    assert "frames missing at the end" in reader.outcome.reason


def test_damage_inside_keeps_the_numbering_behind_it(tmp_path: Path, write_video: Writer) -> None:
    path = write_video(tmp_path / "d.mp4", 24, codec="mjpeg")
    data = bytearray(path.read_bytes())
    starts = [i for i in range(len(data) - 2) if data[i : i + 3] == b"\xff\xd8\xff"]
    data[starts[5] : starts[6]] = bytes(starts[6] - starts[5])
    path.write_bytes(bytes(data))
    reader = iterate(path)
    frames = list(reader)
    assert [index for index, _, _ in frames] == levels(frames) == [i for i in range(24) if i != 5]
    assert reader.outcome == Outcome(23, 1, "1 damaged frames inside")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "z.mp4").write_bytes(b"")
    for read in (probe, lambda p: list(iterate(p))):
        with pytest.raises(MediaError, match=r"z.mp4: empty file"):
            read(tmp_path / "z.mp4")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="file not found"):
        probe(tmp_path / "nothing.mp4")


def test_audio_only_is_refused(tmp_path: Path, write_audio: Callable[[Path], Path]) -> None:
    with pytest.raises(MediaError, match=r"no video stream \(streams: audio\)"):
        probe(write_audio(tmp_path / "a.wav"))


def test_noise_is_refused(tmp_path: Path) -> None:
    (tmp_path / "n.mp4").write_bytes(np.random.default_rng(0).bytes(4000))
    with pytest.raises(MediaError, match=r"n.mp4: cannot be opened"):
        probe(tmp_path / "n.mp4")


def test_an_mp4_without_its_index_is_refused(tmp_path: Path, write_video: Writer) -> None:
    path = write_video(tmp_path / "m.mp4", 20)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(MediaError, match=r"m.mp4: cannot be opened"):
        list(iterate(path))


@pytest.mark.parametrize("text", ["ffconcat version 1.0\nfile film.avi\n", "#EXTM3U\n#EXTINF:1,\nfilm.avi\n"])
def test_a_list_of_other_films_is_no_film(tmp_path: Path, write_video: Writer, text: str) -> None:
    """FFmpeg goes by the content and would open what the list names, under whatever name it lies."""
    write_video(tmp_path / "film.avi", 12)
    (tmp_path / "list.mp4").write_text(text)
    with pytest.raises(MediaError, match="cannot be opened"):
        probe(tmp_path / "list.mp4")
