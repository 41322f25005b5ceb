"""The container: whole or absent, per-clip failures listed, hostile files refused."""

import subprocess
import sys

import h5py
import numpy as np
import pytest

from mer.core import container as module
from mer.core.container import Container, ContainerWriter, amended, file_digest
from mer.core.errors import ClipError, ContainerError, DamagedContainer


def write(path, frames, **clips):
    writer = ContainerWriter(path, "align", "face224", {"size": 224}, {"frames": "abc"}, "0123")
    with writer as out, out.clip("sub01/EP02_01f") as clip:
        clip.write("frames", frames)
        clip.attributes({"onset": 0, "apex": None, "fps": 200.0})


def test_round_trip_keeps_arrays_attributes_and_provenance(tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (5, 8, 6, 3), dtype=np.uint8)
    write(tmp_path / "a.h5", frames)
    with Container(tmp_path / "a.h5") as box:
        clip = box.clip("sub01/EP02_01f")
        assert np.array_equal(clip.read("frames"), frames)
        assert clip.attributes == {"onset": 0, "fps": 200.0}
        assert box.parameters() == {"size": 224}
        assert box.attributes["stage"] == "align"
        assert box.attributes["code"] == "0123"


@pytest.mark.parametrize(
    ("shape", "chunks"),
    [
        ((5, 224, 224, 3), (1, 224, 224, 3)),
        ((2, 10, 224, 224, 3), (1, 1, 224, 224, 3)),
        ((9, 2, 224, 224), (1, 2, 224, 224)),
        ((10, 9, 30, 2, 7, 7), (1, 1, 30, 2, 7, 7)),
        ((5, 8, 6, 3), (5, 8, 6, 3)),
    ],
)
def test_a_chunk_is_a_frame_and_small_arrays_are_whole(tmp_path, shape, chunks):
    with ContainerWriter(tmp_path / "a.h5", "flow") as out, out.clip("x") as clip:
        clip.write("flow", np.zeros(shape, np.uint8 if shape[-1] == 3 else np.float32))
    with Container(tmp_path / "a.h5") as box:
        assert box.clip("x").lazy("flow").chunks == chunks


def test_same_content_gives_same_bytes(tmp_path):
    frames = np.arange(96, dtype=np.uint8).reshape(2, 4, 4, 3)
    write(tmp_path / "a.h5", frames)
    write(tmp_path / "b.h5", frames)
    assert file_digest(tmp_path / "a.h5") == file_digest(tmp_path / "b.h5")


def test_appended_blocks_equal_one_array(tmp_path):
    frames = np.random.default_rng(1).random((7, 3, 4)).astype(np.float32)
    with ContainerWriter(tmp_path / "a.h5", "flow") as out, out.clip("x") as clip:
        for block in (frames[:3], frames[3:4], frames[4:]):
            clip.append("flow", block)
    with Container(tmp_path / "a.h5") as box:
        assert np.array_equal(box.clip("x").read("flow"), frames)


def test_text_arrays_come_back_as_text(tmp_path):
    with ContainerWriter(tmp_path / "a.h5", "frames") as out, out.clip("x") as clip:
        clip.write("files", np.array(["a/img1.jpg", "ä/img2.jpg"]))
    with Container(tmp_path / "a.h5") as box:
        assert list(box.clip("x").read("files")) == ["a/img1.jpg", "ä/img2.jpg"]


def test_a_failed_clip_is_listed_and_the_others_stay(tmp_path):
    with ContainerWriter(tmp_path / "a.h5", "align") as out:
        with out.clip("bad") as clip:
            clip.write("frames", np.zeros((1, 2, 2, 3), np.uint8))
            raise ClipError("bad frame 3", "no face", "one face", "check the clip")
        with out.clip("good") as clip:
            clip.write("frames", np.zeros((1, 2, 2, 3), np.uint8))
    with Container(tmp_path / "a.h5") as box:
        assert box.clip_ids == ["good"]
        assert box.failures == {"bad": "bad frame 3: no face; expected one face; check the clip"}
        with pytest.raises(ContainerError, match="no clip bad: bad frame 3: no face"):
            box.clip("bad")


def test_an_interrupted_write_leaves_the_old_file_and_no_rubbish(tmp_path):
    write(tmp_path / "a.h5", np.zeros((1, 2, 2, 3), np.uint8))
    before = (tmp_path / "a.h5").read_bytes()
    with pytest.raises(KeyboardInterrupt), ContainerWriter(tmp_path / "a.h5", "align"):
        raise KeyboardInterrupt
    assert (tmp_path / "a.h5").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


def test_readers_refuse_unfinished_foreign_and_missing_files(tmp_path):
    with h5py.File(tmp_path / "half.h5", "w") as file:
        file.create_group("clips")
    (tmp_path / "text.h5").write_text("not hdf5")
    with pytest.raises(DamagedContainer, match=r"half.h5: left by an interrupted job.*move it away and run again"):
        Container(tmp_path / "half.h5")
    with pytest.raises(DamagedContainer, match=r"text.h5: not a readable HDF5 file"):
        Container(tmp_path / "text.h5")
    with pytest.raises(ContainerError, match=r"none.h5: container not found"):
        Container(tmp_path / "none.h5")


@pytest.mark.parametrize("clip", [False, True])
def test_attributes_of_other_types_are_refused_before_hdf5_reads_them(tmp_path, clip):
    with ContainerWriter(tmp_path / "a.h5", "frames") as out, out.clip("s/a") as box:
        box.write("numbers", np.arange(3))
    with amended(tmp_path / "a.h5") as file:
        lists = np.empty(1, object)
        lists[0] = np.arange(3, dtype=np.int32)
        (file["clips/s/a"] if clip else file).attrs.create("code", lists, dtype=h5py.vlen_dtype(np.int32))
    with pytest.raises(ContainerError, match="attribute code holds neither"), Container(tmp_path / "a.h5") as box:
        box.clip("s/a")


def test_a_newer_schema_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SCHEMA_VERSION", 99)
    write(tmp_path / "a.h5", np.zeros((1, 2, 2, 3), np.uint8))
    monkeypatch.undo()
    with pytest.raises(ContainerError, match="schema version 99; expected at most 2; update mer"):
        Container(tmp_path / "a.h5")


FULL_DISK = """
import resource, signal, sys
import numpy as np
from mer.core.container import ContainerWriter
from mer.core.errors import StorageError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, 1 << 18))
noise = np.random.default_rng(0).integers(0, 255, (1, 224, 224, 3), dtype=np.uint8)
try:
    with ContainerWriter(sys.argv[1], "align") as out:
        for name in "abc":
            with out.clip(name) as clip:
                for _ in range(5):
                    clip.append("frames", noise)
except StorageError as error:
    print(error)
"""


def test_a_disk_that_refuses_is_one_clear_line_and_leaves_nothing(tmp_path):
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "a.h5")]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "a.h5: cannot be written (file too large); expected a writable disk" in result.stdout
    assert result.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_a_missing_array_names_those_present(tmp_path):
    write(tmp_path / "a.h5", np.zeros((1, 2, 2, 3), np.uint8))
    with (
        Container(tmp_path / "a.h5") as box,
        pytest.raises(ContainerError, match="has no array 'flow'; expected frames"),
    ):
        box.clip("sub01/EP02_01f").read("flow")
