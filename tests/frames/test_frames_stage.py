"""The `frames` stage and `open_frames`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from mer.core.container import Clip, Container, ContainerWriter
from mer.core.errors import ClipError, MediaError
from mer.core.media import inside, open_frames
from mer.core.source import Source
from mer.stages.frames import listing
from mer.stages.frames.stage import process

ROW: dict[str, Any] = {
    "sample_id": "s01/a",
    "media_kind": "frames",
    "media_path": "s01/a",
    "onset": None,
    "apex": None,
    "offset": None,
    "first_file": None,
    "last_file": None,
    "fps": 200.0,
}


def write_folder(root: Path, numbers: range | list[int]) -> None:
    folder = root / "s01/a"
    folder.mkdir(parents=True)
    for number in numbers:
        assert cv2.imwrite(str(folder / f"img{number}.png"), np.full((30, 40, 3), number, np.uint8))


def run(root: Path, changes: Mapping[str, Any], look: Callable[[Clip], Any], **keys: Any) -> Any:
    """Run the stage on one clip and return `look(clip)`."""
    path = root / "out.h5"
    with ContainerWriter(path, "frames") as out, out.clip("s01/a") as clip:
        process(Source({**ROW, **changes}, root), clip, listing.METHOD, listing.Params(**keys))
    with Container(path) as box:
        if box.failures:
            raise ClipError("container", box.failures["s01/a"])
        return look(box.clip("s01/a"))


def numbers_of(clip: Clip) -> list[int]:
    return clip.read("numbers").tolist()


def test_a_folder_is_listed_between_onset_and_offset(tmp_path: Path) -> None:
    write_folder(tmp_path, range(40, 61))

    def look(clip: Clip) -> None:
        assert clip.read("files").tolist() == [f"s01/a/img{n}.png" for n in range(46, 54)]
        assert clip.read("numbers").dtype == np.int64
        assert numbers_of(clip) == list(range(46, 54))
        assert np.allclose(clip.read("seconds"), np.arange(8) / 200)
        expected = {"media_kind": "frames", "media_path": "s01/a", "fps": 200.0, "width": 40, "height": 30}
        assert expected.items() <= clip.attributes.items()
        assert [clip.attributes[k] for k in ("onset", "apex", "offset", "missing")] == [0, 4, 7, 0]

    run(tmp_path, {"onset": 46, "apex": 50, "offset": 53}, look)


def test_without_annotation_everything_is_listed(tmp_path: Path) -> None:
    write_folder(tmp_path, range(8, 13))

    def look(clip: Clip) -> None:
        assert numbers_of(clip) == [8, 9, 10, 11, 12]
        assert not {"onset", "apex", "offset"} & set(clip.attributes)

    run(tmp_path, {}, look)


@pytest.mark.parametrize(("margin", "first", "last"), [(2, 44, 55), (50, 40, 60)])
def test_margin_adds_what_is_on_disk(tmp_path: Path, margin: int, first: int, last: int) -> None:
    write_folder(tmp_path, range(40, 61))

    def look(clip: Clip) -> None:
        assert numbers_of(clip) == list(range(first, last + 1))
        assert clip.attributes["onset"] == 46 - first

    run(tmp_path, {"onset": 46, "offset": 53}, look, margin=margin)


def test_span_all_keeps_the_whole_folder(tmp_path: Path) -> None:
    write_folder(tmp_path, range(1, 31))
    look = lambda clip: (len(numbers_of(clip)), clip.attributes["onset"])  # noqa: E731
    assert run(tmp_path, {"onset": 10, "offset": 20}, look, span="all") == (30, 9)


def test_a_few_missing_files_are_left_out_and_counted(tmp_path: Path) -> None:
    write_folder(tmp_path, [n for n in range(1, 31) if n not in (7, 20)])

    def look(clip: Clip) -> None:
        assert numbers_of(clip) == [n for n in range(1, 31) if n not in (7, 20)]
        assert clip.attributes["missing"] == 2
        assert "apex" not in clip.attributes  # its own file is absent: unknown, not the neighbour
        assert clip.attributes["absent"] == "apex 7"
        assert clip.attributes["offset"] == 27
        assert clip.read("seconds")[6] == pytest.approx(7 / 200)

    run(tmp_path, {"onset": 1, "apex": 7, "offset": 30}, look)


def test_too_many_missing_files_exclude_the_clip(tmp_path: Path) -> None:
    write_folder(tmp_path, [*range(1, 6), *range(9, 21)])
    changes = {"onset": 1, "offset": 20}
    with pytest.raises(ClipError, match=r"3 of the 20 frames 1-20 are absent \(the first: 6\).*at most 10%"):
        run(tmp_path, changes, numbers_of)
    assert len(run(tmp_path, changes, numbers_of, max_missing=0.2)) == 17


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"onset": 9, "offset": 5}, "onset 9 lies behind offset 5"),
        ({"media_path": "s01/absent"}, "absent: cannot be listed"),
        ({"media_path": "../s01/a"}, "leaves the dataset's folder"),
        ({"media_kind": "video", "media_path": "s01/a/none.mp4"}, "none.mp4: file not found"),
        (
            {"onset": 100, "offset": 110},
            "11 of the 11 frames 100-110 are absent.*its last frame is 10: correct the annot",
        ),
    ],
)
def test_a_bad_row_excludes_the_clip(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    write_folder(tmp_path, range(1, 11))
    with pytest.raises(ClipError, match=reason):
        run(tmp_path, changes, numbers_of)


def test_an_empty_image_excludes_the_clip(tmp_path: Path) -> None:
    write_folder(tmp_path, range(1, 11))
    (tmp_path / "s01/a/img4.png").write_bytes(b"")
    with pytest.raises(ClipError, match=r"img4.png: empty file"):
        run(tmp_path, {}, numbers_of)


def test_a_video_is_listed_with_its_times(tmp_path: Path, write_video: Callable[..., Path]) -> None:
    write_video(tmp_path / "v.mkv", 8, ticks=[0, 1, 2, 7, 8, 9, 10, 12])

    def look(clip: Clip) -> None:
        assert "files" not in clip
        assert numbers_of(clip) == [2, 3, 4, 5]
        assert np.allclose(clip.read("seconds"), np.array([2, 7, 8, 9]) / 25, atol=1e-3)
        assert {"width": 64, "height": 48, "onset": 0, "offset": 3, "lost": 0}.items() <= clip.attributes.items()
        images = list(open_frames(clip, tmp_path))
        assert [round((np.median(i) - 20) / 5) for i in images] == [2, 3, 4, 5]
        assert np.array_equal(next(open_frames(clip, tmp_path, start=2)), images[2])

    run(tmp_path, {"media_kind": "video", "media_path": "v.mkv", "fps": None, "onset": 2, "offset": 5}, look)


def test_a_cut_video_reports_what_was_lost(tmp_path: Path, write_video: Callable[..., Path]) -> None:
    path = write_video(tmp_path / "v.avi", 40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    row = {"media_kind": "video", "media_path": "v.avi", "fps": None}

    def look(clip: Clip) -> None:
        assert clip.attributes["lost"] == 40 - len(numbers_of(clip)) > 0
        assert "missing at the end" in clip.attributes["lost_reason"]

    run(tmp_path, row, look, max_missing=0.9)
    with pytest.raises(ClipError, match="frames 30-38 are absent"):
        run(tmp_path, {**row, "onset": 30, "offset": 38}, numbers_of, max_missing=0.9)
    with pytest.raises(ClipError, match=r"of 40 frames cannot be decoded .*missing at the end.*expected at most 10%"):
        run(tmp_path, row, numbers_of)


def test_open_frames_reads_a_folder_from_any_start(tmp_path: Path) -> None:
    write_folder(tmp_path, range(1, 6))

    def look(clip: Clip) -> None:
        assert [int(image[0, 0, 0]) for image in open_frames(clip, tmp_path)] == [1, 2, 3, 4, 5]
        assert [int(image[0, 0, 0]) for image in open_frames(clip, tmp_path, start=3)] == [4, 5]
        (tmp_path / "s01/a/img4.png").unlink()
        with pytest.raises(MediaError, match=r"img4.png: file not found"):
            list(open_frames(clip, tmp_path))

    run(tmp_path, {}, look)


@pytest.mark.parametrize("name", ["/etc/passwd", "a/../../b", ".."])
def test_no_path_leaves_the_root(tmp_path: Path, name: str) -> None:
    with pytest.raises(MediaError, match="leaves the dataset's folder"):
        inside(tmp_path, name)


@pytest.mark.parametrize("keys", [{"margin": -1}, {"max_missing": 1.0}, {"span": "some"}, {"margins": 1}])
def test_wrong_parameters_are_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        listing.Params(**keys)


def test_a_pattern_takes_the_images_of_one_clip_and_its_star_is_the_number(tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    for clip in ("c1", "c2"):
        for number in range(5, 9):
            image = np.full((30, 40, 3), number, np.uint8)
            assert cv2.imwrite(str(tmp_path / "all" / f"{clip}_{number:03d}_left1.png"), image)

    def look(clip: Clip) -> None:
        assert clip.read("files").tolist() == [f"all/c2_{n:03d}_left1.png" for n in (6, 7, 8)]
        assert numbers_of(clip) == [6, 7, 8] and clip.attributes["media_path"] == "all/C2_*_left1.png"
        assert [int(image[0, 0, 0]) for image in open_frames(clip, tmp_path)] == [6, 7, 8]

    run(tmp_path, {"media_path": "all/C2_*_left1.png", "onset": 6, "offset": 8}, look)
    with pytest.raises(ClipError, match="no frames"):
        run(tmp_path, {"media_path": "all/c3_*_left1.png"}, look)


@pytest.mark.parametrize(
    ("row", "events"),
    [
        ({}, [0, 2, 4]),
        ({"apex": 11}, [0, 3, 4]),
        ({"onset": 9, "offset": 11}, [0, None, 2]),
        ({"onset": 9}, [0, None, None]),
    ],
)
def test_a_clip_without_events_is_taken_whole_on_request(tmp_path: Path, row: Any, events: list[int | None]) -> None:
    write_folder(tmp_path, range(8, 13))
    told = run(tmp_path, row, lambda clip: dict(clip.attributes), no_event="whole")
    assert [told.get(name) for name in ("onset", "apex", "offset")] == events
