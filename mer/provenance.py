"""What made a file: digests of code, and the versions of everything underneath.

The digest of a module covers the docstring-stripped syntax trees of the module and of all it imports from
`mer`, also inside functions. Comments, docstrings and layout do not change it; behaviour does. Methods are
registered as strings, so that a digest names its method explicitly and editing another one changes nothing.
"""

from __future__ import annotations

import ast
import hashlib
import platform
from functools import cache
from importlib import metadata
from pathlib import Path

import mer

PACKAGE = Path(mer.__file__).parent
LIBRARIES = (
    "numpy", "scipy", "pandas", "opencv-contrib-python-headless", "dlib-bin", "scikit-learn", "scikit-image",
    "torch", "numba", "h5py", "av", "snakemake",
)  # fmt: skip


def code_digest(*modules: str) -> str:
    """Return 16 hex digits that change when the behaviour of `modules`, or what they import, changes.

    Args:
        modules: dotted names below `mer`, e.g. `"mer.stages.flow.tvl1"`.
    """
    digest = hashlib.sha256()
    for name in sorted(_closure(modules)):
        digest.update(f"{name}\n{_tree(name)[0]}\n".encode())
    return digest.hexdigest()[:16]


def versions() -> dict[str, str]:
    """Return the versions of Python, mer and the libraries that shape results."""
    numbers = {"python": platform.python_version(), "mer": mer.__version__}
    for name in LIBRARIES:
        try:
            numbers[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            numbers[name] = "not installed"
    return numbers


def library_line() -> str:
    """Return the versions on one line, for the record of a product."""
    return ", ".join(f"{name} {version}" for name, version in versions().items() if name not in ("mer", "snakemake"))


def _closure(modules: tuple[str, ...]) -> set[str]:
    seen: set[str] = set()
    pending = list(modules)
    while pending:
        name = pending.pop()
        if name not in seen:
            seen.add(name)
            pending.extend(_tree(name)[1])
    return seen


def _path(name: str) -> Path | None:
    base = PACKAGE.joinpath(*name.split(".")[1:])
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _tree(name: str) -> tuple[str, tuple[str, ...]]:
    """Return the stripped syntax tree of a module as text, and the `mer` modules that it imports."""
    path = _path(name)
    if path is None:
        raise ModuleNotFoundError(name)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node
        ):
            node.body = node.body[1:]
        if isinstance(node, ast.Import):
            imports |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imports |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    internal = {m for m in imports if m.split(".")[0] == "mer" and m != "mer" and _path(m) is not None}
    return ast.dump(tree), tuple(sorted(internal))
