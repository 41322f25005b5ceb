"""Life-like recordings: everything does what it says, and the truth is where the picture shows it."""

from dataclasses import fields, replace

import cv2
import numpy as np
import pytest

from mer.core.errors import ConfigError
from mer.simulate.behaviour import draw_tracks
from mer.simulate.habits import EXPRESSIONS, HIDING, Event, Habits, draw_events
from mer.simulate.lifelike import LifelikeRecording, lifelike
from mer.simulate.sampling import LANCZOS, sample
from mer.simulate.scene import STILL
from mer.simulate.solid import Pose

SEED, FPS, SIZE, EYES = 3, 30.0, (320, 240), 56.0
NOTHING = Habits(**{f.name: 0.0 for f in fields(Habits) if isinstance(getattr(Habits(), f.name), float)})
INNER_LIPS = [60, 61, 62, 63, 64, 65, 66, 67]


def person(seconds=2.0, **habits):
    return lifelike(SEED, seconds, FPS, SIZE, replace(NOTHING, **habits), EYES)


def happening(kind, first=5, last=35, seconds=2.0, seed=4, **more):
    """A recording in which one thing happens, when it is told."""
    recording = person(seconds)
    recording.events = [Event(kind, first, last, (first + last) // 2, seed, **more)]
    recording.events = [recording._with_units(event) for event in recording.events]
    recording.tracks = draw_tracks(SEED, recording.count, FPS, NOTHING, recording.events)
    return recording


@pytest.fixture(scope="module")
def still():
    return person()


def patch(frame, points, grow=0.0):
    low, high = points.min(0) - grow, points.max(0) + grow
    return frame[round(low[1]) : round(high[1]) + 1, round(low[0]) : round(high[0]) + 1]


def test_a_frame_is_the_same_alone_and_in_turn_and_people_differ(still):
    lively = person(1.0, talk=1.0, sway=1.0, blink=30, noise=1.5)
    frames = list(lively.frames())
    again = LifelikeRecording(SEED, lively.count, FPS, SIZE, lively.habits, EYES)
    assert np.array_equal(again.frame(20), frames[20]) and frames[20].dtype == np.uint8
    assert frames[0].shape == (SIZE[1], SIZE[0], 3) and len(frames) == 30
    other = lifelike(SEED + 1, 1.0, FPS, SIZE, NOTHING, EYES)
    assert np.abs(other.clean(0) - still.clean(0)).mean() > 5


def test_nothing_happens_to_who_has_no_habits(still):
    assert still.events == [] and still.present.all()
    assert np.abs(np.diff(still.landmarks(), axis=0)).max() < 0.15
    assert np.abs(still.clean(30) - still.clean(29)).max() < 6


def test_habits_are_numbers_from_nought_on():
    with pytest.raises(ConfigError, match="talk"):
        Habits(talk=1.2)
    with pytest.raises(ConfigError, match="blink"):
        Habits(blink=-1)


@pytest.mark.parametrize(("yaw", "pitch", "roll"), [(0, 0, 0), (12, -8, 4), (-17, 10, -8)])
def test_a_turned_head_can_be_turned_back(still, yaw, pitch, roll):
    solid, face = still.scene.solid, still.scene.head.landmarks
    angles = np.radians([yaw, pitch, roll])
    pose = Pose(*angles, (4.0, -3.0), 1.1, (3.0, 0.0), STILL)
    points = np.random.default_rng(0).uniform(face.min(0), face.max(0), (500, 2))
    back = solid.inverse(pose, solid.forward(pose, points))
    away = np.abs(back - points).max(axis=1)
    assert np.median(away) < 0.02 and np.quantile(away, 0.95) < 0.3
    if not any(angles):
        shift = solid.anchor + [4.0, -3.0] + 1.1 * (face - solid.pivot)
        assert np.abs(solid.forward(pose, face) - shift)[:36].max() < 0.5


def test_a_turned_head_shows_its_nose_before_its_cheeks(still):
    solid, face = still.scene.solid, still.scene.head.landmarks
    at = {yaw: solid.forward(Pose(np.radians(yaw), 0, 0, (0, 0), 1, (0, 0), STILL), face) for yaw in (-12, 0, 12)}
    moved = at[12][:, 0] - at[0][:, 0]
    assert moved[30] > moved[27] + 0.05 * EYES > moved[0] + 0.1 * EYES
    widths = [at[yaw][16, 0] - at[yaw][30, 0] for yaw in (-12, 0, 12)]
    assert widths[0] > widths[1] > widths[2]


@pytest.mark.parametrize("kind", ["turn", "nod", "speech", "macro", "chewing", "zoom"])
def test_flow_and_landmarks_follow_the_picture(kind):
    more = {"emotion": "happiness", "amplitude": 0.10} if kind == "macro" else {}
    recording = happening(kind, **more)
    landmarks = recording.landmarks()
    at = int(np.abs(landmarks - landmarks[0]).mean(axis=(1, 2)).argmax())
    flow = recording.flow(0, at)
    first, second = recording.clean(0), recording.clean(at)
    y, x = np.mgrid[: SIZE[1], : SIZE[0]].astype(np.float32)
    seen = np.isfinite(flow[..., 0])
    face = np.zeros(SIZE[::-1], np.uint8)
    cv2.fillConvexPoly(face, cv2.convexHull(recording.landmarks_at(0).astype(np.int32)), 1)
    moving = seen & (face > 0) & (np.hypot(*np.nan_to_num(np.moveaxis(flow, -1, 0))) > 0.7)
    assert moving.sum() > 200
    carried = sample(second, np.stack([x, y], -1) + np.nan_to_num(flow), LANCZOS)
    after, before = (np.median(np.abs(image - first)[moving]) for image in (carried, second))
    assert after < 2.5 and after < 0.75 * before
    tracked = recording.scene.track(recording.look(at), recording.scene.head.landmarks, None)
    assert np.abs(landmarks[at] - tracked)[:36].max() < 0.01


@pytest.mark.parametrize("amplitude", [0.02, 0.08])
def test_an_expression_is_as_large_as_it_says(amplitude):
    recording = happening("micro", 10, 22, emotion="happiness", amplitude=amplitude)
    (event,) = recording.events
    motion = recording.scene.motion
    assert event.amplitude == pytest.approx(amplitude, rel=1e-3)
    low, high = motion.landmarks.min(0), motion.landmarks.max(0)
    points = np.random.default_rng(0).uniform(low, high, (20000, 2))
    largest = [np.hypot(*(motion.forward(recording.skin(n), points) - points).T).max() for n in (10, event.apex, 22)]
    assert largest[1] == pytest.approx(amplitude * motion.eyes, rel=0.1) and largest[0] == largest[2] == 0


def test_no_expression_folds_the_skin():
    recording = happening("macro", 5, 50, emotion="surprise", amplitude=0.9)
    assert 0.05 < recording.events[0].amplitude < 0.6


def test_an_open_mouth_is_dark_inside_and_shows_teeth(still):
    recording = person()
    recording.tracks.jaw[10], recording.tracks.jaw[11] = 0.25, 0.12
    closed, wide = recording.landmarks_at(0), recording.landmarks_at(10)
    assert wide[66, 1] - wide[62, 1] > 0.2 * EYES > 0.05 * EYES > closed[66, 1] - closed[62, 1]
    assert wide[8, 1] - closed[8, 1] > 0.1 * EYES
    frame, before = recording.clean(10), recording.clean(0)
    middle = wide[[61, 62, 63, 65, 66, 67]]
    within = patch(frame, middle * [[1.0, 1.0]], -1)
    assert np.quantile(within.mean(-1), 0.2) < 0.65 * np.quantile(patch(before, middle, -1).mean(-1), 0.2)
    rows = within.mean(axis=(1, 2))
    assert rows[: len(rows) // 2].max() > 1.5 * rows[len(rows) // 2 :].min()


def test_a_mouth_chews_with_closed_lips_and_speaks_with_open_ones():
    chewing, speech = happening("chewing"), happening("speech")
    for recording, least, most in ((chewing, 0.0, 0.03), (speech, 0.04, 0.4)):
        marks = recording.landmarks()
        gap = (marks[:, 66, 1] - marks[:, 62, 1] - marks[0, 66, 1] + marks[0, 62, 1]) / EYES
        assert least <= gap.max() < most
        assert np.ptp(marks[:, 8, 1]) > 0.015 * EYES


def test_speech_has_the_rhythm_of_syllables():
    recording = happening("speech", 5, 595, seconds=20.0)
    jaw = recording.tracks.jaw[5:595]
    peaks = (jaw[1:-1] > jaw[:-2]) & (jaw[1:-1] >= jaw[2:]) & (jaw[1:-1] > 0.1 * jaw.max())
    speaking = np.convolve(jaw > 0.01, np.ones(12), "same") > 0
    assert 2.0 < peaks.sum() / (speaking.sum() / FPS) < 7.5
    assert (~speaking).any(), "without a pause"


@pytest.mark.parametrize(("kind", "least", "most"), [("blink", 0.97, 1.0), ("half_blink", 0.25, 0.8)])
def test_lids_close(kind, least, most):
    recording = happening(kind, 10, 20)
    closure = recording.tracks.closure
    assert least <= closure.max() <= most and closure[[10, 20]].max() == 0
    eye = recording.landmarks_at(0)[36:42]
    middle = int(closure.argmax())
    dark = [np.quantile(patch(recording.clean(n), eye).mean(-1), 0.05) for n in (0, middle)]
    if kind == "blink":
        assert dark[1] > 1.3 * dark[0], "the iris shows"
    opening = [np.ptp(recording.landmarks_at(n)[36:42, 1]) for n in (0, middle)]
    assert opening[1] < opening[0]


def test_a_double_blink_opens_between():
    closure = happening("double_blink", 10, 28).tracks.closure
    assert closure[10:19].max() > 0.9 and closure[19:29].max() > 0.9 and closure[17:22].min() < 0.3


@pytest.mark.parametrize("gaze", [(0.06, 0.0), (-0.06, 0.0)])
def test_irises_follow_the_gaze(gaze):
    recording = person()
    recording.tracks.gaze[:] = 0
    recording.tracks.gaze[10] = gaze
    eye = recording.landmarks_at(0)[36:42]
    middle = eye[:, 1].mean()
    centres = []
    for number in (0, 10):
        band = recording.clean(number)[
            round(middle) - 1 : round(middle) + 2, round(eye[0, 0]) + 3 : round(eye[3, 0]) - 2
        ]
        columns = band.mean(axis=(0, 2))
        dark = np.clip(np.median(columns) - columns, 0, None)
        centres.append((dark * np.arange(len(dark))).sum() / dark.sum())
    moved = (centres[1] - centres[0]) / EYES
    assert np.sign(moved) == np.sign(gaze[0]) and 0.3 < abs(moved / gaze[0]) < 1.5
    far = np.abs(recording.clean(10) - recording.clean(0))[: round(eye[:, 1].min() - 12)]
    assert far.max() < 4, "more than the eyes has changed"


def test_flicker_changes_nothing_but_brightness(still):
    flickering = person(1.0, flicker=0.05)
    plain = still.clean(7)
    factor = flickering.frame(7)[plain.min(-1) > 60] / plain[plain.min(-1) > 60]
    means = [flickering.frame(n).mean() for n in range(8)]
    assert factor.std() < 0.01 and np.ptp(means) > 0.5


def test_light_from_one_side():
    recording = happening("light", 5, 35)
    assert np.ptp(recording.tracks.light, axis=0).min() > 0.005
    at = int(np.abs(recording.tracks.light[:, 1]).argmax())
    share = recording.frame(at) / np.maximum(recording.frame(0).astype(float), 20)
    left, right = share[:40, :60].mean(), share[:40, -60:].mean()
    assert np.sign(right - left) == np.sign(recording.tracks.light[at, 1])


def test_a_cut_changes_the_place_of_the_face_at_once():
    recording = happening("cut", 20, 20)
    moved = np.abs(np.diff(recording.landmarks().mean(axis=1), axis=0)).max(axis=1)
    assert moved[19] > 0.2 * EYES and np.delete(moved, 19).max() < 0.05 * EYES
    assert np.abs(recording.clean(20) - recording.clean(19)).mean() > 3


def test_who_is_away_is_not_seen():
    recording = happening("away", 5, 50)
    assert not recording.present[27] and recording.present[[0, 55]].all()
    marks = recording.landmarks()[27]
    assert (marks[:, 0] < 0).all() or (marks[:, 0] > SIZE[0]).all()
    _, shows = recording.scene.material(recording.look(27))
    assert not shows.any()
    assert np.abs(recording.clean(55) - recording.clean(0)).mean() < 1
    # The face is cut by the edge of the picture at every width.
    assert all(np.isfinite(frame).all() for frame in recording.frames(5, 27))


def test_a_hand_hides_the_face_and_goes():
    recording = happening("hand", 5, 45)
    middle = recording.clean(25)
    marks = recording.landmarks_at(25)
    changed = np.abs(middle - recording.clean(0)).max(-1)
    assert (patch(changed, marks) > 12).mean() > 0.1
    assert not recording.present[25] and np.abs(recording.clean(50) - recording.clean(0)).mean() < 1


def test_a_camera_in_the_hand_shakes_wall_and_face_alike():
    recording = person(2.0, shake=1.0)
    marks = recording.landmarks()
    assert np.ptp(marks[:, 30], axis=0).min() > 0.03 * EYES
    shapes = marks - marks.mean(axis=1, keepdims=True)
    assert np.ptp(shapes, axis=0).max() < 0.12 * EYES, "the face itself moves"


def test_a_poor_encoding_pulses_with_its_key_frames():
    recording = person(3.0, key_frames=1.0, noise=3.0, sway=0.4)
    assert [event.first for event in recording.events if event.kind == "key_frame"] == [30, 60]
    frames = np.stack([frame.astype(float) for frame in recording.frames()])
    assert len(frames) == recording.count
    steps = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2, 3))
    assert steps[[29, 59]].min() > 1.3 * np.median(np.delete(steps, [29, 59]))


def test_rates_are_kept_and_expressions_keep_clear():
    habits = Habits(micro=8, macro=4, hand=1, cut=1, away=1, talk=0.4)
    frames = round(600 * FPS)
    events = draw_events(5, frames, FPS, habits)
    count = {kind: sum(event.kind == kind for event in events) for kind in ("micro", "macro", "blink", "hand", "gaze")}
    assert 40 <= count["micro"] <= 90 and 15 <= count["macro"] <= 45 and 100 <= count["blink"] <= 170
    talk = sum(event.last - event.first for event in events if event.kind == "speech") / frames
    assert 0.25 < talk < 0.55
    assert all(0 <= event.first <= event.apex <= event.last < frames for event in events)
    apart = [event for event in events if event.kind in (*EXPRESSIONS, *HIDING)]
    for event in (one for one in apart if one.kind in EXPRESSIONS):
        assert not any(other is not event and other.overlaps(event.first - 25, event.last + 25) for other in apart)
    micro = [event for event in events if event.kind == "micro"]
    lasts = np.array([event.last - event.first for event in micro]) / FPS
    assert lasts.min() >= 0.1 and lasts.max() <= 0.52
    assert {event.amplitude for event in micro} == set(habits.micro_amplitudes)
    assert draw_events(5, frames, FPS, replace(habits, micro=0)) == [e for e in events if e.kind != "micro"]
