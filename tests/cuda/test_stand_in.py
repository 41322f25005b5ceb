"""The stand-in refuses what a CUDA device refuses, and computes what the CPU does otherwise (mer.testing)."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from mer.testing.cuda_stand_in import CARD, CardTensor, stand_in


@pytest.fixture
def card():
    with stand_in() as launches:
        yield launches


def test_tensors_say_where_they_are(card):
    x = torch.ones(3, 4).to("cuda")
    made = [x, torch.zeros(2, device="cuda"), x.new_ones(3), torch.empty_like(x), x[:2].T, x.double(), x.sum()]
    assert all(isinstance(one, CardTensor) and one.device == CARD and one.is_cuda for one in made)
    assert x.cpu().device.type == "cpu" and torch.ones(2, device="cpu").device.type == "cpu"
    assert x.to("cpu", torch.float64).dtype == torch.float64 and torch.equal(x.cpu(), torch.ones(3, 4))
    assert card["ones_like"] == 0 and card["sum"] == 1


def test_two_devices_do_not_mix(card):
    x = torch.ones(3).to("cuda")
    with pytest.raises(RuntimeError, match="same device"):
        x + torch.from_numpy(np.ones(3, np.float32))
    with pytest.raises(RuntimeError, match="same device"):
        functional.linear(torch.ones(2, 3), x[None])
    with pytest.raises(RuntimeError, match="same device"):
        torch.arange(3)[torch.tensor([1]).to(CARD)]
    assert (x + torch.tensor(1.0)).sum().item() == 6  # a single number of the CPU may join
    assert x[torch.tensor([0, 2])].shape == (2,) and x.index_select(0, torch.tensor([0]).to(CARD)).shape == (1,)
    x.copy_(torch.full((3,), 2.0))
    assert x.tolist() == [2, 2, 2]


def test_numpy_reads_the_host_only(card):
    x = torch.ones(3, device="cuda")
    for read in (lambda: x.numpy(), lambda: np.asarray(x), lambda: np.stack([x])):
        with pytest.raises(TypeError, match=r"Tensor\.cpu\(\) first"):
            read()
    assert np.asarray(x.cpu()).sum() == 3


def test_operators_without_a_kernel_are_refused(card):
    x = torch.rand(2, 3, device="cuda")
    with pytest.raises(NotImplementedError, match="CUDA"):
        torch.ops.aten.mkldnn_linear(x, x, None)
    assert torch.linalg.solve(torch.eye(3, device="cuda"), x.T).shape == (3, 2)


def slope_of(make, *shape):
    x = torch.rand(*shape, device="cuda", requires_grad=True)
    make(x).sum().backward()
    return x.grad


UNREPEATABLE = {
    "max_pool3d": (lambda x: functional.max_pool3d(x, 2), 1, 2, 4, 4, 4),
    "avg_pool3d": (lambda x: functional.avg_pool3d(x, 2), 1, 2, 4, 4, 4),
    "adaptive_avg_pool2d": (lambda x: functional.adaptive_avg_pool2d(x, 2), 1, 2, 5, 5),
    "adaptive_max_pool2d": (lambda x: functional.adaptive_max_pool2d(x, 2), 1, 2, 5, 5),
    "bilinear": (lambda x: functional.interpolate(x, scale_factor=2.0, mode="bilinear"), 1, 2, 4, 4),
    "bicubic": (lambda x: functional.interpolate(x, scale_factor=2.0, mode="bicubic"), 1, 2, 4, 4),
    "reflect": (lambda x: functional.pad(x, (1, 1, 1, 1), mode="reflect"), 1, 2, 4, 4),
    "replicate": (lambda x: functional.pad(x, (1, 1, 1, 1), mode="replicate"), 1, 2, 4, 4),
    "grid_sample": (lambda x: functional.grid_sample(x, x[..., :2]), 1, 2, 4, 4),
    "cumsum": (lambda x: x.cumsum(0), 4),
    "median": (lambda x: x.median(0).values, 4, 2),
}


@pytest.mark.parametrize("name", UNREPEATABLE)
def test_operators_that_do_not_repeat_are_refused_where_determinism_is_asked_for(card, name):
    make, *shape = UNREPEATABLE[name]
    assert slope_of(make, *shape).shape == tuple(shape)
    for mode in ("warn", "error"):
        torch.set_deterministic_debug_mode(mode)
        try:
            with pytest.raises(RuntimeError, match="deterministic"):
                slope_of(make, *shape)
        finally:
            torch.set_deterministic_debug_mode("default")


def test_attention_repeats_itself_only_where_torch_shall_not_warn(card):
    try:
        torch.set_deterministic_debug_mode("warn")
        with pytest.raises(RuntimeError, match="attention"):
            slope_of(lambda x: functional.scaled_dot_product_attention(x, x, x), 1, 2, 4, 8)
        torch.set_deterministic_debug_mode("error")
        slope_of(lambda x: functional.scaled_dot_product_attention(x, x, x), 1, 2, 4, 8)
    finally:
        torch.set_deterministic_debug_mode("default")


def test_a_recurrent_layer_under_autocast_is_refused(card):
    gru, x = torch.nn.GRU(3, 4).to("cuda"), torch.rand(2, 1, 3, device="cuda")
    assert gru(x)[0].dtype == torch.float32
    with torch.autocast("cuda", torch.bfloat16):
        assert functional.linear(x, torch.ones(2, 3, device="cuda")).dtype == torch.bfloat16
        with pytest.raises(RuntimeError, match="float16"):
            gru(x)


def test_networks_keep_their_parameters_when_they_move(card):
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    before = list(network.parameters())
    network.to("cuda")
    assert all(one is other for one, other in zip(before, network.parameters(), strict=True))
    assert all(one.is_cuda and isinstance(one, torch.nn.Parameter) for one in network.parameters())
    network(torch.rand(5, 3, device="cuda")).sum().backward()
    assert network[0].weight.grad.is_cuda
    network.load_state_dict({name: torch.zeros(value.shape) for name, value in network.state_dict().items()})
    assert network[0].weight.is_cuda and not network[0].weight.cpu().any()


def test_nothing_is_left_behind():
    before = torch.cuda.is_available, torch.autocast, torch.nn.Module._apply
    with stand_in(name="a card", cards=2):
        assert torch.cuda.is_available() and torch.cuda.device_count() == 2
        assert torch.cuda.get_device_name() == "a card"
    assert before == (torch.cuda.is_available, torch.autocast, torch.nn.Module._apply)
    assert torch.cuda.device_count() == 0
