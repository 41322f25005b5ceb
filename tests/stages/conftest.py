"""Small synthetic products, and a way to run one clip through a stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from mer.core.container import Container, ContainerWriter
from mer.core.source import Source
from mer.testing.methods import face_points

# Other jobs share the machine, and a run must not depend on chance.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

SIDE, COUNT = 64, 9


@pytest.fixture(scope="session")
def landmarks() -> np.ndarray:
    """68 plausible landmarks (68, 2) of a face that fills a crop of 64 pixels, drawn by hand."""
    return face_points()


@pytest.fixture(scope="session")
def movie() -> np.ndarray:
    """Frames (9, 64, 64, 3) uint8: a pattern whose middle moves right, 1.2 px at frame 5, and back."""
    rng = np.random.default_rng(2)
    waves, phases = rng.normal(0, 0.45, (30, 2)), rng.uniform(0, 2 * np.pi, 30)
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float64)
    weight = np.exp(-((x - 32) ** 2 + (y - 40) ** 2) / 450)
    frames = []
    for level in (0, 0.2, 0.4, 0.6, 0.8, 1, 0.7, 0.4, 0.1):
        angles = (
            waves[:, 0, None, None] * (x - 1.2 * level * weight) + waves[:, 1, None, None] * y + phases[:, None, None]
        )
        plane = 128 + 12 * np.cos(angles).sum(axis=0)
        frames.append(np.stack([plane, 0.6 * plane + 40, 255 - plane], axis=2))
    return np.clip(np.rint(frames), 0, 255).astype(np.uint8)


@pytest.fixture
def product(tmp_path: Path) -> Callable[..., Path]:
    """Write a container of one clip `s_c` with the arrays and attributes given; return its path."""

    def write(arrays: Mapping[str, Any], attributes: Mapping[str, Any], name: str = "source.h5") -> Path:
        path = tmp_path / name
        with ContainerWriter(path, "align") as out, out.clip("s_c") as clip:
            for key, value in arrays.items():
                clip.write(key, np.asarray(value))
            clip.attributes(attributes)
        return path

    return write


@pytest.fixture
def aligned(product: Callable[..., Path], movie: np.ndarray, landmarks: np.ndarray) -> Callable[..., Path]:
    """Write an `align` product: file numbers 46, 47, ... without 50; onset 0, apex 5, offset 8 unless given."""

    def write(**changes: Any) -> Path:
        events = {"fps": 200.0, "onset": 0, "apex": 5, "offset": 8, **changes}
        arrays = {
            "frames": movie,
            "landmarks": np.stack([landmarks + [i, 0] for i in range(COUNT)]).astype(np.float32),
            "numbers": np.array([46.0, 47, 48, 49, 51, 52, 53, 54, 55]),
        }
        return product(arrays, events)

    return write


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Run `stage.process` on the clip of a product; return its arrays, attributes and failure."""
    open_boxes: list[Container] = []

    def go(stage: ModuleType, method: Any, source: Path | None, row: Any = None, root: Any = None, **keys: Any) -> Any:
        path, chosen = tmp_path / "result.h5", getattr(method, "METHOD", method)
        clip = None
        if source is not None:
            open_boxes.append(Container(source))
            clip = open_boxes[-1].clip("s_c")
        with ContainerWriter(path, "stage") as out, out.clip("s_c") as writer:
            stage.process(Source(row or {}, root, clip), writer, chosen, chosen.Params(**keys))
        box = Container(path)
        open_boxes.append(box)
        return box.failures["s_c"] if box.failures else box.clip("s_c")

    yield go
    for box in open_boxes:
        box.__exit__()
