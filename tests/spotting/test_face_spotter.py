"""The spotter that comes with mer: motion of regions, evidence, trees, thresholds, and a whole simulated face."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mer.core.errors import ModelError
from mer.core.geometry import canonical_eyes, similarity
from mer.models.state import State
from mer.motion.facial_regions import GRID, PLACES, face_places, points_along, region_centres
from mer.motion.region_flow import region_displacements, sight
from mer.pretrain.implanted_motion import MovingFace, motion_of
from mer.simulate.action_units import UnitFields
from mer.simulate.expression import UnitPlan
from mer.simulate.habits import Habits
from mer.simulate.head import build_head
from mer.simulate.lifelike import lifelike
from mer.spotting.boosted import BoostedTrees, from_sklearn, from_state
from mer.spotting.evidence import Evidence, bumps_of, evidence
from mer.spotting.faces import FaceSpotter, alarm_table, windows
from mer.spotting.region_motion import SIDE, RegionMotion, region_motion, steps_of, stride_of
from mer.spotting.there_and_back import course, returned
from mer.spotting.unit_templates import UNITS, Template, movements, responses, templates
from mer.weights.locate import locate

RATE = 30.0


@pytest.fixture(scope="module")
def rest():
    """Return the landmarks (68, 2) of a simulated face in a crop."""
    landmarks = build_head(0, 0, 640, 480).landmarks
    eyes = np.stack([landmarks[36:42].mean(0), landmarks[42:48].mean(0)])
    matrix = similarity(eyes, canonical_eyes(SIDE))
    return landmarks @ matrix[:, :2].T + matrix[:, 2]


@pytest.fixture(scope="module")
def shown(rest, skin):
    """Return what shows of the action units in that face, (1, U, R, 2)."""
    return responses(sight(skin), sight(skin), (rest, rest))[None]


def recording(rest, motion, shown, rate=RATE):
    """Return a motion (T, R, 2) of the regions, as places along time, as the motion of a head that is still."""
    steps = steps_of(rate)
    moved = np.full((len(steps), *motion.shape), np.nan, np.float32)
    for k, step in enumerate(steps.tolist()):
        moved[k, :-step] = motion[step:] - motion[:-step]
    count = len(motion)
    head, left = np.zeros((len(steps), count, 10), np.float32), np.zeros((len(steps), count), np.float32)
    landmarks = np.tile(rest.astype(np.float32), (count, 1, 1))
    transform = np.tile(np.eye(2, 3), (count, 1, 1))
    seen = np.ones(count, np.float32), shown, np.zeros(1, np.int64)
    return RegionMotion(rate, steps, moved, head, left, landmarks, transform, *seen)


@pytest.fixture(scope="module")
def skin():
    """Return a grey picture (S, S) float32 whose every part has texture."""
    noise = np.random.default_rng(3).normal(size=(2, SIDE, SIDE)).astype(np.float32)
    fine, coarse = cv2.GaussianBlur(noise[0], (0, 0), 3), cv2.GaussianBlur(noise[1], (0, 0), 8)
    return 120 + 40 * fine / fine.std() * 0.5 + 40 * coarse / coarse.std() * 0.5


def moved(picture, flow):
    """Return a picture in which everything has moved by a smooth flow (2, S, S)."""
    x, y = np.meshgrid(np.arange(SIDE, dtype=np.float32), np.arange(SIDE, dtype=np.float32))
    back = flow.astype(np.float32)
    for _ in range(5):
        back = np.stack([cv2.remap(one.astype(np.float32), x - back[0], y - back[1], cv2.INTER_LINEAR) for one in flow])
    return cv2.remap(picture, x - back[0], y - back[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def test_a_head_that_turns_moves_no_region(rest, skin):
    x, y = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    u, v = (x - 112) / 63, (y - 80) / 63
    # Zoom, roll, a shift, and the perspective of a turn about the vertical.
    flow = np.stack([0.8 + 0.5 * u - 0.3 * v + 0.4 * u * u, -0.4 + 0.3 * u + 0.5 * v + 0.4 * u * v])
    face = face_places(rest, skin.shape)
    left, numbers, unexplained = region_displacements(sight(skin), sight(moved(skin, flow)), face)
    assert np.abs(left).max() < 0.08 and unexplained < 0.08
    assert np.abs(numbers[[2, 5]] - 0.5).max() < 0.05


def test_what_a_brow_does_is_left_when_the_head_moves(rest, skin):
    fields = UnitFields(rest)
    x, y = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    points = np.column_stack([x.ravel(), y.ravel()])
    brow = fields.displacement([UnitPlan(1, "", 1.0, 0, 0)], [1.0], points).T.reshape(2, SIDE, SIDE)
    head = np.stack([1.5 + 0.02 * (x - 112), -1.0 + 0.02 * (y - 80)])
    first, face = sight(skin), face_places(rest, skin.shape)
    alone, both = (region_displacements(first, sight(moved(skin, flow)), face)[0] for flow in (brow, brow + head))
    raised = PLACES.index(("inner brow", "R"))
    assert alone[raised, 1] < -0.3  # pixels upwards
    assert np.abs(alone - both).max() < 0.12


def test_what_shows_of_a_unit_is_what_the_face_has_texture_for(rest, skin):
    first, second = sight(skin), sight(skin + np.random.default_rng(1).normal(0, 1, skin.shape).astype(np.float32))
    shows = dict(zip(UNITS, responses(first, second, (rest, rest)), strict=True))
    brow, lips = PLACES.index(("inner brow", "R")), PLACES.index(("lower lip", "R"))
    assert shows[1, ""][brow, 1] < -0.35 and np.abs(shows[1, ""][lips]).max() < 0.1
    bare = skin.copy()
    bare[: int(rest[27, 1])] = 120  # nothing to see above the eyes
    hidden = responses(sight(bare), sight(bare), (rest, rest))[UNITS.index((1, ""))]
    assert abs(hidden[brow, 1]) < 0.5 * abs(shows[1, ""][brow, 1])


def test_regions_are_mirrored_pairs(rest):
    centres = region_centres(rest)
    middle = rest[27:31, 0].mean()
    for k, (name, side) in enumerate(PLACES):
        if side == "R":
            other = centres[PLACES.index((name, "L"))]
            assert abs(centres[k, 0] + other[0] - 2 * middle) < 10 and centres[k, 0] < other[0]
    assert points_along(SIDE, GRID)[[0, -1]].tolist() == [1.5, SIDE - 2.5]


def test_a_movement_that_returns_counts_and_one_that_stays_does_not(rest, shown):
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.0008, (600, len(PLACES), 2))
    template = next(one for one in templates(shown) if one.units == (1, 2) and not one.side)
    t = np.arange(600)
    bump = 0.03 * np.exp(-(((t - 60) / 4.0) ** 2))
    step = 0.03 / (1 + np.exp(-(t - 340) / 2.0))
    motion = recording(rest, noise + (bump + step)[:, None, None] * template.moved, shown)
    seen = evidence(motion, templates(shown))
    best = seen.scores.max(axis=(0, 2))
    assert best[58:63].max() > 6
    # The middle of a slow rise is no bump; its ends are half of one.
    assert best[340] < 4 and best[320:365].max() < 0.7 * best[58:63].max()
    winner = seen.templates[int(np.unravel_index(seen.scores[:, 60].argmax(), seen.scores[:, 60].shape)[1])]
    assert winner.groups == {"brows"}


def test_bumps_and_rests_are_what_they_say():
    moved = np.zeros((1, 10, 2))
    place = np.array([0, 0, 0, 1, 2, 1, 0, 0, 0, 0.0])
    moved[0, :8, 0] = place[2:] - place[:8]
    bumps, rests = bumps_of(moved, np.array([2]))
    assert bumps[0, 4, 0] == 2.0 and rests[0, 4, 0] == 0.0
    assert np.isnan(bumps[0, :2]).all() and bumps[0, 6, 0] == -1.0


@pytest.mark.parametrize(("fps", "stride"), [(10, 1), (24, 1), (30, 1), (50, 2), (60, 2), (100, 3), (200, 7)])
def test_fast_recordings_are_thinned(fps, stride):
    assert stride_of(fps) == stride
    assert (steps_of(fps / stride) >= 1).all()


def test_pairs_across_a_cut_and_with_a_blind_picture_are_unknown(rest, shown):
    motion = recording(rest, np.zeros((40, len(PLACES), 2)), shown)
    blind = np.zeros(40, bool)
    blind[30] = True
    known = np.isfinite(motion.blanked(blind, [12]).motion).all(axis=(2, 3))
    for k, step in enumerate(motion.steps.tolist()):
        beyond, cut = set(range(40 - step, 40)), set(range(12 - step, 12))
        wrong = beyond | cut | {30, 30 - step}
        assert set(np.flatnonzero(~known[k])) == wrong


@given(st.integers(1, 20_000), st.sampled_from([24.0, 25.0, 28.6, 30.0]))
@settings(max_examples=60, deadline=None)
def test_windows_own_every_picture_once(count, rate):
    spans = windows(count, rate)
    owned = [k for first, last, (a, b) in spans for k in range(a, b) if first <= a and b <= last]
    assert owned == list(range(count))


def test_trees_are_those_of_scikit_learn():
    from sklearn.ensemble import HistGradientBoostingClassifier

    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 5)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] + x[:, 2] > 0).astype(int)
    model = HistGradientBoostingClassifier(max_iter=20, max_leaf_nodes=6, random_state=0).fit(x, y)
    trees = from_state(from_sklearn(model).state().arrays, 5)
    assert np.abs(trees(x) - model.decision_function(x)).max() < 1e-9


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [("left", 0, 0), ("right", 0, 99), ("feature", 0, 7), ("start", 1, 3), ("start", 0, 1)],
)
def test_a_tree_that_leads_astray_is_refused(name, place, value):
    arrays = {
        "feature": np.array([0, -1, -1]),
        "threshold": np.zeros(3),
        "left": np.array([1, 0, 0]),
        "right": np.array([2, 0, 0]),
        "value": np.array([0.0, -1.0, 1.0]),
        "start": np.array([0, 3]),
        "base": np.zeros(1),
    }
    assert isinstance(from_state(arrays, 1), BoostedTrees)
    arrays[name][place] = value
    if name == "start" and value == 3:
        arrays["start"] = np.array([0, 4])
    with pytest.raises(ModelError):
        from_state(arrays, 1)


def test_a_threshold_lets_as_many_through_as_asked():
    probabilities = np.array([0.9, 0.2, 0.7, 0.5])
    table = alarm_table(probabilities, np.ones(4), 2.0)
    assert table[:, 1].tolist() == [0.0, 0.5, 1.0, 1.5, 2.0]
    spotter = FaceSpotter.read(locate("spotter_faces"))
    spotter.alarms = table
    for rate, through in ((0.4, 0), (0.5, 1), (1.0, 2), (1.7, 3), (9.0, 4)):
        assert (probabilities >= spotter.threshold(rate)).sum() == through


def test_the_shipped_trees_fit_this_version():
    spotter = FaceSpotter.read(locate("spotter_faces"))
    assert spotter.meta["templates"] == ["+".join(map(str, units)) + side for units, side in movements()]
    assert 0.05 < spotter.threshold(1.0) < spotter.threshold(0.2) < 1
    other = {**spotter.meta, "spotter": "faces 0"}
    with pytest.raises(ModelError, match="faces 0"):
        FaceSpotter(State({}), other)


@pytest.fixture(scope="module")
def person():
    """Return a simulated person who talks, blinks and moves a little."""
    habits = Habits(micro=0, macro=0, sway=0.4, talk=0.2, hand=0)
    film = lifelike(8, 9.0, RATE, (320, 240), habits, eyes=60)
    return MovingFace("person", motion_of(list(film.frames()), RATE, "person"))


def test_implants_are_found_on_a_simulated_person(person):
    spotter = FaceSpotter.read(locate("spotter_faces"))
    threshold = spotter.threshold(0.5)
    alarms = [one for one in spotter.judge(person.motion).found if one.probability >= threshold and not one.blink]
    assert len(alarms) <= 1
    found = total = 0
    for draw in range(4):
        implants = [one for one in _implants(person, draw)]
        spotted = [one for one in spotter.judge(person.implanted(implants)).found if one.probability >= threshold]
        total += len(implants)
        found += sum(any(m.onset <= one.apex <= m.offset for one in spotted) for m in implants)
    assert found >= 0.7 * total


def _implants(person, seed):
    from mer.simulate.implant import draw_implants

    return draw_implants(person.face, person.motion.rate, seed, (0.05,))


def test_an_interval_begins_and_ends_with_the_movement(person):
    from mer.spotting.moments import moments

    far = []
    for seed in range(3):
        implants = _implants(person, seed)
        motion = person.implanted(implants)
        seen = evidence(motion, person.templates)
        for moment in moments(seen, motion, person.signals):
            for one in implants:
                if one.onset <= moment.at <= one.offset:
                    gone = course(seen, moment.at, moment.step, moment.template)
                    assert gone.onset <= gone.apex <= gone.offset
                    inside = max(0, min(gone.offset, one.offset) - max(gone.onset, one.onset) + 1)
                    far.append(inside / (max(gone.offset, one.offset) - min(gone.onset, one.onset) + 1))
    assert np.median(far) > 0.6


@pytest.mark.parametrize(("level", "fall_over_rise", "left"), [(0.0, 1.0, 0.0), (0.5, 0.5, 0.5), (0.8, 0.2, 0.8)])
def test_what_is_left_of_a_movement_is_measured(level, fall_over_rise, left):
    """Half of the movement is undone: it falls by half of its rise, and half of it is left."""
    rate, steps = 30.0, steps_of(30.0)
    vectors = np.zeros((3, 2))
    vectors[0, 1] = -1.0
    one = Template((1,), "", vectors)
    place = 0.03 * np.interp(np.arange(90), [40, 46, 52], [0.0, 1.0, level])[:, None] * vectors.ravel()
    still = np.random.default_rng(0).normal(0, 1e-5, (90, 6))
    moved = np.full((len(steps), 90, 6), np.nan)
    for k, step in enumerate(steps.tolist()):
        moved[k, :-step] = place[step:] - place[:-step] + still[step:] - still[:-step]
    bumps, rests = bumps_of(moved, steps)
    same, none = np.stack([np.eye(6)] * len(steps)), np.zeros((len(steps), 90, 1), np.float32)
    seen = Evidence(rate, steps, [one], bumps, rests, moved[0], np.full_like(bumps, 0.001), same, none)
    gone = course(seen, 46, 1, 0)
    told = returned(seen, 46, 0, gone)
    assert abs(gone.apex - 46) <= 1 and 37 <= gone.onset <= 43
    assert np.exp(told["fall over rise"]) == pytest.approx(fall_over_rise, abs=0.15)
    assert told["left, of its height"] == pytest.approx(left, abs=0.15)
    assert np.exp(told["left in its regions"]) == pytest.approx(max(left, 0.02), abs=0.15)
    assert told["back as there, in its regions"] > 0.95


def test_judging_a_part_of_a_recording_is_judging_the_recording(person):
    """A picture without a face changes nothing far from it."""
    spotter = FaceSpotter.read(locate("spotter_faces"))
    blind = np.zeros(len(person.motion), bool)
    blind[-20:] = True
    whole, part = spotter.judge(person.motion), spotter.judge(person.motion.blanked(blind, []))
    assert not part.score[-20:].any()
    early = slice(0, len(blind) // 3)
    assert np.abs(whole.score[early] - part.score[early]).max() < 0.3


def test_a_recording_without_a_face_gives_nothing(person):
    empty = replace(person.motion, quality=np.zeros_like(person.motion.quality))
    judged = FaceSpotter.read(locate("spotter_faces")).judge(empty)
    assert not judged.found and not judged.score.any()


def test_motion_of_equal_pictures_is_none(rest):
    crop = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3), np.uint8)
    still = region_motion([crop] * 12, np.tile(rest, (12, 1, 1)), np.tile(np.eye(2, 3), (12, 1, 1)), np.ones(12), RATE)
    known = still.motion[np.isfinite(still.motion)]
    assert known.size and np.abs(known).max() == 0
