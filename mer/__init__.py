"""Micro-expression research from raw databases to scores that cannot leak.

In a notebook (docs/notebook.md): `run = mer.open("config.yaml")`, and the functions named in `NOTEBOOK`. They are
imported when they are first asked for, so that `import mer` costs nothing.
"""

__version__ = "0.2.0"

#: What a notebook calls, and where it is. Strings, as in every registry: the code of a job does not depend on it.
NOTEBOOK = {
    "open": "mer.notebook.run:open_run",
    "score": "mer.notebook.scoring:score",
    "compare": "mer.notebook.scoring:compare",
    "predictions": "mer.notebook.scoring:predictions",
    "draw": "mer.notebook.picture:draw",
    "align": "mer.notebook.stages:align",
    "interpolate": "mer.notebook.stages:interpolate",
    "magnify": "mer.notebook.stages:magnify",
    "flow": "mer.notebook.stages:flow",
    "strain": "mer.notebook.stages:strain",
    "rois": "mer.notebook.stages:rois",
}


def __getattr__(name: str) -> object:
    if name not in NOTEBOOK:
        raise AttributeError(f"module 'mer' has no attribute {name!r}")
    from importlib import import_module

    module, _, function = NOTEBOOK[name].partition(":")
    found = getattr(import_module(module), function)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *NOTEBOOK})
