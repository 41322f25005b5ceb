"""A container that is not as it was written is found when that part is read; one that cannot be opened stays."""

import errno
import fcntl
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

from mer.core import seal
from mer.core.container import Container, ContainerWriter, amended
from mer.core.errors import ContainerError, DamagedContainer

RNG = np.random.default_rng(0)


def small(path):
    with ContainerWriter(path, "align", "face", {"size": 4}, {"frames": "abc"}, "0123") as out:
        for name in "ab":
            with out.clip(name) as clip:
                clip.write("frames", RNG.integers(0, 255, (2, 4, 4, 3), dtype=np.uint8))
                clip.write("names", np.array(["ä", "b"]))
                clip.write("numbers", np.arange(5.0))
                clip.attributes({"onset": 0, "fps": 200.0})
        out.fail("c", "no face")


def large(path):
    with ContainerWriter(path, "align") as out:
        for name in "abc":
            with out.clip(name) as clip:
                clip.write("frames", RNG.integers(0, 255, (4, 200, 200, 3), dtype=np.uint8))


def read_all(path):
    with Container(path) as box:
        told = [
            (clip.sample_id, clip.attributes, {name: clip.read(name).tolist() for name in clip.group}) for clip in box
        ]
        return told, box.failures, {key: str(value) for key, value in box.attributes.items()}


def spoil(path, place, value):
    data = bytearray(path.read_bytes())
    data[place] ^= value
    path.write_bytes(data)


def test_a_flipped_bit_anywhere_is_found(tmp_path):
    path = tmp_path / "a.h5"
    small(path)
    kept = path.read_bytes()
    # All of the seal, and bits all over the file: headers, attributes, text, small arrays and what is between.
    tail = range(len(kept) - 32, len(kept))
    for place in [*tail, *RNG.integers(0, len(kept), 250)]:
        spoil(path, place, 1 << int(RNG.integers(8)))
        with pytest.raises(DamagedContainer, match=r"a\.h5: "):
            read_all(path)
        path.write_bytes(kept)
    read_all(path)


@pytest.mark.parametrize("left", [0, 1, 7, 100, 0.3, 0.9, -1])
@pytest.mark.parametrize("zeros", [False, True])
def test_a_file_cut_short_or_filled_with_zeros_is_found(tmp_path, left, zeros):
    path = tmp_path / "a.h5"
    small(path)
    data = path.read_bytes()
    keep = int(left * len(data)) if isinstance(left, float) else left % len(data)
    path.write_bytes(data[:keep] + bytes(len(data) - keep if zeros else 0))
    # The last byte of the seal may be a zero.
    if path.read_bytes() != data:
        with pytest.raises(DamagedContainer, match=r"a\.h5: "):
            read_all(path)


def test_only_what_is_read_is_checked_and_the_place_is_named(tmp_path):
    path = tmp_path / "a.h5"
    large(path)
    with Container(path) as box:
        place = box.clip("b").group["frames"].id.get_chunk_info(2).byte_offset + 1000
    spoil(path, place, 4)
    with Container(path) as box:
        box.clip("a").read("frames")
        box.clip("b").lazy("frames")[0]
        block = place // seal.BLOCK * seal.BLOCK
        with pytest.raises(DamagedContainer, match=f"damaged: bytes {block} to {block + seal.BLOCK - 1} are not those"):
            box.clip("b").lazy("frames")[2]


def test_other_programs_read_the_file_and_an_older_one_is_read_without_a_seal(tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    large(path)
    with h5py.File(path, "r") as file:
        assert file["clips/c/frames"][3].shape == (200, 200, 3)
    monkeypatch.setattr("mer.core.container.SCHEMA_VERSION", 1)
    monkeypatch.setattr("mer.core.container.write_seal", lambda file: None)
    small(tmp_path / "old.h5")
    monkeypatch.undo()
    assert len(read_all(tmp_path / "old.h5")[0]) == 2


def test_a_change_in_place_is_sealed_anew(tmp_path):
    path = tmp_path / "a.h5"
    small(path)
    with amended(path) as file:
        file["clips/a"].attrs["apex"] = 3
    assert read_all(path)[0][0][1]["apex"] == 3
    with pytest.raises(KeyboardInterrupt), amended(path) as file:
        raise KeyboardInterrupt
    with pytest.raises(DamagedContainer, match="lacks the checksums"):
        read_all(path)


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.EACCES, "errno 13: permission denied.*ask its owner"),
        (errno.ENOLCK, "errno 37: no locks available.*HDF5_USE_FILE_LOCKING=FALSE"),
        (errno.EAGAIN, "errno 11: .*HDF5_USE_FILE_LOCKING=FALSE"),
        (errno.EMFILE, "errno 24: too many open files.*ulimit"),
        (errno.ESTALE, "errno 116: stale file handle.*run again when its disk or network folder answers"),
        (errno.EIO, "errno 5: input/output error.*run again when its disk"),
    ],
)
@pytest.mark.parametrize("call", ["open", "preadv"])
def test_what_the_system_refuses_has_its_number_and_no_advice_to_remove_it(tmp_path, monkeypatch, number, says, call):
    path = tmp_path / "a.h5"
    small(path)

    def refuse(*given, **named):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(f"mer.core.seal.{call}" if call == "open" else f"os.{call}", refuse, raising=False)
    with pytest.raises(ContainerError, match=says) as caught:
        Container(path)
    assert not caught.value.damaged and "away" not in str(caught.value) and "delete" not in str(caught.value)


def test_a_file_that_another_process_has_locked_is_read(tmp_path):
    """HDF5's own locks, which some network file systems do not know, are not asked for."""
    path = tmp_path / "a.h5"
    small(path)
    code = "import fcntl, sys; file = open(sys.argv[1], 'r+b'); fcntl.flock(file, fcntl.LOCK_EX); print(); input()"
    other = subprocess.Popen([sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        other.stdout.readline()
        with path.open("rb") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        assert len(read_all(path)[0]) == 2
    finally:
        other.communicate(b"\n")


KEPT = """
import sys
from mer.core.container import Container
from mer.core.errors import DamagedContainer
try:
    Container(sys.argv[1])
except DamagedContainer as error:
    kept = error
"""


def test_a_process_that_keeps_the_error_ends_well(tmp_path):
    path = tmp_path / "a.h5"
    small(path)
    spoil(path, 100, 1)
    assert subprocess.run([sys.executable, "-c", KEPT, path], check=False).returncode == 0
