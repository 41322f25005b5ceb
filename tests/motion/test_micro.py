"""Micro-flow on motions whose truth is known in closed form."""

import numpy as np
import pytest
from flow_errors import endpoint_error, moving
from pydantic import ValidationError

from mer.core.errors import ConfigError
from mer.motion import micro
from mer.motion.micro_options import PRESETS, MicroOptions, settings
from mer.motion.tvl1 import TVL1Options
from mer.motion.tvl1 import flow as tvl1_flow
from mer.stages.flow import micro as method

INNER = (slice(None), slice(12, -12), slice(12, -12))
ACCURATE = MicroOptions(preset="accurate")


def bump(peak):
    """A soft local displacement (x, y) -> (u, v), right and down."""

    def at(x, y):
        weight = np.exp(-((x - 56) ** 2 + (y - 48) ** 2) / (2 * 11.0**2))
        return peak * weight, 0.6 * peak * weight

    return at


def affine(matrix):
    return lambda x, y: tuple(row[0] * (x - 56) + row[1] * (y - 48) for row in matrix)


MOTIONS = {
    "bump 0.3": (bump(0.3), 0.03, 0.03),
    "bump 1.5": (bump(1.5), 0.12, 0.05),
    "rotation": (affine([[0, -0.02], [0.02, 0]]), 0.02, 0.02),
    "scale": (affine([[0.015, 0], [0, 0.015]]), 0.03, 0.03),
    "shear": (affine([[0.005, 0.02], [-0.01, 0.0]]), 0.02, 0.02),
}


def moved(texture, axes, motion, noise=0.0, seed=0):
    """Two images and the forward flow between them; the second is sampled where each of its points came from."""
    x, y = axes
    back_x, back_y = x, y
    for _ in range(60):
        u, v = motion(back_x, back_y)
        back_x, back_y = x - u, y - v
    pair = np.stack([texture(x, y), texture(back_x, back_y)])
    pair = pair + noise * np.random.default_rng(seed).standard_normal(pair.shape)
    return *pair.astype(np.float32), np.stack(motion(x, y))


@pytest.mark.parametrize("options", [MicroOptions(), ACCURATE], ids=["fast", "accurate"])
@pytest.mark.parametrize("shift", [(0.7, -0.4), (-0.15, 0.1), (2.6, 1.8)])
def test_known_translation(texture, axes, shift, options):
    x, y = axes
    flow = micro.flow(texture(x, y), texture(x - shift[0], y - shift[1]), options)
    assert flow.shape == (2, 96, 112)
    assert flow.dtype == np.float32
    np.testing.assert_allclose(flow[INNER].mean(axis=(1, 2)), shift, atol=0.03)


@pytest.mark.parametrize("name", MOTIONS)
def test_known_motion(texture, axes, name):
    motion, fast, accurate = MOTIONS[name]
    first, second, truth = moved(texture, axes, motion)
    mask = moving(truth)[12:-12, 12:-12]
    for options, limit in ((MicroOptions(), fast), (ACCURATE, accurate)):
        assert endpoint_error(micro.flow(first, second, options)[INNER], truth[INNER], mask) < limit


@pytest.mark.parametrize("options", [MicroOptions(), ACCURATE], ids=["fast", "accurate"])
def test_noise_adds_little_error(texture, axes, options):
    clean = moved(texture, axes, bump(0.6))
    truth, mask = clean[2], moving(clean[2])
    base = endpoint_error(micro.flow(*clean[:2], options), truth, mask)
    for sigma in (1.5, 3.0):
        noisy = moved(texture, axes, bump(0.6), sigma)
        assert endpoint_error(micro.flow(*noisy[:2], options), truth, mask) < base + 0.02 * sigma


def test_noise_hurts_less_than_tvl1(texture, axes):
    def faint(x, y):
        return 128 + 0.12 * (texture(x, y) - 128)

    first, second, truth = moved(faint, axes, bump(0.8), 1.3)
    mask = moving(truth)
    reference = endpoint_error(tvl1_flow(first, second, TVL1Options(preset="opencv")), truth, mask)
    assert endpoint_error(micro.flow(first, second), truth, mask) < 0.8 * reference


def test_noise_alone_on_a_plain_wall_is_no_motion(axes):
    for seed in range(3, 7):
        wall = 128 + 2 * np.random.default_rng(seed).standard_normal((2, *axes[0].shape))
        assert np.hypot(*micro.flow(*wall)).mean() < 0.03


@pytest.mark.parametrize("gain, offset", [(1.02, 0.0), (1.02, 2.0), (0.95, -3.0)])
def test_flicker_is_not_motion(texture, axes, gain, offset):
    first, second, truth = moved(texture, axes, bump(0.6), 1.0)
    plain, lit = micro.flow(first, second), micro.flow(first, gain * second + offset)
    assert endpoint_error(lit, plain) < 0.005
    dark = MicroOptions(lighting=False)
    assert endpoint_error(micro.flow(first, gain * second + offset, dark), truth) > endpoint_error(lit, truth)


def test_light_that_drifts_across_the_image_is_not_motion(texture, axes):
    first, second, _ = moved(texture, axes, bump(0.6), 1.0)
    slope = 1 + 0.04 * (axes[0] / 111 - 0.5) + 0.03 * (axes[1] / 95 - 0.5) ** 2
    assert endpoint_error(micro.flow(first, slope * second), micro.flow(first, second)) < 0.01


def batch(texture, axes):
    cases = [moved(texture, axes, bump(peak), 1.0, seed) for seed, peak in enumerate((0.3, 0.9, 1.5))]
    still = cases[1][0]
    return np.stack([c[0] for c in cases] + [still]), np.stack([c[1] for c in cases] + [still.copy()])


