"""The bench of the input side prepares what the training reads, and counts what a step costs."""

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from mer.bench import feeding
from mer.bench.feeding_peer import preparation
from mer.bench.systems import features, systems
from mer.cli import app
from mer.core.errors import ConfigError
from mer.models.feed import Feed
from mer.models.registry import model

LARGE = ("dual_branch", "dual_branch_msmh", "au_fusion", "aman")


@pytest.mark.parametrize("name", LARGE)
def test_both_sides_make_tensors_of_the_same_shapes(name):
    preset = model(name, "test").presets[systems()[name]]
    learner, data = feeding.learner_of(name), features(name, preset, 2)
    batch, inputs = torch.tensor([1, 0]), feeding.prepared(learner, preset, data)
    with Feed(inputs.x, torch.device("cpu")) as feed:
        ours = feeding.setup_of(learner, preset, inputs, feed).given(batch, training=True)
    theirs = preparation(name, preset, data)(batch.numpy())
    assert [one.shape for one in theirs] == [one.shape for one in ours[: len(theirs)]]
    assert all(one.dtype == torch.float32 for one in (*ours, *theirs))


def test_a_step_costs_between_two_and_three_forward_passes():
    # specs/dual-branch.md §2: 21.27 and 18.50 GFLOP forward; no gradient flows into the clips themselves.
    for name, forward in (("dual_branch", 21.27e9), ("dual_branch_msmh", 18.50e9)):
        card = model(name, "test")
        preset = card.presets[systems()[name]]
        flops = feeding.step_flops(feeding.learner_of(name), preset, features(name, preset, 2), 3)
        assert 2 * forward < flops < 3 * forward


def test_the_command_prints_every_way(monkeypatch):
    monkeypatch.setattr(feeding, "reading_rows", lambda seconds: [])
    asked = ["bench", "feeding", "--models", "dual_branch", "--clips", "8", "--seconds", "0.1", "--json"]
    rows = json.loads(CliRunner().invoke(app, asked).stdout)
    assert [row["path"] for row in rows] == ["host, before", "host, on the card", "host, ahead", "CPU, whole"]
    assert rows[0]["ratio"] == 1 and all(row["clips_per_second"] > 0 for row in rows)
    assert all(row["large_card"] == pytest.approx(40 * row["small_card"]) for row in rows)
    with pytest.raises(ConfigError):
        feeding.run_feeding_bench(["ststnet"], 8, 0.1, print)


def test_both_ways_of_reading_are_measured():
    exact, in_bytes = feeding.reading_rows(0.1)
    assert exact.ratio == 1 and in_bytes.clips_per_second > 0 and np.isnan(exact.small_card)
