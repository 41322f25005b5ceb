import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mer.core.errors import ConfigError
from mer.core.validation import validate
from mer.stages.rois import au_boxes, patches30, stage
from mer.stages.rois.cutting import cut
from mer.stages.rois.regions import TABLES, first_match, region_box

POINTS = arrays(np.float32, (68, 2), elements=st.floats(-1e6, 1e6, width=32))


@given(landmarks=POINTS, width=st.integers(1, 200), height=st.integers(1, 200), table=st.sampled_from(list(TABLES)))
def test_boxes_are_never_degenerate_nor_outside(landmarks, width, height, table):
    boxes = au_boxes.locate(landmarks, width, height, au_boxes.Params(table=table))
    left, top, right, bottom = boxes.T
    assert (left >= 0).all() and (right <= width).all() and (top >= 0).all() and (bottom <= height).all()
    least = max(0.12 * np.ptp(landmarks[:, 0]), 4)
    assert (right - left >= min(least, width) - 1e-3).all()
    assert (bottom - top >= min(least, height) - 1e-3).all()
    np.testing.assert_array_equal(boxes, np.rint(boxes))


def test_all_landmarks_in_one_point_still_give_a_box():
    boxes = au_boxes.locate(np.full((68, 2), 20.0), 100, 100, au_boxes.Params())
    np.testing.assert_array_equal(boxes, np.tile([18, 18, 23, 23], (6, 1)))


def test_margin_by_hand():
    landmarks = np.zeros((68, 2))
    landmarks[:2] = [[10, 20], [30, 40]]
    # Centres 10 to 30 are 20 wide; 15 % on either side make 7 to 33, borders half a pixel right: 7.5 to 33.5.
    assert region_box(landmarks, (0, 1), 100, 100).tolist() == [7, 17, 34, 44]
    assert region_box(landmarks, (0, 1), 32, 30).tolist() == [7, 17, 32, 30]


def test_boxes_hold_their_features(landmarks):
    params = au_boxes.Params()
    boxes = dict(zip(au_boxes.names(params), au_boxes.locate(landmarks, 64, 64, params), strict=True))

    def holds(name, points):
        left, top, right, bottom = boxes[name]
        x, y = landmarks[list(points)].T
        return ((left <= x) & (x < right) & (top <= y) & (y < bottom)).all()

    assert holds("brows", range(17, 27))
    assert holds("eyes", range(36, 48))
    assert holds("nose", range(27, 36))
    assert holds("mouth", range(48, 68))
    assert holds("chin", (7, 8, 9))
    assert boxes["brows"][3] <= boxes["mouth"][1]


@pytest.mark.parametrize(
    "aus, region",
    [
        ((4, 7), "eyes"),
        ((12,), "mouth"),
        ((1, 2, 4), "eyes"),
        ((6, 12), "mouth"),
        ((1, 2), "eyebrows"),
        ((6,), "cheeks"),
        ((38,), "face"),
        ((), "face"),
    ],
)
def test_first_match_of_the_dual_branch_table(aus, region):
    table = TABLES["dual_branch"]
    assert list(table)[first_match(aus, [region.aus for region in table.values()])] == region


def test_every_listed_action_unit_has_a_region():
    for table in TABLES.values():
        shown = {au for region in table.values() for au in region.aus}
        assert {1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17} <= shown
    assert list(TABLES["dual_branch"])[-1] == "face" and not TABLES["dual_branch"]["face"].aus


def test_cut_copies_or_averages():
    image = np.arange(36, dtype=np.float32).reshape(6, 6, 1)
    same, half = cut(image, np.array([[1, 2, 5, 6]]), 4)[0], cut(image, np.array([[1, 2, 5, 6]]), 2)[0]
    np.testing.assert_array_equal(same[..., 0], image[2:6, 1:5, 0])
    np.testing.assert_array_equal(half[..., 0], [[16.5, 18.5], [28.5, 30.5]])
    assert cut(image[:, :, [0, 0]], np.array([[0, 0, 3, 6]]), 5).shape == (1, 5, 5, 2)


