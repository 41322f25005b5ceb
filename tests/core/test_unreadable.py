"""A file that the system refuses to read is named with its number and is never to be removed or made again."""

import errno
import os
from pathlib import Path

import pytest

from mer.bench.overhead import jobs_of
from mer.core.errors import MerError
from mer.planning import finished_run
from mer.pretrain import state
from mer.report.inputs import SpottingInputs
from mer.report.spotting import load_spotting
from mer.spotting.evaluate import read_lines
from mer.weights.read import tensors


def benchmark(folder):
    (folder / "benchmarks" / "fit").mkdir(parents=True)
    (folder / "benchmarks" / "fit" / "a.tsv").write_text("s\n1.0\n")
    return lambda: jobs_of(folder)


def finished(folder):
    (folder / finished_run.FILE).parent.mkdir(parents=True)
    (folder / finished_run.FILE).write_text("{}")
    return lambda: finished_run.verify(folder, print)


def weights(folder):
    (folder / "a.safetensors").write_bytes(b"weights")
    return lambda: tensors(folder / "a.safetensors")


def lines(folder):
    (folder / "a.jsonl").write_text("{}\n")
    return lambda: read_lines([folder / "a.jsonl"])


def spotting(folder):
    (folder / "metrics.json").write_text("{}")
    return lambda: load_spotting("one", SpottingInputs(folder=folder, seed=0, folds=[]))


def pretrained(folder):
    (folder / "state.pt").write_bytes(b"state")
    return lambda: state.resume(folder / "state.pt", "", {})


@pytest.mark.parametrize("made", [benchmark, finished, weights, lines, spotting, pretrained])
def test_what_cannot_be_read_is_kept(made, tmp_path, monkeypatch):
    read = made(tmp_path)

    def refuse(self, *given, **named):
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(self))

    for name in ("open", "read_text", "read_bytes"):
        monkeypatch.setattr(Path, name, refuse)
    with pytest.raises(MerError, match="errno 5: input/output error") as caught:
        read()
    assert "run again when its disk" in caught.value.remedy and "\n" not in str(caught.value)
    assert not any(word in str(caught.value) for word in ("remove", "delete", "get it again"))
