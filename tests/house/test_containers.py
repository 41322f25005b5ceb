"""The container files install what constraints.txt pins, and hold all that a run needs."""

import re
import tomllib
from pathlib import Path

import yaml

from mer import environments

ROOT = Path(__file__).resolve().parents[2]
DOCKER = (ROOT / "containers" / "Dockerfile").read_text()
APPTAINER = (ROOT / "containers" / "mer.def").read_text()
INSTALL = 'python -m pip install --no-cache-dir --constraint constraints.txt --editable ".[workflow,kubernetes]"'


def test_both_install_with_the_pins_on_the_python_of_the_environments():
    for text in (DOCKER, APPTAINER):
        assert [line.removeprefix("RUN ").strip() for line in text.splitlines() if "pip install" in line] == [INSTALL]
        assert re.findall(r"(?mi)^from:? python:(\S+)-slim-bookworm$", text) == [environments.PYTHON]
        assert re.search(r"apt-get install --yes --no-install-recommends gcc libc6-dev rsync\b", text)
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {"workflow", "kubernetes"} <= set(groups)


def test_both_hold_the_same_files_and_none_is_missing():
    copied = {name for line in re.findall(r"(?m)^COPY (.+) \S+$", DOCKER) for name in line.split()}
    pairs = re.findall(r"(?m)^    (\S+) /opt/mer/(\S+)$", APPTAINER)
    assert copied == {source for source, _ in pairs} and all(source == target for source, target in pairs)
    assert all((ROOT / name).exists() for name in copied)
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored and {line[1:] for line in ignored if line.startswith("!")} == copied


def test_the_profile_of_kubernetes_names_this_version_and_the_groups_of_slurm():
    profiles = {
        name: yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text()) for name in ("kubernetes", "slurm")
    }
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert profiles["kubernetes"]["container-image"].endswith(f":{version}")
    assert f"mer:{version}" in DOCKER
    shared = ("group-components", "cores", "retries", "set-resource-scopes", "config")
    assert all(profiles["kubernetes"][key] == profiles["slurm"][key] for key in shared)
