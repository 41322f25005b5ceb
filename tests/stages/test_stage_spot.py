"""Spotting features of a recording with a known motion."""

from types import SimpleNamespace

import numpy as np
import pytest

from mer.core.container import Container, ContainerWriter
from mer.core.errors import ClipError
from mer.core.source import Source
from mer.motion.brow_mouth import eye_mask, minmax, nose_mean, region_boxes, stacked
from mer.stages.spot import clean, published, stage

SIDE, FRAMES = 128, 12


def face_points():
    """68 points of a frontal face in a 128-pixel crop."""
    points = np.zeros((68, 2))
    points[0:17] = np.stack([np.linspace(20, 108, 17), 60 + 50 * np.sin(np.linspace(0, np.pi, 17))], axis=1)
    points[17:27] = np.stack([np.linspace(30, 98, 10), np.full(10, 38)], axis=1)
    points[27:31] = np.stack([np.full(4, 64), np.linspace(50, 68, 4)], axis=1)
    points[31:36] = np.stack([np.linspace(56, 72, 5), np.full(5, 74)], axis=1)
    for start, middle in ((36, 44), (42, 84)):
        angle = np.array([np.pi, 4, 5.4, 0, 1, 2.2])
        points[start : start + 6] = np.stack([middle + 8 * np.cos(angle), 50 + 4 * np.sin(angle)], axis=1)
    points[48:60] = np.stack([64 + 16 * np.cos(np.linspace(np.pi, 3 * np.pi, 12, endpoint=False)),
                              92 + 8 * np.sin(np.linspace(np.pi, 3 * np.pi, 12, endpoint=False))], axis=1)  # fmt: skip
    points[60:68] = np.stack([64 + 12 * np.cos(np.linspace(np.pi, 3 * np.pi, 8, endpoint=False)),
                              92 + 4 * np.sin(np.linspace(np.pi, 3 * np.pi, 8, endpoint=False))], axis=1)  # fmt: skip
    return points


def texture(rng):
    spectrum = rng.standard_normal((SIDE * 2, SIDE * 2))
    import cv2

    smooth = cv2.GaussianBlur(spectrum, (0, 0), 2.0)
    return np.clip(128 + 60 * smooth / smooth.std() / 2, 0, 255)


@pytest.fixture(scope="module")
def aligned(tmp_path_factory):
    """An align product whose mouth moves down 0.5 px per frame from frame 6 on, while the rest is still."""
    path = tmp_path_factory.mktemp("spot") / "align.h5"
    base = texture(np.random.default_rng(0)).astype(np.float32)
    import cv2

    frames = []
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    weight = np.exp(-(((x - 64) / 18) ** 2) - ((y - 92) / 12) ** 2).astype(np.float32)
    for t in range(FRAMES):
        shift = 0.5 * max(0, t - 5) * weight
        frames.append(np.rint(cv2.remap(base, x + 40, y + 40 - shift, cv2.INTER_CUBIC)).clip(0, 255).astype(np.uint8))
    rgb = np.repeat(np.stack(frames)[..., None], 3, axis=-1)
    with ContainerWriter(path, "align", "v", {}) as out, out.clip("s/v-whole") as clip:
        clip.write("frames", rgb)
        clip.write("landmarks", np.repeat(face_points()[None], FRAMES, 0).astype(np.float32))
        clip.write("quality", np.linspace(1, 0.5, FRAMES).astype(np.float32))
        clip.write("numbers", np.arange(FRAMES) + 7.0)
        clip.attributes({"fps": 30.0})
    return path


def features(aligned, tmp_path, method, **options):
    params = method.Params(**options)
    with Container(aligned) as box, ContainerWriter(tmp_path / "spot.h5", "spot", "v", {}) as out:
        with out.clip("s/v-whole") as clip:
            stage.process(Source({"sample_id": "s/v-whole"}, None, box.clip("s/v-whole")), clip, method.METHOD, params)
        reason = dict(out._failures)
    assert not reason, reason
    with Container(tmp_path / "spot.h5") as box:
        clip = box.clip("s/v-whole")
        return {name: clip.read(name) for name in ("features", "pairs", "numbers", "quality")}, clip.attributes


