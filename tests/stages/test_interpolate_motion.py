"""Interpolation along the motion: `flow` and `rife` on motion that is known."""

import json
from functools import partial

import numpy as np
import pytest
import torch

from mer.core.container import Container
from mer.core.errors import ConfigError, ModelError
from mer.motion.warp import sample_spline, spline_coefficients
from mer.networks.ifnet import build
from mer.planning.config import Variant
from mer.stages.interpolate import between, flow_warp, linear, rife, stage
from mer.stages.registry import METHODS, load_method
from mer.stages.run import StageSpec, run_subject

SIZE = 96


def scene(shift, size=SIZE, disc=False):
    """A texture of waves moved by `shift` (x, y); with `disc`, a disc of another texture moves on a still ground."""
    rng = np.random.default_rng(5)
    waves, phases = rng.normal(0, 0.35, (2, 40, 2)), rng.uniform(0, 2 * np.pi, (2, 40))
    y, x = np.mgrid[:size, :size].astype(float)

    def plane(k, dx, dy):
        angles = waves[k, :, :1, None] * (x - dx) + waves[k, :, 1:, None] * (y - dy) + phases[k, :, None, None]
        return 128 + 9 * np.cos(angles).sum(axis=0)

    grey = plane(0, *((0, 0) if disc else shift))
    if disc:
        inside = np.clip(22 - np.hypot(x - size / 2 - shift[0], y - size / 2 - shift[1]), 0, 1)
        grey = grey + inside * (plane(1, *shift) - grey)
    rgb = np.stack([grey, 0.7 * grey + 30, 255 - grey], axis=2)
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)


def pair(shift, **options):
    dx, dy = shift
    return np.stack([scene((-dx / 2, -dy / 2), **options), scene((dx / 2, dy / 2), **options)])


def error(made, truth, margin=8):
    inner = (slice(margin, -margin), slice(margin, -margin))
    return float(np.sqrt(np.mean((made[inner].astype(float) - truth[inner]) ** 2)))


@pytest.mark.parametrize("method", [flow_warp, rife])
@pytest.mark.parametrize("disc", [False, True])
@pytest.mark.parametrize("shift", [(1.5, 0.0), (-2.5, 2.0), (5.0, -3.0)])
def test_motion_over_a_pixel_is_followed(method, shift, disc):
    frames, truth = pair(shift, disc=disc), scene((0, 0), disc=disc)
    made = method.resample(frames, np.array([0.5]))[0]
    blend = linear.resample(frames, np.array([0.5]))[0]
    assert error(made, truth) < 0.5 * error(blend, truth)


@pytest.mark.parametrize("method", [flow_warp, rife])
@pytest.mark.parametrize("time", [0.2, 0.8])
def test_the_time_says_how_far_the_motion_has_come(method, time):
    frames = np.stack([scene((0, 0)), scene((4, 0))])
    made = method.resample(frames, np.array([time]))[0]
    errors = {at: error(made, scene((4 * at, 0))) for at in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)}
    assert min(errors, key=lambda at: errors[at]) == time


@pytest.mark.parametrize("name", sorted(METHODS["interpolate"]))
def test_whole_positions_and_single_frames_come_out_untouched(name):
    method = load_method("interpolate", name, "test")
    frames = np.concatenate([pair((1.0, 0.5)), pair((0.3, 0.0))])
    made = method.resample(frames, np.array([0.0, 1, 2, 3]), method.Params())
    np.testing.assert_array_equal(made, frames)
    np.testing.assert_array_equal(method.resample(frames[:1], np.zeros(2), method.Params()), frames[[0, 0]])


@pytest.mark.parametrize("name", sorted(METHODS["interpolate"]))
def test_identical_frames_give_that_frame_at_any_time(name):
    method = load_method("interpolate", name, "test")
    frames = np.repeat(scene((0, 0))[None], 3, axis=0)
    for made in method.resample(frames, np.array([0.1, 0.5, 1.9]), method.Params()):
        np.testing.assert_array_equal(made, frames[0])