def test_windows_are_not_transposed(landmarks):
    y, x = np.mgrid[:128, :128].astype(np.float32)
    plane = np.stack([x, y], axis=2)
    scaled = (landmarks + 0.5) * 2 - 0.5
    params = patches30.Params()
    windows = patches30.patches(plane, patches30.locate(scaled, 128, 128, params), False, params)
    assert windows.shape == (30, 7, 7, 2)
    points = np.floor(scaled[[*range(17, 27), *range(48, 68)]] + 0.5)
    np.testing.assert_array_equal(windows[:, 3, 3], points)
    np.testing.assert_array_equal(windows[:, 0, 6], points + [3, -3])


def test_windows_are_shifted_inside_at_the_border():
    landmarks = np.full((68, 2), -20.0)
    landmarks[48:] = [127.4, 300]
    boxes = patches30.locate(landmarks, 128, 128, patches30.Params())
    assert boxes[0].tolist() == [0, 0, 7, 7]
    assert boxes[29].tolist() == [121, 121, 128, 128]


def test_flow_windows_are_in_pixels_of_the_map(landmarks):
    params = patches30.Params()
    plane = np.ones((64, 64, 3), np.float32)
    windows = patches30.patches(plane, patches30.locate(landmarks, 64, 64, params), True, params)
    np.testing.assert_array_equal(windows[..., :2], 2)
    np.testing.assert_array_equal(windows[..., 2], 1)
    boxes = patches30.locate(landmarks, 64, 64, params)
    np.testing.assert_allclose(boxes[:, 2:] - boxes[:, :2], 3.5)
    np.testing.assert_allclose(boxes[:10].mean(axis=1), landmarks[17:27].mean(axis=1) + 0.5, atol=0.3)


@pytest.fixture
def flows(product, landmarks):
    """Write a flow product with factors: u, v and strain differ by factor, pair and place."""
    y, x = np.mgrid[:64, :64].astype(np.float32)
    flow = np.stack([np.stack([np.stack([x + 100 * a + 10 * p, y]) for p in range(3)]) for a in range(2)])
    arrays = {
        "flow": flow,
        "strain": flow[:, :, 0] * 2,
        "alphas": np.array([1.0, 2.0]),
        "pairs": np.array([[0, 1], [1, 2], [2, 3]]),
        "landmarks": np.stack([landmarks + [i, 0] for i in range(3)]).astype(np.float32),
        "numbers": np.array([[5, 6], [6, 7], [7, 8.0]]),
    }
    return lambda **events: product(arrays, {"onset": 1, "apex": 2, **events})


def test_patches_of_flow_and_strain_end_to_end(run, flows, landmarks):
    clip = run(stage, patches30, flows(), array="flow_strain", map=64)
    patches = clip.read("patches")
    assert patches.shape == (2, 3, 30, 3, 7, 7)
    x, y = np.floor(landmarks[60] + [1, 0] + 0.5)
    # Factor 1, pair 2: u = x + 100 + 20. The onset is frame 1, so boxes are those of the second pair.
    assert patches[1, 2, 22, :, 3, 3].tolist() == [x + 120, y, 2 * (x + 120)]
    assert clip.read("boxes").shape == (1, 30, 4)
    assert clip.read("names")[[0, 29]].tolist() == ["landmark17", "landmark67"]
    assert (clip.attributes["of"], clip.attributes["onset"]) == ("flow_strain", 1)
    assert clip.read("pairs").tolist() == [[0, 1], [1, 2], [2, 3]]


@pytest.mark.parametrize("array, shape", [("flow", (2, 3, 6, 2, 16, 16)), ("strain", (2, 3, 6, 16, 16))])
def test_boxes_of_flow_or_strain(run, flows, array, shape):
    clip = run(stage, au_boxes, flows(), array=array, size=16)
    patches, boxes = clip.read("patches"), clip.read("boxes")
    assert patches.shape == shape
    mean = patches[0, 0, 4, 0] if array == "flow" else patches[0, 0, 4] / 2
    left, _, right, _ = boxes[0, 4]
    assert mean.mean() == pytest.approx((left + right - 1) / 2, abs=0.3)


