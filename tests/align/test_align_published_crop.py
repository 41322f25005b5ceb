"""The crops of the published systems: their numbers, and how they meet pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import cv2
import numpy as np
import pytest
from align_faces import drift
from hypothesis import given
from hypothesis import strategies as st

from mer.core.geometry import apply, eye_centres
from mer.stages.align.detect import detect
from mer.stages.align.published_crop import (
    LEAST,
    METHOD,
    PRESETS,
    Geometry,
    Name,
    Params,
    box_transform,
    cut,
    resized,
    transform_of,
    within,
)

align = METHOD.align

Face = Callable[..., np.ndarray]
BOX = np.array([100.0, 60, 220, 180])
POINTS = np.random.default_rng(0).uniform([110, 70], [210, 190], (68, 2))


def corners(matrix: np.ndarray, size: int) -> list[float]:
    """Left, top, right and bottom border in the picture of what a crop shows."""
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    low, high = apply(inverse, np.array([[-0.5, -0.5], [size - 0.5, size - 0.5]])) + 0.5
    return [round(float(v), 6) for v in (*low, *high)]


@pytest.mark.parametrize(
    ("preset", "size", "box"),
    [
        ("softnet", 128, [100, 60, 220, 180]),
        ("mean", 128, [100, 60, 220, 180]),
        ("dual_branch", 128, [0, 0, 640, 480]),
        ("au_fusion", 128, [0, 0, 640, 480]),
        ("au_fusion_clip", 144, [0, 0, 640, 480]),
        ("au_fusion_samm", 256, [110, 30, 530, 450]),
        ("au_fusion_smic", 128, [90, 50, 230, 190]),
        ("aman", 384, [0, 0, 640, 480]),
    ],
)
def test_the_published_boxes_and_sizes(preset: Name, size: int, box: list[float]) -> None:
    geometry = Params(preset=preset).geometry
    assert geometry.size == size
    assert corners(transform_of(geometry, (480, 640), BOX, POINTS), size) == box


def test_every_preset_is_tested_or_the_helper() -> None:
    assert set(get_args(Name)) == set(PRESETS)
    assert {name for name, g in PRESETS.items() if g.average} == {"dual_branch"}
    assert {name: g.once for name, g in PRESETS.items() if g.once} == {"softnet": "detect", "mean": "whole"}


def test_the_helper_levels_the_eyes_and_adds_a_fifth_above() -> None:
    points = POINTS.copy()
    points[[36, 39]], points[[42, 45]] = (130, 110), (180, 125)
    geometry = PRESETS["aman_helper"]
    inside = apply(transform_of(geometry, (480, 640), BOX, points), points) + 0.5
    eyes = eye_centres(inside)
    assert eyes[0, 1] == pytest.approx(eyes[1, 1]) and eyes[0, 0] < eyes[1, 0]
    low, high = inside.min(axis=0), inside.max(axis=0)
    assert (low[0], high[0], high[1]) == pytest.approx((0.5, 224.5, 224.5), abs=1.5)
    assert low[1] == pytest.approx(224 * 0.2 / 1.2, abs=1.5)


@given(
    box=st.tuples(*[st.floats(-500, 900)] * 4),
    height=st.integers(LEAST, 300),
    width=st.integers(LEAST, 300),
)
def test_a_box_is_cut_at_the_borders_and_never_empty(box: tuple[float, ...], height: int, width: int) -> None:
    left, top, right, bottom = within(np.array(box), (height, width))
    assert left >= 0 and top >= 0 and right <= width and bottom <= height
    assert right - left >= LEAST and bottom - top >= LEAST
    assert np.isfinite(box_transform(np.array([left, top, right, bottom]), 128)).all()


@pytest.mark.parametrize("average", [False, True])
def test_pictures_are_resized_as_published(average: bool) -> None:
    image = np.random.default_rng(1).integers(0, 255, (60, 90, 3), np.uint8)
    geometry = Geometry("box", 32, average=average)
    matrix = box_transform(np.array([10.0, 5, 80, 50]), 32)
    how = cv2.INTER_AREA if average else cv2.INTER_LINEAR
    np.testing.assert_array_equal(
        resized(image, matrix, geometry), cv2.resize(image[5:50, 10:80], (32, 32), interpolation=how)
    )


def test_one_box_for_the_clip_from_the_first_picture_with_a_face(face: Face) -> None:
    motions = drift(4, seed=2, reach=3)
    frames = [np.zeros((240, 320, 3), np.uint8), *(face(m) for m in motions)]
    params = Params(preset="mean")
    result = align([frames[0], *[f for f in frames[1:] for _ in range(4)]], params)
    assert np.ptp(result.transform, axis=0).max() == 0
    assert result.quality[0] == 0 and result.quality[-1] > 0.8
    # Searched every eighth frame until a face is known: the second picture, shown in frames 5 to 8.
    expected = np.rint(detect(cv2.cvtColor(frames[2], cv2.COLOR_RGB2GRAY), "hog", 1).boxes[-1])
    assert corners(result.transform[0], 128) == within(expected, (240, 320)).tolist()
    crop = next(cut([frames[2]], result.transform[:1], params))
    left, top, right, bottom = within(expected, (240, 320)).astype(int)
    np.testing.assert_array_equal(crop, cv2.resize(frames[2][top:bottom, left:right], (128, 128)))


@pytest.mark.parametrize("preset", ["softnet", "mean"])
def test_landmarks_measured_once_agree_with_those_of_every_frame(face: Face, preset: Name) -> None:
    frames = [face(m) for m in drift(4, seed=2, reach=1)]
    tracked = align(frames, Params(preset=preset))
    once = align(frames, Params(preset=preset, landmarks="published"))
    assert np.ptp(once.landmarks, axis=0).max() == 0
    assert np.array_equal(once.landmarks, np.rint(once.landmarks))  # dlib gives whole pixels
    assert np.abs(once.landmarks[0] - tracked.landmarks[0]).mean() < 4
    assert np.ptp(tracked.landmarks, axis=0).max() > 0


def test_the_last_of_several_faces_is_cut(portrait: np.ndarray) -> None:
    head = portrait[20:230, 120:330]
    frame = np.full((300, 520, 3), 90, np.uint8)
    frame[20:272, 20:272], frame[60:228, 330:498] = cv2.resize(head, (252, 252)), cv2.resize(head, (168, 168))
    last = detect(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), "hog", 1).boxes[-1]
    result = align([frame] * 2, Params(preset="softnet"))
    assert corners(result.transform[0], 128) == np.rint(last).tolist()
    assert result.faces == 2