def test_clean_features_are_zero_at_rest_and_follow_the_mouth(aligned, tmp_path):
    found, attributes = features(aligned, tmp_path, clean, distance=0.1)
    assert attributes["distance"] == 3
    assert found["features"].shape == (FRAMES - 3, 3, 42, 42) and found["features"].dtype == np.float16
    assert found["pairs"].tolist()[0] == [0, 3] and found["numbers"].tolist()[0] == [7.0, 10.0]
    np.testing.assert_allclose(found["quality"], np.linspace(1, 0.5, FRAMES)[3:], atol=1e-6)
    assert np.abs(found["features"][0]).max() < 0.05
    moving = found["features"][-1].astype(float)
    assert 0.9 < moving[1, 21:].max() < 1.7, "three frames at 0.5 px a frame"
    assert np.abs(moving[0]).max() < 0.4 and np.abs(moving[1, :12]).max() < 0.3


def test_published_features_are_stretched_to_their_own_extremes(aligned, tmp_path):
    for system in ("mean", "softnet"):
        found, _ = features(aligned, tmp_path, published, distance_frames=2, system=system)
        values = found["features"].astype(float)
        assert values.min() >= 0 and values.max() <= 1
        if system == "softnet":
            np.testing.assert_allclose(values[-1].max(axis=(1, 2)), 1, atol=1e-3)


def test_a_recording_no_longer_than_the_distance_is_left_out(aligned):
    with Container(aligned) as box, pytest.raises(ClipError, match="12 frames; expected more than the pair distance"):
        stage.process(Source({}, None, box.clip("s/v-whole")), None, clean.METHOD, clean.Params(distance_frames=12))


def test_an_unknown_frame_rate_is_one_clear_error():
    clip = SimpleNamespace(sample_id="x", attributes={})
    with pytest.raises(ClipError, match="frame rate unknown"):
        stage.distance_of(clip, clean.Params())


def test_regions_follow_the_published_landmarks_and_margins():
    points = face_points()
    upper, mouth = region_boxes(points, 128, 128)
    assert upper.tolist() == [18, 26, 110, round(points[41, 1]) + 12 if points[41, 1] > points[46, 1] else
                              round(points[46, 1]) + 12]  # fmt: skip
    assert mouth[0] == round(points[60, 0]) - 12 and mouth[2] == round(points[64, 0]) + 12
    twice = region_boxes(2 * points, 256, 256)
    assert np.abs(twice - 2 * np.stack([upper, mouth])).max() <= 2
    assert stacked(np.ones((3, 128, 128), np.float32), np.stack([upper, mouth])).shape == (3, 42, 42)


@pytest.mark.parametrize("method", [clean, published])
def test_landmarks_that_leave_no_region_are_one_clear_error(method):
    crop = np.zeros((128, 128), np.float32)
    with pytest.raises(ClipError, match="s/v: the landmarks leave no region; expected brows and a mouth"):
        method.METHOD.picture(method.Params(), "s/v")(crop, crop, np.full((68, 2), -500.0))


def test_the_nose_patch_is_eleven_pixels_of_a_published_crop():
    image = np.zeros((1, 128, 128))
    x, y = np.rint(face_points()[28]).astype(int)
    image[:, y - 5 : y + 6, x - 5 : x + 6] = 1
    assert nose_mean(image, face_points())[0] == 1
    image[:, y - 5, x - 5] = 0
    assert nose_mean(image, face_points())[0] == pytest.approx(120 / 121)


def test_the_eye_mask_covers_both_eyes_and_spares_the_mouth():
    mask = eye_mask(face_points(), 128, 128)
    assert mask[50, 44] and mask[50, 84] and not mask[92, 64]
    assert 0.05 < mask.mean() < 0.25


def test_minmax_of_a_constant_channel_is_zero():
    image = np.stack([np.full((4, 4), 3.0), np.arange(16.0).reshape(4, 4)])
    made = minmax(image)
    assert made[0].max() == 0 and made[1].min() == 0 and made[1].max() == 1
