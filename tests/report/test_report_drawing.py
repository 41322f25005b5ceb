"""Pictures of arrays: where boxes and points land, and what colours mean."""

import base64

import cv2
import numpy as np
import pytest

from mer.report import drawing

GREY = np.full((40, 60, 3), 100, np.uint8)


def drawn(image: np.ndarray) -> np.ndarray:
    return (image != 100).any(axis=2)


def test_a_box_runs_through_its_outermost_pixels() -> None:
    mask = drawn(drawing.draw_boxes(GREY, np.array([[10, 5, 31, 21]])))
    expected = np.zeros((40, 60), bool)
    expected[5, 10:31] = expected[20, 10:31] = expected[5:21, 10] = expected[5:21, 30] = True
    np.testing.assert_array_equal(mask, expected)


def test_a_wide_line_grows_inwards() -> None:
    mask = drawn(drawing.draw_boxes(GREY, np.array([[10, 5, 31, 21]]), width=2))
    assert mask[6, 11:30].all() and mask[5:21, 29].all()
    assert not mask[4].any() and not mask[:, 31].any() and not mask[10, 15]


def test_boxes_differ_in_colour_and_names_stay_inside_the_picture() -> None:
    boxes = np.array([[0, 0, 20, 20], [30, 0, 60, 40]])
    image = drawing.draw_boxes(GREY, boxes)
    assert tuple(image[19, 10]) != tuple(image[39, 45])
    named = drawing.draw_boxes(GREY, boxes, ("nose", "<script>é"))
    assert drawn(named).sum() > drawn(image).sum()
    assert named.shape == GREY.shape


def test_boxes_beyond_the_image_or_not_finite_do_no_harm() -> None:
    boxes = np.array([[np.nan, 0, 5, 5], [-1e30, -1e30, 1e30, 1e30], [50, 30, 90, 90]])
    mask = drawn(drawing.draw_boxes(GREY, boxes, ("a", "b", "c")))
    assert mask[30:, 50].all() and mask[30, 50:].all()


def test_drawing_leaves_the_source_alone() -> None:
    before = GREY.copy()
    drawing.draw_boxes(GREY, np.array([[1, 1, 9, 9]]), ("x",))
    drawing.draw_landmarks(GREY, np.array([[5.0, 5.0]]))
    np.testing.assert_array_equal(GREY, before)


def test_a_landmark_is_centred_on_its_point() -> None:
    mask = drawn(drawing.draw_landmarks(GREY, np.array([[20.0, 10.0], [np.nan, 1.0]]), radius=3))
    rows, columns = np.nonzero(mask)
    assert (rows.mean(), columns.mean()) == pytest.approx((10.0, 20.0))
    assert np.ptp(rows) == np.ptp(columns) <= 8


def test_scaled_boxes_keep_their_edges_and_points_their_centres() -> None:
    # The whole image stays the whole image; the centre of the first pixel moves to the middle of its four children.
    np.testing.assert_allclose(drawing.scale_boxes(np.array([0, 0, 28, 14]), (28, 14), (224, 112)), [0, 0, 224, 112])
    np.testing.assert_allclose(drawing.scale_points(np.array([0.0, 3.0]), 2), [0.5, 6.5])


def test_a_box_scaled_from_a_small_flow_covers_the_same_face() -> None:
    small = np.zeros((14, 14, 3), np.uint8)
    small[4:8, 2:6] = 255
    large = cv2.resize(small, (112, 112), interpolation=cv2.INTER_NEAREST)
    left, top, right, bottom = drawing.scale_boxes(np.array([2, 4, 6, 8]), (14, 14), (112, 112)).astype(int)
    assert large[top:bottom, left:right].min() == 255
    assert large.sum() == large[top:bottom, left:right].sum()


def test_the_flow_legend_shows_red_right_and_cyan_left_and_white_in_the_middle() -> None:
    wheel = drawing.flow_legend(101).astype(int)
    assert wheel[50, 50].min() > 250
    right, left = wheel[50, 99], wheel[50, 1]
    assert right[0] > 240 and right[1] < 40 and right[2] < 40
    assert left[0] < 40 and left[2] > 200
    down, up = wheel[99, 50], wheel[1, 50]
    assert down[1] > 200 and down[2] < 60  # y grows downwards: yellow-green is down
    assert up[2] > 200 and up[1] < 60
    assert (wheel[0, 0] == 255).all()


def test_heat_rises_from_black_and_its_legend_from_below() -> None:
    picture = drawing.heat(np.array([[0.0, 0.5, 1.0, 7.0, np.nan]]), top=1.0).astype(int).sum(axis=2)[0]
    assert picture[0] < 20 < picture[1] < picture[2]
    assert picture[3] == picture[2] and picture[4] == picture[0]
    legend = drawing.heat_legend(64).astype(int).sum(axis=2)
    assert legend[0, 0] == picture[2] and legend[-1, 0] == picture[0]


@pytest.mark.parametrize(
    ("value", "ceiling"),
    [(0.013, 0.02), (0.02, 0.02), (1.0, 1.0), (3.7, 5.0), (7.0, 10.0), (0.0, 1.0), (np.nan, 1.0), (2.0000001e-3, 5e-3)],
)
def test_scales_are_round_and_not_below_the_data(value: float, ceiling: float) -> None:
    assert drawing.nice_ceiling(value) == pytest.approx(ceiling)


def test_a_difference_is_signed_around_grey_with_its_gain() -> None:
    first = np.full((4, 4, 3), 100, np.uint8)
    second = first.copy()
    second[0] += 10
    second[1] -= 10
    picture = drawing.difference(first, second, drawing.difference_gain(first, second))
    assert (picture[0] == 128 + 80).all() and (picture[1] == 128 - 80).all() and (picture[2:] == 128).all()


def test_a_large_difference_is_not_enlarged() -> None:
    first = np.zeros((8, 8, 3), np.uint8)
    assert drawing.difference_gain(first, first + 200) == 1
    assert drawing.difference_gain(first, first) == 16


def test_tiles_keep_their_pixels() -> None:
    a, b = np.full((3, 4, 3), 10, np.uint8), np.full((5, 2, 3), 20, np.uint8)
    out = drawing.tile([[a, b], [a]], gap=1)
    assert out.shape == (3 + 5 + 3, 4 + 2 + 3, 3)
    assert (out[1:4, 1:5] == 10).all() and (out[1:6, 6:8] == 20).all() and (out[7:10, 1:5] == 10).all()


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_an_embedded_picture_decodes_to_itself(kind: str) -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, :, 0], image[16:, :, 2] = 200, 90
    head, data = drawing.data_uri(image, kind == "jpeg").split(",")
    assert head == f"data:image/{kind};base64"
    back = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.abs(back.astype(int) - image).mean() < (4 if kind == "jpeg" else 1e-9)
