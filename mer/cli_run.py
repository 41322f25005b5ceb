"""`mer run`: the workflow, with few words."""

from __future__ import annotations

import os
import shlex
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from mer.core.errors import ConfigError

SNAKEFILE, LOGGER = "Snakefile", "workflow/logger"
#: Where both are, too, unless `mer` is installed from a wheel.
REPOSITORY = Path(__file__).resolve().parents[1]
#: With one of these, how many cores there are is said elsewhere.
CORES = ("--cores", "-c", "--jobs", "-j", "--profile", "--executor", "-e")
RESOURCES = ("--resources", "--res", "--profile")
#: With one of these, what Snakemake itself prints is what was asked for.
ITS_OWN = (
    "-n", "--dry-run", "--dryrun", "-q", "--quiet", "--verbose", "--logger", "-h", "--help", "-v", "--version",
    "--lint", "--list", "-l", "--list-rules", "--summary", "-S", "--detailed-summary", "-D", "--report", "--dag",
    "--rulegraph", "--filegraph", "--unlock", "--touch", "-t", "--archive", "--delete-all-output", "--cleanup-metadata",
)  # fmt: skip


def run(
    words: Annotated[list[str] | None, typer.Argument(help="Options and targets of snakemake.")] = None,
) -> None:
    """Run the workflow: call Snakemake, by default with all cores and one GPU, and say in few words how it goes.

    Printed are the command, how far it is, of every job that fails its
    person, fold or experiment with the last line of its log, and at the end
    where to look. Exit status: Snakemake's, 0 all is made, 1 a job failed.
    """
    from mer.core.job_log import SPOKEN_FOR
    from mer.core.plugins import entries

    given = words or []
    if entries():
        raise ConfigError("mer run", "does not take --plugin", "plug-ins under `plugins` of the configuration")
    if find_spec("snakemake") is None:
        remedy = 'install it: pip install "mer-workflow[workflow]"'
        raise ConfigError("mer run", "finds no Snakemake", "the extra `workflow`", remedy)
    called = [*snakefile(given), *settled(given)]
    typer.echo(shlex.join(["snakemake", *called]), err=True)
    environment = dict(os.environ)
    logger = next((folder for folder in (Path(LOGGER).resolve(), REPOSITORY / LOGGER) if folder.is_dir()), None)
    if logger and not asks(given, ITS_OWN):
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (environment.get("PYTHONPATH"), str(logger))))
        environment[SPOKEN_FOR] = str(results(given))
        called += ["--logger", "mer"]
    # In place of this process: signals reach it as if it had been called itself, and its exit status is ours.
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", "snakemake", *called], environment)


def settled(words: Sequence[str]) -> list[str]:
    """Return what is typed after `mer run`, and after it what is not said there: all cores, one GPU."""
    cores = [] if asks(words, CORES) else ["--cores", "all"]
    resources = [] if asks(words, RESOURCES) else ["--resources", "gpu=1"]
    return [*words, *cores, *resources]


def asks(words: Sequence[str], options: Sequence[str]) -> bool:
    """Return whether one of some options is typed, as `--cores 2`, `--cores=2` or `-c2`."""
    short = tuple(option for option in options if len(option) == 2)
    names = [word.partition("=")[0] if word.startswith("--") else word for word in words]
    return any(name in options or (name[:2] in short and not name.startswith("--")) for name in names)


def snakefile(words: Sequence[str]) -> list[str]:
    """Return the option that names the Snakefile, where it is neither typed nor in the working directory.

    Raises:
        ConfigError: there is none: a wheel holds the package alone.
    """
    if asks(words, ("--snakefile", "-s")) or Path(SNAKEFILE).is_file():
        return []
    if (REPOSITORY / SNAKEFILE).is_file():
        return ["--snakefile", str(REPOSITORY / SNAKEFILE)]
    remedy = "get the repository, or unpack the source distribution, and run there, or name its Snakefile: -s FILE"
    raise ConfigError("mer run", "no Snakefile here", "the folder of the workflow, which a wheel does not hold", remedy)


def results(words: Sequence[str]) -> Path:
    """Return the folder of results that a run will have, as far as its options and configuration files say."""
    from mer.core.errors import MerError
    from mer.core.yaml_text import read_yaml

    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--configfile", "--configfiles", nargs="+", default=[])
    parser.add_argument("--config", "-C", nargs="*", default=[])
    parser.add_argument("--directory", "-d", default="")
    told: Any = parser.parse_known_args(list(words))[0]
    place = Path(told.directory)
    for pair in told.config:
        if pair.startswith("results="):
            return place / pair.partition("=")[2]
    for path in [*reversed(told.configfile), place / "config.yaml"]:
        try:
            if named := (read_yaml(Path(path)) or {}).get("results"):
                return place / str(named)
        except (MerError, OSError, AttributeError):
            continue
    return place / "results"
