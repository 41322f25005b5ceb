"""Arrows over flow point where it goes, grow with it, and leave still places alone."""

import numpy as np

from mer.motion.colour import flow_to_rgb
from mer.report.drawing import ARROW, with_arrows


def drawn(u, v, side=140):
    flow = np.zeros((2, side, side))
    flow[:, 40:100, 40:100] = np.array([u, v])[:, None, None]
    return flow, with_arrows(flow_to_rgb(flow, 2.0), flow, 2.0)


def dark(picture):
    return np.argwhere((np.abs(picture.astype(int) - np.array(ARROW)) < 40).all(axis=2))


def test_arrows_lie_where_it_moves_and_along_the_motion():
    _, right = drawn(2.0, 0.0)
    _, down = drawn(0.0, 2.0)
    assert len(dark(right)) > 100 and dark(right).min() >= 40 and dark(right).max() <= 125
    assert np.array_equal(np.sort(dark(right), axis=0)[:, 0], np.sort(dark(down), axis=0)[:, 1])
    left, _ = drawn(-2.0, 0.0)[1], None
    assert not np.array_equal(left, right)


def test_longer_motion_has_longer_arrows_and_the_least_none():
    counts = [len(dark(drawn(length, 0.0)[1])) for length in (0.3, 1.0, 2.0)]
    assert counts[0] == 0 < counts[1] < counts[2]


def test_a_small_picture_stays_as_it_is():
    flow = np.ones((2, 28, 28))
    colour = flow_to_rgb(flow, 2.0)
    assert np.array_equal(with_arrows(colour, flow, 2.0), colour)
