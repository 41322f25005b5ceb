"""The rules of docs/architecture.md that reading the code can hold; `lint-imports` holds the direction of imports."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from mer.models.registry import MODELS

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "mer").rglob("*.py"))


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
