"""Score curves on disk: what the report draws."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mer.core.atomic import atomic_path
from mer.core.errors import ModelError


@dataclass(frozen=True)
class Curve:
    """The smoothed score of one recording: file `numbers` (N,) and `score` (N,), and the `threshold` of its peaks."""

    video: str
    kind: str
    numbers: np.ndarray
    score: np.ndarray
    threshold: float


def write_curves(path: str | Path, curves: Sequence[Curve]) -> None:
    """Write curves as an npz file: `names` (JSON), and `numbers_<k>`, `score_<k>`, `threshold` by position in it."""
    names = json.dumps([[curve.video, curve.kind] for curve in curves])
    arrays: dict[str, Any] = {"names": np.array(names), "threshold": np.array([curve.threshold for curve in curves])}
    for k, curve in enumerate(curves):
        arrays |= {f"numbers_{k}": curve.numbers, f"score_{k}": curve.score.astype(np.float32)}
    with atomic_path(path) as temporary, open(temporary, "wb") as handle:
        np.savez_compressed(handle, allow_pickle=False, **arrays)


def read_curves(path: str | Path) -> list[Curve]:
    """Read what `write_curves` wrote.

    Raises:
        ModelError: the file is missing, damaged, or something else.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names = json.loads(str(arrays["names"]))
            return [
                Curve(
                    str(video), str(kind), arrays[f"numbers_{k}"], arrays[f"score_{k}"], float(arrays["threshold"][k])
                )
                for k, (video, kind) in enumerate(names)
            ]
    # Archives, arrays and their headers each fail in ways of their own.
    except Exception as error:
        found = f"cannot be read ({type(error).__name__}: {error})"[:200]
        raise ModelError(path, found, "curves written by mer", "run the step that writes it") from error
