"""Several folds at once give each what it gets alone, and none sees what it holds out."""

import numpy as np
import pytest
import torch

from mer.core.errors import ModelError
from mer.models import mean_softnet, ststnet
from mer.models.batch_layers import BatchNorm2d, Dropout, dropout_mask, padded
from mer.models.together import Share

MODELS = {"ststnet": (ststnet.MODEL, 28), "mean": (mean_softnet.MODEL, 42)}
# Scores of folds trained together against the fold alone, float32.
TOLERANCE = 1e-4


def quiet(line):
    """Take a line of the log."""


def world(side, count=36):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, count)
    x = rng.normal(size=(count, 3, side, side)).astype(np.float32)
    for k in range(3):
        x[labels == k, 0, 6 * k : 6 * k + 6] += 1
    return x, labels, np.array([f"p{i % 6}" for i in range(count)])


def small(model):
    return model.presets["clean"].model_copy(update={"epochs": 3, "batch_size": 8})


def shares(labels, groups):
    """Three folds whose training parts have 30, 30 and 21 clips: another number of batches, and of the last one."""
    rows = [np.flatnonzero(groups != person) for person in ("p0", "p1", "p2")]
    rows[2] = rows[2][:21]
    return [Share(clips, labels[clips], seed) for seed, clips in enumerate(rows)]


@pytest.mark.parametrize("name", [pytest.param("mean", marks=pytest.mark.slow), "ststnet"])
def test_together_as_alone_whoever_is_beside(name):
    model, side = MODELS[name]
    (x, labels, groups), preset = world(side), small(model)
    parts = shares(labels, groups)
    for members in ([0, 1, 2], [2, 1]):
        states = model.fit_together(x, [parts[k] for k in members], 3, preset, quiet)
        for k, state in zip(members, states, strict=True):
            own = parts[k].clips
            alone = model.fit(x[own], labels[own], groups[own], 3, preset, parts[k].seed, quiet)
            assert sorted(state.arrays) == sorted(alone.arrays) and sorted(state.meta) == sorted(alone.meta)
            assert state.meta["training_loss"] == pytest.approx(alone.meta["training_loss"], rel=1e-4)
            assert model.predict(state, x) == pytest.approx(model.predict(alone, x), abs=TOLERANCE)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_held_out_clip_cannot_be_reached(name):
    model, side = MODELS[name]
    (x, labels, groups), preset = world(side), small(model)
    parts = shares(labels, groups)[:2]
    clean = model.fit_together(x, parts, 3, preset, quiet)
    poisoned = x.copy()
    poisoned[groups == "p0"] = 1e3
    states = model.fit_together(poisoned, parts, 3, preset, quiet)
    # The fold that holds p0 out has the same bits; the one that trains on p0 does not.
    assert all(np.array_equal(states[0].arrays[key], clean[0].arrays[key]) for key in clean[0].arrays)
    first = next(iter(clean[1].arrays))
    assert not np.array_equal(states[1].arrays[first], clean[1].arrays[first])
    poisoned[groups == "p0"] = np.nan
    only = model.fit_together(poisoned, parts[:1], 3, preset, quiet)[0]
    assert all(np.isfinite(array).all() for array in only.arrays.values())
    with pytest.raises(ModelError, match="a finite loss"):
        model.fit_together(poisoned, parts, 3, preset, quiet)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_fold_of_one_class_is_refused(name):
    model, side = MODELS[name]
    x = world(side, 12)[0]
    part = Share(np.arange(12), np.zeros(12, np.int64), 0)
    with pytest.raises(ModelError, match="one class only"):
        model.fit_together(x, [part], 3, small(model), quiet)


def test_layers_are_those_of_torch_and_absent_clips_count_nowhere():
    torch.manual_seed(0)
    x, present = torch.randn(7, 3, 5, 6) + 1, torch.tensor([1.0, 1, 1, 1, 0, 0, 0])
    ours, torchs = BatchNorm2d(3, momentum=0.2), torch.nn.BatchNorm2d(3, momentum=0.2)
    with torch.no_grad():
        for layer in (ours, torchs):
            layer.weight.copy_(torch.tensor([1.0, -2, 0.5]))
    assert torch.equal(ours(x), torchs(x)) and torch.equal(ours.running_var, torchs.running_var)
    mask = dropout_mask((7, 3, 5, 6), 0.4, x.device)
    with padded(present, [mask]):
        made, dropped = ours(x), Dropout(0.4)(x)
    assert torch.allclose(made[:4], torchs(x[:4]), atol=1e-6) and torch.equal(dropped, x * mask)
    for (name, value), wanted in zip(ours.named_buffers(), torchs.buffers(), strict=True):
        assert torch.allclose(value, wanted, atol=1e-6), name
    assert torch.equal(Dropout(0.4).eval()(x), x) and torch.equal(ours.eval()(x), ours(x))