class Counting:
    """Frames that remember which were read."""

    def __init__(self, frames):
        self.frames, self.shape, self.read = frames, frames.shape, []

    def __getitem__(self, index):
        assert np.ndim(index) == 0, "read one frame at a time"
        self.read.append(int(index))
        return self.frames[index]


@pytest.mark.parametrize("method", [flow_warp, rife])
def test_two_frames_are_read_and_judged_once_for_all_positions_between_them(method, monkeypatch):
    frames = Counting(np.concatenate([pair((1.0, 0.0)), pair((2.0, 0.0))]))
    calls = []
    true = flow_warp.estimated
    for module in (flow_warp, rife):
        monkeypatch.setattr(module, "estimated", lambda *a: calls.append(1) or true(*a))
    positions = np.array([0.25, 2.5, 0.5, 0.75, 2.25])
    made = method.resample(frames, positions)
    assert (len(calls), frames.read) == (2, [0, 1, 2, 3])
    alone = [method.resample(frames.frames, positions[[k]])[0] for k in range(5)]
    np.testing.assert_array_equal(made, alone)


def test_blank_and_tiny_frames():
    blank = np.zeros((2, 40, 40, 3), np.uint8)
    blank[1] = 9
    for method in (flow_warp, rife):
        made = method.resample(blank, np.array([0.5]))[0]
        assert abs(made.astype(float) - 4.5).max() <= 1
        with pytest.raises(ConfigError, match="larger images"):
            method.resample(blank[:, :4, :4], np.array([0.5]))


def test_frames_of_any_size_keep_it():
    frames = np.stack([scene((0, 0))[:61, :83], scene((1, 0))[:61, :83]])
    assert rife.resample(frames, np.array([0.5])).shape == (1, 61, 83, 3)


def test_splatting_moves_every_motion_to_its_place():
    forward = np.zeros((2, 40, 40), np.float32)
    forward[0, :, 10:20] = 6.0
    still = np.full((40, 40), 100, np.float32)
    flows = between.relate(still, still, forward, np.zeros_like(forward))
    flows = between.Flows(forward, np.zeros_like(forward), np.ones_like(flows.trust), flows.seen)
    only_forward = between._splat(flows.forward, flows.trust[0], 0.5, 1.0)
    motion = only_forward[0] / np.maximum(only_forward[2], 1e-9)
    # The band of columns 10 to 19 lands on 13 to 22; over the still columns 20 to 22 both land and share.
    np.testing.assert_allclose(motion[20, 13:20], 6)
    np.testing.assert_allclose(motion[20, 20:23], 3)
    assert (only_forward[2][:, 10:13] == 0).all()
    filled = between._filled(only_forward[:2], only_forward[2])
    assert np.isfinite(filled).all() and filled[0, 20, 11] > 0


def test_a_covered_point_is_seen_in_one_frame_only():
    first, second = pair((8.0, 0.0), disc=True).astype(np.float32)[..., 0]
    forward = np.zeros((2, SIZE, SIZE), np.float32)
    backward = np.zeros_like(forward)
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    forward[0, np.hypot(x + 4, y) < 22] = 8
    backward[0, np.hypot(x - 4, y) < 22] = -8
    seen = between.relate(first, second, forward, backward).seen
    row = SIZE // 2
    assert seen[0, row, row + 20] < 0.01 and seen[1, row, row - 20] < 0.01
    assert seen[0, row, row] > 0.9 and seen[1, row, row] > 0.9


def test_a_point_from_beyond_the_border_is_seen_in_the_other_frame_only():
    forward = np.zeros((2, 40, 40), np.float32)
    forward[0] = 6.0
    blank = np.zeros((40, 40), np.float32)
    found = between.middle(between.relate(blank, blank, forward, -forward), 0.5)
    assert found.seen[0, 20, :2].max() < 0.01 < 0.9 < found.seen[0, 20, 4:].min()
    assert found.seen[1, 20, -2:].max() < 0.01 < 0.9 < found.seen[1, 20, :-4].min()


