"""`mer new`: a commented file to start from, which keeps its contract as it is, and a test beside it."""

from __future__ import annotations

import keyword
import re
from importlib.util import find_spec
from pathlib import Path

from mer.core.atomic import write_text
from mer.core.errors import ConfigError
from mer.core.registry import lookup
from mer.datasets.registry import READERS
from mer.models.registry import MODELS
from mer.stages.registry import METHODS

#: What the templates are called in their own text.
PLACEHOLDER = "my_plugin"
TEMPLATES = Path(__file__).with_name("templates")
TAKEN = {
    "model": frozenset(MODELS.shipped),
    "method": frozenset(name for methods in METHODS.values() for name in methods.shipped),
    "reader": frozenset(READERS.shipped),
}


def write_new(kind: str, name: str, folder: Path = Path()) -> list[Path]:
    """Write `<name>.py` and `test_<name>.py` into a folder and return their paths; nothing is ever overwritten.

    Args:
        kind: `model`, `method` or `reader`.
        name: of the plug-in and of its file: lower-case letters, digits and `_`.
        folder: made where it is missing.

    Raises:
        ConfigError: an unknown kind, a bad or taken name, or a file that is there already.
        StorageError: the disk is full or not writable.
    """
    lookup(dict.fromkeys(TAKEN, ""), kind, "mer new")
    where = f"mer new {kind} {name}"
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        expected = "lower-case letters, digits and '_', a letter first, and no word of Python's"
        raise ConfigError(where, f"{name!r} is no name for a plug-in", expected, "choose another")
    if name in TAKEN[kind]:
        raise ConfigError(where, f"a {kind} {name} ships with mer", "a name of its own", "choose another")
    if name == "mer" or (find_spec(name) is not None and not (folder / f"{name}.py").exists()):
        raise ConfigError(where, f"{name} is a module of Python or of a library", "a name of its own", "choose another")
    files = {folder / f"{name}.py": kind, folder / f"test_{name}.py": "check"}
    for path in files:
        if path.exists():
            raise ConfigError(path, "is there already", "a new file", "choose another name, or remove it yourself")
    folder.mkdir(parents=True, exist_ok=True)
    for path, template in files.items():
        text = (TEMPLATES / f"{template}.py").read_text(encoding="utf-8")
        write_text(path, text.replace(PLACEHOLDER, name))
    return list(files)
