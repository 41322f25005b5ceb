"""The published regions: the numbers of the papers' code, and boxes that no landmarks can break."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mer.stages.rois import patches30, published_boxes, stage
from mer.stages.rois.published_boxes import SETS, Params

POINTS = arrays(np.float32, (68, 2), elements=st.floats(-1e6, 1e6, width=32))
SIDES = st.integers(1, 300)


def at(**places):
    """Landmarks (68, 2) at (64, 64) but for those given as `p19=(x, y)`."""
    points = np.full((68, 2), 64.0)
    for name, place in places.items():
        points[int(name[1:])] = place
    return points


def boxes_of(name, landmarks, width=128, height=128, **keys):
    params = Params(set=name, **keys)
    found = published_boxes.locate(landmarks, width, height, params)
    return dict(zip(published_boxes.names(params), found.tolist(), strict=True))


@pytest.mark.slow
@given(landmarks=POINTS, width=SIDES, height=SIDES, name=st.sampled_from(list(SETS)))
def test_boxes_are_never_degenerate_nor_outside(landmarks, width, height, name):
    params = Params(set=name)
    boxes = published_boxes.locate(landmarks, width, height, params)
    left, top, right, bottom = boxes.T
    assert (
        (left >= 0).all() and (top >= 0).all() and (right <= width * 1.0001).all() and (bottom <= height * 1.0001).all()
    )
    assert (right > left).all() and (bottom > top).all()
    image = np.zeros((height, width, 1), np.uint8)
    shape = (SETS[name].height, SETS[name].width)
    assert published_boxes.patches(image, boxes, False, params).shape == (len(boxes), *shape, 1)


def test_softnet_offsets():
    landmarks = at(
        p17=(20, 50), p26=(108, 50), p19=(35, 40), p24=(90, 38), p41=(40, 60), p46=(88, 62),
        p50=(58, 90), p57=(64, 108), p60=(50, 99), p64=(78, 99), p28=(63, 66),
    )  # fmt: skip
    assert boxes_of("softnet", landmarks) == {"brows_eyes": [8, 26, 120, 74], "mouth": [38, 78, 90, 120]}
    assert boxes_of("softnet_nose", landmarks) == {"nose": [58, 61, 69, 72]}
    # An image of half the size is seen on a map of 128 pixels, where the offsets hold.
    half = boxes_of("softnet", (landmarks + 0.5) / 2 - 0.5, 64, 64)
    assert half == {"brows_eyes": [4, 13, 60, 37], "mouth": [19, 39, 45, 60]}


def test_softnet_eye_mask_offsets():
    landmarks = at(
        p36=(30, 60), p37=(34, 56), p38=(40, 57), p39=(46, 60), p40=(40, 63), p41=(34, 64),
        p42=(80, 60), p43=(84, 56), p44=(90, 55), p45=(96, 60), p46=(90, 63), p47=(84, 62),
    )  # fmt: skip
    assert boxes_of("softnet_eye_mask", landmarks) == {"left_eye": [15, 41, 61, 79], "right_eye": [65, 40, 111, 78]}


def test_dual_branch_boxes_are_the_landmarks_own():
    landmarks = at(
        p19=(60, 30), p24=(110, 28), p15=(150, 80), p1=(20, 78), p3=(25, 110), p5=(40, 140), p11=(120, 141),
        p13=(140, 112), p17=(40, 40), p26=(130, 42), p29=(80, 70), p0=(18, 60), p16=(152, 61), p8=(85, 160),
    )  # fmt: skip
    assert boxes_of("dual_branch", landmarks, 200, 180) == {
        "eyes": [20, 28, 150, 80],
        "mouth": [25, 110, 140, 141],
        "eyebrows": [40, 28, 130, 42],
        "cheeks": [20, 70, 150, 112],
        "face": [18, 28, 152, 160],
    }
    assert boxes_of("dual_branch_smic", landmarks, 200, 180) == {"face": [18, 28, 152, 160]}


def test_boxes_are_cut_at_the_border_and_empty_ones_widened():
    far = at(p17=(2, 5), p26=(127, 5), p19=(10, 3), p24=(90, 3), p41=(5, 20), p46=(5, 20))
    assert boxes_of("softnet", far)["brows_eyes"] == [0, 0, 128, 32]
    # All landmarks above the picture: the released slice is empty.
    lost = boxes_of("softnet", np.full((68, 2), -90.0))
    assert lost == {"brows_eyes": [0, 0, 2, 2], "mouth": [0, 0, 2, 2]}
    flat = at(p17=(30, 50), p26=(90, 50), p19=(40, 50), p24=(80, 50))
    assert boxes_of("dual_branch", flat)["eyebrows"] == [30, 49, 90, 51]


def test_the_au_fusion_set_is_what_patches30_cuts(landmarks):
    params, own = Params(set="au_fusion"), patches30.Params()
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    boxes = published_boxes.locate(landmarks, 64, 64, params)
    np.testing.assert_array_equal(boxes, patches30.locate(landmarks, 64, 64, own))
    np.testing.assert_array_equal(
        published_boxes.patches(image, boxes, False, params), patches30.patches(image, boxes, False, own)
    )


def test_windows_can_be_transposed_or_of_one_feature(landmarks):
    plain, turned = (
        patches30.locate(landmarks * 2, 128, 128, patches30.Params(transposed=flag)) for flag in (False, True)
    )
    np.testing.assert_array_equal(turned, plain[:, [1, 0, 3, 2]])
    assert patches30.names(patches30.Params(points="brows")) == [f"landmark{k}" for k in range(17, 27)]
    np.testing.assert_array_equal(
        patches30.locate(landmarks * 2, 128, 128, patches30.Params(points="mouth")), plain[10:]
    )


def test_patches_are_cut_where_the_box_is_and_flow_is_scaled():
    landmarks = at(p28=(40, 50))
    y, x = np.mgrid[:128, :128].astype(np.float32)
    image = np.stack([x, y], axis=2)
    params = Params(set="softnet_nose")
    patch = published_boxes.patches(image, published_boxes.locate(landmarks, 128, 128, params), True, params)[0]
    np.testing.assert_array_equal(patch[5, 5], [40, 50])
    np.testing.assert_array_equal(patch[0, 10], [45, 45])
    ones = np.ones((64, 32, 3), np.float32)
    boxes = published_boxes.locate(landmarks / 2, 32, 64, params)
    assert published_boxes.patches(ones, boxes, True, params)[0, 0, 0].tolist() == [4, 2, 1]


@pytest.fixture
def products(product, movie, landmarks):
    """One product of each stage, 64 x 64 pixels: (file, array, leading axes)."""
    tracks = np.stack([landmarks + [i, 0] for i in range(9)]).astype(np.float32)
    flow = np.random.default_rng(1).normal(size=(2, 3, 2, 64, 64)).astype(np.float32)
    pairs = np.array([[0, 1], [1, 2], [2, 3]])
    few = {"landmarks": tracks[:3], "numbers": np.arange(3.0)}
    magnified = {"frames": np.stack([movie[:3], movie[3:6]]), "alphas": np.array([1.0, 2.0]), **few}
    flows = {"flow": flow, "strain": flow[:, :, 0], "pairs": pairs, "alphas": np.array([1.0, 2.0])}
    everything = {
        "align": ({"frames": movie, "landmarks": tracks, "numbers": np.arange(9.0)}, "frames", (9,)),
        "interpolate": ({"frames": movie[:3], "positions": np.arange(3.0), **few}, "frames", (3,)),
        "magnify": (magnified, "frames", (2, 3)),
        "flow": ({**flows, "landmarks": tracks[:3], "numbers": np.zeros((3, 2))}, "flow_strain", (2, 3)),
    }
    return lambda name: (product(everything[name][0], {"onset": 0}, f"{name}.h5"), *everything[name][1:])


@pytest.mark.parametrize("placing", ["clip", "frame"])
@pytest.mark.parametrize("name", ["align", "interpolate", "magnify", "flow"])
@pytest.mark.parametrize("regions", list(SETS))
def test_every_set_is_cut_from_every_product(run, products, name, placing, regions):
    path, array, lead = products(name)
    clip = run(stage, published_boxes, path, array=array, boxes=placing, set=regions)
    size = (SETS[regions].height, SETS[regions].width)
    count = len(SETS[regions].regions)
    tail = (*size, 3) if array == "frames" else (3, *size)
    assert clip.lazy("patches").shape == (*lead, count, *tail)
    assert clip.lazy("boxes").shape == ((1 if placing == "clip" else lead[-1]), count, 4)
    assert clip.lazy("patches").dtype == (np.uint8 if array == "frames" else np.float32)
    boxes = clip.read("boxes")
    assert (boxes[0] == published_boxes.locate(*first(path), Params(set=regions))).all()


def first(path):
    from mer.core.container import Container

    with Container(path) as box:
        return box.clip("s_c").read("landmarks")[0], 64, 64


def test_a_long_product_is_read_in_blocks(run, product, landmarks):
    count = 150
    frames = np.zeros((count, 16, 16, 3), np.uint8)
    frames[:, 0, 0, 0] = np.arange(count)
    tracks = np.stack([landmarks / 4 + [0, i / 100] for i in range(count)]).astype(np.float32)
    arrays_ = {"frames": frames, "landmarks": tracks, "numbers": np.arange(float(count))}
    clip = run(stage, published_boxes, product(arrays_, {}), array="frames", boxes="frame", set="dual_branch")
    expected = [published_boxes.locate(t, 16, 16, Params(set="dual_branch")) for t in tracks]
    np.testing.assert_array_equal(clip.read("boxes"), expected)
