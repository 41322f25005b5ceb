"""IFNet: the published sizes, strict loading by release, and what the arithmetic must obey."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mer.core.errors import ModelError
from mer.motion.warp import warp as exact_warp
from mer.networks import ifnet, ifnet_warp
from mer.networks.ifnet import VARIANTS, build, load, recognise

# specs: au-fusion.md §1.1; aman-magnet-rife.md C.1, C.3 and, for 4.6, the 21.2 MB of C.6.
PARAMETERS = {"v3.6": (3_038_015, 160), "paper": (10_708_215, 190), "m": (10_710_780, 190), "v4.6": (5_306_256, 120)}
PARTS = {"block0": 4_436_645, "block1": 1_747_580, "block2": 635_450, "block_tea": 636_665, "contextnet": 294_000}


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.random((2, 1, 3, 64, 96), dtype=np.float32))


def seeded(variant):
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        return build(variant).eval()


@pytest.mark.parametrize("variant", PARAMETERS)
def test_parameters_and_entries_as_published(variant):
    network = build(variant)
    assert (count(network), len(network.state_dict())) == PARAMETERS[variant]


def test_parts_and_training_blocks_as_published():
    network = build("paper")
    assert {name: count(getattr(network, name)) for name in PARTS} == PARTS
    assert count(network.unet) == 2_957_875 and count(network) - count(network.block_tea) == 10_071_550
    network = build("v3.6")
    assert count(network) - count(network.block_tea) == 2_277_600


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("form", ["module", "safetensors"])
def test_a_file_is_recognised_and_loads_whole(tmp_path, variant, form):
    network = seeded(variant)
    state = network.state_dict()
    path = tmp_path / ("w.safetensors" if form == "safetensors" else "flownet.pkl")
    if form == "safetensors":
        save_file(state, path)
    else:
        torch.save({f"module.{name}": value for name, value in state.items()}, path)
    found, loaded = load(path)
    assert found == variant and not loaded.training
    assert all(torch.equal(value, state[name]) for name, value in loaded.state_dict().items())


@pytest.mark.parametrize("variant", ["v3.6", "paper", "m"])
def test_the_training_block_may_be_absent_as_a_whole_only(tmp_path, variant):
    state = seeded(variant).state_dict()
    inference = {name: value for name, value in state.items() if not name.startswith("block_tea.")}
    torch.save(inference, tmp_path / "w.pth")
    assert load(tmp_path / "w.pth")[0] == variant
    torch.save({**inference, "block_tea.conv0.0.0.bias": state["block_tea.conv0.0.0.bias"]}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match="lacks block_tea"):
        load(tmp_path / "w.pth")


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_partial_file_is_refused_and_never_filled_up(tmp_path, variant):
    state = seeded(variant).state_dict()
    state.pop(list(state)[-1])
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=r"w\.pth: lacks "):
        load(tmp_path / "w.pth")


def test_another_release_is_named_as_unknown(tmp_path):
    torch.save({"block0.conv0.0.0.weight": torch.zeros(8, 23, 3, 3)}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=r"no known release of IFNet \(a first convolution of 23 inputs\).*RIFE 4\.6"):
        load(tmp_path / "w.pth")
    with pytest.raises(ModelError, match="no tensor block0"):
        recognise("w.pth", {"x": torch.zeros(1)})
    with pytest.raises(ModelError, match="at most"):
        (tmp_path / "w.pth").write_bytes(bytes(10))
        old, ifnet.LARGEST = ifnet.LARGEST, 5
        try:
            load(tmp_path / "w.pth")
        finally:
            ifnet.LARGEST = old


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["v3.6", "paper", "m", "v4.6"])
def test_without_motion_and_mask_the_middle_is_the_mean(variant, pair):
    network = seeded(variant)
    heads = ("conv1.2", "conv2.2", "lastconv", "lastconv.0", "unet.conv")
    for name, module in network.named_modules():
        if name.endswith(heads) and hasattr(module, "bias"):
            module.weight.data.zero_()
            module.bias.data.zero_()
    with torch.inference_mode():
        made = network(*pair)
    torch.testing.assert_close(made, (pair[0] + pair[1]) / 2, atol=1e-5, rtol=0)


@pytest.mark.slow
def test_release_36_does_not_depend_on_the_order_of_the_pair(pair):
    network = seeded("v3.6")
    with torch.inference_mode():
        one, two = network(pair[0], pair[1]), network(pair[1], pair[0])
    assert (one - pair.mean(dim=0)).abs().max() > 0.01
    torch.testing.assert_close(one, two, atol=1e-4, rtol=0)


@pytest.mark.parametrize("variant", ["m", "v4.6"])
def test_the_time_is_an_input(variant, pair):
    network = seeded(variant)
    with torch.inference_mode():
        early, late = network(*pair, 0.2), network(*pair, 0.8)
    assert (early - late).abs().max() > 1e-4
    with pytest.raises(ValueError, match="middle frame only"):
        build("paper")(*pair, 0.3)


def test_warps_agree_with_the_exact_ones():
    rng = np.random.default_rng(3)
    image = rng.random((40, 52, 3))
    flow = rng.normal(0, 3, (2, 40, 52))
    batch = torch.from_numpy(image.transpose(2, 0, 1)[None]).float()
    field = torch.from_numpy(flow[None]).float()
    linear = ifnet_warp.warp(batch, field)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(linear, exact_warp(image, flow, 1), atol=1e-4)
    spline = ifnet_warp.warp_spline(ifnet_warp.spline_coefficients(batch), field)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(spline, exact_warp(image, flow, 3), atol=2e-4)


@pytest.mark.slow
def test_the_spline_warp_has_the_gradient_of_its_flow():
    image = torch.rand(1, 2, 16, 17, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    # Away from whole pixels, where the pieces of the spline meet, and from the border, where reads stop moving.
    flow = torch.full((1, 2, 16, 17), 0.37, dtype=torch.float64)
    flow[..., -1] = -0.4
    flow[:, :, -1] = -0.4
    coefficients = ifnet_warp.spline_coefficients(image)
    assert torch.autograd.gradcheck(lambda f: ifnet_warp.warp_spline(coefficients, f), flow.requires_grad_())


def test_the_small_network_starts_as_a_blend_along_the_motion_it_is_given(pair):
    network = seeded("small")
    motion, seen = torch.zeros(1, 2, 64, 96), torch.ones(1, 2, 64, 96)
    with torch.inference_mode():
        made = network(pair[0], pair[1], motion, seen, torch.tensor([0.25]))
    torch.testing.assert_close(made, torch.lerp(pair[0], pair[1], 0.25), atol=1e-4, rtol=0)
    assert count(network) == 215_120


def test_every_pixel_of_the_small_network_is_a_mean_of_what_the_frames_show():
    network = seeded("small")
    torch.nn.init.normal_(network.head.weight, 0, 0.5)
    first, second = torch.full((1, 3, 32, 32), 0.3), torch.full((1, 3, 32, 32), 0.6)
    flow = torch.rand(1, 2, 32, 32)
    with torch.inference_mode():
        made = network(first, second, flow, flow, torch.tensor([0.5]))
    assert made.min() >= 0.3 - 1e-4 and made.max() <= 0.6 + 1e-4