def test_batch_is_pairs_one_by_one_whatever_the_split(texture, axes):
    firsts, seconds = batch(texture, axes)
    whole = micro.flows(firsts, seconds)
    assert whole.shape == (4, 2, 96, 112)
    halves = [micro.flows(firsts[part], seconds[part]) for part in (slice(0, 1), slice(1, 4))]
    np.testing.assert_allclose(whole, np.concatenate(halves), atol=5e-4)
    np.testing.assert_allclose(micro.flows(firsts[::-1], seconds[::-1]), whole[::-1], atol=5e-4)
    assert not whole[3].any()


def test_more_pairs_than_a_batch_holds(texture, axes, monkeypatch):
    from mer.motion import micro_kernel

    # The last batch is smaller than the one before, and than what is worked on at once.
    firsts, seconds = (images[[0, 3, 1, 2]] for images in batch(texture, axes))
    whole = micro.flows(firsts, seconds)
    assert not whole[1].any()
    monkeypatch.setitem(micro_kernel._BATCH, "cpu", 2)
    for cached in (1, 10**9):
        monkeypatch.setattr(micro_kernel, "_CACHED", cached)
        np.testing.assert_allclose(micro.flows(firsts, seconds), whole, atol=5e-4)


@pytest.mark.parametrize("cached", [1, 2 * 96 * 112, 10**9])
def test_groups_of_pairs_are_pairs_one_by_one(texture, axes, monkeypatch, cached):
    """A GPU works on the whole batch at once: the last case."""
    from mer.motion import micro_kernel

    firsts, seconds = batch(texture, axes)
    single = np.stack([micro.flow(one, two) for one, two in zip(firsts, seconds, strict=True)])
    monkeypatch.setattr(micro_kernel, "_CACHED", cached)
    np.testing.assert_allclose(micro.flows(firsts, seconds), single, atol=5e-4)


@pytest.mark.parametrize("cached", [1, 2 * 96 * 112, 10**9])
def test_one_first_image_serves_all_pairs(texture, axes, monkeypatch, cached):
    from mer.motion import micro_kernel

    cases = [moved(texture, axes, bump(peak))[:2] for peak in (0.3, 0.9, 1.5)]
    first, seconds = cases[0][0], np.stack([case[1] for case in cases] + [cases[0][0]])
    expected = micro.flows(np.stack([first] * 4), seconds)
    monkeypatch.setattr(micro_kernel, "_CACHED", cached)
    np.testing.assert_allclose(micro.flows(first[None], seconds), expected, atol=5e-4)
    assert not expected[3].any()


@pytest.mark.parametrize("peak", [3.0, 5.0])
def test_local_motions_of_several_pixels(texture, axes, peak):
    first, second, truth = moved(texture, axes, bump(peak))
    mask = moving(truth)
    assert endpoint_error(micro.flow(first, second), truth, mask) < 0.1 * peak
    assert endpoint_error(micro.flow(first, second, ACCURATE), truth, mask) < 0.05 * peak


@pytest.mark.parametrize("options", [MicroOptions(), ACCURATE], ids=["fast", "accurate"])
def test_identical_images_have_exactly_no_flow(texture, axes, options):
    image = texture(*axes).astype(np.float32)
    assert not micro.flow(image, image.copy(), options).any()


def test_same_bytes_twice(texture, axes):
    first, second, _ = moved(texture, axes, bump(1.0), 2.0)
    assert micro.flow(first, second).tobytes() == micro.flow(first, second).tobytes()


@pytest.mark.parametrize("shape", [(16, 16), (17, 45), (96, 63), (131, 30)])
def test_any_shape_of_image(texture, shape):
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    flow = micro.flow(texture(x, y), texture(x - 0.3, y), ACCURATE)
    assert flow.shape == (2, *shape)
    inner = flow[:, 3:-3, 3:-3]
    np.testing.assert_allclose(inner.mean(axis=(1, 2)), [0.3, 0], atol=0.06)


@pytest.mark.parametrize(
    "key, value",
    [
        ("preset", "accurate"), ("lattice", 6), ("levels", 1), ("coarse_warps", 3), ("warps", 3), ("steps", 4),
        ("smoothness", 60.0), ("coarse_smoothness", 50.0),
        ("edge", 1.0), ("presmooth", 1.0), ("floor", 3.0), ("iterations", 1), ("lighting", False),
    ],
)  # fmt: skip
def test_every_option_changes_the_flow(texture, axes, key, value):
    first, second, _ = moved(texture, axes, bump(1.0), 1.0)
    changed = micro.flow(first, 1.01 * second, MicroOptions(**{key: value}))
    assert np.abs(changed - micro.flow(first, 1.01 * second)).max() > 1e-4


def test_a_key_overrides_its_preset():
    assert settings(MicroOptions(preset="accurate", warps=5)).warps == 5
    assert settings(MicroOptions(preset="accurate")).warps == PRESETS["accurate"]["warps"]


def test_method_of_the_flow_stage(texture, axes):
    first, second, _ = moved(texture, axes, bump(1.0))
    flow = method.METHOD.estimate(first, second, method.Params(pairs="onset_each", lattice=5))
    np.testing.assert_array_equal(flow, micro.flow(first, second, MicroOptions(lattice=5)))


def test_too_small_images_and_wrong_keys_are_one_line():
    with pytest.raises(ConfigError, match="micro: images of 9 x 20 pixels; expected sides of at least 16"):
        micro.flow(np.zeros((20, 9)), np.zeros((20, 9)))
    with pytest.raises(ValidationError, match="warp"):
        method.Params(warp=3)
