"""Which configuration a notebook means, and which folder its relative paths start from."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mer.core import only_run
from mer.core.errors import ConfigError
from mer.core.params import at_home
from mer.planning import recorded
from mer.planning.read_config import read_files

DEFAULT = "config.yaml"


@dataclass(frozen=True)
class Located:
    """A configuration that was found.

    Attributes:
        raw: the mapping, with `results` and the roots of databases as they are found from anywhere.
        results: the folder of results as the workflow names it, for its commands.
        base: the folder that the workflow is run from.
        files: the configuration files, laid over each other.
        where: their name in messages.
        copied: the results lie elsewhere than where their run put them.
    """

    raw: dict[str, Any]
    results: Path
    base: Path
    files: tuple[Path, ...]
    where: str
    copied: bool = False

    def remedy(self, *targets: Path) -> str:
        """Return what makes files of the results folder, or everything when none is named."""
        if self.copied:
            return f"the run of this folder wrote to {self.results}: run snakemake there, and copy the folder again"
        found = Path(self.raw["results"])
        if only_run.at_work(found):
            return f"a run is at work on {self.results}: wait until it has come so far"
        names = [(self.results / path.relative_to(found)).as_posix() for path in targets]
        words = ["snakemake", *names, "--cores", "all", "--resources", "gpu=1"]
        files = [_seen_from(self.base, path) for path in self.files]
        if files != [DEFAULT]:
            words += ["--configfile", *files, "--replace-workflow-config"]
        place = "" if self.base.resolve() == Path.cwd() else f" in {self.base}"
        return f"run `{shlex.join(words)}`{place}"


def nearest_file() -> Path:
    """Return the nearest `config.yaml`, in the working directory or above it."""
    places = [Path.cwd(), *Path.cwd().parents]
    return next((place / DEFAULT for place in places if (place / DEFAULT).is_file()), Path(DEFAULT))


def locate(paths: Sequence[Path]) -> Located:
    """Find a configuration.

    Args:
        paths: configuration files, each laid over the ones before, or one results folder.

    Raises:
        ConfigError: a file is missing or no YAML mapping, or the folder does not hold the configuration of a run.
    """
    if len(paths) == 1 and paths[0].is_dir():
        return _of_results(paths[0])
    raw, where = read_files(paths), " + ".join(map(str, paths))
    results = _results(raw, where)
    places = [Path.cwd(), *paths[0].resolve().parents]
    base = max(places, key=lambda place: _likely(place / results, raw))
    return Located(_anchored(raw, base, base / results), results, base, tuple(map(Path, paths)), where)


def _of_results(folder: Path) -> Located:
    raw, whole = recorded.recorded(folder), folder.resolve()
    results, file = _results(raw, str(folder)), folder / recorded.FILE
    stays = results == whole or (not results.is_absolute() and whole.parts[-len(results.parts) :] == results.parts)
    base = whole.parents[len(results.parts) - 1] if stays and results != whole else whole.parent
    usual = base / DEFAULT
    files = (usual,) if usual.is_file() and read_files([usual]) == raw else (file,)
    return Located(_anchored(raw, base, whole), results, base, files, str(file), copied=not stays)


def _likely(folder: Path, raw: dict[str, Any]) -> tuple[int, int]:
    """Return how much speaks for a folder of results: that this very configuration, or one like it, was run into it.

    The second number tells apart two folders of like runs: how many named blocks of the configuration it was run with.
    """
    made = recorded.recorded(folder) if (folder / recorded.FILE).is_file() else {}
    if made == raw:
        return 3, 0
    named = (
        (key, name, block) for key, blocks in raw.items() if isinstance(blocks, dict) for name, block in blocks.items()
    )
    equal = sum(isinstance(made.get(key), dict) and made[key].get(name) == block for key, name, block in named)
    if any((folder / str(name) / "index.csv").is_file() for name in raw.get("datasets") or ()):
        return 2, equal
    return int(folder.is_dir()), equal


def _results(raw: dict[str, Any], where: str) -> Path:
    named = raw.get("results", "results")
    if not isinstance(named, str):
        raise ConfigError(f"{where}: results", f"bad value {named!r}", "a folder")
    return at_home(Path(named))


def _anchored(raw: dict[str, Any], base: Path, results: Path) -> dict[str, Any]:
    """Return the mapping with paths that do not depend on the working directory; what is odd is left to `parse`."""
    changed = {**raw, "results": str(results)}
    datasets = raw.get("datasets")
    if isinstance(datasets, dict):
        changed["datasets"] = {
            name: {**block, "root": str(base / at_home(Path(block["root"])))}
            if isinstance(block, dict) and isinstance(block.get("root"), str)
            else block
            for name, block in datasets.items()
        }
    return changed


def _seen_from(base: Path, path: Path) -> str:
    whole = path.resolve()
    return whole.relative_to(base.resolve()).as_posix() if whole.is_relative_to(base.resolve()) else str(whole)
