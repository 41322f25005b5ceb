"""The fused first layers against the layers of torch that they stand for."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from mer.models.conv_norm_pool import Prepared, Window, conv_norm_pool, dropout_mask, unfold


def layers(channels, filters, window, streams=1):
    """Return convolutions and norms with scales of both signs."""
    torch.manual_seed(3)
    convs = [nn.Conv2d(channels, filters, window.kernel, padding=window.padding) for _ in range(streams)]
    norms = [nn.BatchNorm2d(filters, momentum=0.2) for _ in range(streams)]
    for norm in norms:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    return convs, norms


def plain(x, convs, norms, window):
    parts = [x] if len(convs) == 1 else x.split(1, dim=1)
    made = [norm(conv(part).relu()) for part, conv, norm in zip(parts, convs, norms, strict=True)]
    return functional.max_pool2d(torch.cat(made, dim=1), window.pool, padding=window.pool_padding)


def compare(x, given, convs, norms, window, tolerance):
    own_convs, own_norms = copy.deepcopy((convs, norms))
    expected = plain(x, convs, norms, window)
    made = conv_norm_pool(given, own_convs, own_norms, window)
    assert made.shape == expected.shape and made.dtype == torch.float32
    assert torch.allclose(made, expected, atol=10 * tolerance)
    weight = torch.randn_like(expected)
    pairs = []
    for result, own in ((expected, (*convs, *norms)), (made, (*own_convs, *own_norms))):
        parameters = [parameter for layer in own for parameter in layer.parameters()]
        pairs.append(torch.autograd.grad((result * weight).sum(), parameters))
    for first, second in zip(*pairs, strict=True):
        assert (first - second).abs().max() <= tolerance * 10 * first.abs().max()
    for norm, own in zip(norms, own_norms, strict=True):
        assert torch.allclose(norm.running_mean, own.running_mean, atol=tolerance)
        assert torch.allclose(norm.running_var, own.running_var, atol=tolerance)
        assert norm.num_batches_tracked == own.num_batches_tracked == 1


@pytest.mark.parametrize(
    ("channels", "filters", "streams", "side", "window"),
    [
        (3, 16, 1, 28, Window(3, 2, 3, 1)),
        (1, 4, 3, 21, Window(5, 2, 3)),
        (2, 5, 1, 13, Window(3, 1, 2)),
    ],
)
@pytest.mark.parametrize("form", ["images", "patches"])
def test_it_is_what_the_four_layers_are(channels, filters, streams, side, window, form):
    convs, norms = layers(channels, filters, window, streams)
    x = torch.randn(6, channels * streams, side, side) * 2 + 1
    given = unfold(x, window) if form == "patches" else x.contiguous(memory_format=torch.channels_last)
    compare(x, given, convs, norms, window, 1e-5)


def test_constant_images_have_no_motion_and_no_variance():
    window = Window(3, 2, 3, 1)
    convs, norms = layers(3, 4, window)
    made = conv_norm_pool(torch.zeros(4, 3, 28, 28), convs, norms, window)
    assert torch.isfinite(made).all()


def test_bf16_patches_are_near():
    window = Window(3, 2, 3, 1)
    convs, norms = layers(3, 8, window)
    x = torch.randn(16, 3, 28, 28)
    exact = plain(x, convs, norms, window)
    rounded = conv_norm_pool(Prepared(x, window, "bf16").batch(torch.arange(16)), convs, norms, window)
    assert 0 < (exact - rounded).abs().max() < 0.03 * exact.abs().max()


def test_prepared_batches_are_the_images_asked_for(monkeypatch):
    window, x = Window(3, 1, 2), torch.randn(9, 2, 8, 8)
    order = torch.tensor([7, 0, 7])
    assert torch.equal(Prepared(x, window, "float32").batch(order), x[order])
    stored = Prepared(x, window, "bf16")
    late = Prepared(x, window, "bf16")
    late._late, late._store = True, x
    assert torch.equal(stored.batch(order), unfold(x[order], window).bfloat16())
    assert torch.equal(late.batch(order), stored.batch(order))


@pytest.mark.parametrize("share", [0.0, 0.2, 0.3, 0.5])
def test_dropout_keeps_the_mean_and_the_share(share):
    torch.manual_seed(0)
    mask = dropout_mask((300, 401), share, torch.device("cpu"))
    assert mask.shape == (300, 401) and mask.max() == pytest.approx(1 / (1 - share))
    assert ((mask == 0) | (mask == mask.max())).all()
    assert float((mask == 0).float().mean()) == pytest.approx(share, abs=0.01)
    torch.manual_seed(0)
    assert torch.equal(mask, dropout_mask((300, 401), share, torch.device("cpu")))
