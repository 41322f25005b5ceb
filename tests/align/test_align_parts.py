"""The parts of the alignment, one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest
from align_faces import motion

from mer.core.errors import ModelError
from mer.core.geometry import apply, compose, eye_centres, invert
from mer.stages.align import models, track
from mer.stages.align.detect import Detection, choose, detect, overlap
from mer.stages.align.finish import recentred
from mer.stages.align.landmarks import from_box, patch_landmarks, plausible, shape_residual
from mer.stages.align.patch import EYES, SIDE, patch_of, reduced, sample
from mer.stages.align.regions import rigid_mask
from mer.stages.align.register import Match, _median, _quarter, compare, prepare, register
from mer.stages.align.replay import Replay
from mer.stages.align.smooth import fill_gaps, local_quadratic, slow_excess
from mer.stages.align.warp import antialias_sigma, crop, doubled

Face = Callable[..., np.ndarray]


def grey(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


@pytest.fixture(scope="module")
def start(face: Face) -> np.ndarray:
    """The transform picture -> patch of the face at rest."""
    picture = grey(face())
    matrix = from_box(picture, choose(detect(picture, "hog", 1), picture.shape))
    assert matrix is not None
    return matrix


@pytest.fixture(scope="module")
def points(face: Face, start: np.ndarray) -> np.ndarray:
    return patch_landmarks(patch_of(grey(face()), start))


# Detection


def test_overlap_golden() -> None:
    box = np.array([0, 0, 10, 10.0])
    assert overlap(box, box) == 1
    assert overlap(box, np.array([5, 0, 15, 10.0])) == pytest.approx(1 / 3)
    assert overlap(box, np.array([20, 20, 30, 30.0])) == 0


def test_the_largest_face_wins_and_the_centre_breaks_near_ties() -> None:
    def pick(*boxes: tuple[float, float, float, float]) -> tuple[float, ...]:
        return tuple(choose(Detection(np.array(boxes), np.ones(len(boxes))), (100, 200)))

    small, large, corner = (90.0, 40, 110, 60), (20.0, 20, 80, 80), (0.0, 0, 64, 64)
    assert pick(small, large) == large
    assert pick(corner, large) == large


def test_a_known_box_beats_a_larger_face_elsewhere() -> None:
    found = Detection(np.array([[0, 0, 80, 80], [120, 20, 160, 60.0]]), np.ones(2))
    assert choose(found, (100, 200), near=np.array([118, 22, 160, 64.0]))[0] == 120


@pytest.mark.parametrize("side", [None, 100.0])
def test_a_face_is_found_where_it_is(face: Face, side: float | None) -> None:
    found = detect(grey(face(motion(shift=(20, 5)))), "hog", 0, side)
    assert len(found) == 1
    assert np.abs((found.boxes[0, :2] + found.boxes[0, 2:]) / 2 - (180, 128)).max() < 15


def test_a_face_that_fills_a_small_picture_is_found(portrait: np.ndarray) -> None:
    tight = np.ascontiguousarray(grey(portrait)[70:178, 178:272])
    found = detect(tight, "hog", 1)
    assert len(found) == 1
    box = found.boxes[0]
    assert 60 < box[2] - box[0] < 110 and np.abs((box[:2] + box[2:]) / 2 - (47, 54)).max() < 15


def test_nothing_is_found_where_nothing_is() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (120, 160)).astype(np.uint8)
    found = detect(noise, "hog", 1)
    assert len(found) == 0 and found.boxes.shape == (0, 4)


def test_the_cnn_finds_the_same_face(face: Face) -> None:
    picture = grey(face())
    boxes = [detect(picture, kind, 0).boxes for kind in ("hog", "cnn")]  # type: ignore[arg-type]
    assert len(boxes[1]) == 1
    assert overlap(boxes[0][0], boxes[1][0]) > 0.5


def test_a_missing_model_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "PACKAGE", "no_such_package_of_models")
    with pytest.raises(ModelError, match=r"no_such_package_of_models: package not installed.*pip install"):
        models.model_path("x.dat")


# Patch and landmarks


def test_the_eyes_of_the_patch_are_in_their_place(points: np.ndarray) -> None:
    corners = points[[36, 39, 42, 45]]
    assert np.abs((corners[:2].mean(axis=0) - EYES[0], corners[2:].mean(axis=0) - EYES[1])).max() < 1.5
    assert plausible(points)


def test_a_transform_does_not_depend_on_the_detectors_box(face: Face, start: np.ndarray) -> None:
    picture = grey(face())
    box = choose(detect(picture, "hog", 1), picture.shape)
    other = from_box(picture, box + np.array([4, -3, 8, 3]))
    assert other is not None
    assert np.abs(apply(other, apply(invert(start), EYES)) - EYES).max() < 1.0


def test_reduction_keeps_positions() -> None:
    y, x = np.mgrid[0:400, 0:400]
    picture = ((x + 2 * y) / 6).astype(np.uint8)
    matrix = np.array([[0.3, 0.02, 20], [-0.02, 0.3, 30]])
    cut, inner = reduced(picture, matrix)
    assert cut.shape[0] < 200
    patch = sample(cut, compose(inner, invert(matrix)))
    at = apply(invert(matrix), np.array([[110.0, 110.0]]))[0]
    assert patch[110, 110] == pytest.approx((at[0] + 2 * at[1]) / 6, abs=0.5)


@pytest.mark.parametrize("change", [lambda p: p[::-1], lambda p: p * (1, -1), lambda p: p * (0.2, 1), lambda p: 0 * p])
def test_what_is_no_face_is_not_plausible(points: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> None:
    assert not plausible(change(points))


def test_shape_residual_ignores_pose_and_sees_deformation(points: np.ndarray) -> None:
    moved = apply(motion(20, 1.3, (5, 5)), points)
    assert shape_residual(moved, points) < 1e-6
    bent = points + np.random.default_rng(0).normal(0, 20, points.shape)
    assert shape_residual(bent, points) > 0.25


def test_the_rigid_mask_leaves_out_what_expressions_move(points: np.ndarray) -> None:
    mask = rigid_mask(points, SIDE)
    value = lambda p: mask[round(float(p[1])), round(float(p[0]))]  # noqa: E731
    assert all(value(points[i]) == 0 for i in (*range(17, 27), *range(36, 68), 37, 41))
    assert value(points[28]) == 1
    assert value(points[27] - (0, 40)) == pytest.approx(0.2)
    assert 0.05 < (mask > 0).mean() < 0.3


# Registration


@pytest.mark.parametrize("seed", range(4))
def test_registration_finds_a_known_motion(face: Face, start: np.ndarray, points: np.ndarray, seed: int) -> None:
    key = prepare(patch_of(grey(face(noise=2, seed=100)), start), rigid_mask(points, SIDE))
    random = np.random.default_rng(seed)
    moved = motion(random.uniform(-4, 4), random.uniform(0.95, 1.05), random.uniform(-4, 4, 2))
    cut, inner = reduced(grey(face(moved, noise=2, seed=seed)), start)
    match = register(key, cut, compose(start, invert(inner)))
    truth = compose(start, invert(moved))
    error = apply(compose(match.matrix, inner), apply(invert(truth), EYES)) - EYES
    assert np.abs(error).max() < 0.06
    assert match.agreement > 0.95 and match.correlation > 0.9


def test_a_part_that_moves_alone_has_no_vote(face: Face, start: np.ndarray, points: np.ndarray) -> None:
    still = grey(face())
    key = prepare(patch_of(still, start), rigid_mask(points, SIDE))
    patch = patch_of(still, start)
    patch[:60] = patch_of(still, compose(np.array([[1, 0, 0], [0, 1, -2.0]]), start))[:60]  # forehead up 2 pixels
    match = register(key, patch, np.eye(2, 3))
    assert np.abs(apply(match.matrix, EYES) - EYES).max() < 0.15  # 0.05 to 0.13, by where the edge lies


def test_a_change_of_light_does_not_move_the_face(face: Face, start: np.ndarray, points: np.ndarray) -> None:
    still = face()
    key = prepare(patch_of(grey(still), start), rigid_mask(points, SIDE))
    ramp = np.linspace(0.7, 1.1, still.shape[1])[None, :, None]
    lit = np.clip(still * ramp + 10, 0, 255).astype(np.uint8)
    cut, inner = reduced(grey(lit), start)
    match = register(key, cut, compose(start, invert(inner)))
    assert np.abs(apply(compose(match.matrix, inner), apply(invert(start), EYES)) - EYES).max() < 0.1


def test_a_different_picture_does_not_match(face: Face, start: np.ndarray, points: np.ndarray) -> None:
    key = prepare(patch_of(grey(face()), start), rigid_mask(points, SIDE))
    noise = np.random.default_rng(0).normal(128, 40, (SIDE, SIDE)).astype(np.float32)
    for cut in (noise, np.zeros((SIDE, SIDE), np.float32)):
        assert compare(key, cut, np.eye(2, 3)).correlation < 0.3
        assert register(key, cut, np.eye(2, 3)).correlation < 0.5


def test_an_empty_mask_is_refused() -> None:
    with pytest.raises(ValueError, match="mask is empty"):
        prepare(np.zeros((SIDE, SIDE), np.float32), np.zeros((SIDE, SIDE), np.float32))


# Time


def test_gaps_are_interpolated_and_ends_repeated() -> None:
    values, known = np.array([[0.0], [6]]), np.array([1, 4])
    assert fill_gaps(values, known, np.arange(6))[:, 0].tolist() == [0, 0, 2, 4, 6, 6]
    assert fill_gaps(values, known, np.array([3]))[:, 0].tolist() == [4]
    with pytest.raises(ValueError, match="no good row"):
        fill_gaps(values[:0], known[:0], np.arange(6))


def bump(count: int = 21, peak: int = 10) -> np.ndarray:
    """A movement of unit height that is over in five frames."""
    return np.clip(np.cos(np.pi * (np.arange(count) - peak) / 6), 0, None) ** 2 * (np.abs(np.arange(count) - peak) <= 2)


def test_smoothing_keeps_a_five_frame_apex_and_halves_the_noise_power() -> None:
    smooth = local_quadratic(bump()[:, None], np.ones(21), 5)[:, 0]
    assert smooth.argmax() == 10 and smooth.max() > 0.9
    noise = np.random.default_rng(0).normal(size=(4000, 1))
    assert local_quadratic(noise, np.ones(4000), 5)[5:-5].var() == pytest.approx(17 / 35, rel=0.08)


@pytest.mark.parametrize("window", [1, 5, 11])
def test_smoothing_leaves_a_parabola_alone(window: int) -> None:
    time = np.arange(15.0)
    values = np.stack([time**2, 3 - time], axis=1).reshape(15, 1, 2)
    assert np.allclose(local_quadratic(values, np.ones(15), window), values, atol=1e-5)


def test_a_row_without_weight_does_not_spread() -> None:
    values = np.zeros((11, 1))
    values[5] = 100
    weights = np.ones(11)
    weights[5] = 0
    assert np.abs(np.delete(local_quadratic(values, weights, 5), 5)).max() < 1e-5


@pytest.mark.parametrize("count", [1, 2, 3])
def test_short_clips_can_be_smoothed(count: int) -> None:
    values = np.arange(count, dtype=float)[:, None] * 2
    assert np.allclose(local_quadratic(values, np.ones(count), 5), values, atol=1e-6)


def test_slow_excess_leaves_the_small_and_the_fast_alone() -> None:
    weights = np.ones(400)
    within = np.tile([2.0, 0.0], (400, 1, 1))
    assert not slow_excess(within, weights, 30, 3.0).any()
    fast = np.zeros((400, 1, 2))
    fast[200:205] = 10
    assert not slow_excess(fast, weights, 30, 3.0).any()
    far = np.tile([6.0, 8.0], (400, 1, 1))
    assert np.allclose(slow_excess(far, weights, 30, 5.0), [3.0, 4.0])


# Crops


def waves(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 120 + 60 * np.sin(0.5 * x + 0.1 * y) + 40 * np.cos(0.35 * y)


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.25, 0.4, 0.5, 0.77])
def test_a_crop_is_sampled_at_the_exact_place(shift: float) -> None:
    y, x = np.mgrid[0:120, 0:140].astype(float)
    picture = np.repeat(np.rint(waves(x, y)).astype(np.uint8)[..., None], 3, axis=2)
    matrix = np.array([[1, 0, -20 - shift], [0, 1, -10.3]])
    out = crop(picture, matrix, 64, 0.0).astype(float)
    v, u = np.mgrid[0:64, 0:64].astype(float)
    truth, slope = waves(u + 20 + shift, v + 10.3), 30 * np.cos(0.5 * (u + 20 + shift) + 0.1 * (v + 10.3))
    for channel in range(3):
        error = out[..., channel] - truth
        assert abs((error * slope).sum() / (slope * slope).sum()) < 0.006
        assert np.sqrt((error**2).mean()) < 1.2


def test_doubling_keeps_the_pixels_and_interpolates_between() -> None:
    y, x = np.mgrid[0:40, 0:50].astype(np.float32)
    image = waves(x, y).astype(np.float32)
    double = doubled(image)
    assert np.array_equal(double[::2, ::2], image)
    v, u = np.mgrid[0:80, 0:100] / 2
    assert np.abs(double - waves(u, v))[10:-10, 10:-10].max() < 1.5


def test_colours_survive_a_crop() -> None:
    picture = np.zeros((80, 80, 3), np.uint8)
    picture[:] = (200, 30, 90)
    assert np.abs(crop(picture, np.eye(2, 3) * 0.8, 50, 0.3).astype(int) - (200, 30, 90)).max() <= 1


def test_shrinking_does_not_alias() -> None:
    y, x = np.mgrid[0:400, 0:400]
    board = np.where((x + y) % 2, 255, 0).astype(np.uint8)
    picture = np.repeat(board[..., None], 3, axis=2)
    matrix = np.array([[0.31, 0.01, 0], [-0.01, 0.31, 0]])
    out = crop(picture, matrix, 100, antialias_sigma(0.31))
    assert out[8:-8, 8:-8].std() < 3


def test_antialias_sigma_golden() -> None:
    assert antialias_sigma(1.0) == antialias_sigma(1.7) == 0
    assert antialias_sigma(0.5) == pytest.approx(0.5 * np.sqrt(3))


def test_a_crop_may_lie_outside_the_picture() -> None:
    picture = np.full((50, 60, 3), 77, np.uint8)
    for shift in ((500.0, 500.0), (-500.0, 0.0)):
        matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]])
        assert np.abs(crop(picture, matrix, 32, 0.0).astype(int) - 77).max() <= 1


# Memory


@pytest.mark.parametrize(("budget", "opened"), [(0, [0, 0]), (250, [0, 2]), (10_000, [0])])
def test_replay_holds_no_more_than_its_budget(budget: int, opened: list[int]) -> None:
    starts: list[int] = []

    def opener(start: int) -> Iterator[np.ndarray]:
        starts.append(start)
        for value in range(start, 10):
            yield np.full(100, value, np.uint8)

    replay = Replay(opener, budget)
    for frames in (replay.first(), replay.again()):
        assert [int(frame[0]) for frame in frames] == list(range(10))
    assert starts == opened


# Keeping the face in its place


def test_the_crop_follows_the_eyes_only_beyond_the_tolerance(points: np.ndarray) -> None:
    still = np.broadcast_to(np.eye(2, 3), (300, 2, 3))
    centred = points + EYES.mean(axis=0) - points[[36, 39, 42, 45]].mean(axis=0)
    for reach in (2.0, 20.0):
        source = centred + np.linspace(0, reach, 300)[:, None, None] * np.array([1.0, 0.0])
        moved = recentred(still, source, np.ones(300), tolerance=4.0)
        off = np.linalg.norm(eye_centres(apply(moved, source)) - EYES, axis=-1).max()
        if reach < 4:
            assert np.array_equal(moved, still)
        else:
            assert off < 7
            assert np.abs(np.diff(moved, axis=0)).max() < 0.15  # slowly: no step an expression could be taken for


def test_the_detector_calls_back_a_registration_gone_astray(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = grey(face())
    tracker = track.Tracker(track.Settings(redetect_every=1))
    first = tracker.step(picture)
    assert first.matrix is not None and first.reasons == ()

    def astray(key: object, cut: np.ndarray, matrix: np.ndarray, rounds: tuple[int, ...]) -> Match:
        return Match(matrix + np.array([[0, 0, 30.0], [0, 0, 10.0]]), 1.0, 1.0, 0.0)

    monkeypatch.setattr(track, "register", astray)
    second = tracker.step(picture)
    assert second.detected and "restarted" in second.reasons and second.matrix is not None
    assert np.abs(apply(second.matrix, apply(invert(first.matrix), EYES)) - EYES).max() < 1.0


def test_a_face_the_detector_cannot_confirm_is_marked_down(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = grey(face())
    tracker = track.Tracker(track.Settings(redetect_every=1))
    tracker.step(picture)
    monkeypatch.setattr(track, "detect", lambda *_: Detection(np.zeros((0, 4)), np.zeros(0)))
    fit = tracker.step(picture)
    assert fit.reasons == ("not confirmed",) and not fit.detected
    assert 0.5 < fit.quality < 0.75


def test_quantiles_are_those_of_numpy_to_the_bit() -> None:
    rng = np.random.default_rng(0)
    for count in range(1, 60):
        values = rng.random(count)
        assert _median(values) == float(np.median(values))
        assert _quarter(values) == float(np.quantile(values, 0.25))
