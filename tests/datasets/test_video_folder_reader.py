"""A folder of videos: one row per file, ids unique and safe."""

import pytest

from mer.core.errors import DatasetError
from mer.datasets.videos import READER, Options

read, samples_from = READER.read, READER.samples_from


def test_every_video_is_a_row(tmp_path):
    for name in ("a.mp4", "p1/one.AVI", "p1/two.mov", "p2/x/one.webm", "p2/readme.txt", "._a.mp4", ".trash/old.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    samples = read(tmp_path, Options()).samples
    assert [(s.sample_id, s.media_path) for s in samples] == [
        ("a", "a.mp4"),
        ("p1/one", "p1/one.AVI"),
        ("p1/two", "p1/two.mov"),
        ("p2/x/one", "p2/x/one.webm"),
    ]
    assert len({s.group for s in samples}) == 4
    assert all((s.media_kind, s.expression_type, s.onset, s.status) == ("video", "clip", None, "ok") for s in samples)
    people = [s.subject for s in read(tmp_path, Options(subject="folder")).samples]
    assert people == ["a", "p1", "p1", "p2"]


def test_no_video_is_an_error(tmp_path):
    (tmp_path / "a.txt").touch()
    with pytest.raises(DatasetError, match=r"no video; found: a.txt; expected files ending in .mp4"):
        read(tmp_path, Options())


def test_ids_stay_unique_and_never_nest():
    paths = ["a.mp4", "a.avi", "a/b.mp4", "A.mov", "x y.mp4", "x_y.mp4", "é/ü.mp4"]
    ids = [s.sample_id for s in samples_from((), {("", path): [path] for path in paths}, Options(), "").samples]
    assert len({i.casefold() for i in ids}) == len(paths)
    assert not any(other.startswith(i + "/") for i in ids for other in ids)
