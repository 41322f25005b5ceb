"""Which frames a network sees of a clip, and what the shared training loop promises."""

import numpy as np
import pytest
import torch
from torch import nn

from mer.core.container import Container, ContainerWriter
from mer.core.errors import ClipError, ConfigError, ModelError
from mer.models import au_fusion, loop
from mer.models.clip_frames import Frames, positions, read, read_bytes


def clip_of(path, frames, **events):
    with ContainerWriter(path / "f.h5", "align") as out, out.clip("c") as clip:
        clip.write("frames", frames)
        clip.attributes(events)
    return Container(path / "f.h5").clip("c")


def steps(values, size=4):
    """Return frames (T, size, size, 3) uint8 of one grey value each."""
    return np.tile(np.array(values, np.uint8)[:, None, None, None], (1, size, size, 3))


@pytest.mark.parametrize(
    ("sampler", "n", "expected"),
    [
        ("span", 3, [0, 9.5, 19]),
        ("uniform", 3, [2, 7, 12]),
        ("uniform", 2, [2, 12]),
        ("apex_window", 4, [9, 10, 11, 12]),
        ("apex_window", 11, list(range(2, 13))),
        ("apex_window", 21, list(np.arange(2, 12.5, 0.5))),
        ("span_whole", 7, [0, 3, 6, 9, 12, 15, 19]),
        ("first_n", 4, [0, 1, 2, 3]),
        ("first_n", 39, list(np.arange(0, 19.5, 0.5))),
        ("topk_diff", 3, [0, 1, 2]),
        ("topk_diff", 39, list(np.arange(0, 19.5, 0.5))),
        ("topk_to_offset", 10, list(range(10))),
        ("topk_to_offset", 11, list(range(11))),
        ("topk_to_offset", 21, list(np.arange(0, 10.5, 0.5))),
    ],
)
def test_positions(tmp_path, sampler, n, expected):
    clip = clip_of(tmp_path, steps(range(20)), onset=2, apex=11, offset=12)
    assert positions(clip, Frames(clip), sampler, n) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("sampler", "n", "first", "expected"),
    [
        ("first_n", 16, 5, range(5, 21)),
        ("first_n", 3, 29, [29, 29, 29]),
        ("span", 4, 0, [0, 29 / 3, 58 / 3, 29]),
        ("span_whole", 4, 0, [0, 9, 19, 29]),
        ("topk_diff", 2, 0, [0, 1]),
    ],
)
def test_a_clip_without_any_event_is_read_as_a_whole(tmp_path, sampler, n, first, expected):
    clip = clip_of(tmp_path, steps(range(30)))
    assert positions(clip, Frames(clip), sampler, n, first) == pytest.approx(list(expected))


def test_a_range_behind_the_last_frame_excludes_the_clip(tmp_path):
    clip = clip_of(tmp_path, steps(range(5)))
    with pytest.raises(ClipError, match=r"c: 5 frames; expected more than 5; lower train\.first"):
        positions(clip, Frames(clip), "first_n", 3, 5)


def test_the_largest_changes_are_taken_in_order_of_time(tmp_path):
    # Changes: 0→1 is 90, before the onset; 3→4 is 30, 5→6 is 50, 8→9 is 40, 10→11 is 145.
    grey = [0, 90, 90, 90, 120, 120, 70, 70, 70, 110, 110, 255]
    clip = clip_of(tmp_path, steps(grey), onset=1, apex=5, offset=10)
    assert positions(clip, Frames(clip), "topk_diff", 3).tolist() == [0, 5, 10]
    assert positions(clip, Frames(clip), "topk_diff", 5).tolist() == [0, 3, 5, 8, 10]
    # Up to two frames before the offset: 8→9 ends at frame 9, too late.
    assert positions(clip, Frames(clip), "topk_to_offset", 3).tolist() == [0, 3, 5]
    assert positions(clip, Frames(clip), "topk_to_offset", 1).tolist() == [0]


def test_changes_are_measured_by_the_grey_of_the_difference(tmp_path):
    # Red up and blue down leave the grey of the picture as it is; the difference of the pictures has grey all the same.
    frames = np.zeros((4, 4, 4, 3), np.uint8)
    frames[:2] = 0, 0, 255
    frames[2:] = 97, 0, 1
    clip = clip_of(tmp_path, frames, offset=3)
    assert positions(clip, Frames(clip), "topk_diff", 1).tolist() == [1]
    # One level of green counts as a whole level of grey, one of red as none.
    single = np.zeros((4, 4, 4, 3), np.uint8)
    single[1:, ..., 0] += 1
    single[3:, ..., 1] += 1
    clip = clip_of(tmp_path, single)
    assert positions(clip, Frames(clip), "topk_diff", 1).tolist() == [2]


def test_frames_between_frames_are_mixed(tmp_path):
    clip = clip_of(tmp_path, steps([0, 100, 200]))
    mixed = read(Frames(clip), np.array([0, 0.25, 1.5, 2]), 2)
    assert mixed.shape == (4, 2, 2, 3) and mixed.dtype == np.float32
    assert mixed[:, 0, 1, 1] * 255 == pytest.approx([0, 25, 150, 200], abs=1e-4)
    in_bytes = read_bytes(Frames(clip), np.array([0, 0.25, 1.5, 2]), 2)
    assert in_bytes.shape == (4, 2, 2, 3) and in_bytes.dtype == np.uint8
    assert in_bytes[:, 0, 1, 1].tolist() == [0, 25, 150, 200]


