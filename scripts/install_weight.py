"""What every library of an installation weighs.

Of each distribution that `mer-workflow[workflow]` leads to, as installed here, a row of JSON: its size, the CPU time
that pip takes to unpack and compile its wheel, downloaded beforehand, and the CPU time of importing it in a process of
its own, with all that it imports. Small ones go together. For the site:
`python scripts/bench_record.py dependencies python scripts/install_weight.py`.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tomllib
from collections import Counter
from importlib.metadata import distribution
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mer.environments import tree

ROOT = Path(__file__).resolve().parent.parent
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
#: MB from which on a distribution has a row of its own.
LARGE = 10.0


def used(*command: str) -> float:
    """Return the CPU seconds of a command; what it prints is left out."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def files(name: str) -> list[Path]:
    """Return the files of a distribution, those that Python has compiled among them."""
    paths = [Path(str(path.locate())) for path in distribution(name).files or ()]
    return [path for path in paths if path.is_file()]


def module(name: str) -> str:
    """Return the module of a distribution that has the most files."""
    code = [path for path in distribution(name).files or () if path.suffix in (".py", ".so")]
    return Counter(path.parts[0].partition(".")[0] for path in code).most_common(1)[0][0]


def installing(*pins: str) -> float:
    """Return the CPU seconds that pip takes to install wheels that are here, less those of its own start."""
    with TemporaryDirectory() as folder:
        subprocess.run([*PIP, "wheel", "--no-deps", "--wheel-dir", folder, *pins], check=True)
        wheels = [str(path) for path in Path(folder).glob("*.whl")]
        taken = used(*PIP, "install", "--no-deps", "--no-index", "--target", f"{folder}/here", *wheels)
    return taken - used(*PIP, "install", "--help")


def importing(name: str) -> float | None:
    """Return the CPU seconds of importing a module the second time, less those of Python alone; None: it is data."""
    try:
        taken = [used(sys.executable, "-c", f"import {name}") for _ in range(2)]
    except subprocess.CalledProcessError:
        return None
    return round(taken[1] - used(sys.executable, "-c", "pass"), 2)


def main() -> None:
    """Print a row for each large distribution, and one for all others."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = tree([*project["dependencies"], *project["optional-dependencies"]["workflow"]])
    mb = {name: sum(path.stat().st_size for path in files(name)) / 1e6 for name in found}
    rows: list[dict[str, Any]] = []
    together = {name: [name] for name in sorted(mb, key=lambda name: -mb[name]) if mb[name] >= LARGE}
    small = [name for name in found if name not in together]
    for row, names in {**together, f"{len(small)} others": small}.items():
        taken = {"library": row, "mb": round(sum(mb[name] for name in names), 1)}
        taken["install_seconds"] = round(installing(*(f"{name}=={found[name]}" for name in names)), 2)
        rows.append(taken | {"import_seconds": importing(module(row)) if row in found else None})
        print(rows[-1], file=sys.stderr, flush=True)
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