def test_boxes_per_frame_follow_the_landmarks(run, aligned, movie):
    clip = run(stage, au_boxes, aligned(), array="frames", boxes="frame", table="dual_branch", size=24)
    assert clip.read("patches").shape == (9, 5, 24, 24, 3)
    assert clip.read("patches").dtype == np.uint8
    boxes = clip.read("boxes")
    assert boxes.shape == (9, 5, 4)
    np.testing.assert_array_equal(boxes[:, 1, 0] - boxes[0, 1, 0], np.arange(9))
    per_clip = run(stage, au_boxes, aligned(), array="frames", table="dual_branch", size=24)
    np.testing.assert_array_equal(per_clip.read("boxes")[0], boxes[0])
    np.testing.assert_array_equal(per_clip.read("patches")[0], clip.read("patches")[0])


def test_box_of_the_clip_needs_an_onset(run, flows):
    assert "onset unknown" in run(stage, patches30, flows(onset=None))
    assert "no frame or pair starts at the onset (7)" in run(stage, patches30, flows(onset=7))
    assert run(stage, patches30, flows(onset=None), boxes="frame").read("boxes").shape == (3, 30, 4)


def test_the_first_frame_places_the_boxes_of_a_clip_without_onset(run, aligned, flows):
    still = run(stage, au_boxes, aligned(), array="frames", boxes="first", table="dual_branch", size=24)
    moving = run(stage, au_boxes, aligned(), array="frames", boxes="frame", table="dual_branch", size=24)
    assert still.read("boxes").shape == (1, 5, 4) and still.read("patches").shape == (9, 5, 24, 24, 3)
    np.testing.assert_array_equal(still.read("boxes")[0], moving.read("boxes")[0])
    pairs = run(stage, patches30, flows(onset=None), boxes="first").read("boxes")
    np.testing.assert_array_equal(pairs[0], run(stage, patches30, flows(onset=None), boxes="frame").read("boxes")[0])


OWN = [
    {"name": "lips", "landmarks": [48, 54, 51, 57], "units": [12, 17]},
    {"name": "chin", "landmarks": [7, 8, 9], "units": [17]},
    {"name": "whole", "landmarks": list(range(68))},
]


def test_a_configuration_replaces_the_table(run, aligned, landmarks):
    clip = run(stage, au_boxes, aligned(), array="frames", table=OWN, size=24, margin=0)
    assert clip.read("patches").shape == (9, 3, 24, 24, 3)
    assert clip.read("names").tolist() == ["lips", "chin", "whole"]
    assert clip.read("units").tolist() == ["12+17", "17", ""]
    expected = [region_box(landmarks, region["landmarks"], 64, 64, 0) for region in OWN]
    np.testing.assert_array_equal(clip.read("boxes")[0], expected)
    assert run(stage, patches30, aligned(), array="frames").read("units").tolist() == [""] * 30
    back = au_boxes.Params.model_validate(au_boxes.Params(table=OWN).model_dump(mode="json"))
    assert [region.name for region in back.table] == ["lips", "chin", "whole"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            [{"name": "lips", "landmarks": [68]}],
            "region 1 of the table: landmarks.0: input should be less than or equal",
        ),
        ([OWN[0], {"name": "lips", "landmarks": [1]}], "two regions named lips"),
        ([OWN[0], {"name": "chin"}], "region 2 of the table: landmarks: field required"),
        ([{"name": "a b", "landmarks": [1]}], "region 1 of the table: name: string should match"),
        (
            [{"name": "lips", "landmarks": [1], "aus": [1]}],
            "region 1 of the table: aus: extra inputs are not permitted",
        ),
        (["lips"], "region 1 of the table: input should be a valid dictionary"),
        ([], "at least one region"),
        ("lips", "input should be 'facs' or 'dual_branch'"),
    ],
)
def test_a_bad_table_is_one_line(table, message):
    with pytest.raises(ConfigError) as caught:
        validate(au_boxes.Params, {"table": table}, "config.yaml", "rois.mine")
    line = caught.value.line()
    assert message in line and "rois.mine.table" in line and "\n" not in line


def test_landmarks_that_are_not_numbers_exclude_the_clip(run, product, movie, landmarks):
    arrays = {"frames": movie, "landmarks": np.full((9, 68, 2), np.nan), "numbers": np.arange(9.0)}
    assert "landmarks are not finite" in run(stage, au_boxes, product(arrays, {"onset": 0}), array="frames")
