"""Frames that are not as they should be: each is handled, or excludes the clip with one clear line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from align_faces import drift

from mer.core.container import Container, ContainerWriter
from mer.core.geometry import canonical_eyes, eye_centres
from mer.core.source import Source
from mer.stages.align import dlib68, published_crop
from mer.stages.align.doubts import TURNED, asymmetry, covered
from mer.stages.align.landmarks import patch_landmarks
from mer.stages.align.patch import patch_of
from mer.stages.align.stage import process
from mer.stages.align.track import Settings, Tracker, quarter_turns

Face = Callable[..., np.ndarray]
COUNT = 5


@pytest.fixture(scope="module")
def frames(face: Face) -> list[np.ndarray]:
    return [face(m, noise=1, seed=i) for i, m in enumerate(drift(COUNT, seed=4, reach=2))]


def encoded(image: np.ndarray, suffix: str = ".png") -> bytes:
    """An image in the file's own channel order (BGR) as bytes."""
    done, data = cv2.imencode(suffix, image)
    assert done
    return data.tobytes()


def bgr(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image[..., ::-1])


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """A JPEG with an EXIF block that says how the camera was held."""
    tiff = b"II*\0" + (8).to_bytes(4, "little") + (1).to_bytes(2, "little")
    tiff += (274).to_bytes(2, "little") + (3).to_bytes(2, "little") + (1).to_bytes(4, "little")
    tiff += orientation.to_bytes(4, "little") + (0).to_bytes(4, "little")
    block = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + jpeg[2:]


def run(root: Path, files: Sequence[bytes], suffix: str = ".png", method: Any = dlib68.METHOD, **keys: Any) -> Any:
    """Align a folder of files; return (landmarks, quality, attributes), or the reason for which it was excluded."""
    names = [f"img{i + 5}{suffix}" for i in range(len(files))]
    for name, data in zip(names, files, strict=True):
        (root / name).write_bytes(data)
    with ContainerWriter(root / "frames.h5", "frames") as out, out.clip("c") as clip:
        clip.write("files", np.array(names, dtype=object))
        clip.write("numbers", np.arange(len(files)) + 5)
        clip.attributes({"media_kind": "frames", "media_path": ".", "fps": 200.0, "onset": 0})
    listed, product = Container(root / "frames.h5"), ContainerWriter(root / "align.h5", "align")
    with listed, product as out, out.clip("c") as clip:
        process(Source({"sample_id": "c"}, root, listed.clip("c")), clip, method, method.Params(size=96, **keys))
    with Container(root / "align.h5") as box:
        if box.failures:
            return box.failures["c"]
        done = box.clip("c")
        assert done.lazy("frames").shape == (len(files), 96, 96, 3)
        return done.read("landmarks"), done.read("quality"), done.attributes


FORMATS: dict[str, Callable[[np.ndarray], bytes]] = {
    "8-bit": lambda f: encoded(bgr(f)),
    "16-bit": lambda f: encoded(bgr(f).astype(np.uint16) * 257),
    "16-bit grey": lambda f: encoded(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY).astype(np.uint16) * 257),
    "alpha": lambda f: encoded(np.dstack([bgr(f), np.full(f.shape[:2], 128, np.uint8)])),
    "grey": lambda f: encoded(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY)),
}


@pytest.mark.parametrize("name", [n for n in FORMATS if n != "8-bit"])
def test_other_pixel_formats_give_the_same_alignment(tmp_path: Path, frames: list[np.ndarray], name: str) -> None:
    (tmp_path / "plain").mkdir()
    plain = run(tmp_path / "plain", [FORMATS["8-bit"](f) for f in frames])
    other = run(tmp_path, [FORMATS[name](f) for f in frames])
    assert np.abs(other[0] - plain[0]).max() < 0.2 and other[1].min() > 0.9


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_camera_held_otherwise_is_turned_by_its_own_word(
    tmp_path: Path, frames: list[np.ndarray], orientation: int
) -> None:
    turns = {3: 2, 6: 1, 8: 3}[orientation]  # what the file stores, so that its orientation sets it upright
    files = [with_orientation(encoded(bgr(np.rot90(f, turns)), ".jpg"), orientation) for f in frames]
    landmarks, quality, attributes = run(tmp_path, files, ".jpg")
    assert quality.min() > 0.9 and not any("turned" in name for name in attributes)
    assert np.abs(eye_centres(landmarks) - canonical_eyes(96)).max() < 2


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_frames_that_lie_on_their_side_are_set_upright_and_flagged(
    tmp_path: Path, frames: list[np.ndarray], turns: int
) -> None:
    landmarks, quality, attributes = run(tmp_path, [encoded(bgr(np.rot90(f, turns))) for f in frames])
    assert attributes["flag: turned picture"] == "0-4" and quality.min() > 0.9
    assert np.abs(eye_centres(landmarks) - canonical_eyes(96)).max() < 2


@pytest.mark.parametrize("turn", range(4))
def test_quarter_turns_follow_rot90(turn: int) -> None:
    picture = np.zeros((5, 8), int)
    picture[1, 6] = 1
    matrix = quarter_turns(picture.shape, turn)
    x, y = matrix[:, :2] @ (6, 1) + matrix[:, 2]
    assert np.rot90(picture, turn)[int(y), int(x)] == 1


