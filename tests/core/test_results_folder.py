"""A folder of results: one run at a time, no job when nothing can be written, damaged files set aside."""

import errno
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from mer.core import only_run
from mer.core.atomic import atomic_path, storage_error
from mer.core.container import Container, ContainerWriter
from mer.core.errors import StorageError
from mer.core.job_log import job_log

HOLD = "import sys, time; from mer.core.only_run import hold; hold(sys.argv[1]); print(flush=True); time.sleep(60)"


@pytest.fixture(autouse=True)
def told(monkeypatch):
    """Leave neither the lock nor what tells jobs of it behind."""
    monkeypatch.delenv(only_run.TOLD, raising=False)
    yield
    os.environ.pop(only_run.TOLD, None)
    while only_run._HELD:
        only_run._HELD.pop().close()


def write(path):
    with ContainerWriter(path, "align") as out, out.clip("a") as clip:
        clip.write("frames", np.arange(48, dtype=np.uint8).reshape(1, 4, 4, 3))


def test_a_second_run_is_told_in_one_line_and_a_killed_one_leaves_no_lock(tmp_path):
    other = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE)
    other.stdout.readline()
    with pytest.raises(
        StorageError, match=rf"another run is at work here \(process {other.pid} on .* since "
    ) as caught:
        only_run.hold(tmp_path)
    assert "\n" not in str(caught.value) and only_run.TOLD not in os.environ
    other.send_signal(signal.SIGKILL)
    other.wait()
    other.stdout.close()
    only_run.hold(tmp_path)
    assert (tmp_path / only_run.LOCK).read_text().startswith(f"process {os.getpid()} on ")


def test_no_job_begins_once_one_could_not_write(tmp_path):
    only_run.hold(tmp_path)
    stopped = []
    only_run.watch(lambda: stopped.append(True), every=0.01)
    with job_log(tmp_path / "logs" / "a.log") as say:
        say("works")
    with pytest.raises(SystemExit, match=r"a\.h5: cannot be written"), job_log(tmp_path / "logs" / "b.log"):
        raise storage_error(tmp_path / "a.h5", OSError(errno.ENOSPC, ""))
    with pytest.raises(SystemExit, match="a job of this run could not write"), job_log(tmp_path / "logs" / "c.log"):
        pytest.fail("a job began")
    for _ in range(500):
        if stopped:
            break
        time.sleep(0.01)
    assert stopped == [True]
    only_run.hold(tmp_path / "next")
    with job_log(tmp_path / "logs" / "c.log") as say:
        say("works again")


def test_no_job_begins_when_the_folder_of_the_run_has_gone(tmp_path):
    only_run.hold(tmp_path / "results")
    (tmp_path / "results").rename(tmp_path / "gone")
    with pytest.raises(SystemExit, match=r"results: has vanished .* bring it back"), job_log(tmp_path / "x.log"):
        pytest.fail("a job began")


def test_a_job_sets_a_damaged_file_of_the_results_aside_and_no_other(tmp_path):
    own, brought = tmp_path / "results" / "align" / "a.h5", tmp_path / "brought.h5"
    for path in (own, brought):
        write(path)
        path.write_bytes(path.read_bytes()[:-1])
    said = []
    for path in (own, brought):
        with pytest.raises(SystemExit) as stop, job_log(tmp_path / "results" / "logs" / "flow" / "a.log"):
            Container(path)
        said.append(stop.value.code)
    assert said[0].endswith("it is kept as a.h5.damaged; run the same command again: it is made anew")
    assert said[1].startswith(f"mer: {brought}: ") and "kept as" not in said[1]
    assert not own.exists() and own.with_name("a.h5.damaged").exists() and brought.exists()


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOSPC, "no space left on device.*free some space"),
        (errno.EDQUOT, "disk quota exceeded.*of your quota"),
        (errno.EROFS, "read-only file system.*mount it for writing"),
        (errno.EACCES, "permission denied.*get the right to write there"),
        (errno.EIO, "input/output error.*bring the disk or network folder back"),
        (errno.ESTALE, "stale file handle.*bring the disk or network folder back"),
    ],
)
def test_every_refusal_to_write_is_one_line_with_what_helps(tmp_path, monkeypatch, number, says):
    def refuse(source, *rest):
        raise OSError(number, os.strerror(number), str(source))

    monkeypatch.setattr(os, "replace", refuse)
    told = rf"a.csv: cannot be written \({says}.*finished files are kept"
    with pytest.raises(StorageError, match=told), atomic_path(tmp_path / "a.csv") as temporary:
        temporary.write_text("a")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_read_is_not_told_as_one_that_cannot_be_written(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a.csv"):
        (tmp_path / "elsewhere" / "b.csv").read_text()


def test_what_a_killed_process_left_of_a_file_goes_when_it_is_written_anew(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left, alive = (tmp_path / f".a.csv.{pid}.partial" for pid in (dead.pid, os.getppid()))
    left.touch()
    alive.touch()
    with atomic_path(tmp_path / "a.csv") as temporary:
        temporary.write_text("a")
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", alive.name}
