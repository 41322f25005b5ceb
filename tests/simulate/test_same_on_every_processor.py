"""The bytes of a simulated recording do not depend on what its processor can do."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mer.bench.sameness import PLAIN_PROCESSOR
from mer.simulate.exact import ThinPlate, blur, function, product
from mer.simulate.params import SimulateParams
from mer.simulate.registry import layout

PARAMS = {"layout": "casme2", "subjects": 1, "clips": 1, "quirks": False, "blink": 1.0, "width": 160, "height": 120}


def digest(folder: Path) -> str:
    """Write a person's recording below a folder, and return the digest of its pictures and of the truth."""
    import h5py

    params = SimulateParams(shortest=0.05, longest=0.06, **PARAMS)  # type: ignore[arg-type]
    layout(params.layout).write_subject(params, "sub01", folder, folder / "truth.h5")
    found = hashlib.sha256()
    pictures = sorted(folder.rglob("*.jpg"))
    assert len(pictures) > 8
    for path in pictures:
        found.update(path.read_bytes())

    def add(name: str, value: object) -> None:
        if isinstance(value, h5py.Dataset) and value.dtype.kind != "O":
            found.update(name.encode() + np.asarray(value[()]).tobytes())

    with h5py.File(folder / "truth.h5") as truth:
        truth.visititems(add)
    return found.hexdigest()


def faces(folder: Path) -> str:
    """Write a larger recording below a folder, and return the digest of where its faces and their landmarks lie."""
    import cv2

    from mer.stages.align import dlib68

    params = SimulateParams(shortest=0.04, longest=0.05, **{**PARAMS, "width": 320, "height": 240})  # type: ignore[arg-type]
    layout(params.layout).write_subject(params, "sub01", folder, folder / "truth.h5")
    pictures = (cv2.imread(str(path))[..., ::-1] for path in sorted(folder.rglob("*.jpg")))
    found = dlib68.METHOD.align(pictures, dlib68.Params(), "clip")
    parts = (found.landmarks, found.quality)
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


LEVELS = {
    "plain": PLAIN_PROCESSOR,
    "without AVX-512": {
        "OPENCV_CPU_DISABLE": "AVX512-SKX",
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR AVX512_SKX AVX512F",
        "OPENBLAS_CORETYPE": "Haswell",
        "ATEN_CPU_CAPABILITY": "avx2",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F",
    },
    "as it was reported": {
        "OPENCV_CPU_DISABLE": "AVX2,FMA3,AVX",
        "ATEN_CPU_CAPABILITY": "default",
        "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3",
    },
}


def elsewhere(what: str, level: str, folder: Path) -> list[str]:
    """Return whether NumPy and OpenCV may use AVX2 in a process at a level, and the digest that it prints."""
    lines = (
        "from pathlib import Path",
        "import sys",
        "import cv2",
        "from numpy._core._multiarray_umath import __cpu_features__",
        f"from test_same_on_every_processor import {what}",
        "print(__cpu_features__.get('X86_V3', __cpu_features__['AVX2']), '*AVX2?' not in cv2.getCPUFeaturesLine())",
        f"print({what}(Path(sys.argv[1])))",
    )
    search = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, **LEVELS[level], "PYTHONPATH": search}
    command = [sys.executable, "-c", "\n".join(lines), str(folder)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest on this processor."""
    from numpy._core._multiarray_umath import __cpu_features__ as features

    if not features.get("AVX2"):
        pytest.skip("this processor has no faster instructions to do without")
    return digest(tmp_path_factory.mktemp("own"))


@pytest.mark.parametrize("level", LEVELS)
def test_another_processor_renders_the_same_bytes(own: str, tmp_path: Path, level: str) -> None:
    numpy_fast, opencv_fast, found = elsewhere("digest", level, tmp_path)
    assert found == own
    assert opencv_fast == str(level == "without AVX-512") and (numpy_fast == "False" or level != "plain")


@pytest.mark.slow
def test_faces_lie_in_the_same_places_on_a_plain_processor(own: str, tmp_path: Path) -> None:
    assert elsewhere("faces", "plain", tmp_path / "plain")[2] == faces(tmp_path / "own")


def test_sums_are_exact_in_any_order() -> None:
    rng = np.random.default_rng(0)
    image = rng.uniform(-8, 8, (40, 50))
    assert np.array_equal(blur(image, 2.0), blur(image[::-1, ::-1], 2.0)[::-1, ::-1])
    down, across, values = rng.random((30, 12)) / 6, rng.random((20, 14)) / 7, rng.uniform(-500, 500, (12, 14))
    order, other = rng.permutation(12), rng.permutation(14)
    shuffled = product(down[:, order], values[order][:, other], across[:, other])
    assert np.array_equal(product(down, values, across), shuffled)
    assert np.allclose(shuffled, down @ values @ across.T, atol=5e-3)


def test_functions_lose_their_last_bit() -> None:
    values = np.random.default_rng(1).random(10_000)
    nudged = np.nextafter(values, 2)
    assert (function(np.exp, values) != function(np.exp, nudged)).sum() <= 1 < (np.exp(values) != np.exp(nudged)).sum()


def test_a_thin_plate_is_that_of_scipy() -> None:
    from scipy.interpolate import RBFInterpolator

    rng = np.random.default_rng(2)
    points, values, where = rng.uniform(0, 300, (60, 2)), rng.normal(0, 5, (60, 2)), rng.uniform(-50, 350, (200, 2))
    expected = RBFInterpolator(points, values, kernel="thin_plate_spline", smoothing=0.6)(where)
    assert np.allclose(ThinPlate(points, values, smoothing=0.6)(where), expected, atol=2e-4)
