"""The cause of a false alarm, by what eyes, mouth and head do at that time."""

from dataclasses import replace

import numpy as np
import pytest

from mer.analysis.bench import causes
from mer.analysis.bench.causes import cause_of, reversals
from mer.analysis.bench.tracked import Tracked
from mer.motion.face_signals import FaceSignals

FPS, COUNT = 30.0, 300
ALARM = {"onset": 140, "apex": 146, "offset": 152}


def still(**changed):
    """Return what is known of a face that does nothing but what is `changed`."""
    level = {"left_eye": 0.3, "right_eye": 0.3, "mouth_opening": 0.05, "mouth_width": 0.9, "zoom": 1.0}
    rest = dict.fromkeys(("x", "y", "roll", "yaw", "pitch", "speed", "turning"), 0.0)
    lines = {name: np.full(COUNT, value) for name, value in {**level, **rest}.items()}
    signals = replace(FaceSignals(fps=FPS, blinks=(), **lines), **changed)
    return Tracked(np.zeros((COUNT, 68, 2)), signals, (), np.zeros(COUNT, bool), np.zeros(COUNT, bool))


def bump(frame, height, width=4.0, level=0.0):
    return level + height * np.exp(-(((np.arange(COUNT) - frame) / width) ** 2))


def test_a_face_at_rest_has_no_cause():
    assert cause_of(ALARM, still(), 0.2) == "other"
    assert cause_of(ALARM, still(), float("nan")) == "other"


def test_what_does_not_come_back():
    assert cause_of(ALARM, still(), causes.STAYS + 0.05) == "macro"


@pytest.mark.parametrize(
    ("blinks", "cause"),
    [(((144, 148),), "blink"), (((130, 138),), "blink"), (((155, 160),), "blink"), (((100, 106), (170, 178)), "other")],
)
def test_a_blink_in_the_interval_or_beside_it(blinks, cause):
    assert cause_of(ALARM, still(blinks=blinks), 0.2) == cause


@pytest.mark.parametrize("name", ["speed", "turning"])
def test_a_head_that_moves_fast(name):
    limit = {"speed": causes.SPEED, "turning": causes.TURNING}[name]
    assert cause_of(ALARM, still(**{name: bump(148, 1.5 * limit)}), 0.9) == "head"
    assert cause_of(ALARM, still(**{name: bump(148, 0.7 * limit)}), 0.2) == "other"
    assert cause_of(ALARM, still(**{name: bump(220, 1.5 * limit)}), 0.2) == "other"


def test_a_mouth_that_goes_up_and_down():
    time = np.arange(COUNT) / FPS
    talking = 0.05 + causes.OPENED * np.sin(2 * np.pi * 4 * time)
    assert cause_of(ALARM, still(mouth_opening=talking), 0.2) == "speech"
    assert cause_of(ALARM, still(mouth_width=talking), 0.2) == "speech"
    smile = 0.9 + 0.2 / (1 + np.exp(-(np.arange(COUNT) - 146) / 4))
    assert cause_of(ALARM, still(mouth_width=smile), 1.0) == "macro"
    assert cause_of(ALARM, still(mouth_opening=0.05 + 0.2 * (talking - 0.05)), 0.2) == "other"


def test_cuts_and_missing_faces_come_first():
    known = still(blinks=((144, 148),))
    assert cause_of(ALARM, replace(known, cuts=(153,)), 0.2) == "cut or occlusion"
    assert cause_of(ALARM, replace(known, cuts=(200,)), 0.2) == "blink"
    blind = np.zeros(COUNT, bool)
    blind[153] = True
    assert cause_of(ALARM, replace(known, blind=blind), 0.2) == "cut or occlusion"


def test_a_face_followed_poorly_is_hidden_unless_the_head_moves():
    weak = np.zeros(COUNT, bool)
    weak[150] = True
    assert cause_of(ALARM, replace(still(), weak=weak), 0.2) == "cut or occlusion"
    assert cause_of(ALARM, replace(still(speed=bump(148, 2 * causes.SPEED)), weak=weak), 0.2) == "head"


def test_at_the_ends_and_without_a_face():
    gone = np.full(COUNT, np.nan)
    assert cause_of({"onset": 0, "apex": 1, "offset": 4}, still(), 0.1) == "other"
    assert cause_of(ALARM, still(mouth_opening=gone, mouth_width=gone, speed=gone, turning=gone), 0.1) == "other"


@pytest.mark.parametrize(
    ("values", "turns"),
    [
        ([0, 1, 0, 1, 0], 3),
        ([0, 1, 2, 3, 3], 0),
        ([3, 2, 0, 2, 3], 1),
        ([0, 0.4, 0, 0.4, 0], 0),
        ([0, 1, np.nan, 0, 1], 2),
        ([np.nan], 0),
        ([], 0),
    ],
)
def test_turns_of_a_signal(values, turns):
    assert reversals(np.array(values, float), 0.5) == turns


def test_small_turns_on_a_long_way_do_not_count():
    wave = np.concatenate([np.linspace(0, 3, 50), np.linspace(3, 0, 50)]) + 0.1 * np.sin(np.arange(100))
    assert reversals(wave, 0.5) == 1
