"""The dlib model files, loaded once per process."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mer.core.errors import ModelError

PACKAGE = "face_recognition_models"


def model_path(name: str) -> Path:
    """Return the path of a file of the `face_recognition_models` package, without importing it.

    The package's own import needs `pkg_resources`, which recent setuptools no longer have.

    Raises:
        ModelError: the package or the file is not installed.
    """
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ModelError(PACKAGE, "package not installed", "the landmark model", f"pip install {PACKAGE}")
    path = Path(spec.origin).parent / "models" / name
    if not path.is_file():
        raise ModelError(path, "file not found", "the landmark model", f"reinstall {PACKAGE}")
    return path


@cache
def shape_predictor() -> Any:
    """Return dlib's 68-point shape predictor."""
    import dlib

    return dlib.shape_predictor(str(model_path("shape_predictor_68_face_landmarks.dat")))


@cache
def hog_detector() -> Any:
    """Return dlib's frontal HOG face detector."""
    import dlib

    return dlib.get_frontal_face_detector()


@cache
def cnn_detector() -> Any:
    """Return dlib's max-margin CNN face detector."""
    import dlib

    return dlib.cnn_face_detection_model_v1(str(model_path("mmod_human_face_detector.dat")))
