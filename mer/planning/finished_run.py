"""`mer verify`: whether a finished run is still what its report was made from.

The report is followed by `digests.json`: every file of the run with a digest of its content, and the versions at work.
For a container that digest is of its checksums (`mer.core.seal`), which cost nothing to read. Verifying reads all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from mer.core.atomic import DAMAGED, write_json
from mer.core.container import Container, file_digest
from mer.core.errors import ConfigError, MerError
from mer.core.progress import each
from mer.core.seal import SealedFile, why_unreadable
from mer.planning.catalog import Catalog
from mer.planning.experiments import all_planned
from mer.planning.planned_files import every_file, kept_features
from mer.planning.recorded import recorded
from mer.provenance import library_line, versions
from mer.training.checkpoint import load_checkpoint

FILE = Path("report/digests.json")


def write_digests(catalog: Catalog) -> None:
    """Write the digest of every file of a run but kept features, and the versions at work, beside its report.

    Raises:
        StorageError: the disk is full or not writable.
    """
    results, plans = catalog.config.results, all_planned(catalog)
    paths = set(every_file(catalog, plans)).difference(path for path, *_ in kept_features(plans))
    files = {path.relative_to(results).as_posix(): _digest(path) for path in sorted(paths) if path.is_file()}
    write_json(results / FILE, {"files": files, "versions": versions(), "libraries": library_line()})


def _digest(path: Path) -> str:
    return SealedFile(path).digest() or file_digest(path) if path.suffix == ".h5" else file_digest(path)


def verify(results: Path, note: Callable[[str], None]) -> list[str]:
    """Return a line for everything about a finished run that no longer fits its report.

    Files are missing, damaged or not those of the report; a container or a checkpoint was made from another container
    than the one that stands there; containers were made by another version than the report says.

    Args:
        results: the folder of the run, wherever it has been copied to.
        note: takes a line on what does not make the run another one: how much was read, and the versions here.

    Raises:
        ConfigError: no finished run.
    """
    if not results.is_dir():
        raise ConfigError(results, "no such folder", "the folder of a finished run")
    try:
        told = json.loads((results / FILE).read_text(encoding="utf-8"))
        files, told_versions, libraries = dict(told["files"]), dict(told["versions"]), str(told["libraries"])
    except FileNotFoundError:
        remedy = "run snakemake again, which writes it with the report"
        raise ConfigError(results, f"holds no {FILE}", "the folder of a finished run", remedy) from None
    except OSError as error:
        found, remedy = why_unreadable(error)
        raise ConfigError(results / FILE, found, "what the report wrote", remedy) from None
    except (ValueError, TypeError, KeyError) as error:
        remedy = f"remove {results / 'report' / 'index.html'} and run snakemake again, which writes both"
        raise ConfigError(results / FILE, f"cannot be read ({error})", "what the report wrote", remedy) from None
    configuration = recorded(results)
    _whole_digest.cache_clear()
    lines, size, made = [], 0, dict[str, list[Path]]()
    for name, digest in each(sorted(files.items()), "files read"):
        path = results / name
        if not path.is_file():
            lines.append(f"{path}: missing; run snakemake again, which makes it")
            continue
        size += path.stat().st_size
        try:
            lines += _File(results, name, digest, configuration).faults(made)
        except MerError as error:
            lines.append(error.line())
    lines += _other_versions(made, f"mer {told_versions['mer']} with {libraries}")
    lines += [f"{path}: set aside as damaged; remove it when you no longer want it" for path in _set_aside(results)]
    note(f"{len(files)} files of {size / 2**20:.1f} MiB read")
    for name, here in versions().items():
        if here != told_versions.get(name):
            note(f"here is {name} {here}, the report was made with {told_versions.get(name)}")
    return lines


def _other_versions(made: Mapping[str, list[Path]], told: str) -> Iterator[str]:
    for version, paths in made.items():
        if version != told:
            yield f"{paths[0]}, and {len(paths) - 1} other containers: made by {version}; the report by {told}"


def _set_aside(results: Path) -> list[Path]:
    return sorted(results.rglob(f"*{DAMAGED}"))


class _File:
    """One file of a run, and what its report says of it."""

    def __init__(self, results: Path, name: str, digest: str, configuration: Mapping[str, Any]) -> None:
        self.results, self.path, self.digest, self.configuration = results, results / name, digest, configuration
        self.parts = Path(name).parts

    def faults(self, made: dict[str, list[Path]]) -> Iterator[str]:
        """Yield a line for everything that does not fit; raises `MerError` where the file is damaged.

        Args:
            made: is given the container under the versions that made it, where it says so.
        """
        if self.path.suffix == ".h5":
            yield from self._container(made)
        if self.path.suffix == ".safetensors":
            for source, told in self._learned_from():
                yield from self._link(source, told)
        if _digest(self.path) != self.digest:
            yield f"{self.path}: not what the report was made from; run snakemake again with the report removed"

    def _container(self, made: dict[str, list[Path]]) -> Iterator[str]:
        with Container(self.path) as box:
            box.raw.check_all()
            if libraries := box.attributes.get("libraries"):
                made.setdefault(f"mer {box.attributes['mer_version']} with {libraries}", []).append(self.path)
            inputs = json.loads(str(box.attributes["inputs"]))
        dataset, stage, *variant = self.parts[:-1]
        keys = (self.configuration.get(stage) or {}).get(variant[0] if variant else "") or {}
        source = self.results / dataset / str(keys.get("from", "frames")) / self.path.name
        if stage != "frames" and self.path.name in inputs:
            yield from self._link(source, str(inputs[self.path.name]))

    def _learned_from(self) -> Iterator[tuple[Path, str]]:
        """Yield the containers that a model of recognition has learned from, with the digests that they had."""
        meta = load_checkpoint(self.path)[1]
        keys = (self.configuration.get(self.parts[0]) or {}).get(self.parts[1]) or {}
        for name, made in (meta.get("inputs") or {}).items():
            product = (keys.get("inputs") or {}).get(name)
            for source, digest in (made.get("digests") or {}).items():
                dataset, _, subject = source.partition("/")
                if product:
                    yield self.results / dataset / product / f"{subject}.h5", digest

    def _link(self, source: Path, told: str) -> Iterator[str]:
        # That it is missing is told of the source itself.
        if source.is_file() and _whole_digest(source) != told:
            yield f"{self.path}: made from another {source} than the one that stands there; run snakemake again"


@cache
def _whole_digest(path: Path) -> str:
    return file_digest(path)
