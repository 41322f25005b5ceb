"""The compiled layers and steps of shallow networks against the layers of torch that they stand for."""

import copy
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from mer.core.errors import ModelError
from mer.models import conv_norm_pool as layers_module
from mer.models import loop, mean_softnet, ststnet
from mer.models.conv_norm_pool import Batch, Prepared, Window, conv_norm_pool, conv_pool, dropout_mask
from mer.models.mean_softnet_networks import WINDOW, Recognition, penalty
from mer.models.planes import WHOLE, aligned


def layers(channels, filters, window, streams=1):
    """Return convolutions and norms with scales of both signs."""
    torch.manual_seed(3)
    convs = [nn.Conv2d(channels, filters, window.kernel, padding=window.padding) for _ in range(streams)]
    norms = [nn.BatchNorm2d(filters, momentum=0.2) for _ in range(streams)]
    for norm in norms:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    return convs, norms


def exact(x, convs, norms, window):
    """Return the layers of torch in float64, copied, and what they make."""
    convs, norms = copy.deepcopy(([conv.double() for conv in convs], [norm.double() for norm in norms]))
    parts = [x.double()] if len(convs) == 1 else x.double().split(1, dim=1)
    made = [norm(conv(part).relu()) for part, conv, norm in zip(parts, convs, norms, strict=True)]
    return (*convs, *norms), functional.max_pool2d(torch.cat(made, dim=1), window.pool, padding=window.pool_padding)


def gradients(result, own, weight):
    return torch.autograd.grad((result * weight.to(result.dtype)).sum(), own)


def near(found, expected, tolerance):
    found, expected = found.detach().double(), expected.detach().double()
    assert (found - expected).abs().max() <= tolerance * max(1e-3, float(expected.abs().max()))


@pytest.mark.parametrize(
    ("channels", "filters", "streams", "side", "window"),
    [
        (3, 16, 1, 28, Window(3, 2, 3, 1)),
        (1, 3, 3, 42, Window(5, 2, 3)),
        (1, 4, 3, 21, Window(5, 2, 3)),
        (3, 5, 1, 13, Window(3, 1, 3)),
    ],
)
def test_first_layers_are_those_of_torch(channels, filters, streams, side, window):
    convs, norms = layers(channels, filters, window, streams)
    x = torch.randn(6, channels * streams, side, side) * 2 + 1
    expected_layers, expected = exact(x, copy.deepcopy(convs), copy.deepcopy(norms), window)
    made = conv_norm_pool(x, convs, norms, window)
    assert made.shape == expected.shape and made.dtype == torch.float32
    near(made, expected, 1e-5)
    weight = torch.randn_like(made)
    own = [parameter for layer in (*convs, *norms) for parameter in layer.parameters()]
    reference = [parameter for layer in expected_layers for parameter in layer.parameters()]
    for found, wanted in zip(gradients(made, own, weight), gradients(expected, reference, weight), strict=True):
        near(found, wanted, 5e-5)
    for norm, wanted in zip(norms, expected_layers[len(convs) :], strict=True):
        near(norm.running_mean, wanted.running_mean, 1e-6)
        near(norm.running_var, wanted.running_var, 1e-6)
        assert norm.num_batches_tracked == 1


@pytest.mark.parametrize(("channels", "filters", "side", "count"), [(14, 8, 14, 5), (14, 8, 14, 35), (1, 3, 9, 4)])
def test_second_layers_are_those_of_torch(channels, filters, side, count):
    torch.manual_seed(5)
    conv, window = nn.Conv2d(channels, filters, 5, padding=2), Window(5, 2, 2)
    x = torch.randn(count, channels, side, side, requires_grad=True)
    expected = functional.max_pool2d(conv(x).relu(), 2)
    made = conv_pool(x, conv, window)
    near(made, expected, 1e-6)
    weight = torch.randn_like(expected)
    own = [x, *conv.parameters()]
    for found, wanted in zip(gradients(made, own, weight), gradients(expected, own, weight), strict=True):
        near(found, wanted, 2e-6)


