"""Every transfer of the code that trains, left out one at a time: the stand-in notices what a card would notice."""

import re
from pathlib import Path
from types import FunctionType

import numpy as np
import pytest
from card_cases import settled, trained

from mer.models import learner, loop, objective, shallow, ststnet, together
from mer.models.together import Share
from mer.testing.cuda_stand_in import stand_in

MODULES = {"loop": loop, "learner": learner, "objective": objective, "shallow": shallow, "together": together}
TRANSFER = re.compile(r"\.cpu\(\)|\.to\((?:place|x\.device|output\.device|output|place, torch\.float32)\)")
# A card takes an index from the host: what is between brackets may come from either.
INDEX = re.compile(r"\[[^\[\]]*$")


def sources():
    return {name: Path(module.__file__) for name, module in MODULES.items()}


def mutants():
    """Return the name of a module, the line and the place of every transfer in it that is more than an index."""
    for name, path in sources().items():
        text = path.read_text()
        for number, found in enumerate(TRANSFER.finditer(text)):
            line = text.count("\n", 0, found.start()) + 1
            before = text[text.rfind("\n", 0, found.start()) + 1 : found.start()]
            if not INDEX.search(before) and "def " not in before:
                yield pytest.param(name, number, id=f"{name}-{line}")


def replace_code(name, number, monkeypatch):
    """Let the functions of a module do what they do without the transfer of this number."""
    path = sources()[name]
    text = path.read_text()
    found = list(TRANSFER.finditer(text))[number]
    names = {"__name__": f"mer.models.{name}", "__file__": str(path)}
    exec(compile(text[: found.start()] + text[found.end() :], str(path), "exec"), names)
    module = MODULES[name]
    for key, made in names.items():
        right = getattr(module, key, None)
        pairs = [(right, made)]
        if isinstance(made, type) and getattr(made, "__module__", "") == names["__name__"]:
            pairs = [(vars(right)[one], vars(made)[one]) for one in vars(made)]
        for old, new in pairs:
            # A card of a model holds the function itself, so that its code is what must change.
            if isinstance(old, FunctionType) and isinstance(new, FunctionType) and old.__code__ != new.__code__:
                monkeypatch.setattr(old, "__code__", new.__code__)


def exercised():
    """Train and apply one network of each kind, alone and several folds at once."""
    for name in ("ststnet", "aman"):
        preset = "clean" if name == "ststnet" else "small"
        trained(name, preset, "float32", "cuda", stand_in(), settled(name, preset))
    rng = np.random.default_rng(0)
    x, labels = rng.random((8, 3, 28, 28), np.float32), np.arange(8) % 2
    settings = ststnet.MODEL.presets["clean"].model_copy(update={"epochs": 1, "batch_size": 4})
    shares = [Share(rows, labels[rows], seed) for seed, rows in enumerate((np.arange(6), np.arange(1, 8)))]
    with stand_in():
        ststnet.MODEL.fit_together(x, shares, 2, settings, lambda line: None, "cuda")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "number"), mutants())
def test_a_transfer_that_is_left_out_is_noticed(name, number, monkeypatch):
    replace_code(name, number, monkeypatch)
    with pytest.raises((RuntimeError, TypeError), match=r"same device|numpy|Cannot|Expected"):
        exercised()


def test_without_a_mutation_nothing_is_refused():
    exercised()
    assert len(list(mutants())) > 12
