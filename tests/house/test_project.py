"""The files around the code agree with it: versions, typed marker, hooks, GitHub's workflow, the map of folders."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import mer

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z]+):", MAKEFILE, re.M))
SETTINGS = sorted([ROOT / ".pre-commit-config.yaml", *(ROOT / ".github").rglob("*.yml")])


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_one_version():
    cited = yaml.safe_load(read("CITATION.cff"))["version"]
    assert PROJECT["project"]["version"] == mer.__version__ == cited
    headings = re.findall(r"^## (\S+)", read("CHANGELOG.md"), re.M)
    assert headings[0] == "Unreleased" or headings[0] == mer.__version__
    assert mer.__version__ in headings and len(set(headings)) == len(headings)


def test_the_typed_marker_is_part_of_the_package():
    assert (ROOT / "mer" / "py.typed").read_bytes() == b""
    assert "py.typed" in PROJECT["tool"]["setuptools"]["package-data"]["mer"]


@pytest.mark.parametrize("path", SETTINGS, ids=lambda path: path.name)
def test_settings_are_yaml(path):
    assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)


def test_hooks_use_the_tools_of_the_project_and_download_nothing():
    repos = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    assert {repo["repo"] for repo in repos} == {"local"}
    hooks = [hook for repo in repos for hook in repo["hooks"]]
    assert {hook["language"] for hook in hooks} == {"system"}
    tools = {hook["entry"].split()[0] for hook in hooks}
    assert tools == {
        f".venv/bin/{tool}" for tool in re.findall(r"\$\(BIN\)/(ruff|mypy|lint-imports|snakefmt)", MAKEFILE)
    }


def test_the_workflow_runs_what_anyone_runs():
    jobs = yaml.safe_load(read(".github/workflows/tests.yml"))["jobs"]
    assert any("nox -s wheel" in step.get("run", "") for step in jobs["wheel"]["steps"])
    runs = jobs["test"]["strategy"]["matrix"]["include"]
    named = {line.split(" :: ")[-1] for line in PROJECT["project"]["classifiers"] if "Python :: 3." in line}
    assert {run["python"] for run in runs} == named
    assert {run["command"] for run in runs} == {"make test", ".ci/run"}
    assert "test" in TARGETS and "\nmake test\n" in read(".ci/run")


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", ".github/pull_request_template.md"])
def test_every_make_target_that_is_named_exists(page):
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", read(page), re.M)) <= TARGETS


def test_every_form_asks_for_something():
    for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"):
        form = yaml.safe_load(path.read_text(encoding="utf-8"))
        if path.name != "config.yml":
            assert form["name"] and form["description"]
            ids = [part["id"] for part in form["body"] if part["type"] != "markdown"]
            assert len(ids) == len(set(ids)) > 1
            assert any(part.get("validations", {}).get("required") for part in form["body"])


def test_every_folder_is_on_the_map():
    page = read("docs/architecture.md")
    folders = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "mer").glob("*/__init__.py")}
    assert {folder for folder in folders if f"| `{folder}/` |" not in page} == set()
    modules = {path.name for path in (ROOT / "mer").glob("*.py")} - {"__init__.py"}
    assert {module for module in modules if f"`{module}`" not in page} == set()
