"""Displacement fields, timelines and poses: the motion of a simulated face."""

from __future__ import annotations

import numpy as np
import pytest

from mer.core.errors import MediaError
from mer.simulate import timeline
from mer.simulate.action_units import (
    ACTION_UNITS,
    EXTRA_RIGID_NAMES,
    RIGID_LANDMARKS,
    RIGID_NAMES,
    UnitFields,
    inter_ocular,
)
from mer.simulate.expression import UnitPlan
from mer.simulate.geometry import Deformation, forward, inverse, inverse_map, pixel_grid
from mer.simulate.head import Canvas
from mer.simulate.identity import draw_identity, shape_landmarks
from mer.simulate.params import SimulateParams
from mer.simulate.photograph import neutral_photograph
from mer.simulate.registry import plan

FACES = 12


def unit(number: int, side: str = "", peak: float = 1.0, lag: float = 0.0, lead: float = 0.0) -> UnitPlan:
    return UnitPlan(number, side, peak, lag, lead)


@pytest.fixture(scope="module")
def faces() -> list[UnitFields]:
    rest = neutral_photograph().rest
    identities = [draw_identity(0, k) for k in range(FACES)]
    return [UnitFields(Canvas(640, 480, i.zoom).to_material(shape_landmarks(i, rest))) for i in identities]


def face_points(fields: UnitFields) -> np.ndarray:
    low, high = fields.landmarks.min(0) - 60, fields.landmarks.max(0) + 30
    return np.stack(np.meshgrid(np.arange(low[0], high[0], 2.0), np.arange(low[1], high[1], 2.0)), axis=-1).reshape(
        -1, 2
    )


@pytest.mark.parametrize("number", sorted(ACTION_UNITS))
def test_no_unit_moves_a_rigid_point(faces: list[UnitFields], number: int) -> None:
    for fields in faces:
        assert (
            len(fields.rigid)
            == len(RIGID_LANDMARKS) + len(EXTRA_RIGID_NAMES)
            == len(RIGID_NAMES) + len(EXTRA_RIGID_NAMES)
        )
        assert np.array_equal(fields.rigid[: len(RIGID_LANDMARKS)], fields.landmarks[list(RIGID_LANDMARKS)])
        assert np.abs(fields.displacement([unit(number)], [1.3], fields.rigid)).max() == 0


@pytest.mark.parametrize("number", sorted(ACTION_UNITS))
def test_full_extent_is_that_of_a_micro_expression(faces: list[UnitFields], number: int) -> None:
    for fields in faces:
        size = np.linalg.norm(fields.displacement([unit(number)], [1.0], face_points(fields)), axis=1)
        assert 1.0 < size.max() < 3.0
        assert (size > 0.1).mean() < 0.35


@pytest.mark.parametrize(
    ("number", "landmark", "direction"),
    [(1, 21, (0, -1)), (2, 18, (0, -1)), (4, 21, (0.6, 0.8)), (5, 37, (0, -1)), (7, 41, (0, -1)), (9, 31, (0, -1)),
     (10, 50, (0, -1)), (12, 48, (-0.6, -0.8)), (14, 48, (-1, 0)), (15, 48, (0, 1)), (17, 57, (0, -1))],
)  # fmt: skip
def test_units_pull_as_facs_says(
    faces: list[UnitFields], number: int, landmark: int, direction: tuple[float, float]
) -> None:
    for fields in faces:
        move = fields.displacement([unit(number)], [1.0], fields.landmarks[[landmark]])[0]
        assert np.linalg.norm(move) > 0.3
        assert move @ np.array(direction) / np.linalg.norm(move) > 0.8


def test_a_one_sided_unit_moves_one_side(faces: list[UnitFields]) -> None:
    for fields in faces:
        corners = fields.landmarks[[48, 54]]
        right = fields.displacement([unit(12, "R")], [1.0], corners)
        left = fields.displacement([unit(12, "L")], [1.0], corners)
        both = fields.displacement([unit(12)], [1.0], corners)
        assert np.abs(right[1]).max() < 0.05 * np.abs(right[0]).max() and right[0, 0] < 0
        assert np.abs(left[0]).max() < 0.05 * np.abs(left[1]).max() and left[1, 0] > 0
        assert np.allclose(right + left, both)


@pytest.mark.parametrize(
    "numbers", [(n,) for n in sorted(ACTION_UNITS)] + [(6, 12), (1, 2, 5), (4, 7), (4, 9), (1, 4, 5)]
)
def test_skin_does_not_fold_under_a_fourfold_expression(faces: list[UnitFields], numbers: tuple[int, ...]) -> None:
    units, step = [unit(n) for n in numbers], 1e-3
    for fields in faces[::4]:
        points = face_points(fields)
        here, dx, dy = (
            fields.displacement(units, [4.0] * len(units), points + shift) for shift in ([0, 0], [step, 0], [0, step])
        )
        gx, gy = (dx - here) / step, (dy - here) / step
        assert ((1 + gx[:, 0]) * (1 + gy[:, 1]) - gx[:, 1] * gy[:, 0]).min() > 0.05


