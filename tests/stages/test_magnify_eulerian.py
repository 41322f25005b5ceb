import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.signal import butter, lfilter

from mer.motion import pyramid
from mer.stages.magnify import eulerian, stage

# Coarse to fine, for 340 x 280 pixels and the published alphas (specs/au-fusion.md 2.1).
PUBLISHED = {1.2: [0, 1.2, 1.2, -0.32, -1.16, -1.58, 0], 3.0: [0, 3, 3, 1.06, -0.47, -1.24, 0]}


@pytest.mark.parametrize("alpha", PUBLISHED)
def test_gains_are_the_published_table(alpha):
    table = eulerian.gains(280, 340, pyramid.height(280, 340), alpha, eulerian.Params())[::-1]
    np.testing.assert_allclose(table, PUBLISHED[alpha], atol=0.006)
    clamped = eulerian.gains(280, 340, 7, alpha, eulerian.Params(negative="clamp"))[::-1]
    np.testing.assert_allclose(clamped, np.maximum(PUBLISHED[alpha], 0), atol=0.006)
    everywhere = eulerian.gains(280, 340, 7, alpha, eulerian.Params(wavelength=0))
    np.testing.assert_allclose(everywhere, [0, *[alpha] * 5, 0])


@pytest.mark.parametrize("rows, columns, bands", [(480, 640, 8), (280, 340, 7), (128, 128, 6), (4, 400, 1)])
def test_pyramid_has_the_published_number_of_bands(rows, columns, bands):
    assert pyramid.height(rows, columns) == bands


@pytest.mark.parametrize("cutoff, b, a", [(0.5, 0.02551772, -0.94896457), (10, 0.3660254, -0.26794919)])
def test_low_passes_are_the_published_ones_and_scipys(cutoff, b, a):
    assert eulerian.butterworth(cutoff, 30) == pytest.approx((b, a), abs=1e-7)
    numerator, denominator = butter(1, cutoff / 30)
    np.testing.assert_allclose((numerator[0], denominator[1]), eulerian.butterworth(cutoff, 30), atol=1e-12)


@given(st.integers(1, 70), st.integers(1, 70))
def test_reduced_is_opencvs_pyrdown_and_bands_add_up(rows, columns):
    image = np.random.default_rng(rows * 100 + columns).normal(128, 30, (rows, columns)).astype(np.float32)
    if min(rows, columns) > 2:  # OpenCV mirrors twice on smaller ones in its own way.
        np.testing.assert_allclose(pyramid.reduced(image), cv2.pyrDown(image), rtol=1e-5)
    np.testing.assert_allclose(pyramid.collapse(pyramid.laplacian(image)), image, rtol=1e-4, atol=1e-3)


