import numpy as np
import pytest
from pydantic import ValidationError

from mer.motion import farneback
from mer.motion.farneback import FarnebackOptions
from mer.stages.flow import farneback as method


@pytest.mark.parametrize("shift", [(0.7, -0.4), (-0.15, 0.1)])
def test_known_translation(texture, axes, shift):
    x, y = axes
    flow = farneback.flow(texture(x, y), texture(x - shift[0], y - shift[1]))
    assert flow.shape == (2, 96, 112)
    assert flow.dtype == np.float32
    np.testing.assert_allclose(flow[:, 12:-12, 12:-12].mean(axis=(1, 2)), shift, atol=0.03)


def test_identical_images_have_exactly_no_flow(texture, axes):
    image = texture(*axes)
    assert not farneback.flow(image, image.copy()).any()


def test_same_bytes_twice(texture, axes):
    x, y = axes
    pair = texture(x, y), texture(x - 0.5, y)
    assert farneback.flow(*pair).tobytes() == farneback.flow(*pair).tobytes()


def test_defaults_are_opencvs():
    import cv2

    fresh = cv2.FarnebackOpticalFlow.create()
    expected = (fresh.getNumLevels(), fresh.getPyrScale(), fresh.getWinSize(), fresh.getNumIters(), fresh.getPolyN())
    o = FarnebackOptions()
    assert (o.levels, o.scale, o.window, o.iterations, o.neighbourhood) == expected
    assert o.sigma == fresh.getPolySigma()
    assert o.gaussian == bool(fresh.getFlags() & cv2.OPTFLOW_FARNEBACK_GAUSSIAN)


@pytest.mark.parametrize(
    "key, value",
    [("levels", 1), ("scale", 0.8), ("window", 31), ("iterations", 1), ("neighbourhood", 7), ("sigma", 1.5)]
    + [("gaussian", True)],
)
def test_every_option_changes_the_flow(texture, key, value):
    y, x = np.mgrid[:160, :160].astype(float)
    pair = texture(x, y), texture(x - 2.5 * np.exp(-((x - 50) ** 2) / 200), y)
    changed = farneback.flow(*pair, FarnebackOptions(**{key: value}))
    assert np.abs(changed - farneback.flow(*pair)).max() > 1e-5


def test_method_of_the_flow_stage(texture, axes):
    x, y = axes
    pair = texture(x, y), texture(x - 0.5, y)
    flow = method.METHOD.estimate(*pair, method.Params(window=21))
    np.testing.assert_array_equal(flow, farneback.flow(*pair, FarnebackOptions(window=21)))


def test_misspelt_option_is_refused():
    with pytest.raises(ValidationError, match="windows"):
        method.Params(windows=3)
