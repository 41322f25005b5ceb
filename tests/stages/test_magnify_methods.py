"""What every magnification method that needs no weights owes."""

import numpy as np
import pytest

from mer.stages.magnify import lagrangian, passes, stage
from mer.stages.registry import load_method

WEIGHT_FREE = ["lagrangian", "eulerian", "phase"]


def clips(name, frames, reference=0, **keys):
    module = load_method("magnify", name, "test")
    return list(module.magnified(frames, reference, module.Params(**keys)))


@pytest.mark.parametrize("name", WEIGHT_FREE)
class TestEveryMethod:
    def test_factor_one_is_no_change(self, name, movie):
        clip = clips(name, movie[:6], alphas=(1.0,))[0]
        error = np.abs(clip.astype(int) - movie[:6])[:, 6:-6, 6:-6]
        assert error.max() == 0 if name != "lagrangian" else error.mean() < 0.6

    def test_reference_and_identical_frames_stay(self, name, movie):
        still = np.repeat(movie[2:3], 3, axis=0)
        for clip in clips(name, still, reference=1, alphas=(0.5, 4.0, 12.0)):
            np.testing.assert_array_equal(clip, still)
        assert (clips(name, movie[:4], reference=2, alphas=(4.0,))[0][2] == movie[2]).all()

    def test_one_frame(self, name, movie):
        np.testing.assert_array_equal(clips(name, movie[:1], alphas=(3.0,)), movie[None, :1])

    def test_black_frames(self, name):
        black = np.zeros((3, 64, 64, 3), np.uint8)
        np.testing.assert_array_equal(clips(name, black, alphas=(8.0,))[0], black)
        lit = black.copy()
        lit[1] = 40
        assert clips(name, lit, alphas=(8.0,))[0][0].max() == 0

    def test_grey_frames_stay_grey(self, name, movie):
        grey = np.repeat(movie[:6:5, ..., :1], 3, axis=3)
        made = clips(name, grey, alphas=(3.0,))[0]
        assert (np.ptp(made, axis=3) == 0).all() and (made[1] != grey[1]).any()

    def test_a_larger_factor_moves_further(self, name, movie):
        options = {"temporal": "none", "wavelength": 0.0} if name == "eulerian" else {}
        change = [
            np.abs(c[1].astype(int) - movie[0]).mean() for c in clips(name, movie[:2], alphas=(1, 2, 5), **options)
        ]
        assert change[0] < change[1] < change[2]

    def test_factors_in_groups_are_the_factors_at_once(self, name, movie, monkeypatch):
        together = clips(name, movie[:4], alphas=(0.5, 2.0, 3.0))
        monkeypatch.setattr(passes, "HELD", 2 * movie[:4].nbytes)
        np.testing.assert_array_equal(clips(name, movie[:4], alphas=(0.5, 2.0, 3.0)), together)

    def test_product(self, name, run, aligned, movie):
        module = load_method("magnify", name, "test")
        clip = run(stage, module, aligned(onset=0), alphas=(2.0, 4.0))
        assert clip.read("frames").shape == (2, 9, 64, 64, 3)
        assert clip.attributes["reference"] == 0 and clip.attributes["apex"] == 5


def test_memory_holds_some_factors_of_one_clip():
    seen = []

    def visit(alphas):
        seen.append(tuple(alphas))
        return ((k, [np.full((4, 4, 3), alpha) for alpha in alphas]) for k in range(2))

    clip_bytes, held = 2 * 4 * 4 * 3, passes.HELD
    try:
        passes.HELD = 2 * clip_bytes + 1
        made = [clip[0, 0, 0, 0] for clip in passes.by_factor(2, (4, 4, 3), (1, 2, 3, 4, 5), visit)]
    finally:
        passes.HELD = held
    assert made == [1, 2, 3, 4, 5] and seen == [(1, 2), (3, 4), (5,)]


@pytest.mark.parametrize(
    "frames, message",
    [
        (
            np.zeros((2, 32, 32), np.uint8),
            r"frames of shape \(2, 32, 32\), uint8; expected \(frames, height, width, 3\)",
        ),
        (np.zeros((2, 32, 32, 1), np.uint8), r"\(2, 32, 32, 1\)"),
        (np.zeros((2, 32, 32, 3), np.float32), "float32"),
    ],
)
def test_frames_that_are_no_face_crops_stop_the_job(run, product, frames, message):
    from mer.core.errors import ContainerError

    with pytest.raises(ContainerError, match=message):
        run(stage, lagrangian, product({"frames": frames}, {"onset": 0}))


def test_empty_clip_is_left_out(run, product):
    source = product({"frames": np.zeros((0, 32, 32, 3), np.uint8)}, {"onset": 0})
    assert "no frame in the source; expected at least one" in run(stage, lagrangian, source)


def test_a_further_pass_returns_what_the_first_estimate_missed():
    """A bump of 5 pixels, smaller than what smoothness carries: the first estimate is too short."""
    rng = np.random.default_rng(8)
    y, x = np.mgrid[:96, :96].astype(float)
    bump = 0.6 * np.exp(-((x - 48) ** 2 + (y - 48) ** 2) / (2 * 5.0**2))
    waves, phases = rng.normal(0, 0.5, (40, 2)), rng.uniform(0, 2 * np.pi, 40)

    def frame(shift):
        plane = 128 + 8 * np.cos(waves[:, :1, None] * (x - shift) + waves[:, 1:, None] * y + phases[:, None, None]).sum(
            0
        )
        noisy = plane[..., None] + rng.normal(0, 1, (96, 96, 3))
        return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)

    # The pattern is pulled from x - bump(x), so at x the motion is close to the bump.
    clip, strong = np.stack([frame(0), frame(bump)]), bump > 0.3
    short, full = (
        list(lagrangian.motions(clip, clip[0], lagrangian.Params(passes=count)))[1][0][strong].mean()
        / bump[strong].mean()
        for count in (0, 1)
    )
    assert short < full and abs(full - 1) < 0.1
