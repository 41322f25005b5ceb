"""Rendered frames against their exact ground truth."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from mer.simulate.camera import develop, expose, flicker_gain, to_bytes
from mer.simulate.expression import UnitPlan
from mer.simulate.geometry import pixel_grid
from mer.simulate.head import build_head
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan
from mer.simulate.registry import plan
from mer.simulate.render import Renderer
from mer.simulate.take import Take

SIZE = {"width": 320, "height": 240}


def make_take(units: tuple[int, ...] = (1, 12), **change: object) -> Take:
    params = SimulateParams(subjects=1, quirks=False, **{**SIZE, "blink": 0.0, **change})  # type: ignore[arg-type]
    clip: ClipPlan = replace(plan(params)[0], units=tuple(UnitPlan(n, "", 1.1, 0.0, 0.0) for n in units))
    return Take(params, clip)


@pytest.fixture(scope="module")
def take() -> Take:
    return make_take()


def levels(take: Take, time: float, factor: float = 1.0) -> np.ndarray:
    return develop(take.frame(time, factor))


def psnr(a: np.ndarray, b: np.ndarray, mask: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a[mask].astype(np.float64) - b[mask]) ** 2)))


def sampled(image: np.ndarray, where: np.ndarray) -> np.ndarray:
    planes = [
        map_coordinates(image[..., k], [where[..., 1], where[..., 0]], order=3, mode="nearest")
        for k in range(image.shape[2])
    ]
    return np.stack(planes, axis=-1)


def test_flow_there_and_back_cancels(take: Take) -> None:
    i, j = take.clip.onset + 4, take.clip.apex
    there, back, valid = take.flow(i, j), take.flow(j, i), take.valid(i, j)
    returned = there + sampled(back, pixel_grid(320, 240) + there)
    inner = cv2.erode(valid.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert inner.mean() > 0.8
    assert np.abs(returned[inner]).max() < 0.01


@pytest.mark.parametrize("units", [(1, 12), (4, 7), (9, 15), (6, 17)])
def test_warping_a_frame_by_the_flow_gives_the_other(units: tuple[int, ...]) -> None:
    take = make_take(units, drift=6.0)
    i, j = take.clip.onset, take.clip.apex
    flow, valid = take.flow(i, j), take.valid(i, j)
    first, second = levels(take, i), levels(take, j)
    warped = sampled(second, pixel_grid(320, 240) + flow)
    moving = take.moving(i, j)
    assert moving.sum() > 300
    assert psnr(warped, first, valid) > 46
    assert psnr(warped, first, moving) > 46
    assert psnr(second, first, moving) < psnr(warped, first, moving) - 8


def test_flow_is_zero_without_motion_and_on_the_wall(take: Take) -> None:
    i, j = take.clip.onset, take.clip.apex
    assert np.abs(take.flow(j, j)).max() < 5e-3
    corner = (slice(0, 20), slice(0, 20))
    assert np.abs(take.flow(i, j)[corner]).max() == 0 and take.valid(i, j)[corner].all()


def test_a_moving_region_is_valid_and_follows_the_threshold(take: Take) -> None:
    i, j = take.clip.onset, take.clip.apex
    small, large = take.moving(i, j, 0.1), take.moving(i, j, 0.5)
    assert (small & ~take.valid(i, j)).sum() == 0 and (large & ~small).sum() == 0 < large.sum() < small.sum()
    assert not take.moving(i, i + 0.0).any()


def test_rigid_points_follow_the_head_alone() -> None:
    take = make_take((1, 4, 6, 9, 12), drift=5.0)
    i, j = take.clip.onset, take.clip.apex
    moved = take.track(take.renderer.fields.rigid, j)
    assert np.allclose(moved, take.rigid_points(j)) and np.abs(moved - take.rigid_points(i)).max() > 0.01
    flow = take.flow(i, j)
    for point, target in zip(take.rigid_points(i)[:4], take.rigid_points(j)[:4], strict=True):
        seen = [map_coordinates(flow[..., k], [[point[1]], [point[0]]], order=1)[0] for k in range(2)]
        assert np.allclose(seen, target - point, atol=0.02)


def test_landmarks_move_with_the_flow(take: Take) -> None:
    i, j = take.clip.onset, take.clip.apex
    before, after, flow = take.landmarks(i), take.landmarks(j), take.flow(i, j)
    for k in range(17, 68):
        seen = [map_coordinates(flow[..., c], [[before[k, 1]], [before[k, 0]]], order=1)[0] for c in range(2)]
        assert np.allclose(seen, after[k] - before[k], atol=0.03), k


def test_frames_repeat_and_change_only_with_time(take: Take) -> None:
    apex = take.clip.apex
    assert np.array_equal(take.frame(apex), make_take().frame(apex))
    assert np.abs(levels(take, apex) - levels(take, take.clip.onset)).max() > 3


def test_magnification_scales_the_facial_motion_and_keeps_the_pose() -> None:
    take = make_take((12,), drift=0.0)
    onset, apex = take.clip.onset, take.clip.apex
    assert np.array_equal(levels(take, apex, 0.0), levels(take, onset))
    grey = [cv2.cvtColor(to_bytes(levels(take, apex, f)), cv2.COLOR_RGB2GRAY) for f in (0.0, 1.0, 3.0)]
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    moving = take.moving(onset, apex, 0.4)
    flows = [estimator.calc(grey[0], g, None) for g in grey[1:]]  # type: ignore[call-overload]
    one, three = (flow[moving].mean(0) for flow in flows)
    assert np.linalg.norm(three) / np.linalg.norm(one) == pytest.approx(3.0, rel=0.2)


def test_a_blink_closes_the_eyes_and_leaves_the_rest() -> None:
    take = make_take((12,), blink=1.0, drift=0.0)
    assert take.blink is not None
    time = take.blink.closed_at
    open_eyes = Take(SimulateParams(subjects=1, quirks=False, blink=0.0, drift=0.0, **SIZE), take.clip, take.renderer)  # type: ignore[arg-type]
    change = np.abs(levels(take, time) - levels(open_eyes, time)).max(axis=2) > 2
    valid = take.valid(take.clip.onset, time)
    assert change.sum() > 150 and not (change & valid).any()
    landmarks, plain = take.landmarks(time), open_eyes.landmarks(time)
    heights = [lm[[41, 40], 1].mean() - lm[[37, 38], 1].mean() for lm in (landmarks, plain)]
    assert heights[0] < 0.2 * heights[1]
    eye = tuple(plain[36:42].mean(0).round().astype(int)[::-1])
    assert levels(open_eyes, time)[eye].mean() != pytest.approx(levels(take, time)[eye].mean(), abs=5)


def test_sensor_noise_has_the_size_asked_for_and_depends_on_the_frame() -> None:
    grey = np.full((200, 200, 3), 118.0, dtype=np.float32)
    frames = [expose(grey, 1.5, 7, n).astype(np.float64) for n in (1, 2)]
    assert np.std(frames[0]) == pytest.approx(np.hypot(1.5, 12**-0.5), rel=0.03)
    assert abs(np.corrcoef(frames[0].ravel(), frames[1].ravel())[0, 1]) < 0.02
    bright, dark = (np.std(expose(np.full_like(grey, v), 1.5, 7, 1)) for v in (220, 20))
    assert bright > 1.3 * dark
    assert np.array_equal(expose(grey, 0.0, 7, 1), np.full(grey.shape, 118, np.uint8))


def test_flicker_stays_within_its_amplitude() -> None:
    gains = np.array([flicker_gain(5, 0.01, n, 200.0) for n in range(400)])
    assert 0.99 <= gains.min() < 0.992 and 1.008 < gains.max() <= 1.01
    assert flicker_gain(5, 0.0, 3, 200.0) == 1.0


@pytest.mark.slow
def test_dlib_finds_every_face_where_the_truth_says() -> None:
    dlib = pytest.importorskip("dlib")
    detector = dlib.get_frontal_face_detector()
    for index in range(12):
        head = build_head(0, index, 320, 240)
        params = SimulateParams(subjects=12, quirks=False, **SIZE)  # type: ignore[arg-type]
        clip = next(c for c in plan(params) if c.face == index)
        take = Take(params, clip, Renderer(head))
        boxes = detector(to_bytes(levels(take, clip.apex)), 1)
        assert len(boxes) == 1, index
        landmarks = take.landmarks(clip.apex)
        centre = np.array([boxes[0].center().x, boxes[0].center().y])
        assert np.linalg.norm(centre - landmarks[[30, 28]].mean(0)) < 0.5 * np.linalg.norm(
            landmarks[45] - landmarks[36]
        )
        assert 90 < np.ptp(landmarks[:17, 0]) < 140
