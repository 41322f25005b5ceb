"""Long recordings: their length, what happens in their rests, and that expressions stay what they were."""

import numpy as np
import pytest

from mer.simulate.distractions import CLEAR, rests, speech, turns
from mer.simulate.params import SimulateParams
from mer.simulate.registry import layout
from mer.simulate.timeline import Turn

LONG = {"subjects": 2, "clips": 4, "seconds": 60.0, "talk": 0.5, "turn": 0.5, "raw": True}


@pytest.mark.parametrize("name", ["casme_sq", "samm_lv"])
def test_recordings_last_as_long_as_asked_and_hold_their_expressions_in_order(name):
    params = SimulateParams(layout=name, **LONG)
    for recording in layout(name).recordings(params):
        if recording.kind:
            continue
        assert 0.9 * 60 < len(recording.numbers) / recording.fps < 1.1 * 60
        ends = [n for event in recording.events for n in (event.onset, event.offset)]
        assert ends == sorted(ends) and (not ends or ends[-1] < recording.numbers[-1])


def test_a_database_has_recordings_without_any_expression():
    quiet = [
        r
        for r in layout("casme_sq").recordings(SimulateParams(layout="casme_sq", **LONG))
        if not r.events and not r.kind
    ]
    assert len(quiet) == 1 and len(quiet[0].numbers) > 50 * 30


def test_speech_keeps_clear_of_expressions_and_is_never_annotated():
    params = SimulateParams(layout="casme_sq", **LONG)
    spoken = 0
    for recording in layout("casme_sq").recordings(params):
        syllables = speech(params, recording)
        spoken += len(syllables)
        for syllable in syllables:
            for event in recording.events:
                gap = max(syllable.onset - event.offset, event.onset - syllable.offset)
                assert gap >= (CLEAR - 0.1) * recording.fps
    assert spoken > 20
    assert len(layout("casme_sq").plan(params)) == len(
        layout("casme_sq").plan(SimulateParams(**{**params.model_dump(), "talk": 0.0}))
    )


def test_short_recordings_have_neither_speech_nor_turns():
    params = SimulateParams(layout="casme_sq", subjects=1, clips=3, talk=1.0, turn=1.0)
    for recording in layout("casme_sq").recordings(params):
        assert not speech(params, recording) or list(rests(recording))


def test_a_turn_leaves_and_comes_back():
    turn = Turn(100.0, 10.0, 20.0, (5.0, 0.0, 0.1, 0.0))
    assert turn.share(100) == 0 and turn.share(110) == pytest.approx(1) and turn.share(125) == pytest.approx(1)
    assert turn.share(140) == pytest.approx(0) and 0 < turn.share(105) < 1


def test_turns_lie_in_rests():
    params = SimulateParams(layout="casme_sq", **LONG)
    count = 0
    for recording in layout("casme_sq").recordings(params):
        free = list(rests(recording))
        for turn in turns(params, recording, 0.5):
            count += 1
            end = turn.start + 2 * turn.swing + turn.hold
            assert any(a <= turn.start and end <= b for a, b in free)
            assert np.abs(turn.size[0]) >= 4
    assert count > 5
