"""Expressions implanted into a film: they are where truth says, and nothing but them shows."""

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest

from mer.core.errors import ClipError
from mer.core.geometry import apply
from mer.simulate.action_units import ACTION_UNITS
from mer.simulate.camera import develop, expose, to_bytes
from mer.simulate.expression import UnitPlan
from mer.simulate.geometry import Deformation
from mer.simulate.head import build_head
from mer.simulate.implant import Face, Implant, draw_implants, implant, noise_of, without_noise
from mer.simulate.render import Renderer
from mer.simulate.sampling import LANCZOS, sample

STILL = np.eye(2, 3)
FPS = 30.0


@pytest.fixture(scope="module")
def renderer():
    return Renderer(build_head(0, 3, 480, 360))


@pytest.fixture(scope="module")
def face(renderer):
    return Face(np.repeat(renderer.head.landmarks[None], 200, axis=0))


def one(face, numbers, amplitude=0.03, onset=10):
    units = face.scaled([UnitPlan(n, "", 1.0, 0.0, 0.0) for n in numbers], amplitude)
    return Implant(onset, onset + 5, onset + 12, "micro", "happiness", units, amplitude)


def rendered(renderer, units=(), levels=(), pose=STILL):
    return develop(renderer.frame(Deformation(pose, tuple(units), tuple(levels))))


@pytest.mark.parametrize("numbers", [(12,), (6, 12), (1, 2), (4, 7), (9,), (15, 17)])
def test_an_implant_is_what_the_simulator_renders(renderer, face, numbers):
    given = one(face, numbers)
    still = to_bytes(rendered(renderer))
    moved = face.implanted(still, given.apex, [given])
    exact = rendered(renderer, given.units, given.levels(given.apex))
    change = np.abs(exact - rendered(renderer))
    where = change > 4  # grey levels: what the movement changes visibly
    assert where.sum() > 100
    left = np.abs(moved.astype(float) - exact)
    # What is left of the change: rounding, and the finest detail, which counts as noise.
    assert left[where].mean() < 0.25 * change[where].mean()
    assert np.abs(moved.astype(float) - still)[change.max(axis=-1) == 0].max() <= 1


def test_the_largest_displacement_is_the_amplitude(face):
    x, y = np.meshgrid(np.arange(480.0), np.arange(360.0))
    points = np.column_stack([x.ravel(), y.ravel()])
    for numbers in [(12,), (1, 2), (9,), (4, 9)]:
        for amplitude in (0.01, 0.05):
            given = one(face, numbers, amplitude)
            moved = face.displacement(given, given.apex, points)
            assert np.hypot(*moved.T).max() / face.eyes == pytest.approx(amplitude, rel=0.03)
            assert not face.displacement(given, given.onset, points).any()
            assert not face.displacement(given, given.offset, points).any()


def test_a_turned_and_nearer_head_carries_its_implant(renderer):
    poses = [np.array([[1.1 * np.cos(a), -1.1 * np.sin(a), -20.0], [1.1 * np.sin(a), 1.1 * np.cos(a), -15.0]])
             for a in np.linspace(-0.1, 0.1, 30)]  # fmt: skip
    face = Face(np.stack([apply(pose, renderer.head.landmarks) for pose in poses]))
    given = one(face, (12,), 0.05)
    frame = to_bytes(rendered(renderer, pose=poses[given.apex]))
    moved = face.implanted(frame, given.apex, [given])
    material = face.rest[48]
    shift = face.fields.displacement(given.units, given.levels(given.apex), material[None])[0]
    # The same action, seen through the pose of its frame.
    at = apply(face.poses[given.apex], material[None])[0]
    expected = face.poses[given.apex][:, :2] @ shift
    corner = face.displacement(given, given.apex, at[None])[0]
    assert corner == pytest.approx(expected, abs=1e-6) and np.hypot(*corner) > 1
    patch = tuple(slice(int(v) - 14, int(v) + 15) for v in at[::-1])
    grey = [cv2.cvtColor(image[patch], cv2.COLOR_RGB2GRAY).astype(np.float32) for image in (frame, moved)]
    assert np.abs(grey[1] - grey[0]).mean() > 0.5


