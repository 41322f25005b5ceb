"""Folders in which no job could start are refused before anything is installed or planned."""

import shutil
import subprocess
from pathlib import Path

import pytest

from mer.core.errors import ConfigError
from mer.planning.places import check_places

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["my folder", "a(b", "a&b", "a'b", "a;b", "a$b", 'a"b', "a{b}", "a*b", "a\nb"])
def test_an_interpreter_that_a_shell_would_not_find_is_refused(name):
    with pytest.raises(ConfigError, match="in any job; expected a path of letters") as caught:
        check_places(f"/home/x/{name}/.venv/bin/python", "/home")
    assert "\n" not in str(caught.value)


def test_plain_and_foreign_letters_are_fine():
    check_places("/home/jürgen-m/数据_1.2/.venv/bin/python3.12", "/home/my folder", "/home/a(b&c'd$e")
    for name in ("a;b", "a{b}"):
        with pytest.raises(ConfigError, match="a folder without"):
            check_places("/usr/bin/python", "/home", f"/data/{name}")


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("name", ["my folder", "a(b", "a&b", "a'b", "a;b", "a$b"])
def test_make_demo_refuses_before_it_installs(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    for file in ("Makefile", "config.yaml", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / file, folder)
    done = subprocess.run(["make", "demo", "PYTHON=python3"], cwd=folder, capture_output=True, text=True)
    told = [line for line in done.stderr.splitlines() if line.startswith("mer: ")]
    assert done.returncode and len(told) == 1 and "rename the folder" in told[0], done.stderr
    assert not (folder / ".venv").exists() and "Installing" not in done.stdout
