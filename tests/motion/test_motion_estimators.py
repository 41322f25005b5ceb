import numpy as np
import pytest
from flow_errors import endpoint_error, moving
from pydantic import ValidationError

from mer.core.errors import ConfigError
from mer.motion import dis, micro, tvl1
from mer.motion.estimator import EstimatorParams, estimate

FLOWS = {"tvl1": tvl1.flow, "dis": dis.flow}


@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize("shift", [(0.7, -0.4), (-0.15, 0.1)])
def test_known_translation(texture, axes, name, shift):
    x, y = axes
    flow = FLOWS[name](texture(x, y).astype(np.float32), texture(x - shift[0], y - shift[1]).astype(np.float32))
    assert flow.shape == (2, 96, 112)
    assert flow.dtype == np.float32
    np.testing.assert_allclose(flow[:, 12:-12, 12:-12].mean(axis=(1, 2)), shift, atol=0.02)


def gaussian_pair(texture, x, y, peak):
    """Two images and the forward flow between them: a soft bump that moves right and down."""

    def backward(x, y):
        weight = np.exp(-((x - 56) ** 2 + (y - 48) ** 2) / (2 * 11.0**2))
        return peak * weight, 0.6 * peak * weight

    u, v = backward(x, y)
    second = texture(x - u, y - v)
    for _ in range(100):
        u, v = backward(x + u, y + v)
    return texture(x, y).astype(np.float32), second.astype(np.float32), np.stack([u, v])


@pytest.mark.parametrize("name, limit", [("tvl1", 0.04), ("dis", 0.03)])
@pytest.mark.parametrize("peak", [0.3, 1.5])
def test_accurate_preset_on_a_local_motion(texture, axes, name, limit, peak):
    first, second, truth = gaussian_pair(texture, *axes, peak)
    error = endpoint_error(FLOWS[name](first, second), truth, moving(truth))
    assert error < limit


@pytest.mark.parametrize(
    "name, plain", [("tvl1", tvl1.TVL1Options(preset="opencv")), ("dis", dis.DISOptions(preset="medium"))]
)
def test_accurate_preset_has_half_the_error_of_opencvs(texture, axes, name, plain):
    first, second, truth = gaussian_pair(texture, *axes, 0.6)
    mask = moving(truth)
    accurate = endpoint_error(FLOWS[name](first, second), truth, mask)
    assert accurate < 0.5 * endpoint_error(FLOWS[name](first, second, plain), truth, mask)


@pytest.mark.parametrize("name", FLOWS)
def test_identical_images_have_exactly_no_flow(texture, axes, name):
    image = texture(*axes).astype(np.float32)
    assert not FLOWS[name](image, image.copy()).any()


@pytest.mark.parametrize("name", FLOWS)
def test_same_bytes_twice(texture, axes, name):
    first, second, _ = gaussian_pair(texture, *axes, 1.0)
    assert FLOWS[name](first, second).tobytes() == FLOWS[name](first, second).tobytes()


def test_opencv_preset_is_opencvs_default_set():
    import cv2

    fresh = cv2.optflow.createOptFlow_DualTVL1()
    values = tvl1.settings(tvl1.TVL1Options(preset="opencv"))
    assert values.pop("refinements") == 0
    assert values.pop("smoothing") == 0
    assert {name: getattr(fresh, f"get{name}")() for name in values} == values


def test_every_option_reaches_the_estimator():
    given = tvl1.TVL1Options(tau=0.2, attachment=0.5, theta=0.2, scales=3, scale_step=0.6, warps=2, epsilon=0.02)
    values = tvl1.settings(given)
    assert (values["Tau"], values["Lambda"], values["Theta"], values["ScalesNumber"]) == (0.2, 0.5, 0.2, 3)
    assert (values["ScaleStep"], values["WarpingsNumber"], values["Epsilon"]) == (0.6, 2, 0.02)
    given = dis.DISOptions(finest_scale=1, patch_size=12, refinement_alpha=7, refinements=1, preset="medium")
    expected = {"FinestScale": 1, "PatchSize": 12, "VariationalRefinementAlpha": 7, "refinements": 1, "smoothing": 0}
    assert dis.settings(given) == expected


@pytest.mark.parametrize("module, options", [(tvl1, tvl1.TVL1Options), (dis, dis.DISOptions)])
def test_every_field_is_a_setting(module, options):
    assert set(module._SETTERS) == set(options.model_fields) - {"preset"}


def test_options_change_the_flow(texture, axes):
    first, second, _ = gaussian_pair(texture, *axes, 1.0)
    smooth = tvl1.flow(first, second, tvl1.TVL1Options(attachment=0.01))
    assert np.abs(np.gradient(smooth[0])[0]).mean() < 0.8 * np.abs(np.gradient(tvl1.flow(first, second)[0])[0]).mean()


def test_choice_runs_the_algorithm_it_names(texture, axes):
    first, second, _ = gaussian_pair(texture, *axes, 1.0)
    fast = dis.DISOptions(preset="fast")
    chosen = estimate(first, second, EstimatorParams(flow="dis", dis=fast))
    np.testing.assert_array_equal(chosen, dis.flow(first, second, fast))
    chosen = estimate(first, second, EstimatorParams(flow="tvl1"))
    np.testing.assert_array_equal(chosen, tvl1.flow(first, second))


def test_many_pairs_are_pairs_one_by_one(texture, axes):
    cases = [gaussian_pair(texture, *axes, peak)[:2] for peak in (0.3, 0.9)]
    first, seconds = cases[0][0], np.stack([second for _, second in cases])
    expected = np.stack([estimate(first, second, EstimatorParams(flow="micro")) for second in seconds])
    np.testing.assert_allclose(micro.flows(first[None], seconds), expected, atol=1e-3)
    np.testing.assert_allclose(micro.flows(np.stack([first] * 2), seconds), expected, atol=1e-3)


def test_image_too_small_for_dis_is_one_line():
    with pytest.raises(ConfigError, match=r"dis: OpenCV refuses images of \(8, 8\).*larger images"):
        dis.flow(np.zeros((8, 8), np.float32), np.ones((8, 8), np.float32))


def test_misspelt_option_is_refused():
    with pytest.raises(ValidationError, match="warp"):
        tvl1.TVL1Options(warp=3)
