"""A killed training goes on from its last epoch to the same bits, and takes no state that is not its own."""

import errno
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mer.core.container import amended
from mer.core.errors import ModelError
from mer.models import loop
from mer.models.surroundings import Part, surrounded
from mer.training import resume
from mer.training.checkpoint import load_checkpoint
from mer.training.experiment import checked
from mer.training.fit import fit_fold
from mer.training.fit_session import Session
from mer.training.recipe import Recipe

CLASSES = ("negative", "positive", "surprise")
RECIPE = Recipe(epochs=4, batch_size=16)


class Killed(Exception):
    """Stands for a job that ends in the middle."""


def quiet(line):
    """Take a line of the log."""


def fit(world, out, log=quiet, recipe=RECIPE, model="ststnet", seed=0, resume=None):
    fold = world.folds()[0]
    experiment, job = checked(model, None, recipe, CLASSES, seed), world.job(fold, out, resume=resume)
    fit_fold(experiment, job, world.containers(fold.train_sources), log, every=0.0)
    return out.read_bytes()


def dying(epoch):
    def log(line):
        if f"epoch {epoch}/" in line:
            raise Killed

    return log


def test_an_interrupted_fit_ends_in_the_same_bytes(world, tmp_path):
    whole = fit(world, tmp_path / "whole.safetensors")
    state, out, lines = tmp_path / "state.safetensors", tmp_path / "m.safetensors", []
    with pytest.raises(Killed):
        fit(world, out, dying(2), resume=state)
    assert state.is_file() and not out.exists()
    assert fit(world, out, lines.append, resume=state) == whole
    assert any("continues after epoch 2" in line for line in lines)
    assert not any("epoch 2/4" in line for line in lines) and not state.exists()


@pytest.mark.slow
@pytest.mark.parametrize("change", ["settings", "seed", "label", "features", "garbage", "foreign"])
def test_a_state_of_anything_else_is_not_used(make_world, tmp_path, change):
    world = make_world(clips=4)
    state, out = tmp_path / "state.safetensors", tmp_path / "m.safetensors"
    with pytest.raises(Killed):
        fit(world, out, dying(2), resume=state)
    options, fold = {}, world.folds()[0]
    if change == "settings":
        options["recipe"] = Recipe(epochs=4, batch_size=8)
    elif change == "seed":
        options["seed"] = 1
    elif change == "garbage":
        state.write_bytes(state.read_bytes()[:-5])
    elif change == "foreign":
        save_file({"a": torch.zeros(3)}, state, {"mer": "{}"})
    elif change == "label":
        world.tables = lambda fold: _relabelled(type(world).tables(world, fold))
    else:
        path = world.containers(fold.train_sources)["motion"][fold.train_sources[0]]
        with amended(path) as box:
            flow = next(iter(box["clips"].values()))["flow"]
            flow[0, 0, 3, 3] = flow[0, 0, 3, 3] + 1
    expected = fit(world, tmp_path / "expected.safetensors", **options)
    lines = []
    assert fit(world, out, lines.append, resume=state, **options) == expected
    assert any("training starts from the beginning" in line for line in lines)


def _relabelled(paths):
    text = paths[0].read_text()
    lines = text.splitlines()
    cells = lines[1].split(",")
    cells[4] = "surprise" if cells[4] != "surprise" else "negative"
    paths[0].write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n")
    return paths


SCRIPT = """
import sys
import numpy as np
import torch
from torch import nn
from mer.models import loop
from mer.models.surroundings import surrounded
from mer.training.fit_session import Session
from pathlib import Path

def train(folder, epochs, slow):
    rng = np.random.default_rng(5)
    with loop.reproducible(3, "cpu"):
        network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.3), nn.Flatten(), nn.Linear(144, 2))
        x, y = torch.randn(24, 1, 8, 8), torch.arange(24) % 2
        def loss(batch):
            noise = torch.from_numpy(rng.normal(size=(len(batch), 1, 8, 8)).astype(np.float32))
            return nn.functional.cross_entropy(network(x[batch] + noise), y[batch])
        optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
        session = Session(file=folder / "state.safetensors", digest="d", every=0.0, log=print)
        if slow:
            after = session.after
            def late(part, done, mean):
                after(part, done, mean)
                print("done", done, flush=True)
                import time
                time.sleep(0.05)
            session.after = late
        with surrounded(session):
            plan = loop.Schedule(epochs, 5, 3, 0.5)
            loop.train(network, loss, 24, plan, optimiser, lambda line: None, "net", generators=[rng])
        return loop.arrays_of(network)

if __name__ == "__main__":
    train(Path(sys.argv[1]), 400, True)
"""


