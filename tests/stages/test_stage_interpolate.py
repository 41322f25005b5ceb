import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mer.core.errors import ClipError
from mer.stages.interpolate import linear, stage, tim
from mer.stages.interpolate.schedule import instants, onset_apex_offset, to_positions
from mer.stages.interpolate.stage import interpolate_points, nearest_events


def test_published_schedule():
    expected = [46, 47.857, 49.714, 51.571, 53.429, 55.286, 57.143, 59, 72.5, 86]
    np.testing.assert_allclose(onset_apex_offset(46, 59, 86, 10), expected, atol=5e-4)


def test_published_schedule_with_few_frames_and_late_apex():
    assert onset_apex_offset(46, 59, 86, 5).tolist() == [46, 46 + 13 / 3, 46 + 26 / 3, 59, 86]
    assert onset_apex_offset(46, 59, 86, 2).tolist() == [46, 86]
    assert onset_apex_offset(10, 30, 30, 5).tolist() == [10, 15, 20, 25, 30]
    assert onset_apex_offset(69, 69, 98, 10).tolist() == [69] * 8 + [83.5, 98]


EVENTS = st.tuples(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300)).map(sorted)


@given(
    events=EVENTS,
    count=st.integers(2, 40),
    schedule=st.sampled_from(["onset_apex_offset", "onset_apex", "uniform", "all"]),
)
def test_every_schedule_is_ordered_and_ends_where_it_says(events, count, schedule):
    onset, apex, offset = map(float, events)
    numbers = np.arange(0.0, 301)
    wanted = instants({"onset": onset, "apex": apex, "offset": offset}, numbers, schedule, count)
    assert len(wanted) == count
    assert (np.diff(wanted) >= 0).all()
    ends = {"onset_apex": (onset, apex), "all": (0, 300)}.get(schedule, (onset, offset))
    assert (wanted[0], wanted[-1]) == ends
    if schedule == "onset_apex_offset" and count > 2:
        assert apex in wanted


@given(st.sets(st.integers(0, 400), min_size=2, max_size=60), st.integers(2, 30))
def test_positions_respect_missing_files(files, count):
    numbers = np.array(sorted(files), float)
    wanted = np.linspace(numbers[0], numbers[-1], count)
    positions = to_positions(wanted, numbers)
    assert (np.diff(positions) >= 0).all()
    assert (positions[0], positions[-1]) == (0, len(numbers) - 1)
    np.testing.assert_allclose(
        interpolate_points(numbers[:, None, None], positions)[:, 0, 0], wanted, rtol=1e-5, atol=1e-3
    )
    np.testing.assert_array_equal(to_positions(numbers, numbers), np.arange(len(numbers)))


@pytest.mark.parametrize(
    "schedule, events, message",
    [
        (
            "onset_apex_offset",
            {"onset": 1, "offset": 9},
            "clip: apex unknown; .*schedule onset_apex_offset; use schedule: uniform",
        ),
        ("onset_apex", {"onset": 1, "offset": 9}, "apex unknown.*uniform"),
        ("uniform", {"apex": 3}, "onset and offset unknown.*use schedule: all"),
    ],
)
def test_unknown_event_is_refused_with_a_remedy(schedule, events, message):
    with pytest.raises(ClipError, match=message):
        instants(events, np.arange(20.0), schedule, 10)


def test_an_event_whose_image_is_gone_is_not_called_unannotated():
    with pytest.raises(ClipError, match=r"the image of its apex is missing \(frame 58\); expected the image of the"):
        instants({"onset": 1, "offset": 9}, np.arange(20.0), "onset_apex", 10, absent="apex 58")


def graph_embedding(frames, position):
    """TIM as published: remove the mean, embed the frames on the path graph, map the curve back by least squares."""
    count = len(frames)
    data = frames.reshape(count, -1).T.astype(float)
    mean = data.mean(axis=1, keepdims=True)
    left, sizes, right = np.linalg.svd(data - mean, full_matrices=False)
    left, reduced = left[:, : count - 1], (np.diag(sizes) @ right)[: count - 1]
    path = np.diag(np.ones(count - 1), 1)
    path = path + path.T
    _, vectors = np.linalg.eigh(np.diag(path.sum(axis=0)) - path)
    basis = np.linalg.solve(reduced @ reduced.T, reduced @ vectors[:, 1:])
    k = np.arange(1, count)
    t = position / count + 1 / count
    curve = np.sin(np.pi * k * t + np.pi * (count - k) / (2 * count))
    ends = np.sin(np.pi * k / count + np.pi * (count - k) / (2 * count))
    return (left @ np.linalg.solve(basis.T, curve * vectors[0, 1:] / ends) + mean[:, 0]).reshape(frames.shape[1:])


@pytest.mark.parametrize("count", [5, 18, 30])
def test_tim_weights_equal_the_published_procedure(count):
    frames = np.random.default_rng(count).normal(size=(count, 40))
    positions = np.random.default_rng(1).uniform(0, count - 1, 7)
    closed = tim.tim_weights(count, positions).T @ frames
    np.testing.assert_allclose(closed, [graph_embedding(frames, p) for p in positions], atol=1e-9)


