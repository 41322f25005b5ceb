"""What an interrupted analysis has left is used only where it is as it was written."""

import numpy as np

from mer.analysis.parts import finished
from mer.core.container import ContainerWriter


def test_a_part_with_a_flipped_bit_is_made_anew(tmp_path):
    path = tmp_path / "part.h5"
    with ContainerWriter(path, "align", "", {"size": 96}, {"a": "b"}, "0123") as out, out.clip("clip") as clip:
        clip.write("frames", np.random.default_rng(0).integers(0, 255, (4, 200, 200, 3), dtype=np.uint8))
    assert finished(path, {"size": 96}, {"a": "b"}, "0123")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert not finished(path, {"size": 96}, {"a": "b"}, "0123")
