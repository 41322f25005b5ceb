"""Vectors of specs/mean-softnet.md A9 and A10, and what decoding must never do."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mer.spotting.decode import Decoding, decode_fixed, decode_mean, decode_softnet, window_mean
from mer.spotting.labels import balance_mean, balance_softnet, centred_labels, half_length, pseudo_labels


@pytest.fixture
def score():
    t = np.arange(200)
    bumps = 0.6 * np.exp(-(((t - 60) / 6) ** 2)) + 0.5 * np.exp(-(((t - 140) / 8) ** 2))
    return np.round(0.2 + 0.15 * np.sin(t / 9) + bumps + 0.3 * np.exp(-(((t - 100) / 4) ** 2)), 6)


def test_mean_decode_vector(score):
    found = decode_mean(score, 6)
    assert len(found.smoothed) == 200
    np.testing.assert_allclose(found.smoothed[:4], [0.120198, 0.144594, 0.170032, 0.196404], atol=1e-6)
    assert found.smoothed.mean() == pytest.approx(0.288160, abs=1e-6)
    assert found.smoothed.max() == pytest.approx(0.707701, abs=1e-6)
    assert found.threshold == pytest.approx(0.518908, abs=1e-6)
    assert found.peaks.tolist() == [62, 139]
    assert found.intervals.tolist() == [[56, 68], [133, 145]]
    assert decode_mean(score, 6, single=True).intervals.tolist() == [[56, 68]]


def test_softnet_decode_vector(score):
    found = decode_softnet(score, 6)
    assert len(found.smoothed) == 188
    np.testing.assert_allclose(found.smoothed[:4], [0.279873, 0.292022, 0.303036, 0.312780], atol=1e-6)
    assert found.smoothed.mean() == pytest.approx(0.294326, abs=1e-6)
    assert found.threshold == pytest.approx(0.521682, abs=1e-6)
    assert found.peaks.tolist() == [56, 133]
    assert found.intervals.tolist() == [[50, 62], [127, 139]]


def test_a_video_shorter_than_the_window_keeps_its_published_length_and_an_unbiased_one():
    assert len(window_mean(np.ones(5), 6)) == 12
    np.testing.assert_allclose(window_mean(np.ones(5), 6, "present"), np.ones(5))


RULE = Decoding(half=6, window=3, threshold=0.4, spread=0.5, longest=40, shortest=5)


def test_fixed_decode_leaves_a_quiet_video_empty(score):
    assert len(decode_fixed(0.1 * score, RULE).peaks) == 0
    assert decode_fixed(score, RULE).peaks.tolist() == [61, 139]
    assert len(decode_mean(0.1 * score, 6).peaks) == 2


def test_fixed_decode_leaves_out_what_lasts_too_long(score):
    found = decode_fixed(score, RULE)
    lengths = found.intervals[:, 1] - found.intervals[:, 0] + 1
    assert len(decode_fixed(score, replace(RULE, longest=int(lengths.max()) - 1)).peaks) == 1


@given(
    arrays(np.float64, st.integers(1, 80), elements=st.floats(-2, 3)),
    st.integers(1, 12),
    st.integers(1, 12),
    st.floats(-1, 2),
    st.floats(0.1, 0.9),
    st.integers(0, 9),
)
def test_fixed_intervals_lie_in_the_video_and_hold_their_peak(values, half, window, threshold, spread, shift):
    rule = Decoding(half, window, threshold, spread, longest=30, shortest=3)
    found = decode_fixed(values, rule, len(values) + shift, shift)
    assert (found.intervals >= 0).all() and (found.intervals < len(values) + shift).all()
    assert (found.intervals[:, 0] <= found.peaks).all() and (found.peaks <= found.intervals[:, 1]).all()
    assert (found.intervals[:, 1] - found.intervals[:, 0] < 30 + shift + 3).all()
    assert (found.heights >= threshold).all()


def test_pseudo_label_vector():
    assert np.flatnonzero(pseudo_labels(30, [(10, 14)], 4)).tolist() == list(range(7, 15))
    assert np.flatnonzero(pseudo_labels(30, [(10, 14)], 4, late=True)).tolist() == list(range(8, 15))
    assert np.flatnonzero(centred_labels(30, [(10, 14)], 2)).tolist() == list(range(8, 13))


@given(st.integers(1, 60), st.integers(-20, 70), st.integers(0, 30), st.integers(1, 10))
def test_pseudo_labels_are_the_jaccard_rule(positions, onset, length, window):
    truth = set(range(onset, onset + length + 1))
    expected = [float(bool(set(range(i, i + window)) & truth)) for i in range(positions)]
    assert pseudo_labels(positions, [(onset, onset + length)], window).tolist() == expected


def test_half_length_of_the_published_databases():
    # CAS(ME)2 micro: mean offset - onset 12.579; SAMM Long Videos 73.314; CASME II 67.156.
    for mean, half in ((12.579, 6), (73.314, 37), (67.156, 34)):
        assert half_length(_spans(mean)) == half


def _spans(mean):
    n = 1000
    lengths = np.full(n, int(mean))
    lengths[: round((mean - int(mean)) * n)] += 1
    return np.stack([np.zeros(n, int), lengths], axis=1)


@pytest.mark.parametrize(
    ("positives", "negatives", "kept"),
    [(100, 10000, (100, 500)), (2000, 3000, (600, 3000)), (3000, 2000, (600, 2000)), (100, 450, (100, 450))],
)
def test_balancing_vectors(positives, negatives, kept):
    labels = np.r_[np.ones(positives), np.zeros(negatives)]
    chosen = balance_mean(labels, np.random.default_rng(0))
    assert ((labels[chosen] == 1).sum(), (labels[chosen] == 0).sum()) == kept
    assert len(set(chosen.tolist())) == len(chosen)
    assert chosen.tolist() == balance_mean(labels, np.random.default_rng(0)).tolist()


def test_softnet_keeps_every_positive_and_half_the_majority():
    labels = np.r_[np.ones(10), np.zeros(101)]
    chosen = balance_softnet(labels, np.random.default_rng(0))
    assert ((labels[chosen] == 1).sum(), (labels[chosen] == 0).sum()) == (10, 50)
