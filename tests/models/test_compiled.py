"""The compiled training of shallow networks against the plain network and autograd."""

import ast
import copy
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from mer.core.errors import ModelError
from mer.models import compiled, mean_softnet, step, ststnet
from mer.models.batch_layers import BatchNorm2d, Dropout, ShallowLayers, dropout_mask
from mer.models.compiled.planes import WHOLE, aligned
from mer.models.compiled.training import Compiled, StepLoss, compiled_training
from mer.models.mean_softnet_network import Recognition, SoftNet, Spotting, Trunk, spotting_loss
from mer.models.objective import CrossEntropy, Labelled
from mer.models.ststnet_network import Ststnet

ENTRY = ("Compiled", "compiled_training")
LOSSES = (CrossEntropy("weights"), CrossEntropy("clips"))


def pooled_sides(sides, kernel, padding, pool_padding):
    return [(side + 2 * padding - kernel + 1 + 2 * pool_padding) // 3 for side in sides]


class Second(nn.Module):
    """A second layer."""

    def __init__(self, sees, width, share):
        super().__init__()
        self.conv, self.relu = nn.Conv2d(sees, width, 5, padding=2), nn.ReLU()
        self.pool, self.dropout = nn.MaxPool2d(2), Dropout(share)

    def forward(self, x):
        return self.dropout(self.pool(self.relu(self.conv(x))))


class First(nn.Module):
    """First layers of 3×3 or 5×5 kernels."""

    def __init__(self, widths, kernel, padding, pool_padding, share):
        super().__init__()
        channels = 3 if kernel == 3 else 1
        self.convs = nn.ModuleList(nn.Conv2d(channels, width, kernel, padding=padding) for width in widths)
        self.norms = nn.ModuleList(BatchNorm2d(width, momentum=0.2) for width in widths)
        self.relu, self.pool, self.dropout = nn.ReLU(), nn.MaxPool2d(3, padding=pool_padding), Dropout(share)

    def forward(self, x):
        layers = list(zip(self.convs, self.norms, strict=True))
        seen = [x] if len(layers) == 1 else [x[:, i : i + 1] for i in range(len(layers))]
        parts = [self.pool(norm(self.relu(conv(one)))) for one, (conv, norm) in zip(seen, layers, strict=True)]
        return self.dropout(parts[0] if len(parts) == 1 else torch.cat(parts, dim=1))


class Streams(nn.Module):
    """A network of the kind that is compiled: streams of 3×3 or 5×5 kernels, perhaps a second layer, a linear one."""

    def __init__(self, widths, sides, kernel=5, padding=2, pool_padding=0, second=0, average=1, dropouts=(0.3, 0.2)):
        super().__init__()
        self.first = First(widths, kernel, padding, pool_padding, dropouts[0])
        sides, width = pooled_sides(sides, kernel, padding, pool_padding), sum(widths)
        self.second = None
        if second:
            self.second = Second(width, second, dropouts[1])
            sides, width = [side // 2 for side in sides], second
        self.average = nn.AvgPool2d(average)
        self.head = nn.Linear(width * math.prod(side // average for side in sides), 3)

    def forward(self, x):
        joined = self.first(x) if self.second is None else self.second(self.first(x))
        return self.head(self.average(joined).flatten(1))

    def layers(self):
        one, second = self.first, "second" if self.second else ""
        pool = one.pool.kernel_size, one.pool.padding
        given = "first", one.convs, one.norms, pool, one.dropout, second, self.head
        return ShallowLayers(*given, self.average.kernel_size)


def near(result, expected, tolerance):
    result, expected = result.detach().double(), expected.detach().double()
    assert (result - expected).abs().max() <= tolerance * max(1e-3, float(expected.abs().max()))


def eighths(network):
    """Fill a network with multiples of 1/8, and scales of both signs: sums are exact, and equal values stay equal."""
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                for each in layer.parameters():
                    each.copy_(torch.randint_like(each, -8, 9) / 8)
            if isinstance(layer, nn.BatchNorm2d):
                layer.weight.copy_(torch.randn_like(layer.weight))
                layer.bias.copy_(torch.randn_like(layer.bias))
    return network


def labelled(loss, network, count):
    return Labelled(loss, network, np.arange(count) % 3, np.array([0.5, 1.0, 2.0]))


def both(network, x, objective_of, batch, exact=False):
    """Return the compiled loss of a batch and the plain one, gradients given, and the two networks."""
    twin = copy.deepcopy(network)
    x_twin = x
    if exact:
        twin, x_twin = twin.double(), x.double()
    made = compiled_training(network, x, objective_of(network))
    assert isinstance(made, Compiled)
    plain = step.Plain(twin.train(), x_twin, objective_of(twin))
    losses = []
    for training in (made, plain):
        torch.manual_seed(7)
        value = training.loss(batch)
        value.backward()
        losses.append(value)
    return losses, network, twin


def agree(losses, network, twin, tolerance=2e-5):
    result, expected = losses
    assert result.detach().item() == pytest.approx(expected.item(), rel=1e-4, abs=1e-5)
    pairs = list(zip(network.named_parameters(), twin.parameters(), strict=True))
    assert all(weight.grad is not None for (_, weight), _ in pairs)
    # Of all weights together: what batch normalisation makes of a kernel's own gradient is a difference of large sums.
    near(*(torch.cat([one.grad.double().flatten() for one in ones]) for ones in _columns(pairs)), tolerance)
    for value, wanted in zip(network.buffers(), twin.buffers(), strict=True):
        near(value, wanted, 1e-5)


def _columns(pairs):
    return [weight for (_, weight), _ in pairs], [wanted for _, wanted in pairs]


@settings(max_examples=30, deadline=None)
@given(
    sides=st.tuples(st.integers(9, 24), st.integers(9, 24)),
    kernel=st.sampled_from([3, 5]),
    more=st.integers(0, 1),
    pool_padding=st.integers(0, 1),
    widths=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    second=st.integers(0, 9),
    average=st.integers(1, 2),
    count=st.integers(2, 40),
    seed=st.integers(0, 99),
    loss=st.sampled_from(LOSSES),
)
@example((20, 20), 5, 0, 0, [3, 3, 8], 8, 1, 35, 0, LOSSES[1])
@example((28, 28), 3, 1, 1, [16], 0, 2, 40, 0, LOSSES[0])
def test_a_compiled_step_is_that_of_the_plain_network(
    sides, kernel, more, pool_padding, widths, second, average, count, seed, loss
):
    torch.manual_seed(seed)
    widths, channels = (widths[:1], 3) if kernel == 3 else (widths, len(widths))
    padding = kernel // 2 + more
    pooled = pooled_sides(sides, kernel, padding, pool_padding)
    average = average if all((side // 2 if second else side) % average == 0 for side in pooled) else 1
    network = Streams(widths, sides, kernel, padding, pool_padding, second, average)
    x = torch.randn(count + 3, channels, *sides)
    if not second:
        # Few distinct values: constant regions, where every value of a window is the largest and the first one counts.
        network, x = eighths(network), torch.randint(-1, 2, x.shape).float()
        x[:, :, : sides[0] // 2] = 1
    losses, *networks = both(network, x, lambda one: labelled(loss, one, count + 3), torch.randperm(count + 3)[:count])
    assert isinstance(losses[0], StepLoss)
    agree(losses, *networks, tolerance=1e-3)


@pytest.mark.parametrize("name", ["ststnet", "mean"])
def test_the_step_of_a_model_is_that_of_its_plain_network(name):
    torch.manual_seed(6)
    model, side = {"ststnet": (ststnet, 28), "mean": (mean_softnet, 42)}[name]
    preset = model.PRESETS["published"]
    network, loss = model.build(preset, 3), model.training_plan(preset).schedule_and_loss()[1]
    x, batch = torch.randn(40, 3, side, side), torch.randperm(40)[:24]
    losses, *networks = both(network, x, lambda one: labelled(loss, one, 40), batch)
    assert isinstance(losses[0], StepLoss)
    agree(losses, *networks)
    losses, *networks = both(model.build(preset, 3), x, lambda one: labelled(loss, one, 40), batch, exact=True)
    agree(losses, *networks)


@pytest.mark.parametrize(
    "build", [Spotting, lambda: Recognition(3, Trunk(), "reference"), lambda: Recognition(3, Trunk(), "fixed")]
)
def test_layers_are_compiled_where_not_the_whole_network_can_be(build):
    torch.manual_seed(6)
    network, x = build(), torch.randn(40, 3, 42, 42)

    def squares(one):
        weights = torch.linspace(-1, 1, 40)
        if isinstance(one, Spotting):
            return lambda output, clips: spotting_loss(one, output, weights[clips])
        return lambda output, clips: (output.sum(dim=1) - weights[clips]).square().mean()

    losses, network, twin = both(network, x, squares, torch.randperm(40)[:24])
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-5)
    learned = [name for name, weight in network.named_parameters() if weight.requires_grad]
    assert [name for name, weight in network.named_parameters() if weight.grad is not None] == learned
    for name in learned:
        near(network.get_parameter(name).grad, twin.get_parameter(name).grad, 5e-5)
    for name, value in network.named_buffers():
        near(value, twin.get_buffer(name), 1e-6)


def test_of_equal_values_the_first_gets_the_gradient():
    torch.manual_seed(1)
    network = Streams([4], (12, 12), second=3, dropouts=(0.0, 0.0))
    agree(*both(network, torch.ones(5, 1, 12, 12), lambda one: labelled(LOSSES[0], one, 5), torch.arange(5)))


@pytest.mark.parametrize(("network", "sides"), [(SoftNet(), (42, 42)), (Streams([4], (400, 28), 3, 1), (400, 28))])
def test_networks_that_name_no_layers_and_large_images_are_left_to_torch(network, sides):
    x = torch.zeros(2, 3, *sides)
    training = step.training(network, x, labelled(LOSSES[0], network, 2))
    assert isinstance(training, step.Plain) and training.rounded is None


def test_images_elsewhere_than_on_a_cpu_are_left_to_torch():
    network, x = Ststnet(3), torch.zeros(2, 3, 28, 28, device="meta")
    training = step.training(network.to("meta"), x, labelled(LOSSES[0], network, 2))
    assert isinstance(training, step.Plain) and isinstance(training.adam(1e-3, 1e-8, 0.0), torch.optim.Adam)


def test_constant_images_have_no_motion_and_no_variance():
    network = Ststnet(3)
    training = step.training(network, torch.zeros(4, 3, 28, 28), labelled(LOSSES[0], network, 4))
    assert torch.isfinite(training.loss(torch.arange(4)).detach())


@pytest.mark.parametrize("place", ["images", "trunk.convs.0.weight", "recog.conv.bias"])
def test_a_nan_reaches_the_loss(place):
    network, x = Recognition(3), torch.randn(6, 3, 42, 42)
    with torch.no_grad():
        (x if place == "images" else network.get_parameter(place)).view(-1)[5 % len(x)] = torch.nan
    training = step.training(network, x, labelled(LOSSES[1], network, 6))
    assert torch.isnan(training.loss(torch.arange(6)).detach())


@pytest.mark.parametrize(("module", "side"), [(ststnet, 28), (mean_softnet, 42)])
def test_a_nan_ends_the_training(module, side):
    x = np.random.default_rng(0).standard_normal((24, 3, side, side)).astype(np.float32)
    x[7, 1, 5, 5] = np.nan
    preset = module.PRESETS["clean"].model_copy(update={"epochs": 2})
    with pytest.raises(ModelError, match="training: loss nan in epoch 1; expected a finite loss"):
        module.MODEL.fit(x, np.arange(24) % 3, np.arange(24), 3, preset, 0, lambda line: None)


def test_nothing_outside_imports_its_parts():
    package = Path(str(compiled.__file__)).parent
    for file in sorted(package.parents[1].rglob("*.py")):
        if package in file.parents:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [f"{node.module}.{alias.name}" for alias in node.names] if isinstance(node, ast.ImportFrom) else []
            inner = {name for name in names if name.startswith("mer.models.compiled")}
            allowed = {"mer.models.compiled.training", *(f"mer.models.compiled.training.{n}" for n in ENTRY)}
            assert inner <= allowed, f"{file}: {inner - allowed}"


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


@pytest.mark.slow
def test_what_is_compiled_now_rounds_as_what_was_kept(tmp_path):
    code = (
        "import numpy as np, torch, sys; from mer.models import ststnet;"
        "rng = np.random.default_rng(0); x = rng.standard_normal((32, 3, 28, 28)).astype(np.float32);"
        "preset = ststnet.PRESETS['clean'].model_copy(update={'epochs': 4});"
        "state = ststnet.MODEL.fit(x, np.arange(32) % 3, np.arange(32), 3, preset, 0, lambda line: None);"
        "sys.stdout.buffer.write(b''.join(state.arrays[name].tobytes() for name in sorted(state.arrays)))"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    first, second = (
        subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True).stdout
        for _ in range(2)
    )
    assert list(tmp_path.rglob("*.nbc")) and first == second
