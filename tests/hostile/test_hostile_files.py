"""A few hundred hostile inputs for every reader: refused in one line or read, never anything else."""

from __future__ import annotations

import os
from pathlib import Path

import campaign
import pytest
from hostile_files import FILES
from hostile_readers import READERS

from mer.core.errors import DatasetError
from mer.datasets.files import entries, safe_path
from mer.datasets.spreadsheets import read

# Of every reader: all files that were thought of by hand, and some that chance makes.
CHANCE = 16
#: Files that take seconds each; the long form has them.
SLOW = {"xlsx", "pth", "png"}


@pytest.mark.slow
def test_no_input_gets_through(tmp_path):
    tallies = campaign.run(list(READERS), CHANCE, seed=100, folder=tmp_path)
    assert [fault for tally in tallies.values() for fault in tally.faults] == []
    assert all(tally.inputs == CHANCE for tally in tallies.values())
    refused = {name for name, tally in tallies.items() if tally.refused}
    assert refused == set(READERS), "every reader was given something to refuse"


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(FILES) - SLOW))
def test_no_file_that_was_thought_of_gets_through(tmp_path, name):
    tally = campaign.run([name], len(FILES[name]), folder=tmp_path)[name]
    assert tally.faults == [] and tally.inputs == len(FILES[name])
    assert not Path("/tmp/mer-was-here").exists()


@pytest.mark.slow
def test_the_harness_sees_what_it_must(tmp_path, monkeypatch):
    """A reader that unpickles, one that hangs and one that dies are each blamed, and the next input goes on."""
    (tmp_path / "sitecustomize.py").write_text(SABOTAGE)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setattr(campaign, "LIMIT", 1.0)
    tally = campaign.run(["csv"], 5, seed=100, folder=tmp_path / "in")["csv"]
    told = [fault["fault"] for fault in tally.faults]
    assert "silent for 1 s" in told[0] and "ended with status -9" in told[1] and "os.system" in told[2]
    assert "KeyError" in told[3] and "mer-outside" in told[4]


SABOTAGE = """
import os, signal, sys
if "--worker" in sys.argv:
    calls = []
    def read(path):
        if "good" in path.parts:
            return
        step = int(path.stem.split("-")[1]) - 100
        if step == 0:
            while True: pass
        if step == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if step == 2:
            os.system("true")
        if step == 3:
            raise KeyError("x")
        if step == 4:
            try: open("/proc/self/mer-outside", "w")
            except OSError: pass
    import mer.datasets.spreadsheets as spreadsheets, mer.datasets.tables as tables
    spreadsheets.read = read
    tables.read_table = lambda path, header: None
"""

NAMES = ["../x", "/etc/passwd", "a/../../x", "C:\\x", "..\\x", "\\\\server\\x", "a\0b"]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_leads_out_of_the_root(tmp_path, name):
    with pytest.raises(DatasetError) as caught:
        safe_path(tmp_path, name)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "name", ["CON", "a\nb", "a\u202eb", "x" * 255, "a b", "=1+1", "-rf", "nul.txt", "a\x1bb", "数"]
)
def test_odd_names_are_listed_as_they_are(tmp_path, name):
    (tmp_path / name).mkdir()
    assert entries(tmp_path, tmp_path)[0] == [name]


def test_a_link_that_leads_out_is_refused(tmp_path):
    (tmp_path / "root").mkdir()
    for target in ("/etc", "../..", tmp_path):
        link = tmp_path / "root" / "link"
        link.symlink_to(target)
        with pytest.raises(DatasetError, match="leads outside"):
            entries(tmp_path / "root", tmp_path / "root")
        link.unlink()
    (tmp_path / "root" / "loop").symlink_to("loop")
    entries(tmp_path / "root", tmp_path / "root")


def test_formulas_are_text_that_nobody_computes(tmp_path):
    book = read(FILES["xlsx"][0](tmp_path / "formulas"))
    (rows,) = book.sheets.values()
    assert rows == [["Subject", "OnsetFrame"], ["1"], ["2"], ["3"]], "no stored value: blank, and said so"
    assert any("formulas have no stored value" in note for note in book.notes)
