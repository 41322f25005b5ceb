"""Folders from whose names Snakemake cannot start a job: it does not quote the interpreter for the shell."""

from __future__ import annotations

import re

from mer.core.errors import ConfigError

#: What a shell would not take as a part of a plain word.
_ODD = re.compile(r"[^\w@%+=:,./~-]")
#: What Snakemake itself reads in the path of a workflow or of its results.
_READ = re.compile(r"[;{}\n]")


def check_places(interpreter: str, *folders: str) -> None:
    """Refuse to start what would fail in every job.

    Args:
        interpreter: path of the Python that runs.
        folders: of the workflow, and the one that it is run in.

    Raises:
        ConfigError: a path holds a character that breaks the commands of jobs.
    """
    if odd := _ODD.search(interpreter):
        found = f"holds {odd[0]!r}, and Snakemake would not find its own Python in any job"
        remedy = "rename the folder, or install elsewhere: make demo VENV=/some/where/venv"
        raise ConfigError(repr(interpreter), found, "a path of letters, digits and ._-", remedy)
    for folder in folders:
        if odd := _READ.search(folder):
            found = f"holds {odd[0]!r}, which Snakemake reads as a part of its commands"
            raise ConfigError(repr(folder), found, "a folder without ; { }", "rename it")
