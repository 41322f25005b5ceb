"""Signals of eyes, mouth and head from landmarks, on faces whose movements are known."""

import numpy as np
import pytest

from mer.core.geometry import LEFT_EYE, RIGHT_EYE, apply, eye_centres, invert, similarity
from mer.motion.face_signals import blinks, face_signals, rate

FPS = 30.0
COUNT = 240


def neutral():
    """Return landmarks (68, 2) of an upright, symmetrical face with 60 pixels between the eyes."""
    points = np.zeros((68, 2))
    around = np.linspace(np.pi, 0, 17)
    points[:17] = np.stack([100 + 62 * np.cos(around), 90 + 80 * np.sin(around)], axis=1)
    points[27:31] = [[100, y] for y in (82, 94, 106, 118)]
    points[31:36] = [[x, 124] for x in (88, 94, 100, 106, 112)]
    eye = np.array([[-14, 0], [-5, -4.5], [5, -4.5], [14, 0], [5, 4.5], [-5, 4.5]])
    points[list(LEFT_EYE)], points[list(RIGHT_EYE)] = eye + (70, 80), eye + (130, 80)
    points[48:60] = [[100 + 25 * np.cos(a), 150 + 9 * np.sin(a)] for a in np.linspace(np.pi, 3 * np.pi, 13)[:-1]]
    points[60:68] = [[100 + 20 * np.cos(a), 150 + 0.5 * np.sin(a)] for a in np.linspace(np.pi, 3 * np.pi, 9)[:-1]]
    return points


def recording(count=COUNT, shift=(0.0, 0.0), turn=0.0, zoom=1.0):
    """Return landmarks in a crop that never moves, and the transforms of a head that does: source to crop."""
    time = np.arange(count)
    angle, scale = np.broadcast_to(turn, count), np.broadcast_to(zoom, count)
    moves = np.broadcast_to(np.asarray(shift, float), (count, 2)) if np.ndim(shift) < 2 else np.asarray(shift)
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    centre = np.array([100.0, 80.0])
    linear = np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)
    offset = centre + moves + 200 - linear @ centre
    assert len(time) == count
    return np.tile(neutral(), (count, 1, 1)), invert(np.concatenate([linear, offset[..., None]], axis=-1))


def close_eyes(landmarks, first, last, depth):
    """Let the lids of both eyes fall by `depth` of their distance and rise again, in frames `first` to `last`."""
    for k in range(first, last + 1):
        fall = depth * np.sin(np.pi * (k - first + 1) / (last - first + 2))
        for eye in (LEFT_EYE, RIGHT_EYE):
            points = landmarks[k, list(eye)]
            landmarks[k, list(eye), 1] = 80 + (points[:, 1] - 80) * (1 - fall)


@pytest.mark.parametrize("fps", [25.0, 30.0, 200.0])
def test_blinks_whole_and_half_are_found_where_they_are(fps):
    landmarks, transform = recording(int(8 * fps))
    rng = np.random.default_rng(3)
    landmarks = landmarks + rng.normal(0, 0.15, landmarks.shape)
    wanted = [(int(1.0 * fps), int(1.25 * fps), 0.9), (int(4.0 * fps), int(4.3 * fps), 0.45)]
    for first, last, depth in wanted:
        close_eyes(landmarks, first, last, depth)
    signals = face_signals(landmarks, transform, fps)
    assert len(signals.blinks) == 2
    for (first, last), (a, b, _) in zip(signals.blinks, wanted, strict=True):
        assert a <= first + 0.05 * fps
        assert first < (a + b) / 2 < last
        assert last <= b + 0.05 * fps
    assert np.flatnonzero(signals.blinking)[0] == signals.blinks[0][0]


def test_lowered_gaze_eyes_that_stay_closed_and_noise_are_no_blinks():
    rng = np.random.default_rng(0)
    still = 0.3 + rng.normal(0, 0.02, COUNT)
    assert blinks(still, FPS) == ()
    lowered = still.copy()
    lowered[60:150] -= 0.12
    assert blinks(lowered, FPS) == ()
    assert blinks(np.full(COUNT, np.nan), FPS) == ()


def test_openness_is_the_distance_of_the_lids_over_the_width_of_the_eye():
    landmarks, transform = recording(40)
    landmarks[:, list(LEFT_EYE), 1] = 80 + (landmarks[:, list(LEFT_EYE), 1] - 80) / 2
    signals = face_signals(landmarks, transform, FPS)
    np.testing.assert_allclose(signals.right_eye, 9 / 28)
    np.testing.assert_allclose(signals.left_eye, 4.5 / 28)
    np.testing.assert_allclose(signals.eyes, 6.75 / 28)


