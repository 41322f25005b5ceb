"""What a short-lived process does about the garbage collector, and processes that end with their parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CODE = """
import atexit, gc
from mer.core.process import short_lived
atexit.register(lambda: print(gc.get_freeze_count() > 1000))
print(gc.get_freeze_count() < 1000)
short_lived()
print(gc.get_threshold()[0] > 10_000)
"""


def test_the_collector_looks_less_often_and_not_at_the_end():
    made = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert made.stdout.split() == ["True", "True", "True"]


POOL = """
import os, sys, time
from mer.core.process import processes

def begin(folder):
    open(os.path.join(folder, str(os.getpid())), "w").close()

def wait(seconds):
    time.sleep(seconds)

if __name__ == "__main__":
    with processes(2, begin, sys.argv[1]) as pool:
        waiting = [pool.submit(wait, float(sys.argv[2])) for _ in range(4)]
        [one.result() for one in waiting]
"""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_processes_end_with_their_parent(tmp_path, sent):
    (tmp_path / "pool.py").write_text(POOL)
    (tmp_path / "begun").mkdir()
    command = [sys.executable, str(tmp_path / "pool.py"), str(tmp_path / "begun"), "60"]
    parent = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    begun = wait_for(lambda: len(list((tmp_path / "begun").iterdir())) == 2)
    parent.send_signal(sent)
    assert begun and parent.wait(20) != 0
    assert wait_for(lambda: not any(running(int(file.name)) for file in (tmp_path / "begun").iterdir()))


def running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # One that has ended may still be listed until its new parent asks for it.
    return Path(f"/proc/{process}/stat").read_text().split(")")[1].split()[0] != "Z" if Path("/proc").is_dir() else True


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def test_processes_do_their_tasks(tmp_path):
    (tmp_path / "pool.py").write_text(POOL)
    subprocess.run([sys.executable, str(tmp_path / "pool.py"), str(tmp_path), "0.01"], check=True)
