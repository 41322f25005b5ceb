"""The pins, and the conda environments of the workflow, rendered from them so that they cannot drift.

`python -m mer.environments` rewrites `envs/*.yaml`; a test holds that the files equal what this module
renders from `constraints.txt` and `pyproject.toml`. With `--lock` it first writes `constraints.txt` anew: the whole
tree of what `pyproject.toml` asks for, in the versions that are installed (docs/releasing.md).
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS: dict[str, tuple[str, ...]] = {
    "workflow": (
        "snakemake", "snakemake-executor-plugin-slurm", "pygments", "pandas", "openpyxl", "xlrd", "pydantic", "pyyaml",
    ),
    "preprocess": (
        "av", "dlib-bin", "face_recognition_models", "h5py", "jinja2", "markupsafe", "matplotlib", "numpy",
        "opencv-contrib-python-headless", "openpyxl", "pandas", "pydantic", "pyyaml", "rich", "safetensors",
        "scikit-image", "scipy", "typer", "xlrd",
    ),
    "torch": (
        "h5py", "numba", "numpy", "openpyxl", "pandas", "pydantic", "pyyaml", "rich", "safetensors", "scikit-learn",
        "scipy", "torch", "xlrd",
    ),
}  # fmt: skip
PYTHON = "3.11"


def normal(name: str) -> str:
    """Return a distribution name in its canonical spelling."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(text: str) -> dict[str, str]:
    """Read `name==version` lines; comments and blank lines are ignored."""
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return {normal(name): version for name, version in (line.split("==") for line in lines if line)}


def declared(text: str) -> set[str]:
    """Return the canonical names of every dependency in a `pyproject.toml`."""
    project = tomllib.loads(text)["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    return {normal(re.split(r"[<>=!~ \[]", entry, maxsplit=1)[0]) for group in groups for entry in group}


def render(name: str, constraints: str) -> str:
    """Return one environment file as text.

    Raises:
        KeyError: a package of the environment has no pin.
    """
    versions = pins(constraints)
    packages = "".join(f"      - {package}=={versions[normal(package)]}\n" for package in sorted(ENVIRONMENTS[name]))
    return (
        f"# Generated from constraints.txt by `make envs`.\nname: mer-{name}\n"
        f"channels:\n  - conda-forge\n  - nodefaults\n"
        f"dependencies:\n  - python={PYTHON}\n  - pip\n  - pip:\n{packages}"
    )


# What PyTorch's build for NVIDIA's cards brings along; it pins them itself, and its other builds have none of them.
OF_A_CARD = ("cuda-", "nvidia-", "triton")
HEADER = "# Exact versions that the tests run with, the whole tree. pyproject.toml holds the ranges.\n"


def lock(text: str) -> str:
    """Return the pins of everything that a `pyproject.toml` leads to, extras too, as installed here.

    Raises:
        PackageNotFoundError: something of it is not installed.
    """
    project = tomllib.loads(text)["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    found = tree(entry for group in groups for entry in group)
    return HEADER + "".join(f"{name}=={found[name]}\n" for name in sorted(found, key=str.lower))


def tree(requirements: Iterable[str]) -> dict[str, str]:
    """Return the version of every distribution that some requirements lead to, by its name, as installed here.

    What one build of PyTorch brings along for its cards is left out.

    Raises:
        PackageNotFoundError: one of them is not installed.
    """
    from packaging.requirements import Requirement

    asked = [Requirement(entry) for entry in requirements]
    found: dict[str, str] = {}
    seen: set[str] = set()
    while asked:
        wanted = asked.pop()
        if str(wanted) in seen or wanted.name.startswith(OF_A_CARD):
            continue
        seen.add(str(wanted))
        made = distribution(wanted.name)
        # A build of PyTorch for one kind of processor has the version of all.
        found[made.metadata["Name"]] = made.version.partition("+")[0]
        for entry in map(Requirement, made.requires or ()):
            surroundings = [{"extra": extra} for extra in ("", *wanted.extras)]
            if entry.marker is None or any(entry.marker.evaluate(extra) for extra in surroundings):
                asked.append(entry)
    return found


def main() -> None:
    """Rewrite `envs/*.yaml` from the pins, and with `--lock` the pins from what is installed."""
    if "--lock" in sys.argv[1:]:
        pinned = lock((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        (ROOT / "constraints.txt").write_text(pinned, encoding="utf-8")
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    for name in ENVIRONMENTS:
        (ROOT / "envs" / f"{name}.yaml").write_text(render(name, constraints), encoding="utf-8")


if __name__ == "__main__":
    main()
