"""`mer bench sameness`: one run in many surroundings, and on a plainer processor: which files differ, and which scores.

The same seed must give the same tables, containers and checkpoints on one core and two, with folds and persons in one
job or apart, from another folder, under another locale, time zone and umask, with another folder for temporary files,
and where a path has spaces and letters beyond ASCII. Between processors only the simulated pictures are the same to the
bit; of the rest, scores are put side by side.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mer.bench.survival import RESULTS, differences, files_of, new_run
from mer.bench.table import BenchRow, column
from mer.bench.workflow import together
from mer.core.errors import ConfigError
from mer.core.progress import each

#: Makes the libraries that compute do without what a processor has beyond SSE4.2, which NumPy cannot do without:
#: OpenCV, its IPP, NumPy under both of its sets of names, OpenBLAS, PyTorch, oneDNN, MKL, Numba and the C library.
PLAIN_PROCESSOR = {
    "OPENCV_CPU_DISABLE": "AVX512-SKX,AVX2,FMA3,FP16,AVX",
    "OPENCV_IPP": "sse42",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR AVX512_SKX AVX512F AVX2 FMA3",
    "OPENBLAS_CORETYPE": "Nehalem",
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    "NUMBA_CPU_NAME": "nehalem",
    "NUMBA_CPU_FEATURES": "+sse4.2",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-AVX2_Usable,-FMA,-FMA_Usable,-AVX,-AVX_Usable",
}
PROCESSOR, TOGETHER = "plain processor", "folds and persons in one job"
LOCALES = ("tr_TR.utf8", "de_DE.utf8", "C")  # the first that is installed: dotless i, decimal comma, ASCII


@dataclass(frozen=True)
class Surroundings:
    """What a run must not feel: cores, folds and persons of a job (0: as configured), folder, environment and umask."""

    cores: int = 1
    together: int = 0
    folder: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    umask: int = -1


@dataclass(frozen=True)
class SamenessRow(BenchRow):
    """One run: how many of its files have other bytes than those of the first, and what they are of."""

    surroundings: str = column("surroundings")
    seconds: float = column("seconds", "{:.0f}")
    compared: int = column("files compared")
    differ: int = column("that differ")
    kinds: str = column("of")


@dataclass(frozen=True)
class ScoreRow(BenchRow):
    """An experiment's UF1 on this processor and on a plain one."""

    experiment: str = column("experiment")
    own: float = column("UF1", "{:.3f}")
    plain: float = column("on a plain processor", "{:.3f}")


def surroundings(folder: Path) -> dict[str, Surroundings]:
    """Return every kind of surroundings by its name; `folder` takes files that a kind needs."""
    temporary = folder / "für kurze Zeit"
    temporary.mkdir(parents=True, exist_ok=True)
    listed = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False).stdout.split()
    spoken = next((name for name in LOCALES if name in listed), "C")
    return {
        "two cores": Surroundings(cores=2),
        TOGETHER: Surroundings(together=1000),
        "a folder with spaces and umlauts": Surroundings(folder="zweiter Lauf, äöü"),
        f"locale {spoken}": Surroundings(environment={"LC_ALL": spoken, "LANG": spoken, "LANGUAGE": ""}),
        "time zone Pacific/Auckland": Surroundings(environment={"TZ": "Pacific/Auckland"}),
        "umask 077": Surroundings(umask=0o077),
        "another TMPDIR": Surroundings(environment={"TMPDIR": str(temporary)}),
        PROCESSOR: Surroundings(environment=PLAIN_PROCESSOR),
    }


def run_sameness_bench(
    configuration: Mapping[str, Any], only: str, folder: Path | None, log: Callable[[str], None]
) -> tuple[list[SamenessRow], list[ScoreRow], list[str]]:
    """Run a configuration on one core, and once more in each kind of surroundings.

    Args:
        configuration: as `config.yaml` has it; its results go below `folder`.
        only: a part of the names of those surroundings that are tried; empty for all.
        folder: where the runs are kept; none are when None.
        log: takes a line for each thing done.

    Returns:
        a row for each run, the scores of the run on a plain processor beside those of the first, and one line for each
        file that should be the same and is not: on a plain processor, the simulated pictures alone.

    Raises:
        ConfigError: there are no such surroundings.
        MerError: a run ended with an error, or a folder is there already.
    """
    with tempfile.TemporaryDirectory(prefix="mer-sameness-") as temporary:
        place = (folder or Path(temporary)).resolve()
        wanted = {name: kind for name, kind in surroundings(place).items() if only in name}
        if not wanted:
            raise ConfigError("--only", f"{only!r} is in no name", f"a part of one of {', '.join(surroundings(place))}")
        first, expected, _ = _run(place / "first", configuration, Surroundings(), log)
        rows: list[SamenessRow] = []
        scores: list[ScoreRow] = []
        lines: list[str] = []
        for name, kind in each(wanted.items(), "runs"):
            results, found, seconds = _run(place / (kind.folder or f"run{len(rows) + 1}"), configuration, kind, log)
            differing = [line for line in differences(expected, found) if not _tells_surroundings(line, kind)]
            kinds = ", ".join(sorted({_kind(line.partition(": ")[2]) for line in differing}))
            rows.append(SamenessRow(name, seconds, len(expected), len(differing), kinds))
            if name == PROCESSOR:
                scores = _scores(first, results)
                differing = [line for line in differing if line.endswith((".jpg", ".bmp", ".png"))]
            lines += [f"{name}: {line}" for line in differing]
        return rows, scores, lines


def _run(
    folder: Path, configuration: Mapping[str, Any], kind: Surroundings, log: Callable[[str], None]
) -> tuple[Path, dict[str, str], float]:
    """Run a configuration to its end; return its results, their digests and the seconds that it took."""
    started = time.monotonic()
    run = new_run(folder, together(configuration, kind.together, kind.together), kind.cores)
    run.environment, run.umask = kind.environment, kind.umask
    run.finish()
    results, seconds = folder / RESULTS, time.monotonic() - started
    log(f"{folder.name}: {seconds:.0f} s")
    return results, files_of(results), seconds


def _tells_surroundings(line: str, kind: Surroundings) -> bool:
    """Return whether a file holds the configuration, which `folds_per_job` is a part of."""
    return bool(kind.together) and "/" not in line.partition(": ")[2]


def _kind(name: str) -> str:
    """Return what a file of results is of: a stage, or the last folder of an experiment's."""
    parts = Path(name).parts
    return parts[1] if len(parts) > 2 and parts[0] != "experiments" else Path(name).name


def _scores(first: Path, plain: Path) -> list[ScoreRow]:
    """Return the pooled UF1 of every experiment of two runs of one configuration."""
    found = []
    for path in sorted(first.glob("experiments/*/metrics.json")):
        files = path, plain / path.relative_to(first)
        pooled = [json.loads(file.read_text(encoding="utf-8"))["summary"]["pooled"] for file in files]
        found.append(ScoreRow(path.parent.name, *(one["uf1"]["mean"] for one in pooled)))
    return found
