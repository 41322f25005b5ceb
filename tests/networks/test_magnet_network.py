import numpy as np
import pytest
import torch
from torch.nn import functional

from mer.networks.magnet import DESIGNS, MagNet
from mer.networks.magnet_files import VARIANTS, build, layout
from mer.networks.magnet_small import draw, sample, slopes, smooth, untrained


def published(variant, seed=0):
    torch.manual_seed(seed)
    return MagNet(DESIGNS[variant]).eval()


def size(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("variant, total, tensors", [("kkjh", 928_144, 43), ("zp7", 877_968, 42)])
def test_published_networks_have_the_published_numbers_of_parameters(variant, total, tensors):
    network = published(variant)
    assert size(network) == total
    assert len(layout(variant)) == tensors


def test_parts_of_the_published_network():
    network = published("kkjh")
    assert [size(part) for part in (network.encoder, network.manipulator, network.decoder)] == [
        154_416,
        77_824,
        695_904,
    ]


def kkjh_table():
    """The tensors of the AMAN checkpoint, specs/aman-magnet-rife.md B.3."""
    table = {"encoder.conv1.weight": (16, 3, 7, 7), "encoder.conv2.weight": (32, 16, 3, 3)}
    blocks = {"encoder.resblks": (3, 32), "encoder.resblks_text": (2, 32), "encoder.resblks_shape": (2, 32)}
    blocks |= {"manipulator.resblks": (1, 32), "decoder.resblks": (9, 64)}
    for name, (count, width) in blocks.items():
        for block in range(count):
            for k in (1, 2):
                table[f"{name}.{block}.conv{k}.weight"] = (width, width, 3, 3)
    for name in (
        "encoder.conv1_text",
        "encoder.conv1_shape",
        "manipulator.convblks_after.0.conv1",
        "decoder.conv1_text",
    ):
        table[f"{name}.weight"] = (32, 32, 3, 3)
    table["manipulator.convblks.0.conv1.weight"] = (32, 32, 7, 7)
    return table | {"decoder.conv1.weight": (32, 64, 3, 3), "decoder.conv2.weight": (3, 32, 7, 7)}


def test_names_and_shapes_are_those_of_the_aman_checkpoint():
    assert {theirs: shape for theirs, (_, shape) in layout("kkjh").items()} == kkjh_table()


def test_names_are_those_of_the_zheng_checkpoint():
    names = {name: shape for name, (_, shape) in layout("zp7").items()}
    expected = {
        "encoder.cba_1.conv2d.weight": (16, 3, 7, 7),
        "encoder.resblks.2.cba_2.conv2d.weight": (32, 32, 3, 3),
        "encoder.texture_cba.conv2d.weight": (32, 32, 3, 3),
        "encoder.texture_resblks.1.cba_1.conv2d.weight": (32, 32, 3, 3),
        "encoder.motion_cba.conv2d.weight": (32, 32, 3, 3),
        "encoder.motion_resblks.0.cba_2.conv2d.weight": (32, 32, 3, 3),
        "manipulator.g.conv2d.weight": (32, 32, 3, 3),
        "manipulator.h_conv.conv2d.weight": (32, 32, 3, 3),
        "manipulator.h_resblk.cba_2.conv2d.weight": (32, 32, 3, 3),
        "decoder.resblks.8.cba_1.conv2d.weight": (64, 64, 3, 3),
        "decoder.cba_1.conv2d.weight": (32, 64, 3, 3),
        "decoder.cba_2.conv2d.weight": (3, 32, 7, 7),
    }
    assert expected.items() <= names.items()
    assert not any("_text" in name or "_shape" in name or "convblks" in name for name in names)


def by_hand(held, first, second, gain, variant):
    """The forward pass written out from specs/aman-magnet-rife.md B.1 and B.2."""

    def conv(name, x, stride=1):
        weight = held[f"{name}.weight"]
        edge = weight.shape[-1] // 2
        return functional.conv2d(functional.pad(x, (edge,) * 4, mode="reflect"), weight, stride=stride)

    def blocks(name, count, x):
        for k in range(count):
            x = x + conv(f"{name}.{k}.conv2", conv(f"{name}.{k}.conv1", x).relu())
        return x

    def encode(image):
        x = conv("encoder.conv2", conv("encoder.conv1", image).relu(), 2).relu()
        x = blocks("encoder.resblks", 3, x)
        texture = blocks("encoder.resblks_text", 2, conv("encoder.conv1_text", x, 2).relu())
        return texture, blocks("encoder.resblks_shape", 2, conv("encoder.conv1_shape", x).relu())

    (_, a), (texture, b) = encode(first), encode(second)
    d = conv("manipulator.convblks.0.conv1", b - a).relu() * (gain - 1 if variant == "kkjh" else gain)
    d = blocks("manipulator.resblks", 1, conv("manipulator.convblks_after.0.conv1", d))
    texture = texture.repeat_interleave(2, 2).repeat_interleave(2, 3)
    if variant == "kkjh":
        texture = conv("decoder.conv1_text", texture).relu()
    x = blocks("decoder.resblks", 9, torch.cat([texture, b + d], 1))
    x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    return conv("decoder.conv2", conv("decoder.conv1", x).relu())


@pytest.mark.parametrize("variant", DESIGNS)
def test_forward_pass_is_the_published_one(variant):
    network = published(variant)
    first, second = torch.rand(2, 1, 3, 24, 32) * 2 - 1
    with torch.no_grad():
        made = network(first, second, torch.tensor([5.23]))
        expected = by_hand(network.state_dict(), first, second, 5.23, variant)
    torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("variant, still", [("kkjh", 1.0), ("zp7", 0.0)])
def test_first_image_has_no_say_where_the_gain_adds_nothing(variant, still):
    network = published(variant)
    first, other, second = torch.rand(3, 1, 3, 16, 16)
    with torch.no_grad():
        made = [network(image, second, torch.tensor([still])) for image in (first, other)]
        moved = network(first, second, torch.tensor([still + 1]))
    torch.testing.assert_close(*made, rtol=0, atol=0)
    assert not torch.allclose(made[0], moved)


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_pair_at_many_gains_is_each_gain_alone(variant):
    torch.manual_seed(1)
    network = untrained(0) if variant == "small" else build(variant)
    first, second = torch.rand(2, 1, 3, 32, 36)
    with torch.no_grad():
        codes = network.encode(first), network.encode(second)
        together = network.magnify(first, second, codes, torch.tensor([2.0, 5.0]))
        alone = torch.cat([network(first, second, torch.tensor([gain])) for gain in (2.0, 5.0)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def pattern(shift=0.0, side=64):
    rng = np.random.default_rng(4)
    waves, phases = rng.normal(0, 0.4, (30, 2)), rng.uniform(0, 6.3, 30)
    y, x = np.mgrid[:side, :side]
    angles = waves[:, 0, None, None] * (x - shift) + waves[:, 1, None, None] * y + phases[:, None, None]
    plane = 0.08 * np.cos(angles).sum(axis=0)
    return torch.from_numpy(np.stack([plane, plane * 0.7, -plane])[None]).float()


@pytest.mark.parametrize("shift", [0.1, 0.5, 1.5, 3.0])
def test_small_network_measures_pixels_without_its_learned_correction(shift):
    network = untrained(0)
    with torch.no_grad():
        network.measure.leave.weight.zero_()
        codes = network.encode(pattern()), network.encode(pattern(shift))
        moved, share = network.measure(codes[0][1], codes[1][1])
    inside = 2 * moved[0, :, 8:-8, 8:-8]
    assert float(inside[0].mean()) == pytest.approx(shift, rel=0.15)
    assert float(inside[1].abs().mean()) < 0.1 * shift
    assert 0 <= float(share.min()) <= float(share.max()) <= 0.5


def test_small_network_carries_the_picture_as_far_as_the_gain_says():
    network, gain = untrained(0), torch.tensor([6.0])
    moved, share = torch.zeros(1, 2, 32, 32), torch.zeros(1, 1, 32, 32)
    moved[:, 0] = 0.25  # Half a pixel of the picture.
    with torch.no_grad():
        made, back = network.carry(pattern(), pattern(0.5), moved, share, gain)
    torch.testing.assert_close(back, torch.tensor([-2.5, 0.0])[None, :, None, None].expand_as(back))
    error = (made - pattern(3.0))[..., 8:-8, 8:-8].abs().mean()
    assert error < 0.02 * pattern().std()


def test_every_parameter_of_the_small_network_learns():
    network = untrained(0)
    network(pattern(), pattern(0.7), torch.tensor([3.0])).square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in network.parameters())


def test_what_inference_has_kept_can_be_trained_with():
    with torch.inference_mode():
        smooth(torch.ones(1, 1, 17, 19), 3.0)
    image = torch.ones(1, 1, 17, 19, requires_grad=True)
    smooth(image, 3.0).sum().backward()
    assert image.grad is not None


def test_windows_average_and_points_are_exact():
    ramp = torch.arange(20.0).expand(1, 1, 16, 20)
    assert torch.allclose(smooth(torch.ones(1, 2, 16, 20), 3.0), torch.ones(1, 2, 16, 20))
    assert torch.allclose(smooth(ramp, 2.0)[..., 6:-6], ramp[..., 6:-6], atol=1e-4)
    points = torch.tensor([3.1, 7.5])[None, :, None, None]
    assert float(sample(ramp, points)) == pytest.approx(3.1, abs=1e-5)
    assert float(draw(ramp, points)) == pytest.approx(3.1, abs=1e-5)
    x, y = slopes(ramp)
    assert torch.allclose(x[..., 2:-2], torch.ones(1)) and not y.any()


def test_drawn_picture_is_the_shifted_one():
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    with torch.no_grad():
        made = draw(pattern(), torch.stack([x - 0.3, y])[None])
    inside = (..., slice(4, -4), slice(4, -4))
    assert (made - pattern(0.3))[inside].abs().mean() < 0.02 * pattern().std()
    whole = draw(pattern(), torch.stack([x - 2, y])[None])
    torch.testing.assert_close(whole[..., 2:], pattern()[..., :-2])


def test_untrained_network_follows_its_seed_and_leaves_torch_alone():
    before = torch.random.get_rng_state()
    same, other = untrained(1).state_dict(), untrained(2).state_dict()
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(value, untrained(1).state_dict()[name]) for name, value in same.items())
    assert not torch.equal(same["encoder.conv.weight"], other["encoder.conv.weight"])
