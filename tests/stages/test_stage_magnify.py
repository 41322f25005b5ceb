import numpy as np
import pytest
from pydantic import ValidationError

from mer.motion import dis
from mer.motion.grey import grey
from mer.stages.magnify import lagrangian, stage

SIDE = 128


@pytest.fixture(scope="module")
def scene():
    """A pattern (x, y) -> (..., 3), and a soft displacement with peak 1, whose truth is known at any gain."""
    rng = np.random.default_rng(11)
    waves, phases = rng.normal(0, 0.35, (40, 2)), rng.uniform(0, 2 * np.pi, 40)

    def pattern(x, y):
        angles = waves[:, 0, None, None] * x + waves[:, 1, None, None] * y + phases[:, None, None]
        plane = 128 + 10 * np.cos(angles).sum(axis=0)
        return np.clip(np.rint(np.stack([plane, 0.6 * plane + 40, 255 - plane], axis=2)), 0, 255).astype(np.uint8)

    def shape(x, y):
        return np.exp(-((x - 64) ** 2 + (y - 60) ** 2) / (2 * 22.0**2))

    y, x = np.mgrid[:SIDE, :SIDE].astype(float)

    def frame(amplitude):
        """The pattern with every point m moved right by amplitude * shape(m)."""
        m = x.copy()
        for _ in range(300):
            m = x - amplitude * shape(m, y)
        return pattern(m, y)

    return frame, np.stack([shape(x, y), np.zeros_like(x)])


def achieved(first, second, truth):
    """Least-squares length of the measured flow in units of `truth`, where the truth is strong."""
    flow = dis.flow(grey(first), grey(second))
    length = np.hypot(*truth)
    strong = length > 0.5 * length.max()
    return (flow * truth)[:, strong].sum() / (truth**2)[:, strong].sum()


@pytest.mark.parametrize("algorithm", ["dis", "tvl1"])
@pytest.mark.parametrize("motion", [0.3, 1.0])
def test_displacement_obtained_is_the_factor(scene, algorithm, motion):
    frame, field = scene
    params = lagrangian.Params(alphas=(2, 4, 8), flow=algorithm)
    start = frame(0)
    clips = lagrangian.magnified(np.stack([start, frame(motion)]), 0, params)
    for alpha, clip in zip(params.alphas, clips, strict=True):
        assert achieved(start, clip[1], motion * field) == pytest.approx(alpha, rel=0.05)


def test_magnified_frame_is_the_true_one(scene):
    frame, _ = scene
    clip = next(lagrangian.magnified(np.stack([frame(0), frame(0.5)]), 0, lagrangian.Params(alphas=(6,))))
    error = np.abs(clip[1].astype(int) - frame(3.0))[8:-8, 8:-8]
    assert error.mean() < 1
    assert np.abs(frame(0.5).astype(int) - frame(3.0))[8:-8, 8:-8].mean() > 5


def test_factor_one_gives_the_filmed_frame(scene):
    frame, _ = scene
    clip = next(lagrangian.magnified(np.stack([frame(0), frame(1.5)]), 0, lagrangian.Params(alphas=(1,))))
    assert np.abs(clip[1].astype(int) - frame(1.5))[4:-4, 4:-4].mean() < 0.6


def test_frame_like_the_reference_comes_out_unchanged(scene):
    frame, _ = scene
    clip = next(lagrangian.magnified(np.stack([frame(0), frame(0)]), 0, lagrangian.Params(alphas=(8,))))
    np.testing.assert_array_equal(clip, np.stack([frame(0), frame(0)]))


def test_appearance_keeps_a_change_of_light(scene):
    frame, _ = scene
    brighter = np.clip(frame(1.0).astype(int) + 6, 0, 255).astype(np.uint8)
    frames = np.stack([frame(0), brighter])
    plain = next(lagrangian.magnified(frames, 0, lagrangian.Params(alphas=(2,))))[1]
    lit = next(lagrangian.magnified(frames, 0, lagrangian.Params(alphas=(2,), appearance=True)))[1]
    assert lit.mean() - plain.mean() == pytest.approx(6, abs=0.7)
    assert achieved(frame(0), np.clip(lit.astype(int) - 6, 0, 255).astype(np.uint8), scene[1]) == pytest.approx(
        2, rel=0.1
    )


def test_projection_keeps_the_shared_motion_and_drops_the_rest():
    rng = np.random.default_rng(0)
    shared, levels = rng.normal(size=(2, 16, 16)), np.array([0, 0.5, 1, 2])
    clean = levels[:, None, None, None] * shared
    fields = clean + 0.02 * rng.normal(size=clean.shape)
    projected = lagrangian.principal(fields.copy(), 0.95)
    assert np.linalg.matrix_rank(projected.reshape(4, -1), tol=1e-6) == 1
    assert np.abs(projected - clean).mean() < np.abs(fields - clean).mean()
    np.testing.assert_allclose(lagrangian.principal(fields.copy(), 1.0), fields, atol=1e-9)
    exact = np.stack([np.zeros_like(shared), shared, -shared])
    assert not lagrangian.principal(exact, 0.9)[0].any()


@pytest.mark.parametrize(
    "keys, message",
    [
        ({"alphas": ()}, "at least 1"),
        ({"alphas": (0,)}, "above 0"),
        ({"alphas": (2, 2)}, "must differ"),
        ({"energy": 0.9}, "energy needs project: pca"),
        ({"flow": "farneback"}, "tvl1"),
        ({"tvl1": {"warps": 3}}, "options of tvl1 need flow: tvl1"),
        ({"flow": "tvl1", "tvl1": {"wraps": 3}}, "wraps"),
    ],
)
def test_bad_parameters_are_refused(keys, message):
    with pytest.raises(ValidationError, match=message):
        lagrangian.Params(**keys)


def test_parameters_survive_json():
    params = lagrangian.Params(alphas=(1.2, 3), flow="tvl1", tvl1={"preset": "opencv", "warps": 3}, project="pca")
    assert lagrangian.Params.model_validate(params.model_dump(mode="json")) == params


def test_magnified_clip_end_to_end(run, aligned, movie):
    clip = run(stage, lagrangian, aligned(onset=0), alphas=(1.5, 5.0))
    frames = clip.read("frames")
    assert frames.shape == (2, 9, 64, 64, 3)
    assert clip.lazy("frames").chunks[-3:] == (64, 64, 3)
    assert clip.read("alphas").tolist() == [1.5, 5.0]
    np.testing.assert_array_equal(frames[:, 0], movie[[0, 0]])
    change = np.abs(frames[:, 5].astype(int) - movie[0]).mean(axis=(1, 2, 3))
    filmed = np.abs(movie[5].astype(int) - movie[0]).mean()
    assert change[1] > change[0] > filmed
    assert clip.read("landmarks").shape == (9, 68, 2)
    assert clip.read("numbers")[-1] == 55
    assert (clip.attributes["onset"], clip.attributes["apex"], clip.attributes["reference"]) == (0, 5, 0)


def test_reference_needs_an_onset_or_the_first_frame(run, aligned):
    assert "onset unknown; expected an onset to magnify from; use reference: first" in run(
        stage, lagrangian, aligned(onset=None)
    )
    clip = run(stage, lagrangian, aligned(onset=None), reference="first")
    assert clip.attributes["reference"] == 0
