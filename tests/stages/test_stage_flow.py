from dataclasses import replace

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from mer.core.container import Container
from mer.core.errors import ClipError, ConfigError, ContainerError
from mer.motion.strain import strain
from mer.stages import run as stage_run
from mer.stages.flow import black_anandan, dis, micro, published, stage, tvl1
from mer.stages.flow.method import FlowMethod, FlowParams, batched
from mer.stages.flow.pairs import frame_pairs
from mer.stages.interpolate import rife
from mer.stages.magnify import magnet
from mer.stages.registry import METHODS, load_method


def pairs(count=9, events=None, **keys):
    return frame_pairs(
        FlowParams(**keys), {"onset": 1, "apex": 5, "offset": 7} if events is None else events, count
    ).tolist()


def test_pairs_of_frames():
    assert pairs(pairs="onset_apex") == [[1, 5]]
    assert pairs(pairs="onset_offset") == [[1, 7]]
    assert pairs(pairs="onset_each", count=5) == [[1, 2], [1, 3], [1, 4]]
    assert pairs(pairs="consecutive", count=4) == [[0, 1], [1, 2], [2, 3]]
    assert pairs(pairs="consecutive", count=6, step=3) == [[0, 3], [1, 4], [2, 5]]


@pytest.mark.parametrize(
    "keys, message",
    [
        ({"pairs": "onset_apex", "events": {"onset": 0}}, "clip: apex unknown.*onset_offset or onset_each"),
        (
            {"pairs": "onset_apex", "events": {"onset": 0, "absent": "apex 58"}},
            r"clip: the image of its apex is missing \(frame 58\); expected the image of the annotated frame",
        ),
        ({"pairs": "onset_each", "events": {}}, "onset unknown.*use pairs: consecutive"),
        (
            {"pairs": "onset_offset", "events": {"onset": 0, "offset": 9}},
            "offset 9 is outside the clip; expected 0 to 8",
        ),
        ({"pairs": "onset_each", "events": {"onset": 8}}, "no frame after the onset"),
        ({"pairs": "consecutive", "count": 3, "step": 3}, "3 frames; expected more than 3"),
    ],
)
def test_impossible_pairs_are_refused(keys, message):
    with pytest.raises(ClipError, match=message):
        pairs(**keys)


def test_step_without_consecutive_is_refused():
    with pytest.raises(ValidationError, match="step needs pairs: consecutive"):
        tvl1.Params(step=2)


@pytest.mark.parametrize("method", [tvl1, dis])
def test_flow_of_a_clip_end_to_end(run, aligned, landmarks, method):
    clip = run(stage, method, aligned(), pairs="onset_each")
    flow = clip.read("flow")
    assert flow.shape == (8, 2, 64, 64)
    assert flow.dtype == np.float32
    # The middle moves right by 0.24 px a frame until frame 5.
    assert flow[[0, 2, 4], 0, 40, 32] == pytest.approx([0.24, 0.72, 1.2], rel=0.15)
    assert np.abs(flow[:, 1]).mean() < 0.03
    np.testing.assert_allclose(clip.read("strain"), strain(flow, "central"), atol=1e-6)
    assert clip.read("pairs").tolist() == [[0, i] for i in range(1, 9)]
    assert clip.read("numbers")[3].tolist() == [46, 51]
    np.testing.assert_allclose(clip.read("landmarks"), np.stack([landmarks] * 8), atol=1e-5)
    assert (clip.attributes["onset"], clip.attributes["apex"], clip.attributes["fps"]) == (0, 5, 200)


def test_smaller_size_gives_flow_and_landmarks_in_its_pixels(run, aligned, landmarks):
    clip = run(stage, dis, aligned(), size=32)
    assert clip.read("flow").shape == (1, 2, 32, 32)
    assert clip.read("flow")[0, 0, 20, 16] == pytest.approx(0.6, rel=0.25)
    np.testing.assert_allclose(clip.read("landmarks")[0], landmarks / 2 - 0.25, atol=1e-5)
    with pytest.raises(ConfigError, match=r"flow\.size: 65 is larger than the crops; expected at most 64"):
        run(stage, dis, aligned(), size=65)


def test_factors_of_a_magnified_product_stay_in_front(run, product, movie, landmarks):
    clip = run(stage, dis, product(factors(movie, landmarks), {"onset": 0, "apex": 5}), pairs="consecutive")
    flow = clip.read("flow")
    assert flow.shape == (2, 8, 2, 64, 64)
    assert clip.read("strain").shape == (2, 8, 64, 64)
    assert flow[0, 0, 0, 40, 32] == pytest.approx(0.24, abs=0.08)
    assert not flow[1].any()
    assert not clip.read("strain")[1].any()
    assert clip.read("alphas").tolist() == [1, 2]


