"""Landmark groups and plane similarities."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from mer.core import geometry as g

SQUARE = np.array([[0, 0], [2, 0], [2, 2], [0, 2]], float)
numbers = st.floats(-50, 50)


def test_groups_cover_the_68_landmarks_once() -> None:
    groups = (g.JAW, g.LEFT_BROW, g.RIGHT_BROW, g.NOSE_BRIDGE, g.NOSE_BASE, g.LEFT_EYE, g.RIGHT_EYE, g.MOUTH)
    assert sorted(i for group in groups for i in group) == list(range(68))
    assert not set(g.RIGID) & set(g.LEFT_BROW + g.RIGHT_BROW + g.MOUTH + g.JAW)


def test_similarity_golden() -> None:
    # A quarter turn (x -> y), doubled, moved by (5, -1).
    target = np.array([[5, -1], [5, 3], [1, 3], [1, -1]], float)
    assert np.allclose(g.similarity(SQUARE, target), [[0, -2, 5], [2, 0, -1]])


def test_similarity_never_reflects() -> None:
    mirrored = SQUARE * (-1, 1)
    matrix = g.similarity(np.vstack([SQUARE, [[5, 1]]]), np.vstack([mirrored, [[-5, 1]]]))
    assert np.linalg.det(matrix[:, :2]) >= 0


def test_similarity_is_least_squares() -> None:
    random = np.random.default_rng(0)
    source, target, weights = random.normal(size=(9, 2)), random.normal(size=(9, 2)), random.uniform(0.1, 1, 9)
    best = g.parameters(g.similarity(source, target, weights))

    def cost(values: np.ndarray) -> float:
        error = g.apply(g.from_parameters(values), source) - target
        return float(weights @ (error**2).sum(axis=1))

    for k in range(4):
        for step in (-1e-3, 1e-3):
            assert cost(best + step * np.eye(4)[k]) > cost(best)


def test_weight_zero_removes_a_point() -> None:
    target = SQUARE + (3, 4)
    target[3] += 100
    assert np.allclose(g.similarity(SQUARE, target, np.array([1, 1, 1, 0.0])), [[1, 0, 3], [0, 1, 4]])


@pytest.mark.parametrize("points", [np.ones((4, 2)), np.zeros((0, 2))])
def test_similarity_needs_two_distinct_points(points: np.ndarray) -> None:
    with pytest.raises(ValueError, match="two distinct points"):
        g.similarity(points, points)


@settings(max_examples=50, deadline=None)
@given(st.floats(0.2, 3), st.floats(-3, 3), numbers, numbers, numbers, numbers)
def test_invert_and_compose_undo_each_other(size: float, angle: float, x: float, y: float, u: float, v: float) -> None:
    matrix = g.from_parameters(np.array([size * np.cos(angle), size * np.sin(angle), x, y]))
    point = np.array([[u, v]])
    assert np.allclose(g.apply(g.invert(matrix), g.apply(matrix, point)), point, atol=1e-9)
    assert np.allclose(g.compose(g.invert(matrix), matrix), np.eye(2, 3), atol=1e-9)
    assert np.allclose(g.apply(g.compose(matrix, matrix), point), g.apply(matrix, g.apply(matrix, point)))
    assert g.scale_of(matrix) == pytest.approx(size)
    assert np.allclose(g.from_parameters(g.parameters(matrix)), matrix)


def test_stacks_of_transforms_act_frame_by_frame() -> None:
    matrices = g.from_parameters(np.array([[1, 0, 1, 0], [2, 0, 0, 5]], float))
    points = np.stack([SQUARE, SQUARE])
    assert np.allclose(g.apply(matrices, points), [SQUARE + (1, 0), SQUARE * 2 + (0, 5)])
    assert np.allclose(g.compose(g.invert(matrices), matrices), np.eye(2, 3))


def test_eye_centres_do_not_move_with_a_blink() -> None:
    open_eyes = np.zeros((68, 2))
    open_eyes[[36, 39, 42, 45]] = [[10, 5], [20, 6], [30, 6], [40, 5]]
    closed = open_eyes.copy()
    closed[[37, 38, 40, 41, 43, 44, 46, 47]] += (0, 9)
    for points in (open_eyes, closed):
        assert np.allclose(g.eye_centres(points), [[15, 5.5], [35, 5.5]])
    assert g.eye_centres(np.zeros((7, 68, 2))).shape == (7, 2, 2)


def test_canonical_eyes_golden() -> None:
    assert np.allclose(g.canonical_eyes(224), [[80.14, 80.14], [142.86, 80.14]])
    assert np.allclose(g.canonical_eyes(100, row=0.4, spread=0.5), [[24.5, 39.5], [74.5, 39.5]])


@pytest.mark.parametrize("size", [64, 128, 448])
def test_canonical_eyes_scale_with_the_crop(size: int) -> None:
    # Positions as fractions of the crop, whose first pixel spans [-0.5, 0.5].
    assert np.allclose((g.canonical_eyes(size) + 0.5) / size, (g.canonical_eyes(224) + 0.5) / 224)