def test_a_head_that_moves_in_the_picture_is_followed_in_distances_between_the_eyes():
    time = np.arange(COUNT) / FPS
    sway = np.stack([12 * np.sin(time), 6 * np.cos(2 * time)], axis=1)
    landmarks, transform = recording(shift=sway)
    signals = face_signals(landmarks, transform, FPS)
    expected = (sway - np.median(sway, axis=0)) / 60
    np.testing.assert_allclose(signals.x, expected[:, 0], atol=1e-9)
    np.testing.assert_allclose(signals.y, expected[:, 1], atol=1e-9)
    np.testing.assert_allclose(signals.roll, 0, atol=1e-9)
    true = np.hypot(*np.gradient(sway / 60, 1 / FPS, axis=0).T)
    np.testing.assert_allclose(signals.speed[3:-3], true[3:-3], rtol=0.05, atol=0.002)


def test_roll_and_zoom_are_of_the_head_in_the_picture():
    ramp = np.linspace(-1, 1, COUNT)
    landmarks, transform = recording(turn=np.deg2rad(10 * ramp), zoom=1 + 0.1 * ramp)
    signals = face_signals(landmarks, transform, FPS)
    np.testing.assert_allclose(signals.roll, 10 * ramp, atol=0.05)
    np.testing.assert_allclose(signals.zoom, 1 + 0.1 * ramp, atol=0.002)
    # Lengths that the face has itself do not follow the size of the picture.
    np.testing.assert_allclose(signals.mouth_width, 50 / 60)


def test_a_turned_head_moves_the_tip_of_the_nose_and_a_rolled_one_does_not():
    landmarks, transform = recording()
    landmarks[120:, 27:36, 0] += 3
    landmarks[200:, 27:36, 1] += 2
    signals = face_signals(landmarks, transform, FPS)
    assert signals.yaw[150] - signals.yaw[20] == pytest.approx(3 / 60, abs=1e-9)
    assert signals.pitch[220] - signals.pitch[20] == pytest.approx(2 / 60, abs=1e-9)
    assert signals.turning[60] == pytest.approx(0, abs=1e-9)
    assert signals.turning[120] > 0.1
    tilted = apply(similarity(np.array([[0.0, 0], [1, 0]]), np.array([[0.0, 0], [0.97, 0.24]])), landmarks)
    again = face_signals(tilted, transform, FPS)
    np.testing.assert_allclose(again.yaw, signals.yaw, atol=1e-6)
    assert np.linalg.norm(eye_centres(tilted[0])[1] - eye_centres(tilted[0])[0]) == pytest.approx(60, rel=0.01)


def test_an_open_mouth_is_the_distance_of_the_inner_lips():
    landmarks, transform = recording()
    landmarks[100:, 65:68, 1] += 12
    signals = face_signals(landmarks, transform, FPS)
    assert signals.mouth_opening[150] - signals.mouth_opening[20] == pytest.approx(12 / 60)


def test_frames_without_a_face_are_not_numbers_and_disturb_no_other_frame():
    landmarks, transform = recording()
    close_eyes(landmarks, 50, 57, 0.9)
    whole = face_signals(landmarks, transform, FPS)
    found = np.ones(COUNT, bool)
    found[100:140] = False
    landmarks[100:140], transform[100:140] = 1e6, np.nan
    holed = face_signals(landmarks, transform, FPS, found)
    for name in ("left_eye", "mouth_opening", "mouth_width", "x", "roll", "zoom", "yaw", "pitch"):
        assert np.isnan(getattr(holed, name)[100:140]).all()
        np.testing.assert_allclose(getattr(holed, name)[:100], getattr(whole, name)[:100], atol=1e-9)
    assert holed.blinks == whole.blinks
    nobody = face_signals(landmarks, transform, FPS, np.zeros(COUNT, bool))
    assert nobody.blinks == ()
    assert np.isnan(nobody.speed).all()
    assert len(nobody.turning) == COUNT


def test_a_rate_is_per_second_up_to_the_ends():
    np.testing.assert_allclose(rate(2.0 * np.arange(50) / 25, 25.0), 2.0)
    np.testing.assert_allclose(rate(2.0 * np.arange(400) / 200, 200.0), 2.0)