@pytest.mark.parametrize("share", np.linspace(0, 1, 41))
def test_halving_ends_within_its_tolerance(share):
    calls = []

    def halve(a, b):
        calls.append((a, b))
        return (a + b) / 2

    made = rife.bisected(halve, {0.0: 0.0, 1.0: 1.0}, float(share))
    assert abs(made - share) <= rife.TOLERANCE and len(calls) <= 7


def test_halving_uses_what_is_known():
    calls, known = [], {0.0: 0.0, 1.0: 1.0}
    for time in (0.5, 0.25, 0.75, 0.5):
        rife.bisected(lambda a, b: calls.append(1) or (a + b) / 2, known, time)
    assert len(calls) == 3


@pytest.mark.parametrize("variant", ["v3.6", "m", "v4.6"])
def test_published_weights_run_from_a_path(tmp_path, variant):
    with torch.random.fork_rng([]):
        torch.manual_seed(1)
        state = build(variant).state_dict()
    torch.save({f"module.{name}": value for name, value in state.items()}, tmp_path / "flownet.pkl")
    params = rife.Params(weights=str(tmp_path / "flownet.pkl"))
    frames = np.stack([scene((0, 0), 64), scene((1, 0), 64)])
    made = rife.resample(frames, np.array([0.0, 0.5, 1.0]), params)
    np.testing.assert_array_equal(made[[0, 2]], frames)
    assert made.dtype == np.uint8 and not np.array_equal(made[1], frames[0])


def test_bad_weights_stop_with_one_line(tmp_path):
    frames = pair((1.0, 0.0))
    with pytest.raises(ModelError, match=r"unknown.*did you mean 'rife_m'"):
        rife.resample(frames, np.array([0.5]), rife.Params(weights="rife_mm"))
    state = build("small").state_dict()
    state.pop("head.bias")
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=r"w\.pth: lacks head\.bias"):
        rife.resample(frames, np.array([0.5]), rife.Params(weights=str(tmp_path / "w.pth")))


@pytest.mark.parametrize("method", [flow_warp, rife])
def test_a_clip_goes_through_the_stage(run, aligned, movie, method):
    clip = run(stage, method, aligned(), schedule="onset_apex_offset", frames=10)
    np.testing.assert_array_equal(clip.read("frames")[[0, 7, 9]], movie[[0, 5, 8]])


def test_reads_follow_cubic_splines():
    """`flow` must not blur: the moved frame is the spline read of the first, half a pixel away."""
    frames = np.stack([scene((0, 0)), scene((1, 0))])
    zero = np.zeros((2, SIZE, SIZE), np.float32)
    forward = zero + np.array([1.0, 0], np.float32)[:, None, None]
    flows = between.Flows(forward, -forward, zero + 1, np.stack([zero[0] + 1, zero[0]]))
    made = flow_warp.blended(frames[0], frames[1], flows, 0.5)
    y, x = np.mgrid[:SIZE, :SIZE].astype(float)
    expected = sample_spline(spline_coefficients(frames[0]), np.stack([x - 0.5, y])).transpose(1, 2, 0)
    assert np.abs(made[:, 4:-4] - np.clip(expected, 0, 255)[:, 4:-4]).max() < 0.6


def test_the_weights_used_are_recorded_and_decide_what_runs_again(tmp_path, aligned):
    spec = StageSpec("interpolate", "ten", "rife", {"frames": 3})
    assert run_subject(spec, [{"sample_id": "s_c"}], tmp_path / "out.h5", aligned(), log=lambda line: None).written == 1
    with Container(tmp_path / "out.h5") as box:
        assert "ifnet_small.safetensors" in json.loads(str(box.attributes["inputs"]))
    codes, variant = [], partial(Variant, "interpolate", "ten", "align/face", "rife")
    for seed in (0, 1):
        torch.save({"x": torch.tensor(seed)}, tmp_path / "w.pth")
        codes.append(variant(rife.Params(weights=str(tmp_path / "w.pth"))).code)
    assert codes[0] != codes[1]
    with pytest.raises(ModelError, match="weight file not found"):
        _ = variant(rife.Params(weights=str(tmp_path / "gone.pth"))).code
