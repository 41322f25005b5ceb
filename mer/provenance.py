"""What made a file: digests of code, and the versions of everything underneath.

The digest of a module covers the docstring-stripped syntax trees of the module and of all it imports from
`mer`, also inside functions. Comments, docstrings and layout do not change it; behaviour does. Methods are
registered as strings, so that a digest names its method explicitly and editing another one changes nothing.
A registered module outside `mer` counts with what it imports from `mer` and from its own package or, where it is a
single file, from the single files beside it.
"""

from __future__ import annotations

import ast
import hashlib
import platform
from functools import cache
from importlib import metadata
from importlib.machinery import PathFinder
from importlib.util import find_spec, resolve_name
from pathlib import Path

import mer
from mer.core.container import file_digest

PACKAGE = Path(mer.__file__).parent
LIBRARIES = (
    "numpy", "scipy", "pandas", "opencv-contrib-python-headless", "dlib-bin", "scikit-learn", "scikit-image",
    "torch", "numba", "h5py", "av", "snakemake",
)  # fmt: skip


def code_digest(*modules: str) -> str:
    """Return 16 hex digits that change when the behaviour of `modules`, or what they import, changes.

    Args:
        modules: dotted names, e.g. `"mer.stages.flow.tvl1"`.

    Raises:
        ModuleNotFoundError: there is no such module, or it is not a file of Python code.
    """
    digest = hashlib.sha256()
    for name in sorted(_closure(modules)):
        digest.update(f"{name}\n{_tree(name)[0]}\n".encode())
    return digest.hexdigest()[:16]


def script_digest(path: Path) -> str:
    """Return 16 hex digits that change when the behaviour of a file of Python code changes, whatever it imports."""
    return hashlib.sha256(ast.dump(_stripped(path)).encode()).hexdigest()[:16]


def with_files(code: str, *paths: Path) -> str:
    """Return a code digest joined with the digest of the data files that the code reads."""
    digest = hashlib.sha256("".join([code, *(file_digest(path) for path in paths)]).encode())
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
    top, *below = name.split(".")
    if top == "mer":
        base = PACKAGE.joinpath(*below)
        return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)
    # Part by part, because `find_spec` of a whole name imports the packages on the way.
    spec = find_spec(top)
    for part in below:
        places = spec.submodule_search_locations if spec else None
        spec = PathFinder.find_spec(f"{spec.name}.{part}", places) if spec and places else None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def _counts(imported: str, name: str, path: Path) -> bool:
    """Return whether an import of the module `name` in the file `path` belongs to its behaviour."""
    top = imported.split(".")[0]
    if top == "mer":
        return imported != "mer" and _path(imported) is not None
    if name.split(".")[0] == "mer":
        return False
    if "." in name or path.name == "__init__.py":
        return top == name.split(".")[0] and _path(imported) is not None
    return path.with_name(f"{imported}.py").is_file()


def _imports(node: ast.AST, package: str) -> set[str]:
    """Return the names that a statement may import modules by; a relative one is relative to `package`."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        base = resolve_name("." * node.level + (node.module or ""), package) if node.level else node.module or ""
        return {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return set()


def _stripped(path: Path) -> ast.Module:
    """Return the syntax tree of a file without docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node
        ):
            node.body = node.body[1:]
    return tree


@cache
def _tree(name: str) -> tuple[str, tuple[str, ...]]:
    """Return the stripped syntax tree of a module as text, and the modules it imports that count with it."""
    path = _path(name)
    if path is None:
        raise ModuleNotFoundError(name)
    tree = _stripped(path)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    imports: set[str] = set()
    for node in ast.walk(tree):
        imports |= _imports(node, package)
    return ast.dump(tree), tuple(sorted(one for one in imports if _counts(one, name, path)))