def test_reading_averages_areas_and_keeps_colours_apart(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (1, 6, 6, 3), dtype=np.uint8)
    small = read(Frames(clip_of(tmp_path, image)), np.zeros(1), 3)
    assert small[0, 1, 2, 2] * 255 == pytest.approx(image[0, 2:4, 4:6, 2].mean(), abs=1e-4)


@pytest.mark.parametrize("size", [6, 4, 3, 2])
def test_bytes_are_the_averages_rounded(tmp_path, size):
    image = np.random.default_rng(1).integers(0, 256, (2, 6, 6, 3), dtype=np.uint8)
    frames, at = Frames(clip_of(tmp_path, image)), np.array([0.0, 1.0])
    exact, in_bytes = read(frames, at, size) * 255, read_bytes(frames, at, size)
    assert np.abs(exact - in_bytes).max() <= 0.5 + 1e-3


def test_one_magnification_factor_is_read_and_several_are_refused(tmp_path):
    clip = clip_of(tmp_path, steps([0, 100])[None])
    assert Frames(clip)[1].max() == 100 and len(Frames(clip)) == 2
    with pytest.raises(ModelError, match=r"frames of shape \(2, 2, 4, 4, 3\), uint8; expected uint8 frames"):
        Frames(clip_of(tmp_path, np.stack([steps([0, 1])] * 2)))


@pytest.mark.parametrize(
    ("events", "sampler", "message"),
    [
        ({}, "uniform", "onset unknown; expected 0 to 4; use sampler: span, which needs no event"),
        ({"offset": 3}, "uniform", "onset unknown; expected 0 to 4"),
        ({"onset": 1}, "topk_to_offset", "offset unknown"),
        ({"onset": 1, "offset": 5}, "uniform", "offset 5 is outside the clip"),
        ({"onset": 3, "offset": 1}, "uniform", "offset 1 before onset 3"),
        ({"onset": 0, "offset": 4}, "apex_window", "apex unknown"),
    ],
)
def test_missing_events_exclude_the_clip(tmp_path, events, sampler, message):
    clip = clip_of(tmp_path, steps(range(5)), **events)
    with pytest.raises(ClipError, match=message):
        positions(clip, Frames(clip), sampler, 3)


# mer.models.loop


def test_batches_hold_every_clip_once_and_none_alone():
    torch.manual_seed(0)
    parts = loop.batches(17, 8)
    assert sorted(torch.cat(parts).tolist()) == list(range(17)) and [len(p) for p in parts] == [8, 9]
    assert [len(p) for p in loop.batches(1, 8)] == [1]
    assert not torch.equal(torch.cat(loop.batches(17, 8)), torch.cat(parts))


def test_rates_fall_as_published():
    dual = loop.Schedule(200, 8, step=40, gamma=0.9)
    assert [dual.rate(e) for e in (0, 39, 40, 199)] == pytest.approx([1, 1, 0.9, 0.6561])
    # As published (au-fusion.md §5.7): a step at the end of every epoch after the 41st; the last of the 59 is unused.
    released = au_fusion.PRESETS["released"]
    fusion = loop.Schedule(100, 16, 1, released.rate_gamma, released.rate_start)
    steps_taken = [0] * 42 + list(range(1, 59))
    assert [fusion.rate(e) for e in range(100)] == pytest.approx([0.987**k for k in steps_taken])
    assert fusion.rate(99) * 0.987 == pytest.approx(0.462, abs=1e-3)
    assert loop.Schedule(5, 1).rate(4) == 1


@pytest.mark.slow
def test_training_applies_the_rate_of_each_epoch():
    weight = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(weight.weight)
    optimiser = torch.optim.SGD(weight.parameters(), lr=1.0)
    # The gradient is 1 throughout, so each of the two steps of an epoch goes down by the rate: 2 · (1 + 1/2 + 1/4).
    loop.train(weight, lambda batch: weight.weight.sum(), 4, loop.Schedule(3, 2, 1, 0.5), optimiser, print, "line")
    assert weight.weight.item() == pytest.approx(-3.5)


def test_collapse_shows():
    told = loop.describe(np.eye(3)[[0, 0, 0, 0]], np.array([0, 1, 0, 2]))
    assert told == {"training_accuracy": 0.5, "classes_used": 1.0}
    assert loop.describe(np.eye(3)[[0, 0, 2, 2]], np.array([0, 0, 2, 2]))["classes_used"] == pytest.approx(2)


def test_the_callers_random_state_and_threads_come_back():
    torch.manual_seed(3)
    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    with loop.reproducible(1, "cpu"):
        first = torch.rand(3)
        assert torch.get_num_threads() == 1 and torch.are_deterministic_algorithms_enabled()
    with loop.reproducible(1, "cpu"):
        assert torch.equal(first, torch.rand(3))
    assert torch.equal(before, torch.random.get_rng_state()) and torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


def test_unknown_device():
    with pytest.raises(ConfigError, match="unknown device 'gpu0x'"), loop.reproducible(0, "gpu0x"):
        pass
