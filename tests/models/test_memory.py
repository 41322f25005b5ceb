"""How much memory jobs ask for: as much as was measured, no more than a machine has, and by what the clips are."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mer.bench import memory as bench
from mer.models import dual_branch, ststnet, svm_flow
from mer.models.memory import (
    COMPOSITE,
    CUDA,
    IN_TURN,
    PROCESS,
    UNKNOWN,
    clip_mib,
    fit_mib,
    folds_of_a_gpu,
    footprint,
    predict_mib,
)
from mer.models.registry import MODELS, model

TRAINED = [(name, preset) for name in MODELS for preset in model(name, "test").presets if model(name, "test").in_epochs]


@pytest.mark.parametrize(("name", "preset"), TRAINED)
def test_every_preset_has_its_measured_step_and_fits_a_machine(name, preset):
    card = model(name, "test")
    known, settings = card.footprints[preset], card.presets[preset]
    asked = fit_mib(card, preset, settings, COMPOSITE)
    assert known.step > 0 and known.learned > 0
    assert asked >= PROCESS + COMPOSITE * clip_mib(card, settings) + known.learned + known.step
    # With a GPU as well, and a person's clips need less than those of all others.
    assert max(asked, fit_mib(card, preset, settings, COMPOSITE, gpu=1)) <= 12 * 1024
    assert predict_mib(card, preset, settings, 10) < asked


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "preset"),
    [("dual_branch", "small"), ("dual_branch_msmh", "small"), ("aman", "small"), ("ststnet", "clean")],
)
def test_what_is_asked_for_is_enough(name, preset):
    card = model(name, "test")
    settings = card.presets[preset]
    found = bench.footprint(name, preset)
    size = settings.batch_size
    needed = 250 + size * clip_mib(card, settings) + found.learned + found.step
    assert fit_mib(card, preset, settings, size) >= needed
    # The card says what the code takes now: neither a part of it, nor what a network of before took.
    assert found.learned == card.footprints[preset].learned
    assert sum(found) <= 1.3 * sum(card.footprints[preset]) + 30


def test_the_page_gives_the_steps_of_the_cards():
    text = (Path(__file__).resolve().parents[2] / "docs" / "models.md").read_text()
    rows = re.findall(r"^\| (`.+`) \| ([\d, ]+) \|$", text.split("| a step of |")[1].split("\n\n")[0], re.M)
    told = {}
    for names, figures in rows:
        name = ""
        for words, figure in zip(re.findall("`(.+?)`", names), figures.split(", "), strict=True):
            *first, preset = words.split()
            name = first[0] if first else name
            told[name, preset] = int(figure.replace(",", ""))
    assert {name for name, _ in told} == {name for name in MODELS if model(name, "test").published}
    for (name, preset), mib in told.items():
        assert mib == sum(model(name, "test").footprints[preset]), (name, preset)


def test_clips_count_in_the_type_that_the_model_keeps(monkeypatch):
    card, settings = dual_branch.MODEL, dual_branch.PRESETS["icip2024"]
    pixels = 3 * 30 * 128 * 128
    small = replace(card, noise=lambda preset, draw: (draw(3, 30, 128, 128) * 255).astype(np.uint8))
    assert clip_mib(small, settings) == pixels / 2**20
    asked = [fit_mib(small, "icip2024", settings, count) for count in (1000, 2000)]
    assert asked[1] - asked[0] == pytest.approx(1.05 * 1000 * pixels / 2**20, abs=100)


def test_a_step_grows_with_what_train_asks_for():
    card, base = dual_branch.MODEL, dual_branch.PRESETS["icip2024"]
    known = card.footprints["icip2024"]
    for change, factor in (({"batch_size": 16}, 2), ({"frames": 15}, 0.5), ({"size": 256}, 4), ({"epochs": 1}, 1)):
        got = footprint(card, "icip2024", base.model_copy(update=change))
        assert got == (known.learned, int(np.ceil(known.step * factor))), change


def test_a_model_that_says_nothing_asks_for_what_most_need():
    silent = replace(ststnet.MODEL, noise=None, footprints={})
    assert clip_mib(silent, ststnet.PRESETS["clean"]) == 0
    assert fit_mib(silent, "clean", ststnet.PRESETS["clean"], 442) >= PROCESS + UNKNOWN
    card = svm_flow.MODEL
    assert fit_mib(card, card.default, card.presets[card.default], 442) == PROCESS + 100


def test_processes_side_by_side_hold_their_own_clips():
    card, settings = ststnet.MODEL, ststnet.PRESETS["clean"]
    one, four = (fit_mib(card, "clean", settings, 442, 8, workers) for workers in (1, 4))
    assert four >= 4 * (one - 100)
    # Folds trained together share one process, and the host gives CUDA its part.
    assert PROCESS + CUDA <= fit_mib(card, "clean", settings, 442, 68, 1, gpu=1) < four


def test_folds_of_a_job_on_a_gpu():
    card, settings = ststnet.MODEL, ststnet.PRESETS["clean"]
    most = folds_of_a_gpu(card, "clean", settings, 442, 10_000, together=True)
    assert 10 < most < 68 and folds_of_a_gpu(card, "clean", settings, 442, most, together=True) == most
    # Jobs are about as long as each other: not one of `most` and one of a single fold.
    assert folds_of_a_gpu(card, "clean", settings, 442, most + 1, together=True) == (most + 2) // 2
    wide = settings.model_copy(update={"batch_size": 64 * 8})
    assert folds_of_a_gpu(card, "clean", wide, 442, 68, together=True) < most
    other = dual_branch.MODEL, "icip2024", dual_branch.PRESETS["icip2024"]
    assert folds_of_a_gpu(*other, 442, 68, together=False) == IN_TURN
    assert folds_of_a_gpu(*other, 442, 3, together=False) == 3