def test_the_inverse_undoes_the_forward_map(faces: list[UnitFields]) -> None:
    pose = np.array([[1.01, -0.03, 4.0], [0.03, 1.01, -2.5]])
    for level, tolerance in ((1.0, 1e-3), (4.0, 3e-3)):
        state = Deformation(pose, (unit(1), unit(12)), (level, level))
        points = face_points(faces[0])
        material = inverse(faces[0], state, forward(faces[0], state, points))
        assert np.abs(material - points).max() < tolerance


def test_the_dense_inverse_is_exact_between_its_nodes(faces: list[UnitFields]) -> None:
    state = Deformation(np.eye(2, 3), (unit(6), unit(12)), (1.0, 1.0))
    dense = inverse_map(faces[0], state, 640, 480)
    back = forward(faces[0], state, dense[1::7, 2::7].reshape(-1, 2).astype(np.float64))
    error = np.abs(back - pixel_grid(640, 480)[1::7, 2::7].reshape(-1, 2))
    assert error.max() < 0.01 and error.mean() < 1e-3


def test_a_folding_expression_is_refused(faces: list[UnitFields]) -> None:
    state = Deformation(np.eye(2, 3), (unit(12),), (40.0,))
    with pytest.raises(MediaError, match=r"intensity 40\.0 folds the skin"):
        inverse_map(faces[0], state, 640, 480)


def test_expressions_stay_within_onset_and_offset() -> None:
    time = np.arange(0, 200, 0.25)
    for clip in plan(SimulateParams(subjects=3)):
        levels = timeline.intensities(clip.units, clip.onset, clip.apex, clip.offset, time)
        assert levels.shape == (len(time), len(clip.units))
        assert np.abs(levels[(time <= clip.onset) | (time >= clip.offset)]).max() == 0
        assert time[levels.sum(1).argmax()] == clip.apex
        assert np.allclose(levels.max(0), [u.peak for u in clip.units])
        before, after = levels[time <= clip.apex], levels[time >= clip.apex]
        assert (np.diff(before, axis=0) >= 0).all() and (np.diff(after, axis=0) <= 0).all()
        assert levels[time == clip.onset + 3].sum() > 0


def test_lag_delays_the_start_and_lead_ends_early() -> None:
    time = np.arange(0.0, 41.0)
    late = timeline.unit_intensity(unit(12, lag=0.25, lead=0.2), 0, 20, 40, time)
    assert np.flatnonzero(late)[[0, -1]].tolist() == [6, 35]


def test_head_motion_is_slow_smooth_and_absent_without_drift() -> None:
    still = timeline.draw_head_motion(3, 0.0, 1.0, (320.0, 240.0), 200.0)
    assert np.array_equal(still.matrix(0), still.matrix(150))
    drift = timeline.draw_head_motion(3, 1.5, 1.0, (320.0, 240.0), 200.0)
    centre = np.array([drift.matrix(t) @ [320.0, 240.0, 1.0] for t in range(400)])
    assert 0.2 < np.ptp(centre, axis=0).max() < 6.0
    assert np.linalg.norm(np.diff(centre, axis=0), axis=1).max() < 0.1
    linear = drift.matrix(17)[:, :2]
    assert np.allclose(linear.T @ linear, np.eye(2) * np.linalg.det(linear))


def test_blinks_come_as_often_as_asked_and_close_fully() -> None:
    drawn = [timeline.draw_blink(seed, 0.3, 10, 50, 200.0) for seed in range(600)]
    blinks = [b for b in drawn if b is not None]
    assert 0.23 < len(blinks) / 600 < 0.37
    assert all(10 <= b.closed_at <= 50 for b in blinks)
    time = np.arange(0.0, 120.0)
    closure = timeline.Blink(40.0, 200.0).closure(time)
    assert closure.max() == 1 and closure[40] == 1 and (closure >= 0).all() and closure[[20, 70]].max() == 0


def test_identities_are_different_people(faces: list[UnitFields]) -> None:
    identities = [draw_identity(0, k) for k in range(FACES)]
    assert len({i.skin for i in identities}) == FACES and len({i.backdrop for i in identities}) == FACES
    shapes = [(f.landmarks - f.landmarks.mean(0)) / inter_ocular(f.landmarks) for f in faces]
    gaps = [np.linalg.norm(a - b, axis=1).mean() for k, a in enumerate(shapes) for b in shapes[:k]]
    assert min(gaps) > 0.02
