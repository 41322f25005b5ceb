"""The small augmented network: what each change of a clip does, that it repeats itself, and that it learns."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from mer.models import flow_cnn
from mer.models.flow_augment import augmented, blotted, mirrored, mixed, moved
from mer.models.flow_cnn import prepared
from mer.models.flow_cnn_network import Cosine, soft_cross_entropy
from mer.models.flow_cnn_settings import PLAIN, PRESETS

BARE = PRESETS["minmax_plain"]
FULL = PRESETS["minmax_image"]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(count=16, seed=0):
    return torch.randn(count, 3, 28, 28, generator=seeded(seed))


def still(count, **changes):
    """Return the arguments of `moved` that change nothing, but for `changes`."""
    given = {"side": torch.ones(count), "angle": torch.zeros(count), "zoom": torch.ones(count)}
    return {**given, "shift": torch.zeros(count, 2), **changes}


def test_nothing_asked_for_changes_nothing():
    assert torch.allclose(augmented(pictures(), BARE, seeded()), pictures(), atol=1e-5)
    assert set(PLAIN.values()) == {0.0} and all(getattr(FULL, name) > 0 for name in PLAIN)


def test_changes_follow_the_generator_alone_and_differ_from_clip_to_clip():
    torch.manual_seed(1)
    first = augmented(pictures(), FULL, seeded())
    torch.manual_seed(2)
    assert torch.equal(first, augmented(pictures(), FULL, seeded()))
    assert not torch.equal(first, augmented(pictures(), FULL, seeded(1)))
    same = pictures(1).expand(6, -1, -1, -1)
    changed = augmented(same, FULL, seeded())
    assert len({tuple(one.flatten().tolist()) for one in changed}) == 6


def test_half_of_the_clips_are_mirrored_with_u_negated():
    x = pictures(200)
    got = augmented(x, BARE.model_copy(update={"mirror": True}), seeded())
    swapped = [bool(torch.allclose(a, b, atol=1e-5)) for a, b in zip(got, mirrored(x), strict=True)]
    left = [bool(torch.allclose(a, b, atol=1e-5)) for a, b in zip(got, x, strict=True)]
    assert all(a != b for a, b in zip(swapped, left, strict=True)) and 70 < sum(swapped) < 130
    assert torch.equal(mirrored(x)[:, 0], -x[:, 0].flip(2)) and torch.equal(mirrored(x)[:, 1:], x[:, 1:].flip(3))
    assert torch.equal(mirrored(mirrored(x)), x)


def test_every_frame_pair_is_mirrored_alike():
    x = torch.randn(4, 6, 28, 28, generator=seeded())
    assert torch.equal(mirrored(x), torch.cat([mirrored(x[:, :3]), mirrored(x[:, 3:])], dim=1))
    got = augmented(x, BARE.model_copy(update={"mirror": True, "pairs": 2}), seeded())
    for one, before, after in zip(got, x, mirrored(x), strict=True):
        assert any(torch.allclose(one, whole, atol=1e-5) for whole in (before, after))


@pytest.mark.parametrize("side", [28, 56, 112])
def test_larger_images_and_several_pairs_leave_the_last_layer_as_it_is(side):
    network = flow_cnn.build(FULL.model_copy(update={"side": side, "pairs": 2}), 3)
    assert network(torch.zeros(2, 6, side, side)).shape == (2, 3)
    assert network[-1].in_features == flow_cnn.build(FULL, 3)[-1].in_features


def test_shift_is_to_the_right_and_down():
    x = pictures(2)
    got = moved(x, **still(2, shift=torch.tensor([[2.0, 3.0], [-1.0, 0.0]])))
    assert torch.allclose(got[0, :, 3:, 2:], x[0, :, :-3, :-2], atol=1e-4)
    assert torch.allclose(got[1, :, :, :-1], x[1, :, :, 1:], atol=1e-4)
    # Pixels from outside repeat the border.
    assert torch.allclose(got[0, :, 3:, 0], x[0, :, :-3, 0], atol=1e-4)


def test_turn_and_zoom_are_about_the_centre():
    x = pictures(1)
    quarter = moved(x, **still(1, angle=torch.tensor([torch.pi / 2])))
    assert torch.allclose(quarter, torch.rot90(x, -1, (2, 3)), atol=1e-4)
    dot = torch.zeros(1, 1, 28, 28)
    dot[0, 0, 20, 6] = 1.0
    larger = functional.avg_pool2d(dot, 3, 1, 1)
    wide = moved(larger, **still(1, zoom=torch.tensor([1.2])))[0, 0]
    rows, columns = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    at = [float((wide * axis).sum() / wide.sum()) - 13.5 for axis in (rows, columns)]
    assert at == pytest.approx([1.2 * 6.5, 1.2 * -7.5], abs=0.1)


def test_factors_stay_in_their_range():
    ones = torch.ones(300, 3, 28, 28)
    for name, together in (("channel_jitter", False), ("magnitude_jitter", True)):
        factor = augmented(ones, BARE.model_copy(update={name: 0.25}), seeded())[:, :, 0, 0]
        assert 0.8 <= factor.min() < 0.82 and 1.23 < factor.max() <= 1.25 + 1e-6
        assert torch.allclose(factor[:, 0], factor[:, 1]) == together


def test_a_square_is_blotted_out():
    ones = torch.ones(2, 3, 28, 28)
    got = blotted(ones, torch.tensor([[0.0, 0.0], [1.0, -1.0]]), torch.tensor([8.0, 8.0]))
    assert (got[0, :, 10:18, 10:18] == 0).all() and int((got[0] == 0).sum()) == 3 * 64
    assert (got[1, :, :4, 24:] == 0).all() and int((got[1] == 0).sum()) == 3 * 16
    lost = (augmented(torch.ones(200, 3, 28, 28), BARE.model_copy(update={"cutout": 8.0}), seeded()) == 0).sum(
        (1, 2, 3)
    )
    assert lost.max() <= 3 * 81 and len(lost.unique()) > 20


def test_a_mixed_clip_and_its_target_have_the_same_shares():
    x, targets = torch.eye(6).reshape(6, 6, 1, 1), torch.eye(6)
    images, soft = mixed(x, targets, 0.3, seeded())
    assert torch.allclose(images[:, :, 0, 0], soft) and torch.allclose(soft.sum(1), torch.ones(6))
    own = soft.diagonal()
    assert (own >= 0.7).all() and (own < 1).any()
    assert torch.equal(mixed(x, targets, 0.0, seeded())[1], targets)


def test_loss_of_whole_targets_is_the_weighted_cross_entropy():
    logits, labels, weights = torch.randn(7, 3, generator=seeded()), torch.arange(7) % 3, torch.tensor([0.5, 1.0, 2.0])
    wanted = functional.cross_entropy(logits, labels, weights)
    assert torch.allclose(soft_cross_entropy(logits, torch.eye(3)[labels], weights), wanted)
    even = functional.cross_entropy(logits, torch.full((7, 3), 1 / 3))
    assert torch.allclose(soft_cross_entropy(logits, torch.full((7, 3), 1 / 3), torch.ones(3)), even)


def test_the_rate_depends_on_the_epoch_alone():
    rates = [Cosine(60, 32, period=60).rate(epoch) for epoch in range(80)]
    assert rates[0] == 1.0 and rates[30] == pytest.approx(0.5) and rates[60] == rates[79] == 0.01
    assert rates == sorted(rates, reverse=True)
    assert rates[:10] == [Cosine(10, 32, period=60).rate(epoch) for epoch in range(10)]


def test_images_of_unknown_zero_and_size():
    image = np.random.default_rng(0).normal(size=(3, 28, 28))
    stretched = prepared(3 * image + np.array([11, -4, 0])[:, None, None], FULL)
    assert stretched == pytest.approx(prepared(image, FULL), abs=1e-4)
    assert np.median(stretched[:2], axis=(1, 2)) == pytest.approx([0, 0], abs=1e-6)
    assert np.square(stretched).mean(axis=(1, 2)) == pytest.approx([1, 1, 1], rel=1e-4)
    constant = prepared(np.full((3, 28, 28), 0.1) + 1e-9 * image, FULL)
    assert (constant[:2] == 0).all() and constant[2] == pytest.approx(np.ones((28, 28)), rel=1e-5)
    assert np.array_equal(prepared(image, PRESETS["float_flow"]), image.astype(np.float32))


def blobs(count, seed):
    """Return flow images of motion at one of three places, left or right of the middle, its class and its person."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:28, :28]
    labels, images = np.arange(count) % 3, rng.normal(0, 0.2, (count, 3, 28, 28))
    for i, label in enumerate(labels):
        row, column = (6, 14, 22)[label] + rng.normal(0, 1), 14 + rng.choice((-7, 7)) + rng.normal(0, 1)
        blob = np.exp(-((y - row) ** 2 + (x - column) ** 2) / 18)
        images[i] += np.stack([0.3 * blob, (label - 1.0) * blob, blob])
    return images.astype(np.float32), labels, np.array([f"p{i % 5}" for i in range(count)])


