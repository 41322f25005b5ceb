"""What the operating system refuses is one line, never a traceback: files of other users, folders that are none."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mer.core.atomic import atomic_path
from mer.core.errors import StorageError
from mer.core.images import write_image
from mer.core.job_log import job_log

MAIN = "import sys; sys.argv[0] = 'mer'; from mer.cli import main; main()"
NOBODY = 65534


def test_a_folder_that_cannot_be_written_to_is_a_storage_error(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "clip.png", tmp_path / ("x" * 300), tmp_path):
        with (
            pytest.raises(StorageError, match=r"cannot be written .*name another file") as caught,
            atomic_path(path) as temporary,
        ):
            temporary.write_bytes(b"x")
            if path == tmp_path:
                os.replace(temporary, path)
        assert "free some space" not in str(caught.value)


def test_what_another_file_refuses_is_not_blamed_on_the_one_that_is_written(tmp_path):
    (tmp_path / "other").mkdir()
    with pytest.raises(IsADirectoryError), atomic_path(tmp_path / "out" / "a.txt"):
        (tmp_path / "other").read_bytes()


def test_a_job_ends_in_one_line(tmp_path):
    line = r"^mer: .*absent\.h5: cannot be opened \(no such file"
    with pytest.raises(SystemExit, match=line), job_log(tmp_path / "job.log"):
        (tmp_path / "absent.h5").read_bytes()
    assert (tmp_path / "job.log").read_text().count("\n") == 1


def test_a_command_ends_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    done = run("simulate", str(tmp_path / "file" / "out"), "--subjects", "1", "--clips", "1")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith("mer: ") and "not a directory" in done.stderr


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs a second user to be refused")
def test_containers_and_folders_of_another_user_are_one_line(tmp_path):
    for parent in (tmp_path, *list(tmp_path.parents)[:3]):
        parent.chmod(0o755)
    code = f"""
import os
from pathlib import Path
from mer.core.container import Container
from mer.core.errors import MerError
from mer.core.images import write_image
import cv2, h5py._errors, encodings.idna
import numpy as np
os.setuid({NOBODY})
for act in (lambda: Container(Path({str(tmp_path / "a.h5")!r})),
            lambda: write_image(Path({str(tmp_path / "clip.png")!r}), np.zeros((2, 2, 3), np.uint8))):
    try:
        act()
    except MerError as error:
        print(error.line())
"""
    write_image(tmp_path / "a.h5", np.zeros((2, 2, 3), np.uint8))
    (tmp_path / "a.h5").chmod(0o600)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    container, picture = done.stdout.splitlines()
    assert "a.h5: " in container and "clip.png: cannot be written (permission denied)" in picture


def test_a_tilde_behind_an_equals_sign_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    done = run("new", "model", "mine", "--output=~/below", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "below" / "mine.py").is_file() and not (tmp_path / "~").exists()


def run(*arguments, cwd=None):
    path = str(Path(__file__).resolve().parents[2])
    return subprocess.run(
        [sys.executable, "-c", MAIN, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path},
    )