def test_a_picture_that_changes_its_size_is_found_again_and_flagged(tmp_path: Path, frames: list[np.ndarray]) -> None:
    large = [cv2.resize(f, None, fx=1.5, fy=1.5, interpolation=cv2.INTER_CUBIC) for f in frames[2:]]
    landmarks, quality, attributes = run(tmp_path, [encoded(bgr(f)) for f in (*frames[:2], *large)])
    assert attributes["flag: size changed"] == "2"
    assert np.abs(eye_centres(landmarks) - canonical_eyes(96)).max() < 2 and quality.min() > 0.8


def test_a_still_crop_does_not_follow_a_change_of_size(tmp_path: Path, frames: list[np.ndarray]) -> None:
    files = [encoded(bgr(f)) for f in (*frames[:2], frames[2][:200])]
    found = run(tmp_path, files, method=published_crop.METHOD, preset="aman")
    assert found.startswith("c: 320 x 200 pixels in frame 2; expected 320 x 240 as before; align with method: dlib")


BROKEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut short": (lambda data: data[: len(data) // 2], "cut short"),
    "noise": (lambda data: bytes(range(256)) * 20, "not a JPEG, PNG, BMP or TIFF file"),
    "empty": (lambda data: b"", "empty file"),
    "header only": (lambda data: data[:20], "the header ends early"),
    "huge": (lambda data: data[:16] + (10**6).to_bytes(4, "big") * 2 + data[24:], "declares 1000000 x 1000000"),
}


@pytest.mark.parametrize("name", list(BROKEN))
def test_a_broken_file_excludes_the_clip_by_its_name(tmp_path: Path, frames: list[np.ndarray], name: str) -> None:
    files = [encoded(bgr(f)) for f in frames]
    damage, reason = BROKEN[name]
    files[3] = damage(files[3])
    found = run(tmp_path, files)
    assert isinstance(found, str) and "img8.png" in found and reason in found and "\n" not in found


def test_black_frames_are_a_gap_and_nothing_but_black_is_no_clip(tmp_path: Path, frames: list[np.ndarray]) -> None:
    black = encoded(np.zeros((240, 320, 3), np.uint8))
    files = [encoded(bgr(f)) for f in frames]
    _, quality, attributes = run(tmp_path, [*files[:2], black, *files[3:]])
    assert attributes["flag: no face"] == "2" and np.flatnonzero(quality == 0).tolist() == [2]
    assert run(tmp_path, [black] * 3).startswith("c: no face in the 1 frames tried of 3 (indices 0)")


@pytest.mark.parametrize("count", [1, 6])
def test_one_frame_and_identical_frames(tmp_path: Path, frames: list[np.ndarray], count: int) -> None:
    landmarks, quality, _ = run(tmp_path, [encoded(bgr(frames[0]))] * count)
    assert quality.min() > 0.9 and np.ptp(landmarks, axis=0).max() < 0.02


# Doubts


@pytest.mark.parametrize("box", [(125, 130, 200, 175), (80, 70, 155, 180), (100, 80, 220, 115)])
def test_a_covered_mouth_side_or_pair_of_eyes_is_flagged_as_long_as_it_lasts(
    face: Face, box: tuple[int, int, int, int]
) -> None:
    left, top, right, bottom = box
    hidden = face().copy()
    hidden[top:bottom, left:right] = 128
    tracker = Tracker(Settings())
    pictures = [face()] * 2 + [hidden] * 3 + [face()] * 2
    fits = [tracker.step(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY)) for p in pictures]
    assert ["hidden or changed" in fit.reasons for fit in fits] == [False] * 2 + [True] * 3 + [False] * 2
    assert max(fit.quality for fit in fits[2:5]) < 0.75 < fits[-1].quality


def test_light_and_a_little_noise_cover_nothing(face: Face) -> None:
    picture = cv2.cvtColor(face(), cv2.COLOR_RGB2GRAY)
    tracker = Tracker(Settings())
    fit = tracker.step(picture)
    assert fit.matrix is not None
    key = patch_of(picture, fit.matrix)
    points = patch_landmarks(key)
    noise = np.random.default_rng(0).normal(0, 3, key.shape).astype(np.float32)
    assert covered(key, key, points) == 0
    assert covered(0.7 * key + 20 + noise, key, points) < 0.1
    assert covered(np.full_like(key, 90), key, points) == 1


def test_a_head_that_turns_is_asymmetric() -> None:
    """A head as an ellipsoid with a nose, turned about its vertical axis."""
    random = np.random.default_rng(0)
    points = np.column_stack([random.uniform(-0.4, 0.4, 68), random.uniform(-1, 1, 68), np.full(68, 0.8)])
    points[[1, 2]], points[[14, 15]] = (-1.0, 0, 0), (1.0, 0, 0)
    points[[28, 29, 30]] = (0, 0, 1.1)
    points[[36, 39], 0], points[[42, 45], 0] = -0.4, 0.4
    points[36:48, 1] = 0.3
    seen = []
    for yaw in np.deg2rad([0, 10, 30, 60]):
        turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
        seen.append(asymmetry((points @ turn.T)[:, :2]))
    assert seen[0] < 0.01 and seen[1] < TURNED < seen[2] < seen[3]
