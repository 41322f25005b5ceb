import numpy as np
import pytest
from flow_errors import endpoint_error, endpoint_errors, moving

from mer.motion.colour import flow_to_rgb, wheel
from mer.motion.grey import grey
from mer.motion.headmotion import centre, fit_similarity, similarity_field


def expression(height=80, width=100):
    """A strong local motion that covers about a third of the field."""
    y, x = np.mgrid[:height, :width]
    inside = (x > 55) & (y > 20)
    return np.stack([np.where(inside, 4.0, 0), np.where(inside, -3.0, 0)])


def test_median_takes_out_a_translation():
    flow = expression() + np.array([0.7, -1.2])[:, None, None]
    np.testing.assert_allclose(centre(flow, "median"), expression(), atol=1e-12)


def test_similarity_takes_out_head_motion_despite_an_expression():
    truth = np.array([0.01, -0.02, 0.5, -0.8])
    flow = expression() + similarity_field(truth, 80, 100)
    np.testing.assert_allclose(fit_similarity(flow), truth, atol=1e-6)
    np.testing.assert_allclose(centre(flow, "similarity"), expression(), atol=1e-4)


def test_similarity_of_a_rotation_is_its_angle():
    y, x = np.mgrid[:81, :101].astype(float)
    angle = 0.002
    x, y = x - 50, y - 40
    flow = np.stack([x * np.cos(angle) - y * np.sin(angle) - x, x * np.sin(angle) + y * np.cos(angle) - y])
    parameters = fit_similarity(flow)
    assert abs(parameters[1] - angle) < 1e-6
    assert np.abs(parameters[[0, 2, 3]]).max() < 1e-5


def test_nose_takes_out_what_its_patch_moves_on_average():
    """SOFTNet: 11 x 11 pixels at 128, centred on landmark 28 (specs/mean-softnet.md 3.1)."""
    flow = np.random.default_rng(1).normal(size=(2, 128, 128))
    landmarks = np.zeros((68, 2))
    landmarks[28] = [70, 50]
    expected = flow - flow[:, 45:56, 65:76].mean(axis=(1, 2))[:, None, None]
    np.testing.assert_allclose(centre(flow, "nose", landmarks), expected, atol=1e-12)
    for unknown in (None, np.full((68, 2), np.nan)):
        with pytest.raises(ValueError, match="landmarks are unknown"):
            centre(flow, "nose", unknown)


@pytest.mark.parametrize("how", ["none", "nose", "median", "similarity"])
def test_no_motion_stays_none_and_dtype_is_kept(how):
    still = centre(np.zeros((2, 20, 30), np.float32), how, np.full((68, 2), 12.0))
    assert still.dtype == np.float32
    assert not still.any()


def test_endpoint_error_by_hand():
    truth = np.zeros((2, 1, 3))
    estimate = np.array([[[3.0, 0, 0]], [[4.0, 1, 0]]])
    np.testing.assert_array_equal(endpoint_errors(estimate, truth), [[5, 1, 0]])
    assert endpoint_error(estimate, truth) == 2
    assert endpoint_error(estimate, truth, np.array([[False, True, True]])) == 0.5
    assert np.isnan(endpoint_error(estimate, truth, np.zeros((1, 3), bool)))
    with pytest.raises(ValueError, match="differ in shape"):
        endpoint_error(estimate[:, :, :2], truth)


def test_moving_is_a_share_of_the_longest():
    flow = np.array([[[10.0, 1.1, 0.9]], [[0, 0, 0]]])
    np.testing.assert_array_equal(moving(flow), [[True, True, False]])


def test_colours_of_the_compass():
    flow = np.zeros((2, 1, 5))
    flow[:, 0] = np.array([[0, 0], [2, 0], [0, 2], [-2, 0], [0, -2]]).T
    white, right, down, left, up = flow_to_rgb(flow)[0].astype(int)
    assert white.tolist() == [255, 255, 255]
    assert right.tolist() == [255, 0, 0]
    assert down[0] > 220 and down[1] > 220 and down[2] == 0
    assert left[0] == 0 and left[1] > 150 and left[2] == 255
    assert up[0] > 100 and up[1] == 0 and up[2] == 255


def test_longer_is_more_saturated_and_a_common_scale_holds():
    flow = np.zeros((2, 1, 3))
    flow[0, 0] = [0.5, 1, 3]
    picture = flow_to_rgb(flow, longest=1)
    assert picture[0, 0].tolist() == [255, 128, 128]
    assert picture[0, 1].tolist() == [255, 0, 0]
    assert picture[0, 2].tolist() == [191, 0, 0]
    assert len(np.unique(wheel(), axis=0)) == 55


def test_grey_is_luma_and_areas_are_averaged():
    image = np.zeros((4, 4, 3), np.uint8)
    image[:2, :2, 0], image[:2, 2:, 1], image[2:, :2, 2] = 100, 100, 100
    np.testing.assert_allclose(grey(image)[[0, 0, 2, 3], [0, 2, 0, 3]], [29.9, 58.7, 11.4, 0], atol=1e-4)
    np.testing.assert_allclose(grey(image, 2), [[29.9, 58.7], [11.4, 0]], atol=1e-4)
    np.testing.assert_allclose(grey(image, 1), [[25]], atol=1e-4)