@pytest.fixture(scope="module")
def learned():
    images, labels, groups = blobs(60, 0)
    settings = FULL.model_copy(update={"epochs": 15, "period": 15})
    return flow_cnn.MODEL.fit(images, labels, groups, 3, settings, 0, print)


def test_it_learns_what_holds_of_other_clips(learned):
    images, labels, _ = blobs(60, 1)
    scores = flow_cnn.MODEL.predict(learned, images)
    assert (scores.argmax(axis=1) == labels).mean() > 0.9
    assert scores.sum(axis=1) == pytest.approx(np.ones(60))


def test_a_clip_and_its_mirror_image_have_the_same_scores(learned):
    images = blobs(12, 2)[0]
    other = mirrored(torch.from_numpy(images)).numpy()
    assert flow_cnn.MODEL.predict(learned, other) == pytest.approx(flow_cnn.MODEL.predict(learned, images), abs=1e-5)
    assert learned.meta["preset"]["mirror"]


def test_flow_in_pixels_is_read_in_units_of_the_training_clips():
    images, labels, groups = blobs(24, 0)
    settings = PRESETS["float_flow"].model_copy(update={"epochs": 2})
    small, large = (
        flow_cnn.MODEL.fit((factor * images).astype(np.float32), labels, groups, 3, settings, 0, print)
        for factor in (1, 8)
    )
    assert large.arrays["scale"] == pytest.approx(8 * small.arrays["scale"])
    scores = flow_cnn.MODEL.predict(small, images)
    assert flow_cnn.MODEL.predict(large, 8 * images) == pytest.approx(scores, abs=1e-4)