@given(st.integers(1, 60), st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_tim_columns_sum_to_one(count, shares):
    np.testing.assert_allclose(tim.tim_weights(count, np.array(shares) * (count - 1)).sum(axis=0), 1, atol=1e-9)


@pytest.mark.parametrize("method", [linear, tim])
def test_whole_positions_return_the_frames_exactly(method, movie):
    positions = np.array([2.0, 3, 7, 8])
    np.testing.assert_array_equal(method.resample(movie, positions), movie[[2, 3, 7, 8]])
    np.testing.assert_array_equal(method.resample(movie[:1], np.zeros(3)), movie[[0, 0, 0]])


def test_linear_blend_by_hand():
    frames = np.array([[0, 100], [10, 201]], np.uint8)
    assert linear.resample(frames, np.array([0.25, 0.5])).tolist() == [[2, 125], [5, 150]]


def test_tim_follows_a_smooth_change_and_clips():
    phase = np.cos(np.pi * 2 * (np.arange(20) + 0.5) / 20)
    frames = (128 + 100 * phase)[:, None].astype(np.uint8)
    middle = tim.resample(frames, np.array([0, 6.5, 19.0]))[1, 0]
    assert abs(middle - (128 + 100 * np.cos(np.pi * 2 * 7 / 20))) < 2
    steps = np.repeat(np.array([[0], [255]], np.uint8), 6, axis=0)
    assert set(tim.resample(steps, np.array([0, 4.5, 6.5, 11.0]))[:, 0]) == {0, 255}


def test_tim_in_blocks_equals_one_product():
    frames = np.random.default_rng(0).integers(0, 256, (3 * tim.BLOCK + 5, 11), dtype=np.uint8)
    positions = np.linspace(2, len(frames) - 3, 9)
    whole = tim.tim_weights(len(frames) - 4, positions - 2).T @ frames[2:-2]
    np.testing.assert_array_equal(tim.resample(frames, positions), np.clip(np.rint(whole), 0, 255))


def test_events_are_exact_nearest_or_absent():
    found = nearest_events({"onset": 10.0, "apex": 14.0, "offset": 30.0}, np.array([10.0, 13, 16, 19]))
    assert found == {"onset": 0, "onset_shift": 0.0, "apex": 1, "apex_shift": -1.0}


@pytest.mark.parametrize("method", [linear, tim])
def test_clip_end_to_end(run, aligned, movie, landmarks, method):
    clip = run(stage, method, aligned(), schedule="onset_apex_offset", frames=10)
    assert clip.read("frames").shape == (10, 64, 64, 3)
    np.testing.assert_allclose(clip.read("numbers"), onset_apex_offset(46, 52, 55, 10))
    # 49.429 lies between the files 49 and 51, at 3.214 on the frame axis.
    assert clip.read("positions")[4] == pytest.approx(3 + (46 + 6 * 4 / 7 - 49) / 2)
    np.testing.assert_array_equal(clip.read("frames")[[0, 7, 9]], movie[[0, 5, 8]])
    np.testing.assert_allclose(clip.read("landmarks")[8], landmarks + [6.5, 0], atol=1e-5)
    attributes = clip.attributes
    assert (attributes["onset"], attributes["apex"], attributes["offset"], attributes["apex_shift"]) == (0, 7, 9, 0.0)
    assert attributes["fps"] == 200


def test_apex_between_frames_is_marked(run, aligned):
    clip = run(stage, linear, aligned(), schedule="uniform", frames=4)
    assert clip.read("numbers").tolist() == [46, 49, 52, 55]
    assert (clip.attributes["apex"], clip.attributes["apex_shift"]) == (2, 0.0)
    clip = run(stage, linear, aligned(apex=6), schedule="uniform", frames=4)
    assert (clip.attributes["apex"], clip.attributes["apex_shift"]) == (2, -1.0)


def test_clip_without_apex_fails_or_goes_by_uniform(run, aligned):
    source = aligned(apex=None)
    assert run(stage, linear, source, schedule="onset_apex_offset").startswith("s_c: apex unknown")
    clip = run(stage, linear, source, schedule="uniform", frames=3)
    assert clip.read("numbers").tolist() == [46, 50.5, 55]
    assert "apex" not in clip.attributes


@pytest.mark.parametrize(
    "events, reason",
    [({"apex": 1, "onset": 3}, "events out of order"), ({"offset": 9}, "offset 9 is outside the clip")],
)
def test_bad_annotation_excludes_the_clip(run, aligned, events, reason):
    assert reason in run(stage, linear, aligned(**events), schedule="uniform")


def test_repeated_file_numbers_exclude_the_clip(run, product, movie, landmarks):
    arrays = {
        "frames": movie,
        "landmarks": np.stack([landmarks] * 9),
        "numbers": np.array([1, 2, 2, 3, 4, 5, 6, 7, 8.0]),
    }
    assert "file numbers do not increase" in run(stage, linear, product(arrays, {"onset": 0, "offset": 8}))
