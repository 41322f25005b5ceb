"""The loop that all networks share: precision, clipping, bad losses, no memory, and what surrounds it."""

import copy
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from mer.core.errors import ConfigError, ModelError
from mer.models import loop, precision
from mer.models.surroundings import Surroundings, surrounded


def quiet(line):
    """Take a line of the log."""


class Around(Surroundings):
    def __init__(self, **values):
        self.__dict__.update(values)
        self.kinds = []

    def computed_in(self, kind):
        self.kinds.append(kind)


def problem(seed=0, channels=2):
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2))
    x, y = torch.randn(20, channels, 8, 8), torch.arange(20) % 2
    return network, lambda batch: nn.functional.cross_entropy(network(x[batch]), y[batch])


def run(around=None, epochs=3, wrap=lambda loss: loss, rate=0.05, **options):
    network, loss = problem()
    optimiser = torch.optim.SGD(network.parameters(), lr=rate)
    with loop.reproducible(1, "cpu"), surrounded(around or Surroundings()):
        mean = loop.train(network, wrap(loss), 20, loop.Schedule(epochs, 6, **options), optimiser, quiet, "net")
    return mean, loop.arrays_of(network)


@pytest.mark.slow
def test_bf16_is_near_float32_and_says_so():
    around = Around(precision="bf16")
    exact, rounded = run(), run(around)
    assert around.kinds == ["bf16"]
    assert exact[0] != rounded[0] and exact[0] == pytest.approx(rounded[0], rel=0.02)
    assert all(array.dtype == np.float32 for array in rounded[1].values())


def test_auto_takes_what_the_machine_is_fast_in(monkeypatch):
    cpu = torch.device("cpu")
    names = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    for able, expected in ((names[0], "bf16"), (names[1], "bf16"), ("", "float32")):
        for name in names:
            monkeypatch.setattr(torch.cpu, name, lambda can=name == able: can, raising=False)
        assert precision.resolve("auto", cpu) == expected
    assert precision.resolve("float32", cpu) == "float32" and precision.resolve("bf16", cpu) == "bf16"


class Broken(torch.autograd.Function):
    """The identity, whose gradient is what a faulty kernel gives."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * float("nan")


def test_auto_tries_a_step_and_keeps_to_float32_where_gradients_are_not_finite(monkeypatch):
    monkeypatch.setattr(precision, "_fast_on_cpu", lambda: True)
    rng = np.random.default_rng(0)
    network, right = problem()
    network.insert(1, nn.BatchNorm2d(4))

    def drawing(batch, broken):
        rng.random()
        value = right(batch) + 0 * torch.rand(1)
        in_bf16 = torch.is_autocast_enabled("cpu")
        return Broken.apply(value)[0] if broken and in_bf16 else value[0]

    before = copy.deepcopy(network.state_dict()), torch.get_rng_state(), rng.bit_generator.state
    for broken in (False, True):
        step = partial(drawing, broken=broken)
        finite = precision.gradients_are_finite(network.train(), step, torch.arange(6), [rng])
        assert finite is not broken
        assert all(torch.equal(value, before[0][key]) for key, value in network.state_dict().items())
        assert torch.equal(torch.get_rng_state(), before[1]) and rng.bit_generator.state == before[2]
        assert all(weight.grad is None for weight in network.parameters())
        around, lines = Around(precision="auto"), []
        optimiser = torch.optim.SGD(network.parameters(), lr=0.0)
        with loop.reproducible(1, "cpu"), surrounded(around):
            loop.train(network, step, 20, loop.Schedule(1, 6), optimiser, lines.append, "net")
        assert around.kinds == ["float32" if broken else "bf16"]
        assert ("net: this processor's gradients in bf16 are not finite" in lines) is broken
        network.load_state_dict(before[0])
        torch.set_rng_state(before[1])
        rng.bit_generator.state = before[2]


def test_a_gpu_without_bf16_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda place: "an old card")
    with pytest.raises(ConfigError, match="an old card has no bf16; expected float32 or auto"):
        precision.resolve("bf16", torch.device("cuda"))
    assert precision.resolve("auto", torch.device("cuda")) == "float32"


def test_channels_last_changes_no_value():
    network, _ = problem()
    before = copy.deepcopy(network.state_dict())
    precision.channels_last(network)
    assert network[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_clipping_bounds_a_step():
    network, _ = problem()
    start = np.concatenate([array.ravel() for array in loop.arrays_of(network).values()])
    _, arrays = run(Around(gradient_clip=1e-3), epochs=1, rate=1.0)
    moved = np.concatenate([array.ravel() for array in arrays.values()]) - start
    assert 0 < np.linalg.norm(moved) <= 4 * 1e-3 * 1.001


def test_without_shuffling_the_order_is_as_given():
    seen = []

    def wrap(loss):
        return lambda batch: seen.append(batch.tolist()) or loss(batch)

    run(epochs=1, wrap=wrap, shuffle=False)
    assert [i for batch in seen for i in batch] == list(range(20))
    assert [len(batch) for batch in loop.batches(13, 6)] == [6, 7], "no batch of one"


def test_a_loss_that_is_not_finite_stops_it():
    def wrap(loss):
        return lambda batch: loss(batch) * float("nan")

    with pytest.raises(ModelError, match="loss nan in epoch 1; expected a finite loss; lower the learning rate"):
        run(wrap=wrap)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: not enough memory: you tried"),
    ],
)
def test_no_memory_is_one_clear_line(error):
    def wrap(loss):
        def fail(batch):
            raise error

        return fail

    with pytest.raises(ModelError, match="training: no memory for a batch of 6 clips; set a smaller batch_size"):
        run(wrap=wrap)
    with pytest.raises(RuntimeError, match="shapes"):
        run(wrap=lambda loss: lambda batch: (_ for _ in ()).throw(RuntimeError("shapes differ")))
