"""The rules of docs/architecture.md, held by reading the code."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from mer.models.registry import MODELS
from mer.stages.registry import STAGES

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "mer").rglob("*.py"))
LAYERS = (
    {"core", "provenance"},  # Provenance imports no other module of the package.
    {"motion", "networks", "weights"},
    {"stages", "models", "datasets", "simulate"},
    {
        "planning",
        "training",
        "pretrain",
        "metrics",
        "report",
        "bench",
        "checking",
        "spotting",
        "analysis",
        "testing",
    },
    {"cli", "environments"},
)


def layer(part):
    return next(number for number, names in enumerate(LAYERS) if part in names)


@cache
def imports(path):
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.append(node.module)
    return names


def part_of(path):
    return path.relative_to(ROOT / "mer").with_suffix("").parts[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_downward(path):
    names = list(imports(path))
    assert not any(name.split(".")[0] == "snakemake" for name in names)
    part = part_of(path)
    if part == "__init__":
        return
    for name in names:
        pieces = name.split(".")
        if pieces[0] != "mer" or len(pieces) == 1:
            continue
        assert layer(pieces[1]) <= layer(part), f"{path} imports {name}"
        if part == "stages" and pieces[1] == "stages" and pieces[2] in STAGES:
            assert pieces[2] == path.relative_to(ROOT / "mer" / "stages").parts[0], f"{path} imports {name}"
        if part == "datasets":
            assert pieces[1] in {"core", "datasets"}


def test_package_files_are_empty_so_that_digests_stay_precise():
    full = [p for p in MODULES if p.name == "__init__.py" and p.parent.name != "mer" and p.read_text().strip()]
    assert full == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_short(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            doc = node.body[0].end_lineno - node.body[0].lineno + 1 if ast.get_docstring(node) else 0
            assert node.end_lineno - node.lineno + 1 - doc <= 50, f"{path.name}:{node.name}"


def test_rules_and_scripts_stay_thin():
    for path in (ROOT / "workflow" / "scripts").glob("*.py"):
        assert len(path.read_text().splitlines()) <= 40, path
    for path in (ROOT / "workflow" / "rules").glob("*.smk"):
        assert len(path.read_text().splitlines()) <= 260, path


def test_planning_imports_nothing_heavy():
    code = (
        "import sys, yaml; from mer.planning.read_config import parse; from mer.planning.catalog import Catalog;"
        "config = parse(yaml.safe_load(open('config.yaml'))); catalog = Catalog(config);"
        "[catalog.subjects(d) for d in config.datasets]; [catalog.folds(e) for e in config.experiments];"
        "print([m for m in ('torch', 'cv2', 'sklearn', 'dlib', 'skimage', 'matplotlib', 'av') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_a_run_does_not_depend_on_benches_pretraining_or_contract_tests():
    """Their code is never in a digest, and their libraries are never loaded by a job."""
    beside = {"bench", "pretrain", "testing"}
    for path in MODULES:
        part = part_of(path)
        if part not in beside | {"cli", "__init__"}:
            assert not beside & {name.split(".")[1] for name in imports(path) if name.startswith("mer.")}, path


def test_every_model_file_is_registered():
    registered = {module.rsplit(".", 1)[1] for module in MODELS.values()}
    complete = {p.stem for p in (ROOT / "mer" / "models").glob("*.py") if "\nMODEL = Model(" in p.read_text()}
    assert complete == registered


def test_environments_equal_the_pins():
    from mer import environments

    constraints = (ROOT / "constraints.txt").read_text()
    for name in environments.ENVIRONMENTS:
        assert (ROOT / "envs" / f"{name}.yaml").read_text() == environments.render(name, constraints)
    declared = environments.declared((ROOT / "pyproject.toml").read_text())
    assert declared <= set(environments.pins(constraints)), "a dependency without a pin"
    used = {environments.normal(p) for packages in environments.ENVIRONMENTS.values() for p in packages}
    assert used <= declared
