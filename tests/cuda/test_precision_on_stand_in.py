"""How a card multiplies float32, and that what is set for a training is set back (mer.core.device, mer.models.loop)."""

import numpy as np
import pytest
import torch
from card_cases import settled, trained
from torch import nn
from torch.nn import functional

from mer.core.device import float32_products
from mer.core.errors import ModelError
from mer.models import dual_branch_blocks, loop
from mer.motion import black_anandan, black_anandan_kernel, micro, micro_kernel
from mer.stages.interpolate import rife
from mer.stages.magnify import magnet
from mer.testing.cuda_stand_in import stand_in


def flags():
    """Return whether products and cuDNN's layers may round to TF32."""
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


@pytest.fixture(params=[(False, True), (True, True), (True, False)], ids=["torch's own", "both", "odd"])
def before(request):
    found = flags()
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = request.param
    yield request.param
    assert flags() == request.param
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = found


def test_products_are_set_and_set_back(before):
    with float32_products():
        assert flags() == (False, False)
        with float32_products(tf32=True):
            assert flags() == (True, True)
        assert flags() == (False, False)
    with pytest.raises(ZeroDivisionError), float32_products():
        _ = 1 / 0


def test_a_training_on_a_card_is_reproducible_and_leaves_nothing(before):
    torch.backends.cudnn.benchmark = True
    try:
        with stand_in(), loop.reproducible(0, "cuda"):
            assert flags() == (False, False) and not torch.backends.cudnn.benchmark
            assert torch.get_deterministic_debug_mode() == 2
        assert torch.backends.cudnn.benchmark and torch.get_deterministic_debug_mode() == 0
        with loop.reproducible(0, "cpu"):
            assert flags() == before and torch.get_deterministic_debug_mode() == 1
    finally:
        torch.backends.cudnn.benchmark = False


@pytest.mark.parametrize(("precision", "wanted"), [("float32", False), ("tf32", True), ("bf16", False)])
def test_tf32_is_for_the_whole_training_and_for_nothing_else(before, monkeypatch, precision, wanted):
    seen = {"forward": set(), "backward": set(), "prediction": set()}
    forward = dual_branch_blocks.ChannelGate.forward

    def watched(self, x):
        seen["forward" if self.training else "prediction"].add(flags())
        made = forward(self, x)
        if made.requires_grad:
            made.register_hook(lambda slope: seen["backward"].add(flags()))
        return made

    monkeypatch.setattr(dual_branch_blocks.ChannelGate, "forward", watched)
    used = trained("dual_branch", "small", precision, "cuda", stand_in())[2]
    assert used == precision
    assert seen == {"forward": {(wanted,) * 2}, "backward": {(wanted,) * 2}, "prediction": {(False, False)}}


@pytest.mark.parametrize(("kernel", "estimator"), [(micro_kernel, micro), (black_anandan_kernel, black_anandan)])
def test_flow_is_computed_in_float32(before, monkeypatch, kernel, estimator):
    seen, solve = [], kernel.solve
    monkeypatch.setattr(kernel, "solve", lambda *given: (seen.append(flags()), solve(*given))[1])
    grey = np.random.default_rng(0).random((2, 24, 24)).astype(np.float32) * 255
    estimator.flows(grey[:1], grey[1:])
    assert seen and set(seen) == {(False, False)}


@pytest.mark.parametrize("stage", [rife, magnet])
def test_networks_of_stages_are_computed_in_float32(before, monkeypatch, stage):
    seen, convolve = [], nn.Conv2d.forward
    monkeypatch.setattr(nn.Conv2d, "forward", lambda self, x: (seen.append(flags()), convolve(self, x))[1])
    frames = np.random.default_rng(0).integers(0, 255, (2, 40, 40, 3), dtype=np.uint8)
    if stage is rife:
        rife.resample(frames, np.array([0.5]))
    else:
        list(magnet.magnified(frames, 0, magnet.Params(alphas=[2.0])))
    assert seen and set(seen) == {(False, False)}


def test_an_operator_that_cannot_repeat_itself_is_one_line(monkeypatch):
    right = loop.weighted_nll
    monkeypatch.setattr(loop, "weighted_nll", lambda logs, *rest: right(logs.cumsum(0), *rest))
    with pytest.raises(ModelError, match=r"^training: the device cannot repeat cumsum; expected kernels that repeat"):
        trained("dual_branch", "small", "float32", "cuda", stand_in())


def test_a_gru_on_a_card_is_of_float32(monkeypatch):
    kinds = []
    gru = dual_branch_blocks.recurrent(3, 4)
    monkeypatch.setattr(
        nn.GRU, "forward", lambda self, x: (kinds.append((x.dtype, torch.is_autocast_enabled("cpu"))), x)
    )
    x = torch.rand(1, 2, 3)
    with stand_in(), torch.autocast("cuda", torch.bfloat16):
        gru(functional.linear(x.to("cuda"), torch.eye(3, device="cuda")))
    with torch.autocast("cpu", torch.bfloat16):
        gru(functional.linear(x, torch.eye(3)))
    assert kinds == [(torch.float32, False), (torch.bfloat16, True)]
    assert settled("dual_branch", "small").gru