def high(image):
    """Return what a pixel has beyond its neighbours: where smoothing shows first."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    return cv2.filter2D(grey, -1, kernel)


@pytest.mark.parametrize("noise", [1.5, 3.0, 6.0])
def test_the_warp_does_not_show_in_the_noise(renderer, face, noise):
    given = one(face, (6, 12), 0.03)
    light, ratios, plain = rendered(renderer), [], []
    material = renderer.material(Deformation(STILL, given.units, given.levels(given.apex)))
    moving = np.abs(material - renderer.material(Deformation(STILL, (), ()))).max(axis=-1) > 0.2
    assert moving.sum() > 1000
    exact = develop(renderer.frame(Deformation(STILL, given.units, given.levels(given.apex))))
    for seed in range(6):
        frame = expose(light, noise, 7, seed)
        real = expose(exact, noise, 8, seed)
        made = face.implanted(frame, given.apex, [given])
        level = high(real)[moving].std()
        ratios.append(high(made)[moving].std() / level)
        plain.append(high(to_bytes(sample(frame.astype(np.float32), material, LANCZOS)))[moving].std() / level)
    # A camera that filmed the movement itself is the measure; a plain warp of the same frame falls out of the band.
    assert abs(np.mean(ratios) - 1) < 0.05 < abs(np.mean(plain) - 1), (np.mean(plain), np.mean(ratios))


def test_frames_without_an_implant_are_the_same_bytes(face, renderer):
    frames = [expose(rendered(renderer), 3.0, 1, k) for k in range(30)]
    given = one(face, (12,))
    made = list(implant(frames, face, [given]))
    changed = [k for k, (a, b) in enumerate(zip(frames, made, strict=True)) if not np.array_equal(a, b)]
    assert changed and changed[0] > given.onset and changed[-1] < given.offset
    assert made[0] is frames[0]


def test_implants_are_drawn_apart_and_repeat(face):
    drawn = draw_implants(face, FPS, 4, (0.02, 0.05), macro_share=0.2)
    assert drawn == draw_implants(face, FPS, 4, (0.02, 0.05), macro_share=0.2)
    assert drawn != draw_implants(face, FPS, 5, (0.02, 0.05), macro_share=0.2)
    for before, after in pairwise(drawn):
        assert after.onset - before.offset >= 0.9 * FPS
    for each in drawn:
        assert each.onset < each.apex < each.offset < 200
        assert set(unit.number for unit in each.units) <= set(ACTION_UNITS)
        assert face.reach(each.units) == pytest.approx(each.amplitude, rel=1e-6)
        seconds = (each.offset - each.onset) / FPS
        assert (0.1 <= seconds <= 0.52) if each.kind == "micro" else (0.75 <= seconds <= 2.6)


def test_nothing_is_implanted_where_no_face_is_seen(renderer):
    landmarks = np.repeat(renderer.head.landmarks[None], 200, axis=0)
    landmarks[60:140] = np.nan
    drawn = draw_implants(Face(landmarks), FPS, 1)
    assert drawn and all(each.offset < 60 or each.onset >= 140 for each in drawn)


def test_faces_that_cannot_be_used_are_refused(renderer):
    landmarks = renderer.head.landmarks
    with pytest.raises(ClipError, match="1 frames with a face"):
        Face(np.stack([landmarks, np.full_like(landmarks, np.nan)]))
    with pytest.raises(ClipError, match="between the eyes"):
        Face(np.stack([landmarks, landmarks]) / 6)


def test_noise_is_measured_and_taken_away(renderer):
    light = rendered(renderer)
    for noise in (2.0, 5.0):
        assert noise_of(expose(np.full_like(light, 118.0), noise, 1, 1)) == pytest.approx(noise, rel=0.25)
        frame = expose(light, noise, 1, 1)
        assert np.abs(without_noise(frame) - light).mean() < 0.6 * np.abs(frame - light).mean()


def test_units_of_ones_choice(face):
    drawn = draw_implants(face, FPS, 2, units=[(12,), (1, 2)])
    assert {tuple(unit.number for unit in each.units) for each in drawn} <= {(12,), (1, 2)}
    assert replace(drawn[0], kind="macro").levels(drawn[0].apex) == drawn[0].levels(drawn[0].apex)


def test_nothing_beyond_the_outline_of_a_turned_face_moves(renderer):
    # Turned away: the far half of the face is a third narrower than an affine map of the rest face says.
    landmarks = renderer.head.landmarks.copy()
    middle = landmarks[27, 0]
    far = landmarks[:, 0] > middle
    landmarks[far, 0] = middle + 0.65 * (landmarks[far, 0] - middle)
    face = Face(np.repeat(landmarks[None], 30, axis=0))
    given = one(face, (14,), 0.06)
    jaw = landmarks[:17]
    outside = jaw + 3 * np.array([np.sign(jaw[:, 0] - middle), np.zeros(17)]).T
    inside = landmarks[[48, 54]]
    assert not face.displacement(given, given.apex, outside[[0, 1, 2, 3, 13, 14, 15, 16]]).any()
    assert (np.hypot(*face.displacement(given, given.apex, inside).T) > 0.5).all()
    frame = to_bytes(rendered(renderer))
    moved = face.implanted(frame, given.apex, [given])
    beyond = int(np.ceil(landmarks[:, 0].max())) + 2
    assert np.array_equal(moved[:, beyond:], frame[:, beyond:]) and not np.array_equal(moved, frame)
