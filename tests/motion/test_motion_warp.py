import cv2
import numpy as np
import pytest

from mer.motion.warp import invert, sample_linear, sample_spline, spline_coefficients, warp


def bump(x, y, peak=3.0, sigma=12.0):
    """A displacement (2, ...) to the right and up, around (56, 48)."""
    weight = np.exp(-((x - 56) ** 2 + (y - 48) ** 2) / (2 * sigma**2))
    return np.stack([peak * weight, -0.5 * peak * weight])


def test_bilinear_sampling_is_exact_on_a_plane_at_any_fraction(axes):
    x, y = axes
    rng = np.random.default_rng(0)
    points = np.stack([rng.uniform(0, 111, 500), rng.uniform(0, 95, 500)])
    sampled = sample_linear((3 * x - 2 * y)[None], points)[0]
    np.testing.assert_allclose(sampled, 3 * points[0] - 2 * points[1], atol=1e-9)


def test_bilinear_sampling_reaches_the_last_row_and_column():
    field = np.arange(6.0).reshape(1, 2, 3)
    np.testing.assert_array_equal(sample_linear(field, np.array([[2.0, 0, 5], [1, 0, 9]])), [[5, 0, 5]])
    np.testing.assert_array_equal(sample_linear(np.full((1, 1, 1), 7.0), np.array([[0.3], [0.2]])), [[7]])


def test_shift_smaller_than_the_step_of_cv2_remap_is_not_lost(texture, axes):
    x, y = axes
    image, step = texture(x, y), 0.01
    warped = warp(image, np.stack([np.full_like(x, step), np.zeros_like(y)]))
    inner = np.s_[8:-8, 8:-8]
    slope = (warped - image)[inner] / (texture(x + step, y) - image)[inner]
    assert abs(np.median(slope) - 1) < 0.01
    cubic = cv2.remap(image.astype(np.float32), (x + step).astype(np.float32), y.astype(np.float32), cv2.INTER_CUBIC)
    error = np.abs(warped - texture(x + step, y))[inner].max()
    assert error < 0.2 * np.abs(cubic - texture(x + step, y))[inner].max()


def test_spline_returns_the_pixels_themselves(texture, axes):
    image = np.rint(texture(*axes)).astype(np.uint8)
    colour = np.stack([image, image // 2, 255 - image], axis=2)
    sampled = sample_spline(spline_coefficients(colour), np.stack(axes))
    np.testing.assert_allclose(sampled.transpose(1, 2, 0), colour, atol=1e-6)


@pytest.mark.parametrize("order, tolerance", [(1, 6.0), (3, 0.1), (5, 0.02)])
def test_warp_undoes_a_forward_flow(texture, axes, order, tolerance):
    x, y = axes
    flow = bump(x, y)
    second = texture(x, y)
    warped = warp(second, flow, order)
    truth = texture(x + flow[0], y + flow[1])
    assert np.abs(warped - truth)[8:-8, 8:-8].max() < tolerance


@pytest.mark.parametrize("gain", [0.5, 1, 2, 4])
def test_inverse_solves_its_equation(axes, gain):
    x, y = axes
    points = invert(gain * bump(x, y))
    back = points + gain * bump(points[0], points[1])
    # The field is sampled bilinearly between pixels, hence not 1e-3.
    assert np.abs(back - np.stack(axes)).max() < 0.02


def test_inverse_of_no_motion_is_the_grid_exactly(axes):
    np.testing.assert_array_equal(invert(np.zeros((2, 96, 112))), np.stack(axes))