def test_centring_and_storage(run, product, movie, landmarks):
    shifted = np.roll(movie[0], 1, axis=1)
    arrays = {
        "frames": np.stack([movie[0], shifted]),
        "landmarks": np.stack([landmarks] * 2),
        "numbers": np.arange(2.0),
    }
    source = product(arrays, {"onset": 0, "apex": 1})
    plain = run(stage, dis, source, strain="none", dtype="float16")
    assert plain.read("flow").dtype == np.float16
    assert "strain" not in plain
    assert np.median(plain.read("flow")[0, 0]) == pytest.approx(1, abs=0.02)
    for how in ("median", "similarity"):
        assert np.abs(np.median(run(stage, dis, source, centre=how).read("flow")[0, 0])) < 0.02


def one_by_one(method):
    """Return a batching method without its batches."""
    return replace(method.METHOD, estimate_many=None)


@pytest.mark.parametrize("method", [micro, pytest.param(black_anandan, marks=pytest.mark.slow)])
@pytest.mark.parametrize("pairing", ["onset_each", "consecutive"])
def test_pairs_together_are_pairs_one_by_one(run, aligned, monkeypatch, method, pairing):
    keys = {"pairs": pairing, "size": 32}
    expected = run(stage, one_by_one(method), aligned(), **keys)
    for pixels in (stage._PIXELS, 3 * 32**2):
        monkeypatch.setattr(stage, "_PIXELS", pixels)
        clip = run(stage, method, aligned(), **keys)
        np.testing.assert_allclose(clip.read("flow"), expected.read("flow"), atol=1e-3)
        np.testing.assert_allclose(clip.read("strain"), expected.read("strain"), atol=1e-3)


def factors(movie, landmarks):
    """A magnified clip of two factors, the second one still."""
    return {
        "frames": np.stack([movie, np.stack([movie[0]] * 9)]),
        "alphas": np.array([1.0, 2.0]),
        "landmarks": np.stack([landmarks] * 9),
        "numbers": np.arange(9.0),
    }


def test_factors_together_are_factors_one_by_one(run, product, movie, landmarks, monkeypatch):
    source = product(factors(movie, landmarks), {"onset": 0, "apex": 5})
    expected = run(stage, one_by_one(micro), source, pairs="onset_each").read("flow")
    assert not expected[1].any()
    monkeypatch.setattr(stage, "_PIXELS", 5 * 64**2)
    flow = run(stage, micro, source, pairs="onset_each").read("flow")
    assert flow.shape == (2, 8, 2, 64, 64)
    np.testing.assert_allclose(flow, expected, atol=1e-3)


def test_a_batch_that_shares_its_first_frame_gets_it_once(run, aligned):
    shapes = []

    def estimate_many(firsts, seconds, params):
        shapes.append((len(firsts), len(seconds)))
        return np.zeros((len(seconds), 2, *seconds.shape[1:]), np.float32)

    counting = batched(micro.Params, estimate_many)
    run(stage, counting, aligned(), pairs="onset_each")
    run(stage, counting, aligned(), pairs="consecutive")
    assert shapes == [(1, 8), (8, 8)]


