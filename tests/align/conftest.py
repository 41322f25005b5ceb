"""Fixtures that render the portrait of `align_faces`."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from align_faces import HOME, SIZE
from skimage.data import astronaut

from mer.core.geometry import compose


@pytest.fixture(scope="session")
def portrait() -> np.ndarray:
    return astronaut()


@pytest.fixture(scope="session")
def face(portrait: np.ndarray) -> Callable[..., np.ndarray]:
    """`face(motion, noise, seed, portrait)`: the (240, 320, 3) uint8 frame after a motion."""

    def render(
        moved: np.ndarray | None = None, noise: float = 0.0, seed: int = 0, picture: np.ndarray = portrait
    ) -> np.ndarray:
        matrix = HOME if moved is None else compose(moved, HOME)
        frame = cv2.warpAffine(
            picture.astype(np.float32), matrix, SIZE, flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT
        )
        if noise:
            frame = frame + np.random.default_rng(seed).normal(0, noise, frame.shape)
        return np.clip(np.rint(frame), 0, 255).astype(np.uint8)

    return render