@settings(max_examples=30, deadline=None)
@given(
    side=st.integers(8, 24),
    kernel=st.sampled_from([3, 5]),
    more=st.integers(0, 1),
    pool_padding=st.integers(0, 1),
    widths=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    count=st.integers(2, 40),
    seed=st.integers(0, 99),
)
def test_sizes_filters_and_ties_of_any_kind(side, kernel, more, pool_padding, widths, count, seed):
    torch.manual_seed(seed)
    padding = kernel // 2 + more
    window = Window(kernel, padding, 3, pool_padding)
    widths, channels = (widths[:1], 3) if kernel == 3 else (widths, len(widths))
    convs = [nn.Conv2d(channels // len(widths), width, kernel, padding=padding) for width in widths]
    norms = [nn.BatchNorm2d(width) for width in widths]
    for conv, norm in zip(convs, norms, strict=True):
        nn.init.normal_(norm.weight)
        with torch.no_grad():
            for each in conv.parameters():
                # Eighths: sums are exact, and values that ought to be equal are.
                each.copy_(torch.randint_like(each, -8, 9) / 8)
    # Few distinct values: constant regions, where every value of a window is the largest and the first one counts.
    x = torch.randint(-1, 2, (count, channels, side, side)).float()
    x[:, :, : side // 2] = 1
    expected_layers, expected = exact(x, copy.deepcopy(convs), copy.deepcopy(norms), window)
    made = conv_norm_pool(Prepared(x, window).batch(torch.arange(count)), convs, norms, window)
    assert made.shape == expected.shape
    near(made, expected, 1e-4)
    weight = torch.randn_like(made)
    own = [parameter for layer in (*convs, *norms) for parameter in layer.parameters()]
    reference = [parameter for layer in expected_layers for parameter in layer.parameters()]
    found, wanted = (
        torch.cat([each.double().flatten() for each in gradients(*given, weight)])
        for given in ((made, own), (expected, reference))
    )
    near(found, wanted, 1e-4)


def test_of_equal_values_the_first_gets_the_gradient():
    conv, window = nn.Conv2d(1, 4, 5, padding=2), Window(5, 2, 2)
    x = torch.ones(1, 1, 8, 8, requires_grad=True)
    expected = torch.autograd.grad(functional.max_pool2d(conv(x).relu(), 2).sum(), x)[0]
    found = torch.autograd.grad(conv_pool(x, conv, window).sum(), x)[0]
    near(found, expected, 1e-6)


def test_what_nothing_is_compiled_for_is_refused():
    convs, norms = layers(2, 4, Window(3, 1, 3))
    with pytest.raises(ValueError, match="no first layers are compiled"):
        conv_norm_pool(torch.randn(2, 2, 9, 9), convs, norms, Window(3, 1, 3))
    with pytest.raises(ValueError, match="no second layers are compiled"):
        conv_pool(torch.randn(2, 2, 9, 9), nn.Conv2d(2, 4, 3, padding=1), Window(3, 1, 2))
    with pytest.raises(ValueError, match="images of 400 by 28 pixels are too large"):
        Prepared(torch.zeros(1, 3, 400, 28), Window(3, 2, 3, 1))


def test_constant_images_have_no_motion_and_no_variance():
    window = Window(3, 2, 3, 1)
    convs, norms = layers(3, 4, window)
    made = conv_norm_pool(torch.zeros(4, 3, 28, 28), convs, norms, window)
    assert torch.isfinite(made).all()


def test_a_nan_reaches_the_result():
    window = Window(3, 2, 3, 1)
    convs, norms = layers(3, 4, window)
    with torch.no_grad():
        convs[0].weight[0, 0, 0, 0] = torch.nan
    assert torch.isnan(conv_norm_pool(torch.randn(4, 3, 28, 28), convs, norms, window)[:, 0]).all()
    second = nn.Conv2d(14, 8, 5, padding=2)
    with torch.no_grad():
        second.bias[2] = torch.nan
    assert torch.isnan(conv_pool(torch.randn(2, 14, 14, 14), second, Window(5, 2, 2))[:, 2]).all()


@pytest.mark.parametrize(("module", "side"), [(ststnet, 28), (mean_softnet, 42)])
def test_a_nan_ends_the_training(module, side):
    x = np.random.default_rng(0).standard_normal((24, 3, side, side)).astype(np.float32)
    x[7, 1, 5, 5] = np.nan
    preset = module.PRESETS["clean"].model_copy(update={"epochs": 2})
    with pytest.raises(ModelError, match="training: loss nan in epoch 1; expected a finite loss"):
        module.fit(x, np.arange(24) % 3, np.arange(24), 3, preset, 0, lambda line: None)


def test_prepared_batches_are_the_images_asked_for():
    window, x = Window(3, 1, 3), torch.randn(9, 3, 8, 8)
    convs, norms = layers(3, 4, window)
    order = torch.tensor([7, 0, 7])
    taken = conv_norm_pool(Prepared(x, window).batch(order), *copy.deepcopy((convs, norms)), window)
    assert torch.equal(taken, conv_norm_pool(x[order], convs, norms, window))


def test_the_layers_drop_what_the_mask_drops():
    window, x = Window(3, 2, 3, 1), torch.randn(5, 3, 28, 28)
    convs, norms = layers(3, 4, window)
    kept = conv_norm_pool(x, *copy.deepcopy((convs, norms)), window)
    torch.manual_seed(9)
    dropped = conv_norm_pool(x, convs, norms, window, 0.4)
    torch.manual_seed(9)
    near(dropped, kept * dropout_mask(tuple(kept.shape), 0.4, kept.device), 1e-6)
    conv, y = nn.Conv2d(4, 4, 5, padding=2), torch.randn(5, 4, 8, 8, requires_grad=True)
    torch.manual_seed(9)
    made = conv_pool(y, conv, Window(5, 2, 2), 0.4)
    torch.manual_seed(9)
    expected = functional.max_pool2d(conv(y).relu(), 2)
    expected = expected * dropout_mask(tuple(expected.shape), 0.4, y.device)
    near(made, expected, 1e-6)
    found, wanted = (torch.autograd.grad(value.square().sum(), y)[0] for value in (made, expected))
    near(found, wanted, 1e-5)


def data(model, side, count=40):
    rng = np.random.default_rng(4)
    torch.manual_seed(6)
    network = ststnet.Network(3) if model == "ststnet" else Recognition(3)
    return network.train(), torch.randn(count, 3, side, side), rng.integers(0, 3, count), np.array([0.5, 1.0, 2.0])


@pytest.mark.parametrize("model", ["ststnet", "mean"])
def test_a_step_without_a_graph_is_the_step_with_one(model):
    network, x, labels, factors = data(model, 28 if model == "ststnet" else 42)
    prepared = Prepared(x, ststnet.WINDOW if model == "ststnet" else WINDOW)
    order = torch.randperm(40)[:24]
    held, weights = torch.from_numpy(labels)[order], torch.tensor(factors, dtype=torch.float32)
    twin = copy.deepcopy(network)
    torch.manual_seed(7)
    if model == "ststnet":
        expected = nn.CrossEntropyLoss(weights)(twin(x[order]), held)
        torch.manual_seed(7)
        made = network.compiled_loss(labels, factors)(prepared.batch(order))
    else:
        expected = loop.weighted_nll(functional.log_softmax(twin(x[order]), dim=1), held, weights)
        expected = expected + penalty(twin.trunk, twin.recog, 1e-3, 0.1)
        torch.manual_seed(7)
        made = network.compiled_loss(labels, factors, 1e-3, 0.1)(prepared.batch(order))
    assert made.detach().item() == pytest.approx(expected.item(), rel=1e-6)
    made.backward()
    expected.backward()
    for (name, found), wanted in zip(network.named_parameters(), twin.parameters(), strict=True):
        assert found.grad is not None, name
        near(found.grad, wanted.grad, 2e-5)
    for found, wanted in zip(network.buffers(), twin.buffers(), strict=True):
        near(found, wanted, 1e-6)


def test_images_elsewhere_than_on_a_cpu_go_through_the_layers_of_torch():
    window, x = Window(3, 2, 3, 1), torch.randn(6, 3, 28, 28)
    convs, norms = layers(3, 4, window)
    plain = layers_module._plain(x, *copy.deepcopy((convs, norms)), window, 0.0)
    near(conv_norm_pool(x, convs, norms, window), plain, 1e-5)
    away = Prepared(x.to("meta"), window)
    assert away.computes is None and not isinstance(away.batch(torch.tensor([1])), Batch)


def test_aligned_rows_begin_where_a_cache_line_does():
    for shape in ((4, WHOLE), (3, 5, 2 * WHOLE)):
        array = aligned(shape)
        assert array.shape == shape and array.dtype == np.float32
        assert all(row.ctypes.data % 64 == 0 for row in array.reshape(-1, shape[-1]))


@pytest.mark.parametrize("share", [0.0, 0.2, 0.3, 0.5])
def test_dropout_keeps_the_mean_and_the_share(share):
    torch.manual_seed(0)
    mask = dropout_mask((300, 401), share, torch.device("cpu"))
    assert mask.shape == (300, 401) and mask.max() == pytest.approx(1 / (1 - share), rel=1e-4)
    assert ((mask == 0) | (mask == mask.max())).all()
    assert float((mask == 0).float().mean()) == pytest.approx(share, abs=0.01)
    torch.manual_seed(0)
    assert torch.equal(mask, dropout_mask((300, 401), share, torch.device("cpu")))


def test_what_is_compiled_now_rounds_as_what_was_kept(tmp_path):
    code = (
        "import numpy as np, torch, sys; from mer.models import ststnet;"
        "rng = np.random.default_rng(0); x = rng.standard_normal((32, 3, 28, 28)).astype(np.float32);"
        "preset = ststnet.PRESETS['clean'].model_copy(update={'epochs': 4});"
        "state = ststnet.fit(x, np.arange(32) % 3, np.arange(32), 3, preset, 0, lambda line: None);"
        "sys.stdout.buffer.write(b''.join(state.arrays[name].tobytes() for name in sorted(state.arrays)))"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    first, second = (
        subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True).stdout
        for _ in range(2)
    )
    assert list(tmp_path.rglob("*.nbc")) and first == second