@pytest.mark.slow
def test_a_real_kill_leaves_a_state_to_go_on_from(tmp_path):
    script = tmp_path / "slow_training.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen([sys.executable, str(script), str(tmp_path)], stdout=subprocess.PIPE, env=environment)
    try:
        for line in child.stdout:
            if line.strip() == b"done 3":
                break
        child.send_signal(signal.SIGKILL)
        child.wait()
    finally:
        child.stdout.close()
    assert child.returncode == -signal.SIGKILL
    space = {"__name__": "training"}
    exec(compile(SCRIPT, "script", "exec"), space)
    done = resume.read(tmp_path / "state.safetensors", "d", 0, print).done
    assert 3 <= done <= 8
    went_on = space["train"](tmp_path, 12, False)
    (tmp_path / "state.safetensors").unlink()
    whole = space["train"](tmp_path, 12, False)
    assert all(np.array_equal(whole[key], went_on[key]) for key in whole)


@pytest.mark.parametrize("kind", ["adam", "fused", "sgd", "channels last"])
def test_a_captured_state_is_put_back_whole(tmp_path, kind):
    def part():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        if kind == "channels last":
            network.to(memory_format=torch.channels_last)
        makers = {"sgd": lambda weights: torch.optim.SGD(weights, lr=0.1, momentum=0.9)}
        make = makers.get(kind, lambda weights: torch.optim.Adam(weights, lr=0.1, fused=kind == "fused"))
        return Part("net", network, make(network.parameters()), 9, [np.random.default_rng(1)])

    def steps(one, count):
        for _ in range(count):
            one.network(torch.randn(4, 3, 6, 6)).square().mean().backward()
            one.optimiser.step()
            one.optimiser.zero_grad()
        return [*loop.arrays_of(one.network).values(), one.generators[0].normal(size=3), torch.rand(3).numpy()]

    first = part()
    steps(first, 2)
    resume.write(tmp_path / "s", "digest", 0, resume.capture(first, 2, 0.5))
    expected = steps(first, 3)
    second = part()
    snapshot = resume.read(tmp_path / "s", "digest", 0, quiet)
    resume.restore(second, snapshot)
    assert snapshot.done == 2 and snapshot.values["loss"] == 0.5
    assert all(np.array_equal(a, b) for a, b in zip(expected, steps(second, 3), strict=True))
    assert resume.read(tmp_path / "s", "digest", 1, quiet) is None, "of another training of the same fit"


def test_a_damaged_state_is_not_gone_on_from(tmp_path):
    path, lines = tmp_path / "state.safetensors", []
    tensors = {"network.a": torch.arange(6.0).reshape(2, 3), "optimiser.0.step": torch.tensor(3.0)}
    resume.write(path, "d", 0, resume.Snapshot({**tensors, "half": torch.ones(3, dtype=torch.bfloat16)}, {"done": 2}))
    written = path.read_bytes()
    assert resume.read(path, "d", 0, lines.append).done == 2 and not lines
    for place in range(8, len(written)):
        path.write_bytes(written[:place] + bytes([written[place] ^ 4]) + written[place + 1 :])
        assert resume.read(path, "d", 0, lines.append) is None, place
    assert "damaged; training starts from the beginning" in lines[-1]


def test_a_state_that_cannot_be_read_is_kept(tmp_path, monkeypatch):
    path = tmp_path / "state.safetensors"
    resume.write(path, "d", 0, resume.Snapshot({"a": torch.ones(2)}, {"done": 2}))

    def refuse(self, *given, **named):
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(self))

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(ModelError, match=r"cannot be read \(errno 116.*run again when its disk"):
        resume.read(path, "d", 0, quiet)
    monkeypatch.undo()
    assert resume.read(path, "d", 0, quiet).done == 2


def test_longer_trainings_continue_shorter_ones(tmp_path):
    def train(epochs, session):
        with loop.reproducible(0, "cpu"), surrounded(session):
            network = nn.Linear(3, 2)
            x, y = torch.randn(12, 3), torch.arange(12) % 2
            loss = lambda batch: nn.functional.cross_entropy(network(x[batch]), y[batch])  # noqa: E731
            optimiser = torch.optim.Adam(network.parameters())
            return loop.train(network, loss, 12, loop.Schedule(epochs, 5), optimiser, quiet, "net"), loop.arrays_of(
                network
            )

    session = Session(carries=True, log=quiet)
    for epochs in (2, 5):
        session.again()
        mean, arrays = train(epochs, session)
    whole, expected = train(5, Session(log=quiet))
    assert mean == whole and all(np.array_equal(arrays[key], expected[key]) for key in arrays)


def test_the_state_is_written_no_more_often_than_asked(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(resume, "write", lambda *values: written.append(values[-1].done))
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    network = nn.Linear(2, 1)
    part = Part("net", network, torch.optim.SGD(network.parameters(), lr=0.1), 9)
    session = Session(file=tmp_path / "s", digest="d", every=25.0, log=quiet)
    session.begin(part)
    for done in range(1, 10):
        session.after(part, done, 0.0)
    assert 0 < len(written) < 9


def test_the_checkpoint_says_its_precision(world, tmp_path):
    lines = []
    fit(world, tmp_path / "m.safetensors", recipe=Recipe(epochs=1, precision="bf16"), log=lines.append)
    # On a CPU its compiled layers know float32 only, and it says so.
    assert load_checkpoint(tmp_path / "m.safetensors")[1]["precision"] == "float32"
    assert "ststnet: computes in float32 on cpu" in lines
