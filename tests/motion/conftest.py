"""Images that can be evaluated anywhere, so that no test interpolates to make its truth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import settings

# Other jobs share the machine, and a run must not depend on chance.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

Texture = Callable[[np.ndarray, np.ndarray], np.ndarray]


@pytest.fixture(scope="session")
def texture() -> Texture:
    """A smooth random pattern as a function of (x, y) in pixels: grey levels float64 around 128."""
    rng = np.random.default_rng(5)
    waves = rng.normal(0, 0.35, (40, 2))
    phases = rng.uniform(0, 2 * np.pi, 40)

    def at(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        angles = waves[:, 0, None, None] * x + waves[:, 1, None, None] * y + phases[:, None, None]
        return 128 + 11 * np.cos(angles).sum(axis=0)

    return at


@pytest.fixture(scope="session")
def axes() -> tuple[np.ndarray, np.ndarray]:
    """Pixel coordinates x, y of a 96 x 112 image."""
    y, x = np.mgrid[:96, :112].astype(np.float64)
    return x, y
