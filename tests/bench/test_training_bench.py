"""The bench of training measures the same work on both sides."""

import json
import multiprocessing
from concurrent.futures import Future, ProcessPoolExecutor

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from mer.bench import training
from mer.bench.training_peer import plain, train_folds
from mer.cli import app
from mer.models.batch_layers import Dropout
from mer.models.mean_softnet_network import Recognition
from mer.models.ststnet_network import Ststnet


def test_the_peer_has_the_networks_of_the_models_with_nothing_of_ours_in_them():
    for build in (lambda: Ststnet(3, 0.5), lambda: Recognition(3)):
        torch.manual_seed(0)
        network = build()
        torch.manual_seed(0)
        peer = plain(build())
        assert all(torch.equal(value, network.state_dict()[name]) for name, value in peer.state_dict().items())
        dropouts = [layer.share for layer in network.modules() if isinstance(layer, Dropout)]
        assert [layer.p for layer in peer.modules() if isinstance(layer, torch.nn.Dropout)] == dropouts != []
        assert not any(isinstance(layer, Dropout) for layer in peer.modules())


@pytest.mark.parametrize("model", sorted(training.SIDES))
def test_the_peer_learns(model):
    torch.manual_seed(0)
    images, labels, groups = training.clips(model, 136)
    settings = {"batch_size": 16, "learning_rate": 3e-3, "dropout": 0.5, "stream_l2": 1e-3, "head_l2": 1e-3}
    logits = train_folds(model, images, labels, groups, ["bench:p00"], 2, settings)
    assert logits[0].shape == (2, 3) and np.isfinite(logits[0]).all()


class Here:
    """Stands for the pool of one process; `measured` is what it would have run."""

    def __init__(self, measured):
        self.measured = measured

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def submit(self, task, **given):
        future = Future()
        future.set_result(self.measured(**given))
        return future


def test_the_command_prints_ratios(monkeypatch):
    def measured(model, folds, epochs, count, workers, **options):
        wall = 10.0 if "threads" in options else 2.0
        return {"wall": wall, "cpu": 2 * wall, "mib": 100.0, "accuracy": 0.5}

    monkeypatch.setattr(training, "processes", lambda count: Here(measured))
    result = CliRunner().invoke(app, ["bench", "training", "--folds", "2", "--json"])
    rows = json.loads(result.stdout)
    assert [row["wall_ratio"] for row in rows] == [1, 1, 5] and rows[2]["cpu_ratio"] == 5
    text = CliRunner().invoke(app, ["bench", "training", "--folds", "2"]).stdout
    assert "mer, 2 processes" in text and "5.00×" in text


@pytest.mark.slow
def test_ours_trains_the_folds_asked_for():
    # As the command does: the peak of this process is that of every test before.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        made = pool.submit(training.ours, "ststnet", 2, 1, 136, 1).result()
    assert made["wall"] > 0 and made["cpu"] > 0 and 0 <= made["accuracy"] <= 1 and 0 < made["mib"] < 4096
