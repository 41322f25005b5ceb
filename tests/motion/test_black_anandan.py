"""Black-Anandan flow against known motion and against a direct sparse solver written from the published table."""

import numpy as np
import pytest
from flow_errors import endpoint_errors
from pydantic import ValidationError
from scipy.ndimage import gaussian_filter, map_coordinates

from mer.bench.black_anandan_peer import flow as direct_flow
from mer.core.errors import ConfigError
from mer.motion import black_anandan
from mer.motion.black_anandan_options import BlackAnandanOptions
from mer.stages.flow import black_anandan as method


@pytest.fixture(scope="module")
def bump(texture):
    """A small pair with a local motion, an oblong image of odd width, and the same pair twice as strong."""
    y, x = np.mgrid[:40, :45].astype(float)
    weight = np.exp(-((x - 24) ** 2 + (y - 19) ** 2) / 60)
    pairs = [(texture(x, y), texture(x - k * weight, y + 0.5 * k * weight)) for k in (0.8, 1.6)]
    return tuple(np.stack(images) for images in zip(*pairs, strict=True))


def test_same_flow_as_a_direct_sparse_solver(bump):
    expected = np.stack([direct_flow(one, two) for one, two in zip(*bump, strict=True)])
    assert np.abs(expected).max() > 1
    assert endpoint_errors(black_anandan.flows(*bump), expected).max() < 0.01


@pytest.mark.parametrize("presmooth", [5.0, 0.0])
def test_translation_of_the_specification(presmooth):
    white = np.random.default_rng(1).standard_normal((140, 140))
    image = gaussian_filter(white, 2)
    image = 128 + 40 * image / image.std()
    y, x = np.mgrid[6:134, 6:134].astype(float)
    first, second = image[6:-6, 6:-6], map_coordinates(image, [y + 0.4, x - 0.7], order=5)
    flow = black_anandan.flow(first, second, BlackAnandanOptions(presmooth=presmooth))
    np.testing.assert_allclose(flow[:, 10:-10, 10:-10].mean(axis=(1, 2)), [0.695, -0.4], atol=0.02)


def test_batch_is_pairs_one_by_one(bump):
    single = np.stack([black_anandan.flow(one, two) for one, two in zip(*bump, strict=True)])
    np.testing.assert_array_equal(black_anandan.flows(*bump), single)
    np.testing.assert_array_equal(black_anandan.flows(*(images[::-1] for images in bump)), single[::-1])


@pytest.mark.slow
def test_joint_batch_of_the_solver_is_pairs_one_by_one(bump):
    import torch

    from mer.motion import black_anandan_kernel as kernels
    from mer.motion.black_anandan_system import solve_system

    images = torch.stack([torch.from_numpy(images) for images in bump], dim=1)
    flow, difference = torch.zeros_like(images), images[:, 1] - images[:, 0]
    along = torch.stack(torch.gradient(images[:, 1], dim=(2, 1)), dim=1)
    quiet = torch.cat([difference, 0 * difference[:1]]), torch.cat([along, along[:1]])
    system = kernels._system(torch.cat([flow, flow[:1]]), torch.zeros(3, 2, 40, 45), *quiet, 0.0, BlackAnandanOptions())
    together = solve_system(system, 1e-4, 300)
    assert not together[2].any()
    for k in range(2):
        alone = kernels._system(
            flow[k : k + 1], flow[:1], difference[k : k + 1], along[k : k + 1], 0.0, BlackAnandanOptions()
        )
        torch.testing.assert_close(together[k : k + 1], solve_system(alone, 1e-4, 300), rtol=0, atol=1e-9)


def test_robust_stage_keeps_an_edge_that_quadratic_smoothing_blurs(texture):
    y, x = np.mgrid[:48, :48].astype(float)
    truth = np.where(x < 24, 0.0, 0.8)
    pair = texture(x, y), np.where(x < 24, texture(x, y), texture(x - 0.8, y))
    edge = (slice(8, -8), slice(20, 28))
    robust, quadratic = (
        np.abs(black_anandan.flow(*pair, BlackAnandanOptions(presmooth=0, stages=stages))[0] - truth)[edge].mean()
        for stages in (3, 1)
    )
    assert robust < 0.8 * quadratic


def test_identical_images_have_exactly_no_flow(bump):
    assert not black_anandan.flows(bump[0], bump[0].copy()).any()


def test_defaults_are_the_published_table():
    values = BlackAnandanOptions().model_dump(exclude={"tolerance", "iterations"})
    assert values == {
        "presmooth": 5.0,
        "data_sigma": 6.3,
        "spatial_sigma": 0.1,
        "smoothness": 0.1,
        "smoothness_quadratic": 0.05,
        "stages": 3,
        "levels": 2,
        "spacing": 2.0,
        "stage_levels": 2,
        "stage_spacing": 1.25,
        "warps": 3,
        "linearisations": 1,
        "limit": 1.0,
    }


@pytest.mark.parametrize(
    "key, value",
    [
        ("presmooth", 0.0), ("data_sigma", 1.0), ("spatial_sigma", 0.02), ("smoothness", 1.0), ("stages", 2),
        ("smoothness_quadratic", 1.0), ("levels", 1), ("spacing", 1.5), ("stage_levels", 1), ("stage_spacing", 2.0),
        ("warps", 1), ("linearisations", 3), ("limit", 0.05), ("tolerance", 0.3), ("iterations", 2),
    ],
)  # fmt: skip
def test_every_option_changes_the_flow(bump, key, value):
    one, two = (images[1, 4:28, 10:37] for images in bump)
    changed = black_anandan.flow(one, two, BlackAnandanOptions(**{key: value}))
    assert np.abs(changed - black_anandan.flow(one, two)).max() > 1e-4


def test_increments_are_limited(bump):
    options = BlackAnandanOptions(limit=0.05, stages=1, levels=1)
    assert np.abs(black_anandan.flows(*bump, options)).max() == pytest.approx(0.15, abs=1e-6)


def test_method_of_the_flow_stage(bump):
    first, second = (images[0].astype(np.float32) for images in bump)
    params = method.Params(warps=1, pairs="consecutive")
    flow = method.METHOD.estimate(first, second, params)
    assert flow.shape == (2, 40, 45)
    assert flow.dtype == np.float32
    np.testing.assert_array_equal(flow, black_anandan.flow(first, second, BlackAnandanOptions(warps=1)))


def test_too_small_images_and_wrong_keys_are_one_line():
    with pytest.raises(ConfigError, match="black_anandan: images of 9 x 20 pixels; expected sides of at least 16"):
        black_anandan.flow(np.zeros((20, 9)), np.zeros((20, 9)))
    with pytest.raises(ValidationError, match="sigma"):
        method.Params(sigma=3)
