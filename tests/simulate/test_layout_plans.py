"""Every layout's plan, seen through the reader of its database, before a frame is rendered."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from layout_cases import POLARITY, READER, layout, options, pairs, params, planned
from scipy.stats import chi2_contingency

from mer.core.errors import ConfigError, DatasetError
from mer.simulate.identity import draw_identity
from mer.simulate.names import LAYOUTS
from mer.simulate.params import SimulateParams

NAMES = list(READER)
# Quirks that make a row differ from what was filmed, and layouts whose tables hold no action unit, apex or label.
WRONG_INTERVAL = ("offset 0", "early")
OTHER_UNITS = ("alternatives", "no units")
WITHOUT_APEX = ("smic", "smic_e", "meview", "rld")
WITHOUT_UNITS = ("smic", "smic_e", "rld")


@pytest.mark.parametrize("name", NAMES)
def test_rows_say_what_is_filmed(name: str) -> None:
    given = params(name, subjects=5, clips=6)
    reading = planned(given)
    matched = list(pairs(given, reading))
    assert len(matched) >= 30
    for plan, row in matched:
        if not any(quirk in plan.quirk for quirk in WRONG_INTERVAL) and row.onset is not None:
            assert row.onset == plan.onset
            late = name == "samm_lv" and plan.clip.startswith("009_1") and row.offset != plan.offset
            assert row.offset == plan.offset + ((row.last_file or 0) + 2 - plan.offset if late else 0)
            if not late:
                middle = (plan.onset + plan.offset) // 2
                assert row.apex == (middle if "apex at onset" in plan.quirk else plan.apex)
        if READER[name] not in WITHOUT_UNITS and not any(quirk in plan.quirk for quirk in OTHER_UNITS):
            assert [(u.number, u.side) for u in row.aus if not u.kept and not u.ref] == [
                (u.number, u.side) for u in _in_cell_order(plan.units, row.au_numbers, row.aus)
            ]


def _in_cell_order(units, numbers, cells):  # type: ignore[no-untyped-def]
    order = [cell.number for cell in cells if not cell.kept]
    shown = {cell.number for cell in cells if not cell.kept and not cell.ref}
    assert {unit.number for unit in units} == set(numbers)
    return sorted((unit for unit in units if unit.number in shown), key=lambda unit: order.index(unit.number))


@pytest.mark.parametrize("name", NAMES)
def test_classes_are_those_of_the_labels(name: str) -> None:
    given = params(name, subjects=6, clips=6)
    counted = 0
    for plan, row in pairs(given, planned(given)):
        expected = next((c for c, words in POLARITY.items() if plan.emotion in words), None)
        if (name == "samm_lv" and row.expression_type == "macro") or name in ("casme3_all", "rld"):
            expected = None
        assert row.emotion_3 == expected, (plan.emotion, row.emotion_raw)
        counted += expected is not None
    if name not in ("casme3_all", "rld"):
        classes = Counter(row.emotion_3 for _, row in pairs(given, planned(given)))
        assert counted >= 36 and all(classes[c] >= 10 for c in POLARITY)


@pytest.mark.parametrize("name", NAMES)
def test_a_subject_does_not_depend_on_the_others(name: str) -> None:
    few, many = (layout(name).plan(params(name, subjects=n)) for n in (2, 5))
    assert few == tuple(plan for plan in many if plan.subject in {p.subject for p in few})
    assert few != layout(name).plan(params(name, seed=1))


@pytest.mark.parametrize("name", NAMES)
def test_expressions_of_a_recording_keep_apart(name: str) -> None:
    given = params(name, subjects=3, clips=7)
    for recording in layout(name).recordings(given):
        numbers = [n for event in recording.events for n in (event.onset, event.apex, event.offset)]
        assert numbers == sorted(set(numbers))
        assert all(event.seed == recording.seed and event.fps == recording.fps for event in recording.events)
        assert not numbers or (recording.numbers[0] <= numbers[0] and numbers[-1] <= recording.numbers[-1])


@pytest.mark.parametrize("name", NAMES)
def test_only_the_label_signal_ties_action_units_to_labels(name: str) -> None:
    if READER[name] in ("rld",):
        classes = {"deceptive": 0, "truthful": 1}
    else:
        classes = {word: k for k, words in enumerate(POLARITY.values()) for word in words}
    for signal, related in ((1.0, True), (0.0, False)):
        given = params(name, subjects=22, clips=12, quirks=False, label_signal=signal)
        table = np.zeros((3, 3))
        for plan in layout(name).plan(given):
            if plan.emotion in classes and "macro" not in plan.clip.split("-"):
                shown = {unit.number for unit in plan.units}
                table[classes[plan.emotion], 0 if 12 in shown else 1 if shown & {2, 5} else 2] += 1
        table = table[table.sum(axis=1) > 0]
        p = chi2_contingency(table).pvalue
        assert (p < 1e-12) if related else (p > 1e-3), table


def test_people_differ_between_databases_and_are_shared_within_a_family() -> None:
    faces = {
        name: [draw_identity(0, k) for k in dict.fromkeys(p.face for p in layout(name).plan(params(name)))]
        for name in LAYOUTS
    }
    same = [("samm", "samm_lv"), ("smic_hs", "smic_vis"), ("smic_hs", "smic_nir"), ("smic_hs", "smic_e_vis")]
    assert all(faces[a] == faces[b] for a, b in same)
    alone = ("casme2", "samm", "smic_hs", "mmew", "casme_sq", "casme3", "casme", "meview", "rld", "fourdme")
    everyone = [face.seed for name in alone for face in faces[name]]
    assert len(set(everyone)) == len(everyone) == 2 * len(alone)


def test_cameras_of_one_family_film_the_same_clips() -> None:
    names = [[(p.clip, p.emotion) for p in layout(f"smic_{c}").plan(params(f"smic_{c}"))] for c in ("hs", "vis", "nir")]
    assert names[0] == names[1] == names[2]
    same = {"shortest": 0.3, "longest": 0.42}
    high, low = (layout(n).plan(params(n, **same))[0] for n in ("smic_hs", "smic_vis"))
    assert high.units == low.units
    assert abs((high.offset - high.onset) / 100 - (low.offset - low.onset) / 25) <= 2 / 25
    short = {p.clip: p.units for p in layout("samm").plan(params("samm"))}
    long = {p.clip.removesuffix("-micro"): p.units for p in layout("samm_lv").plan(params("samm_lv"))}
    assert all(long[clip] == units for clip, units in short.items())


def test_defaults_are_those_of_the_cameras() -> None:
    assert (params("samm").width, params("smic_vis").fps, params("mmew").fps) == (960, 25.0, 90.0)
    assert params("smic_vis", fps=50.0).fps == 50.0 and SimulateParams().fps == 200.0
    for name in LAYOUTS:
        reader, _ = options(name)
        rate = getattr(reader, "FPS", None)
        rate = rate[name.rpartition("_")[2]] if isinstance(rate, dict) else rate
        assert rate in (None, params(name).fps), name


def test_what_the_simulator_does_not_write_is_refused() -> None:
    with pytest.raises(ConfigError, match="the layout casme_sq has no 'raw' images; expected one of selected"):
        planned(params("casme_sq"), view="raw")
    with pytest.raises(ConfigError, match="layout smic_vis writes 'vis'"):
        layout("smic_vis").reader_input(params("smic_vis"), {"modality": "hs"})
    with pytest.raises(ConfigError, match="layout smic_e_nir writes 'nir'"):
        layout("smic_e_nir").reader_input(params("smic_e_nir"), {"modality": "vis"})
    with pytest.raises(ConfigError, match="at most 22, the participants"):
        layout("casme_sq").plan(params("casme_sq", subjects=23))
    with pytest.raises(DatasetError, match=r"no subject '6'.*did you mean '006'"):
        layout("samm").write_subject(params("samm"), "6", "/nonexistent", "/nonexistent/t.h5")


def test_layouts_are_light_to_import() -> None:
    code = (
        "import sys; from mer.simulate.names import LAYOUTS; from mer.simulate.registry import plan;"
        "from mer.simulate.params import SimulateParams;"
        "[plan(SimulateParams(layout=n, subjects=2)) for n in LAYOUTS];"
        "print([m for m in ('torch', 'cv2', 'sklearn', 'dlib', 'skimage', 'av', 'scipy', 'pandas', 'openpyxl')"
        " if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
