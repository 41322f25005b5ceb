"""Whole clips through the dlib alignment, with motion known exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from align_faces import HOME, drift, motion, skull_points
from pydantic import ValidationError

from mer.core.container import Container, ContainerWriter
from mer.core.errors import ClipError
from mer.core.geometry import apply, canonical_eyes, compose, eye_centres
from mer.core.source import Source
from mer.stages.align.dlib68 import METHOD, Params
from mer.stages.align.flags import ranges
from mer.stages.align.measure import Alignment
from mer.stages.align.stage import process
from mer.stages.align.warp import crops

align = METHOD.align

Face = Callable[..., np.ndarray]


def residual(result: Alignment, motions: list[np.ndarray]) -> float:
    """RMS motion of the skull points in the crop, in pixels."""
    points = np.stack([apply(t, skull_points(m)) for t, m in zip(result.transform, motions, strict=True)])
    return float(np.sqrt(((points - points.mean(axis=0)) ** 2).sum(axis=-1).mean()))


@pytest.fixture(scope="module")
def drifting(face: Face) -> tuple[list[np.ndarray], list[np.ndarray]]:
    motions = drift(30, seed=3)
    return motions, [face(m, noise=2, seed=i) for i, m in enumerate(motions)]


def test_head_drift_is_taken_out(drifting: tuple[list[np.ndarray], list[np.ndarray]]) -> None:
    motions, frames = drifting
    result = align(frames, Params())
    still = np.stack([skull_points(m) for m in motions])
    assert np.sqrt(((still - still.mean(axis=0)) ** 2).sum(axis=-1).mean()) > 4  # there was something to take out
    assert residual(result, motions) < 0.1
    assert np.abs(eye_centres(result.landmarks) - canonical_eyes(224)).max() < 2
    assert result.quality.min() > 0.9 and result.reasons == {} and result.faces == 1


@pytest.mark.slow
def test_registration_beats_landmarks_alone(drifting: tuple[list[np.ndarray], list[np.ndarray]]) -> None:
    motions, frames = drifting
    rough = residual(align(frames, Params(refine=False)), motions)
    assert residual(align(frames, Params()), motions) < 0.3 * rough
    assert rough < 1.0


def test_landmarks_of_a_rigid_head_stand_still(drifting: tuple[list[np.ndarray], list[np.ndarray]]) -> None:
    landmarks = align(drifting[1], Params()).landmarks
    assert landmarks.std(axis=0).mean() < 0.15


def test_alignment_is_repeatable_and_follows_size(drifting: tuple[list[np.ndarray], list[np.ndarray]]) -> None:
    frames = drifting[1][:6]
    first, second = align(frames, Params()), align(frames, Params())
    assert np.array_equal(first.transform, second.transform) and np.array_equal(first.landmarks, second.landmarks)
    half = align(frames, Params(size=112))
    assert np.allclose((half.landmarks + 0.5) * 2 - 0.5, first.landmarks, atol=1e-3)


def lifted(portrait: np.ndarray, pixels: float) -> np.ndarray:
    """The portrait with its left brow raised by some portrait pixels, fading out around it."""
    y, x = np.mgrid[0 : portrait.shape[0], 0 : portrait.shape[1]].astype(np.float32)
    lift = pixels * np.exp(-(((x - 203) / 14) ** 2) - ((y - 93) / 7) ** 2)
    return cv2.remap(portrait, x, y + lift.astype(np.float32), cv2.INTER_LANCZOS4)


def brow_shift(first: np.ndarray, second: np.ndarray, at: np.ndarray) -> float:
    """Vertical motion in pixels of a small window around `at` from one crop to another (least squares)."""
    x, y = np.round(at).astype(int)
    window = np.s_[y - 4 : y + 5, x - 8 : x + 9]
    shape = (0, 0), 1.5
    one, two = (cv2.GaussianBlur(i.astype(np.float64).mean(axis=2), *shape) for i in (first, second))
    total = 0.0
    for _ in range(10):
        matrix = np.array([[1, 0, 0], [0, 1, -total]])
        moved = cv2.warpAffine(two, matrix, two.shape, flags=cv2.INTER_CUBIC)
        slope = np.gradient((one + moved) / 2, axis=0)[window]
        total -= float((slope * (moved - one)[window]).sum() / (slope * slope).sum())
    return total


HEIGHTS = np.array([0, 0, 0, 0.3, 0.75, 1.0, 0.75, 0.3, 0, 0, 0])


def test_a_short_brow_movement_survives_alignment(face: Face, portrait: np.ndarray) -> None:
    motions = drift(len(HEIGHTS), seed=5, reach=3)
    pictures = [lifted(portrait, 1.2 * h) for h in HEIGHTS]
    frames = [face(m, noise=1, seed=i, picture=p) for i, (m, p) in enumerate(zip(motions, pictures, strict=True))]
    result = align(frames, Params())
    made = np.stack(list(crops(frames, result.transform, 224)))
    # The truth: the same heads at rest except for the brow, cut by one transform.
    first = compose(result.transform[0], motions[0])
    still = np.broadcast_to(first, (len(HEIGHTS), 2, 3))
    truth_crops = np.stack(list(crops((face(picture=p) for p in pictures), still, 224)))
    brow = apply(compose(first, HOME), np.array([[203.0, 93.0]]))[0]
    moved, truth = (np.array([brow_shift(c[0], crop, brow) for crop in c]) for c in (made, truth_crops))
    assert truth[5] < -1.0
    assert moved[5] / truth[5] == pytest.approx(1, abs=0.1)
    assert np.abs(moved - truth).max() < 0.15
    assert residual(result, motions) < 0.1


def test_landmarks_keep_a_short_brow_movement(face: Face, portrait: np.ndarray) -> None:
    frames = [face(picture=lifted(portrait, 3.0 * h)) for h in HEIGHTS]
    raw = align(frames, Params(smooth=1)).landmarks[:, 17:22, 1].mean(axis=1)
    smooth = align(frames, Params()).landmarks[:, 17:22, 1].mean(axis=1)
    assert raw[5] - raw[0] < -0.5  # the predictor sees the brow rise
    assert (smooth[5] - smooth[0]) / (raw[5] - raw[0]) > 0.9


def test_the_larger_of_two_faces_is_kept_and_flagged(portrait: np.ndarray) -> None:
    head = cv2.cvtColor(portrait[20:230, 120:330], cv2.COLOR_RGB2BGR)[..., ::-1]
    frame = np.full((300, 520, 3), 90, np.uint8)
    frame[20:272, 20:272] = cv2.resize(head, (252, 252))
    frame[60:228, 330:498] = cv2.resize(head, (168, 168))
    result = align([frame] * 3, Params())
    assert result.faces == 2
    assert np.all((result.box[:, 0] > 20) & (result.box[:, 2] < 272))


@pytest.mark.parametrize("level", [0, 128])
def test_no_face_excludes_the_clip_and_names_the_frames(level: int) -> None:
    frames = [np.full((120, 160, 3), level, np.uint8)] * 20
    with pytest.raises(ClipError, match=r"s1: no face in the 3 frames tried of 20 \(indices 0, 8, 16\)"):
        align(frames, Params(), "s1")


def test_an_empty_clip_is_excluded() -> None:
    with pytest.raises(ClipError, match="no face in the 0 frames tried of 0"):
        align([], Params())


def test_a_face_lost_in_the_middle_is_flagged_and_bridged(face: Face) -> None:
    motions = [motion(shift=(0.8 * i, 0.3 * i)) for i in range(24)]
    frames = [face(m, noise=1, seed=i) for i, m in enumerate(motions)]
    for i in range(9, 14):
        frames[i] = np.zeros_like(frames[i])
    result = align(frames, Params())
    assert np.flatnonzero(result.quality == 0).tolist() == list(range(9, 14)) == result.reasons["no face"]
    assert result.quality[[8, 14]].min() > 0.8 and result.detected[14]
    assert residual(result, motions) < 0.15  # the bridge follows the even motion; no jump behind it
    assert np.abs(np.diff(result.landmarks, axis=0)).max() < 1.0


def test_a_face_that_comes_late_lends_its_place_to_the_start(face: Face) -> None:
    frames = [np.zeros((240, 320, 3), np.uint8)] * 3 + [face()] * 8
    result = align(frames, Params())
    assert np.flatnonzero(result.quality > 0)[0] == 8  # searched every eighth frame until a face is known
    assert np.allclose(result.transform[0], result.transform[-1], atol=1e-4)


def test_a_cut_to_a_far_place_is_found_again(face: Face) -> None:
    frames = [face()] * 4 + [face(motion(shift=(70, 20)))] * 4
    result = align(frames, Params())
    motions = [motion()] * 4 + [motion(shift=(70, 20))] * 4
    assert residual(result, motions) < 0.15
    assert result.quality.min() > 0.8


def test_a_single_frame_and_identical_frames(face: Face) -> None:
    single = align([face()], Params())
    assert single.transform.shape == (1, 2, 3) and single.detected.tolist() == [True]
    many = align([face()] * 7, Params())
    assert np.ptp(many.transform, axis=0).max() < 1e-3
    assert np.abs(many.landmarks - single.landmarks).max() < 0.1


def test_grey_frames_align_like_colour(face: Face) -> None:
    frames = [face(m) for m in drift(4, seed=1)]
    grey = [cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in frames]
    assert np.array_equal(align(grey, Params()).transform, align(frames, Params()).transform)


def test_the_detector_confirms_at_the_interval(face: Face) -> None:
    result = align([face()] * 11, Params(redetect_every=4))
    assert np.flatnonzero(result.detected).tolist() == [0, 4, 8]


def test_a_sinking_picture_is_reported_where_it_leaves(face: Face) -> None:
    motions = [motion(shift=(0, 6 * i)) for i in range(14)]
    result = align([face(m) for m in motions], Params())
    assert result.quality[0] > 0.9
    assert max(result.reasons["leaves the picture"]) == 13
    assert result.quality[13] < 0.95


def test_ranges_golden() -> None:
    assert ranges([0, 1, 2, 5, 7, 8]) == "0-2, 5, 7-8"
    assert ranges([]) == ""
    assert ranges(list(range(0, 40, 2)), limit=3) == "0, 2, 4 and 17 more runs"


@pytest.mark.parametrize(
    "keys", [{"size": 8}, {"smooth": 4}, {"detector": "mtcnn"}, {"eye_row": 1.5}, {"samples": 0}, {"sizes": 224}]
)
def test_wrong_parameters_are_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Params(**keys)


# The stage


def write_frames(root: Path, frames: list[np.ndarray]) -> None:
    """A `frames` product of one folder of JPEG files."""
    names = [f"img{i + 5}.jpg" for i in range(len(frames))]
    for name, frame in zip(names, frames, strict=True):
        assert cv2.imwrite(str(root / name), frame[..., ::-1])
    with ContainerWriter(root / "frames.h5", "frames") as out, out.clip("s01/a") as clip:
        clip.write("files", np.array(names, dtype=object))
        clip.write("numbers", np.arange(len(frames)) + 5)
        clip.attributes({"media_kind": "frames", "media_path": ".", "fps": 200.0, "onset": 0, "apex": 3})


def run_stage(root: Path, **keys: Any) -> dict[str, str]:
    listed, path = Container(root / "frames.h5"), root / "align.h5"
    with listed, ContainerWriter(path, "align") as out, out.clip("s01/a") as clip:
        process(Source({"sample_id": "s01/a"}, root, listed.clip("s01/a")), clip, METHOD, Params(**keys))
    with Container(root / "align.h5") as box:
        return box.failures


def test_the_product_has_the_documented_arrays(tmp_path: Path, face: Face) -> None:
    write_frames(tmp_path, [face(m) for m in drift(20, seed=2, reach=2)])
    assert run_stage(tmp_path, size=96, cache_mb=1) == {}
    with Container(tmp_path / "align.h5") as box:
        clip = box.clip("s01/a")
        shapes = {name: (clip.lazy(name).shape, str(clip.lazy(name).dtype)) for name in clip.group}
        assert shapes == {
            "frames": ((20, 96, 96, 3), "uint8"),
            "landmarks": ((20, 68, 2), "float32"),
            "transform": ((20, 2, 3), "float64"),
            "box": ((20, 4), "float32"),
            "quality": ((20,), "float32"),
            "detected": ((20,), "bool"),
            "numbers": ((20,), "float64"),
        }
        assert clip.read("numbers").tolist() == list(range(5, 25))
        assert clip.attributes == {"fps": 200.0, "onset": 0, "apex": 3, "faces": 1}
        # Frames and transforms belong together although most frames were read twice.
        crops = clip.read("frames").astype(float)
        assert np.abs(crops - crops[0]).mean() < 3


def test_a_cut_jpeg_excludes_the_clip_by_name(tmp_path: Path, face: Face) -> None:
    write_frames(tmp_path, [face()] * 4)
    path = tmp_path / "img7.jpg"
    path.write_bytes(path.read_bytes()[:3000])
    assert "img7.jpg: cut short" in run_stage(tmp_path)["s01/a"]


def test_a_clip_without_a_face_is_listed_as_failed(tmp_path: Path) -> None:
    write_frames(tmp_path, [np.full((90, 120, 3), 60, np.uint8)] * 3)
    assert "s01/a: no face in the 1 frames tried of 3" in run_stage(tmp_path)["s01/a"]


def test_flags_are_stored_with_their_frames(tmp_path: Path, face: Face) -> None:
    frames = [face()] * 10
    frames[4] = frames[5] = np.zeros_like(frames[0])
    write_frames(tmp_path, frames)
    assert run_stage(tmp_path, size=64) == {}
    with Container(tmp_path / "align.h5") as box:
        clip = box.clip("s01/a")
        assert clip.attributes["flag: no face"] == "4-5"
        assert np.flatnonzero(clip.read("quality") == 0).tolist() == [4, 5]


REAL = Path(__file__).parents[3] / "shared/data/videos/pexels_woman.mp4"


@pytest.mark.skipif(not REAL.is_file(), reason="the filmed face of shared/data/videos is not there")
def test_a_real_video_is_followed_through_its_first_second() -> None:
    from mer.core.video import iterate

    def frames() -> Iterator[np.ndarray]:
        for index, _, image in iterate(REAL):
            if index == 24:
                return
            yield image

    result = align(frames(), Params())
    assert result.quality.min() > 0.5
    assert np.abs(eye_centres(result.landmarks) - canonical_eyes(224)).max() < 6


@pytest.mark.parametrize("every", [2, 4])
def test_a_fast_film_is_followed_at_the_rate_of_a_head(face: Face, every: int) -> None:
    random = np.random.default_rng(1)
    time = np.arange(62)[:, None] / 200
    waves = np.sin(2 * np.pi * (time * random.uniform(0.5, 3, 4) + random.uniform(0, 1, 4)))
    motions = [motion(2 * a, 1 + 0.02 * b, (6 * x, 6 * y)) for a, b, x, y in waves]
    frames = [face(m, noise=2, seed=i) for i, m in enumerate(motions)]
    whole, thin = align(frames, Params()), align(frames, Params(every=every))
    assert len(thin) == len(frames) == len(thin.landmarks) == len(thin.box)
    assert residual(thin, motions) < 1.2 * residual(whole, motions) + 0.01
    assert np.abs(thin.landmarks - whole.landmarks).max() < 1.5
    assert thin.detected.tolist() == [k == 0 for k in range(len(frames))]


def test_frames_beside_one_without_a_face_have_none(face: Face) -> None:
    frames = [face(motion(shift=(0.2 * k, 0))) for k in range(24)]
    frames[8] = frames[9] = np.zeros_like(frames[0])
    thin = align(frames, Params(every=4))
    assert (thin.quality == 0).nonzero()[0].tolist() == list(range(5, 12))
    assert thin.reasons["no face"] == [8, 9, 10, 11]