def test_a_device_that_is_not_there_is_one_line(run, aligned, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for method in (micro, black_anandan):
        assert method.Params().resolved_device() == "cpu"
        with pytest.raises(ConfigError, match=r"device: no CUDA device is available; expected cpu"):
            run(stage, method, aligned(), device="cuda")


def test_a_gpu_is_taken_by_a_job_that_was_given_one_and_by_no_other(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    asked = {"auto": (0, 1, "cuda", "cpu"), "cpu": (0, 0, "cpu", "cpu"), "cuda": (1, 1, "cuda", "cuda")}
    for kind in (micro.Params, black_anandan.Params, rife.Params, magnet.Params):
        for device, (without, with_gpu, given, alone) in asked.items():
            params = kind(**({"alphas": (2.0,)} if kind is magnet.Params else {}), device=device)
            assert (params.gpus(False), params.gpus(True)) == (without, with_gpu)
            assert params.placed("cuda").resolved_device() == given and params.resolved_device() == alone
            assert params.placed("cpu").resolved_device() == alone


def test_a_job_tells_its_stage_where_and_the_product_says_what_was_asked(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(stage_run, "_one_clip", lambda stage, method, params, *rest: seen.append(params.device) or "no")
    for device in ("cpu", "cuda"):
        spec = stage_run.StageSpec("flow", "micro", "micro", {})
        out = tmp_path / f"{device}.h5"
        stage_run.run_subject(spec, [{"sample_id": "a"}], out, log=lambda line: None, device=device)
        with Container(out) as box:
            # Where it was computed decides neither what the product is called nor whether it is made again.
            assert box.parameters()["device"] == "auto"
    assert seen == ["cpu", "cuda"]


def test_motion_of_the_nose_is_taken_out(run, product, movie, landmarks):
    shifted = np.stack([movie[0], np.roll(movie[0], 1, axis=1)])
    arrays = {"frames": shifted, "landmarks": np.stack([landmarks] * 2), "numbers": np.arange(2.0)}
    plain = run(stage, dis, product(arrays, {"onset": 0, "apex": 1})).read("flow")[0]
    centred = run(stage, dis, product(arrays, {"onset": 0, "apex": 1}), centre="nose").read("flow")[0]
    x, y = np.rint(landmarks[28]).astype(int)
    np.testing.assert_allclose(plain - centred, (plain - centred)[:, :1, :1] * np.ones_like(plain), atol=1e-6)
    assert np.abs(centred[:, y - 1 : y + 2, x - 1 : x + 2]).max() < 0.05
    assert plain[0, y, x] == pytest.approx(1, abs=0.1)
    arrays["landmarks"] = np.full((2, 68, 2), np.nan, np.float32)
    reason = run(stage, dis, product(arrays, {"onset": 0, "apex": 1}), centre="nose")
    assert (
        reason == "s_c: the landmarks of frame 0 are unknown; expected a nose for centre: nose; use centre: similarity"
    )


def broken(first, second, params):
    """An estimate that is not a number."""
    return np.full((2, *first.shape), np.nan, np.float32)


def sick(firsts, seconds, params):
    """Estimates of which the last is not a number."""
    made = np.zeros((len(seconds), 2, *seconds.shape[1:]), np.float32)
    made[-1, 0, 3, 3] = np.inf
    return made


def test_flow_that_is_not_finite_excludes_the_clip(run, aligned, product, movie, landmarks):
    source = product(factors(movie, landmarks), {"onset": 0, "apex": 5})
    assert "flow of frames 0 and 5 of factor 1 is not finite" in run(stage, batched(micro.Params, sick), source)
    assert (
        run(stage, FlowMethod(dis.Params, broken), aligned())
        == "s_c: flow of frames 0 and 5 is not finite; try another preset"
    )


@pytest.mark.parametrize("made", [None, np.zeros((5, 5, 2), np.float32)])
def test_flow_of_another_shape_stops_the_job(run, aligned, made):
    with pytest.raises(ContainerError, match=r"gives flow of shape .*expected \(2, H, W\), here \(2, .*check-plugin"):
        run(stage, FlowMethod(dis.Params, lambda first, second, params: made), aligned())


@pytest.fixture
def png(tmp_path):
    """Write an image file; channels are given as RGB."""

    def write(image, name="006_006_1_2 .png"):
        bgr = image[:, :, ::-1] if image.ndim == 3 else image
        (tmp_path / name).write_bytes(cv2.imencode(".png", bgr)[1].tobytes())
        return {"media_path": name, "onset": 40, "apex": None, "fps": None}

    return write


@pytest.mark.parametrize("side", [28, 41])
def test_published_image_is_u_v_strain(run, png, tmp_path, side):
    image = np.zeros((side, side, 3), np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = 51, 102, 0
    image[3, 4] = [255, 0, 204]
    clip = run(stage, published, None, row=png(image), root=tmp_path)
    flow = clip.read("flow")
    assert flow.shape == (1, 2, side, side)
    assert flow[0, :, 3, 4] == pytest.approx([0.8, -0.4])
    assert flow[0, :, 0, 0].tolist() == [0, 0]
    assert clip.read("strain")[0, 3, 4] == pytest.approx(0.8)
    assert clip.read("pairs").tolist() == [[0, 1]]
    assert clip.read("numbers")[0, 0] == 40
    assert np.isnan(clip.read("numbers")[0, 1])
    raw = run(stage, published, None, row=png(image), root=tmp_path, centre="none").read("flow")
    assert raw[0, :, 0, 0] == pytest.approx([0.2, 0.4])


def test_bad_published_images_are_one_line_each(run, png, tmp_path):
    def reason(row):
        return run(stage, published, None, row=row, root=tmp_path)

    assert "shape (28, 28), uint8; expected a square 8-bit RGB" in reason(png(np.zeros((28, 28), np.uint8)))
    assert "shape (28, 30, 3)" in reason(png(np.zeros((28, 30, 3), np.uint8)))
    assert "uint16" in reason(png(np.zeros((28, 28, 3), np.uint16)))
    (tmp_path / "text.png").write_text("no image")
    assert "text.png: not a readable image" in reason({"media_path": "text.png"})
    (tmp_path / "empty.png").touch()
    assert "not a readable image" in reason({"media_path": "empty.png"})
    assert "not found or not readable" in reason({"media_path": "absent.png"})


def test_only_published_reads_the_index():
    assert [name for name in METHODS["flow"] if load_method("flow", name, "test").from_index] == ["published"]