def test_expanding_is_the_interpolation_of_burt_and_adelson():
    """Against the definition: 4 sum_m,n w(m, n) g((i - m) / 2, (j - n) / 2) over whole numbers only."""
    small = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    weights = np.array([1, 4, 6, 4, 1]) / 16
    large = pyramid.expanded(small, (11, 9))
    for i, j in [(4, 4), (5, 3), (3, 6), (6, 5)]:
        terms = [
            4 * weights[m + 2] * weights[n + 2] * small[(i - m) // 2, (j - n) // 2]
            for m in range(-2, 3)
            for n in range(-2, 3)
            if (i - m) % 2 == 0 and (j - n) % 2 == 0
        ]
        assert large[i, j] == pytest.approx(sum(terms), abs=1e-5)


def slow(frames, alpha, params):
    """The published order of steps, in double precision: YIQ, pyramids, two filters on every coefficient, gains."""
    yiq = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    clip = np.einsum("ck,tyxk->tcyx", yiq, frames / 255.0)
    bands = pyramid.height(*frames.shape[1:3])
    table = eulerian.gains(*frames.shape[1:3], bands, alpha, params)
    out = clip.copy()
    for channel, share in enumerate((1.0, params.chroma, params.chroma)):
        levels = list(zip(*[pyramid.laplacian(frame.astype(np.float64)) for frame in clip[:, channel]], strict=True))
        passed = []
        for gain, level in zip(table, map(np.stack, levels), strict=True):
            low, high = (
                lfilter(*(c := butter(1, f / params.rate)), level, axis=0, zi=(level[:1] * (1 - c[0][0])))[0]
                for f in (params.low, params.high)
            )
            passed.append(gain * (high - low))
        out[:, channel] += share * np.stack([pyramid.collapse([b[t] for b in passed]) for t in range(len(frames))])
    rgb = np.einsum("kc,tcyx->tyxk", np.linalg.inv(yiq), out)
    return np.clip(255 * rgb, 0, 255)


@pytest.mark.parametrize("chroma", [0.0, 0.6])
def test_clip_is_that_of_the_published_steps(movie, chroma):
    params = eulerian.Params(alphas=(2.2, 9.0), chroma=chroma)
    for factor, clip in zip(params.alphas, eulerian.magnified(movie, 0, params), strict=True):
        expected = slow(movie, factor - 1, params)
        assert np.abs(clip - expected).max() < 0.51
        assert np.abs(expected - movie).max() > 2


def test_raw_copy_is_the_released_numbering(movie):
    released = next(eulerian.magnified(movie, 0, eulerian.Params(tail="raw_copy", reference="first")))
    clean = next(eulerian.magnified(movie, 0, eulerian.Params()))
    np.testing.assert_array_equal(released[:-1], clean[1:])
    np.testing.assert_array_equal(released[-1], movie[-1])
    np.testing.assert_array_equal(clean[0], movie[0])


def test_raw_copy_moves_what_belongs_to_frames_with_them(run, aligned, movie):
    clip = run(stage, eulerian, aligned(onset=0), tail="raw_copy", reference="first", alphas=(2.0, 3.0))
    assert clip.read("frames").shape == (2, 9, 64, 64, 3)
    assert clip.read("numbers").tolist() == [47, 48, 49, 51, 52, 53, 54, 55, 55]
    assert clip.read("landmarks")[:2, 0, 0].tolist() == [7, 8]
    assert [clip.attributes.get(name) for name in ("onset", "apex", "offset", "reference")] == [0, 4, 7, None]
    plain = run(stage, eulerian, aligned(onset=2))
    assert [plain.attributes.get(name) for name in ("onset", "apex", "offset", "reference")] == [2, 5, 8, 2]


def test_the_filter_runs_both_ways_from_the_reference(movie):
    forth = next(eulerian.magnified(movie[4:], 0, eulerian.Params(alphas=(5,))))
    back = next(eulerian.magnified(movie[4::-1], 0, eulerian.Params(alphas=(5,))))
    both = next(eulerian.magnified(movie, 4, eulerian.Params(alphas=(5,))))
    np.testing.assert_array_equal(both, np.concatenate([back[:0:-1], forth]))


def test_without_a_temporal_filter_a_faint_change_is_multiplied():
    """A wave of the middle bands on plain grey: what is added is 4 times what is there, but for the finest band."""
    wave = 4 * np.cos(2 * np.pi * np.arange(64) / 8)
    change = np.broadcast_to(wave, (1, 64, 64))
    table = eulerian.gains(64, 64, pyramid.height(64, 64), 4.0, eulerian.Params(wavelength=0))
    flat = np.full((64, 64, 3), 128, np.uint8)
    made = next(eulerian.amplified(flat, change.astype(np.float32), [table]))
    # The finest band, which gets no gain, holds a known part of a wave of 8 pixels.
    bands = pyramid.laplacian(change[0].astype(np.float32))
    expected = 128 + 4 * (change[0] - pyramid.collapse([bands[0], *[0 * band for band in bands[1:]]]))
    assert np.abs(made[..., 0] - expected)[8:-8, 8:-8].max() < 1.2
    assert made[..., 0].max() > 135


@pytest.mark.parametrize(
    "keys, message",
    [
        ({"low": 10.0}, "low < high < rate"),
        ({"high": 30.0}, "low < high < rate"),
        ({"tail": "raw_copy"}, "needs reference: first"),
        ({"lambda_c": 48}, "lambda_c"),
    ],
)
def test_bad_eulerian_parameters_are_refused(keys, message):
    with pytest.raises(ValidationError, match=message):
        eulerian.Params(**keys)
