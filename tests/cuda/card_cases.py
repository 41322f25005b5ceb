"""What is trained on the stand-in and on a real card: every preset at a size that a test can afford, and how close."""

from contextlib import nullcontext

import numpy as np

from mer.bench.systems import features
from mer.models.registry import MODELS, model
from mer.models.surroundings import surrounded
from mer.training.fit_session import Session

PRESETS = [(name, preset) for name in MODELS for preset in model(name, "test").presets]
# The presets' own branches, at fewer pixels and, where a layer is only repeated, fewer of them.
SMALLER = {
    "dual_branch": {"size": 16, "frames": 8, "width": 8, "gru": 64},
    "dual_branch_msmh": {"size": 18, "frames": 9, "width": 8},
    "au_fusion": {"size": 32, "width": 8, "blocks": (1, 1, 1, 1), "layers": 2},
    "aman": {"size": 32, "frames": 2},
}
# Largest difference of a class's probability: float32 differs by the order of sums, bf16 by where it is rounded.
WITHIN = {"float32": 1e-4, "bf16": 3e-2, "tf32": 1e-4}


def settled(name, preset, epochs=1, whole=False):
    """Return a preset's settings for a test."""
    chosen = model(name, "test").presets[preset]
    changes = {"epochs": epochs} if "epochs" in type(chosen).model_fields else {}
    if preset != "small" and not whole:
        changes |= SMALLER.get(name, {})
    return type(chosen).model_validate({**chosen.model_dump(), **changes})


def fold(name, preset, settings, count=3):
    """Return features, labels, groups, the number of classes and what else `fit` of a model takes."""
    card = model(name, "test")
    noise = np.random.default_rng(0).random((count, 147), np.float32)
    data = features(name, settings, count) if card.noise else noise
    coded = {"units": [((1, 4), None, (12,))[i % 3] for i in range(count)]} if "fit" in card.units else {}
    if preset in card.start:
        coded["start"] = card.start[preset]()
    return data, np.arange(count) % 2, np.array([f"p{i % 3}" for i in range(count)]), card.classes_of(preset), coded


def trained(name, preset, precision, device, around=None, settings=None, file=None):
    """Return the state after training on noise, its scores of the same clips, and what it computed in."""
    card, settings = model(name, "test"), settings or settled(name, preset)
    data, labels, groups, classes, coded = fold(name, preset, settings)
    session = Session(precision=precision, file=file, every=0.0, log=lambda line: None)
    with around or nullcontext(), surrounded(session):
        state = card.fit(data, labels, groups, classes, settings, 0, lambda line: None, device, **coded)
        return state, card.predict(state, data, device), session.used


def step_bound(settings, steps):
    """Return how far two trainings' weights may lie apart: steps are of one length, and of one sign or other.

    Adam's have the length of the rate, the first of AMAN's RMSprop ten times that.
    """
    length = 10 if type(settings).__module__ == "mer.models.aman" else 1
    return 2 * length * getattr(settings, "learning_rate", 1e-3) * steps * 1.01 + 1e-6
