"""Every registered method keeps its contract, and the checks notice methods that do not."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from mer.core.container import Container, ContainerWriter
from mer.core.images import write_image
from mer.core.source import Source
from mer.stages.registry import METHODS, STAGES, load_method, load_stage
from mer.testing.methods import CLIP, check_method, pictures, row

KEYS = {
    ("align", "dlib"): {"size": 64, "upsample": 0},
    ("align", "published_crop"): {"upsample": 0},
    ("flow", "micro"): {"device": "cpu"},
    ("flow", "black_anandan"): {"device": "cpu", "stages": 1, "levels": 1},
    ("spot", "clean"): {"distance_frames": 3, "size": 64},
    ("spot", "published"): {"distance_frames": 3, "size": 64},
}
NAMED = [(stage, name) for stage in STAGES for name in METHODS[stage]]


@pytest.fixture(scope="module")
def portrait(tmp_path_factory):
    """A `frames` product of two pictures of a face."""
    root = tmp_path_factory.mktemp("portrait")
    picture = cv2.resize(astronaut()[:256, 96:352], (320, 320))
    for number in (1, 2):
        write_image(root / f"{number}.png", np.roll(picture, number, axis=1))
    with ContainerWriter(root / "frames.h5", "frames") as out, out.clip(CLIP) as clip:
        clip.write("files", np.array(["1.png", "2.png"], dtype=object))
        clip.write("numbers", np.array([1, 2]))
        clip.attributes({"media_kind": "frames", "media_path": ".", "fps": 200.0, "onset": 0})
    with Container(root / "frames.h5") as box:
        yield Source(row(), root, box.clip(CLIP))


@pytest.fixture
def image(tmp_path):
    """A published flow image."""
    write_image(tmp_path / "flow.png", np.random.default_rng(0).integers(0, 255, (28, 28, 3), np.uint8))
    return Source({**row(), "media_path": "flow.png"}, tmp_path)


@pytest.mark.parametrize("stage, name", NAMED, ids=[f"{stage}-{name}" for stage, name in NAMED])
def test_every_method_keeps_its_contract(stage, name, portrait, image):
    source = portrait if stage == "align" else image if name == "published" and stage == "flow" else None
    check_method(stage, load_method(stage, name, "test"), KEYS.get((stage, name)), source)


def test_methods_that_break_their_contract_are_noticed():
    linear, dis = load_method("interpolate", "linear", "test"), load_method("flow", "dis", "test")
    calls = []

    def drifting(frames, positions, params):
        calls.append(1)
        return np.minimum(linear.resample(frames, positions, params), 255 - len(calls)).astype(np.uint8)

    def greedy(first, second, params):
        made = dis.estimate(first, second, params)
        second[:] = 0
        return made

    for stage, method, message in (
        ("interpolate", replace(linear, resample=drifting), "second run differs"),
        (
            "interpolate",
            replace(linear, resample=lambda f, p, k: linear.resample(f, p, k).astype(float)),
            "expected uint8",
        ),
        ("flow", replace(dis, estimate=greedy), "greedy changes the arrays"),
    ):
        with pytest.raises(AssertionError, match=message):
            check_method(stage, method)


def test_products_are_declared_with_their_meaning():
    for stage in STAGES:
        assert all(array.meaning and array.dtype for array in load_stage(stage).arrays.values())
    assert load_stage("flow").arrays_of(load_method("flow", "dis", "test").Params(strain="none")) == {
        "flow", "pairs", "landmarks", "numbers",
    }  # fmt: skip


def test_the_made_up_clip_moves():
    frames = pictures().astype(int)
    assert np.abs(frames[0] - frames[4]).max() > 20
