"""On a CUDA device itself, where there is one: the CPU's scores, the same bits twice, memory, precision, flow.

`pytest -m cuda` runs these alone. What the stand-in of the other tests cannot know is held here: kernels, memory, TF32.
"""

import numpy as np
import pytest
import torch
from card_cases import PRESETS, WITHIN, fold, settled, trained
from torch import nn

from mer.core.device import float32_products
from mer.core.errors import ModelError
from mer.models import loop, mean_softnet, ststnet
from mer.models.pooling import max_pool3d
from mer.models.registry import model
from mer.models.together import Share
from mer.motion import black_anandan, micro

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]
# PyTorch's own layers draw from the device's generator: nothing is dropped or turned where trainings are compared. What
# au_fusion drops cannot be switched off: of it the predictions of one training are compared.
QUIET = {"dropout": 0.0, "head_dropout": 0.0, "augment": False}
DRAWS = {"au_fusion"}


def without_dropout(name, preset):
    settings = settled(name, preset, epochs=2)
    return settings.model_copy(update={key: v for key, v in QUIET.items() if key in type(settings).model_fields})


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_scores_are_those_of_the_cpu(name, preset):
    settings = without_dropout(name, preset)
    state, wanted, _ = trained(name, preset, "float32", "cpu", settings=settings)
    if name in DRAWS:
        made = model(name, "test").predict(state, fold(name, preset, settings)[0], "cuda")
    else:
        _, made, computed = trained(name, preset, "float32", "cuda", settings=settings)
        assert computed == "float32"
    print(f"{name} {preset}: scores {np.abs(made - wanted).max():.1e} apart")
    assert np.abs(made - wanted).max() < 2e-3


@pytest.mark.parametrize("precision", ["float32", "bf16", "auto"])
@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_a_training_repeats_itself_to_the_bit(name, preset, precision):
    first, second = (trained(name, preset, precision, "cuda", settings=settled(name, preset, 2)) for _ in range(2))
    for key, array in first[0].arrays.items():
        assert np.array_equal(array, second[0].arrays[key]), key
    assert np.array_equal(first[1], second[1])


@pytest.mark.parametrize("name", ["ststnet", "mean", "dual_branch", "aman"])
def test_mixed_precision_stays_near(name):
    preset = next(iter(model(name, "test").presets))
    # On noise two trainings part by the step: after one epoch it is still precision that is compared.
    settings = without_dropout(name, preset).model_copy(update={"epochs": 1})
    exact = trained(name, preset, "float32", "cuda", settings=settings)[1]
    for precision in ("bf16", "auto"):
        _, made, computed = trained(name, preset, precision, "cuda", settings=settings)
        assert computed == ("bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32")
        assert np.abs(made - exact).max() < WITHIN["bf16"]


def test_products_of_float32_are_of_float32():
    torch.manual_seed(0)
    a, b = torch.randn(512, 512, device="cuda"), torch.randn(512, 512, device="cuda")
    exact = (a.double() @ b.double()).float()
    layer = nn.Conv2d(64, 64, 3, bias=False).cuda()
    x = torch.randn(4, 64, 32, 32, device="cuda")
    wide = nn.functional.conv2d(x.double(), layer.weight.double()).float()
    with float32_products(), torch.no_grad():
        assert (a @ b - exact).abs().max() < 1e-3 and (layer(x) - wide).abs().max() < 1e-4
    if torch.cuda.get_device_capability() >= (8, 0):
        with float32_products(tf32=True), torch.no_grad():
            assert (a @ b - exact).abs().max() > 1e-3
    with loop.reproducible(0, "cuda"):
        assert not torch.backends.cuda.matmul.allow_tf32 and not torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize("card", [ststnet.MODEL, mean_softnet.MODEL], ids=["ststnet", "mean"])
def test_folds_together_and_in_half(card, tmp_path):
    side = 28 if card is ststnet.MODEL else 42
    rng = np.random.default_rng(0)
    x, labels = rng.random((24, 3, side, side), np.float32), np.arange(24) % 3
    settings = card.presets["clean"].model_copy(update={"epochs": 3, "batch_size": 8})
    shares = [Share(rows, labels[rows], seed) for seed, rows in enumerate(np.arange(20)[None] + np.arange(4)[:, None])]
    together = card.fit_together(x, shares, 3, settings, print, "cuda")
    halves = [card.fit_together(x, part, 3, settings, print, "cuda") for part in (shares[:2], shares[2:])]
    for one, other in zip(together, [*halves[0], *halves[1]], strict=True):
        assert card.predict(one, x, "cuda") == pytest.approx(card.predict(other, x, "cuda"), abs=1e-4)
        assert card.predict(one, x, "cuda") == pytest.approx(card.predict(one, x, "cpu"), abs=1e-4)


def test_memory_falls_back_where_the_card_is_full(monkeypatch):
    held = torch.cuda.mem_get_info()[1]
    torch.cuda.set_per_process_memory_fraction(min(1.0, 64 * 2**20 / held))
    try:
        with pytest.raises(torch.OutOfMemoryError):
            torch.empty(2**27, dtype=torch.float32, device="cuda")
        chosen = settled("dual_branch", "icip2024", whole=True)
        with pytest.raises((ModelError, torch.OutOfMemoryError), match="memory"):
            trained("dual_branch", "icip2024", "float32", "cuda", settings=chosen)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()


@pytest.mark.parametrize("window", [((2, 2, 2), (2, 2, 2), (0, 0, 0)), ((2, 3, 3), (2, 2, 2), (0, 1, 1))])
def test_pooling_has_the_gradient_of_the_cpu(window):
    x = torch.randint(0, 4, (2, 3, 8, 9, 9)).float()
    slopes = []
    for place in ("cpu", "cuda", "cuda"):
        given = x.clone().to(place).requires_grad_()
        made = max_pool3d(given, *window)
        made.backward(torch.arange(made.numel(), device=place).view(made.shape).float())
        slopes.append(given.grad.cpu())
    assert torch.equal(slopes[1], slopes[2])
    torch.testing.assert_close(slopes[0], slopes[1])


def test_flow_is_that_of_the_cpu():
    y, x = np.mgrid[:64, :64].astype(np.float32)
    grey = np.stack([127 + 60 * np.sin((x - 0.3 * t) / 3) * np.cos((y + 0.2 * t) / 4) for t in range(4)])
    grey = grey.astype(np.float32)
    apart = np.abs(micro.flows(grey[:1], grey[1:], None, "cuda") - micro.flows(grey[:1], grey[1:])).max()
    assert apart < 1e-3
    made = black_anandan.flows(grey[:1], grey[1:], None, "cuda")
    assert np.abs(made - black_anandan.flows(grey[:1], grey[1:])).max() < 5e-3
    assert np.array_equal(made, black_anandan.flows(grey[:1], grey[1:], None, "cuda"))
