"""Training of ifnet_small: nothing but the seed decides, and a stop changes nothing."""

import argparse

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mer.core.errors import ModelError
from mer.networks.ifnet import load
from mer.pretrain import ifnet, triplets

SIZES = {"people": 0, "each": 0, "patterns": 3}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(ifnet, "CROP", 32)
    monkeypatch.setattr(ifnet, "BATCH", 2)
    monkeypatch.setattr(ifnet, "EVERY", 2)


def arguments(out, steps=4, seed=1):
    return argparse.Namespace(out=str(out), steps=steps, seed=seed, **SIZES)


def quiet(line):
    pass


def test_a_pattern_follows_from_its_number():
    one, again, other = triplets.pattern(1, 0), triplets.pattern(1, 0), triplets.pattern(1, 1)
    assert np.array_equal(one.first, again.first) and one.time == again.time
    assert not np.array_equal(one.first, other.first)
    assert one.middle.shape == (triplets.SIDE, triplets.SIDE, 3) and one.middle.dtype == np.uint8


def test_training_faces_are_people_of_their_own():
    # The runs that benches, tests and the demonstration simulate have small seeds.
    assert all(triplets.face_seed(seed) > 100_000 for seed in range(50))
    assert len({triplets.face_seed(seed) for seed in range(50)}) == 50


@pytest.mark.slow
def test_faces_move_between_their_frames():
    made = list(triplets.faces(0, 0, 4))
    assert len(made) == 4
    for item in made:
        assert item.first.shape == (triplets.SIDE, triplets.SIDE, 3) and 0 < item.time < 1
    assert any(not np.array_equal(item.first, item.second) for item in made)


def test_augmented_motion_still_takes_one_frame_to_the_other():
    """Turning pictures and motion alike keeps the blend along the motion near the middle frame."""
    item = triplets.pattern(1, 0)
    clean = triplets.Triplet(item.middle, np.roll(item.middle, 2, axis=1), np.roll(item.middle, 1, axis=1), 0.5)
    pool = {name: value[None] for name, value in ifnet.encoded(clean).items()}
    motion = np.zeros_like(pool["motion"])
    motion[:, 0] = 2
    pool |= {"motion": motion, "seen": np.ones_like(pool["seen"])}
    network = ifnet.IFNetSmall()
    for step in range(12):
        items = ifnet.batch(pool, np.random.default_rng(step))
        with torch.no_grad():
            right = ifnet.loss(network, items)
            wrong = ifnet.loss(network, {**items, "motion": -items["motion"]})
        assert right < wrong - 1


@pytest.mark.slow
def test_a_stopped_run_ends_with_the_same_bytes(tmp_path, monkeypatch):
    whole = ifnet.train(arguments(tmp_path / "a.safetensors"), quiet)
    true = ifnet.Training.advance

    def advance(self, *given):
        if self.step == 3:
            raise KeyboardInterrupt
        return true(self, *given)

    monkeypatch.setattr(ifnet.Training, "advance", advance)
    with pytest.raises(KeyboardInterrupt):
        ifnet.train(arguments(tmp_path / "b.safetensors"), quiet)
    assert not (tmp_path / "b.safetensors").exists()
    monkeypatch.setattr(ifnet.Training, "advance", true)
    said = []
    again = ifnet.train(arguments(tmp_path / "b.safetensors"), said.append)
    assert said[0] == "going on from step 2"
    assert whole.read_bytes() == again.read_bytes()
    assert load(again)[0] == "small"
    other = ifnet.train(arguments(tmp_path / "c.safetensors", seed=2), quiet)
    assert any(not torch.equal(value, load_file(other)[name]) for name, value in load_file(whole).items())


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    ifnet.train(arguments(tmp_path / "a.safetensors", steps=2), quiet)
    with pytest.raises(ModelError, match=r"training state of \[1, 2, 0, 0, 3\]; expected \[1, 3, 0, 0, 3\]; delete it"):
        ifnet.train(arguments(tmp_path / "a.safetensors", steps=3), quiet)


@pytest.mark.slow
def test_learning_lowers_the_loss():
    items = [ifnet.encoded(triplets.pattern(3, k)) for k in range(2)]
    pool = {name: np.stack([item[name] for item in items]) for name in items[0]}
    run = ifnet.Training(0)
    batch = ifnet.batch(pool, np.random.default_rng(0))
    before = ifnet.loss(run.network, batch).item()
    for _ in range(40):
        run.advance(pool, 0, 60)
    assert ifnet.loss(run.network, batch).item() < before


def test_the_rate_rises_then_falls():
    rates = [ifnet.rate(step, 1000) for step in range(1000)]
    assert np.argmax(rates) == ifnet.WARM_UP - 1 and rates[0] < rates[100] and rates[-1] < 2 * ifnet.LAST_RATE
