"""Sample clips: which are chosen, what is drawn of them, and what is said where something is missing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report_world import APEX, FRAMES, SOURCES, make_samples, motion, write_products

from mer.core.container import Container, ContainerWriter
from mer.core.errors import ContainerError
from mer.motion.colour import flow_to_rgb
from mer.report.clip_pictures import ClipReader, choose_clips, clip_pictures, common_scales, label_of
from mer.report.drawing import with_arrows
from mer.report.product_pictures import Picture, Scales, key_frames, pick_pairs, spread
from mer.report.show_clip import show_clip

SCALES = {"flow/apex": Scales(2.0, 0.2), "flow/big": Scales(5.0, 0.5)}


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory, face: np.ndarray) -> dict[str, Path]:
    products = write_products(tmp_path_factory.mktemp("labelled"), make_samples("alpha", 1, 2), face)
    return {product: files["alpha-s00"] for product, files in products.items()}


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory: pytest.TempPathFactory, face: np.ndarray) -> dict[str, Path]:
    rows = [replace(s, onset=None, apex=None, offset=None) for s in make_samples("alpha", 1, 2)]
    products = write_products(tmp_path_factory.mktemp("unlabelled"), rows, face)
    return {product: files["alpha-s00"] for product, files in products.items()}


def pictures(paths: dict[str, Path], sample_id: str = "s00/clip0") -> dict[str, Picture]:
    with ClipReader(paths, sample_id, SOURCES) as reader:
        return {picture.product: picture for picture in clip_pictures(reader, SCALES)}


def test_clips_are_of_different_classes_and_people_in_any_order() -> None:
    samples = make_samples("alpha", 4, 6)
    ids = {s.sample_id for s in samples}
    chosen = choose_clips(samples, ids, 3)
    assert len({label_of(s) for s in chosen}) == 3 and len({s.group for s in chosen}) == 3
    assert choose_clips(samples[::-1], ids, 3) == chosen
    assert choose_clips(samples, set(), 3) == []
    assert len(choose_clips(samples, {samples[0].sample_id}, 3)) == 1


def test_aligned_frames_are_onset_between_apex_offset_with_landmarks(paths: dict[str, Path], face: np.ndarray) -> None:
    picture = pictures(paths)["align/face"]
    assert [p.label for p in picture.panels] == [
        "onset, frame 0",
        "between, frame 2",
        "apex, frame 4",
        "offset, frame 8",
    ]
    green = (picture.panels[0].image == (0, 255, 170)).all(axis=2)
    assert green.sum() > 60
    with Container(paths["align/face"]) as box:
        x, y = box.clip("s00/clip0").read("landmarks")[0, 8] * 2 + 0.5
    assert green[round(float(y)), round(float(x))]


def test_interpolated_frames_carry_their_positions(paths: dict[str, Path]) -> None:
    labels = [p.label for p in pictures(paths)["interpolate/five"].panels]
    assert labels == ["0.00 onset", "2.00", "4.00 apex", "6.00", "8.00 offset"]


def test_the_magnified_apex_stands_beside_the_plain_one(paths: dict[str, Path]) -> None:
    picture = pictures(paths)["magnify/three"]
    plain, small, large, difference = picture.panels
    with Container(paths["align/face"]) as box:
        np.testing.assert_array_equal(plain.image, box.clip("s00/clip0").lazy("frames")[APEX])
    assert (small.label, large.label) == ("× 1.5", "× 3")
    assert difference.label.startswith("× 3 minus filmed, × ")
    # The mouth moves, the upper part of the picture does not.
    assert np.abs(difference.image[55:75].astype(int) - 128).max() > 50
    assert np.abs(difference.image[:20].astype(int) - 128).max() == 0


def coloured(flow: np.ndarray, longest: float) -> np.ndarray:
    return with_arrows(flow_to_rgb(flow, longest), flow, longest)


def test_flow_is_coloured_on_the_common_scale(paths: dict[str, Path]) -> None:
    picture = pictures(paths)["flow/apex"]
    assert [p.label for p in picture.panels] == [
        "frame 0",
        "flow 0 → 4",
        "strain 0 → 4",
        "radius 2 px",
        "strain 0 to 0.2",
    ]
    np.testing.assert_array_equal(picture.panels[1].image, coloured(motion(96, 1.5), 2.0))
    assert not picture.panels[1].photo
    assert "in pixels" in picture.caption and "Method tvl1" in picture.caption


def test_a_flow_with_factors_shows_the_last_one(paths: dict[str, Path]) -> None:
    picture = pictures(paths)["flow/big"]
    np.testing.assert_array_equal(picture.panels[1].image, coloured(motion(96, 4.5), 5.0))
    assert "At magnification factor 3." in picture.caption


def test_the_face_behind_a_flow_is_that_of_its_factor(paths: dict[str, Path]) -> None:
    with ClipReader(paths, "s00/clip0", SOURCES) as reader:
        magnified = reader.clip("magnify/three").read("frames")
        for factor in (0, 1):
            np.testing.assert_array_equal(reader.face("flow/big", APEX, factor), magnified[factor, APEX])
        assert (magnified[0, APEX] != magnified[1, APEX]).any()
        assert reader.face("flow/big", FRAMES, 0) is None
        assert reader.face("align/face", 0, None) is None  # its source is the owner's media


def test_published_flow_images_have_no_pixels_and_a_flow_may_lack_strain(tmp_path: Path) -> None:
    for name, method in (("published", "published"), ("bare", "tvl1")):
        with ContainerWriter(tmp_path / name, "flow", name, {"method": method}) as out, out.clip("a") as clip:
            clip.write("flow", motion(28, 0.4)[None])
            clip.write("pairs", np.array([[0, 1]]))
            if method == "published":
                clip.write("strain", np.full((1, 28, 28), 0.5, np.float32))
            clip.attributes({"onset": 0, "apex": 1})
    found = pictures({"flow/published": tmp_path / "published", "flow/bare": tmp_path / "bare"}, "a")
    published, bare = found["flow/published"], found["flow/bare"]
    assert "shares of the range of each published channel" in published.caption and "in pixels" not in published.caption
    assert [p.label for p in published.panels][2] == "radius 0.5 of the range"
    assert [p.label for p in bare.panels] == ["flow 0 → 1", "radius 0.5 px"] and "no strain stored" in bare.caption


def test_the_scale_of_several_clips_is_that_of_the_largest(paths: dict[str, Path]) -> None:
    with Container(paths["flow/apex"]) as small, Container(paths["flow/big"]) as large:
        one, both = (
            common_scales([small.clip("s00/clip0")]),
            common_scales([c.clip("s00/clip0") for c in (small, large)]),
        )
    assert one.flow == 2.0 and both.flow == 10.0 and both.strain >= one.strain


def test_regions_are_drawn_where_their_boxes_are(paths: dict[str, Path]) -> None:
    picture = pictures(paths)["rois/patches"]
    image = picture.panels[0].image
    assert image.shape == (192, 192, 3)  # the face at twice its size
    with Container(paths["rois/patches"]) as box:
        left, top, right, bottom = (2 * box.clip("s00/clip0").read("boxes")[0, -1]).astype(int)
    corner = image[bottom - 1, right - 1]
    assert (image[bottom - 1, left + 3 : right] == corner).all() and (
        image[top + 40 : bottom, right - 1] == corner
    ).all()
    assert "30 regions" in picture.caption and "region 29" not in picture.caption
    assert "region 0, region 1, region 2" in pictures(paths)["rois/boxes"].caption


def test_unlabelled_clips_show_sampled_frames_and_consecutive_flow(unlabelled: dict[str, Path]) -> None:
    found = pictures(unlabelled)
    assert [p.label for p in found["align/face"].panels] == ["frame 0", "frame 3", "frame 5", "frame 8"]
    flows = [p.label for p in found["flow/apex"].panels if p.label.startswith("flow")]
    assert flows == ["flow 0 → 1", "flow 4 → 5", "flow 7 → 8"]
    assert "(apex unknown)" in found["magnify/three"].panels[0].label
    assert found["rois/boxes"].panels


def test_missing_products_and_excluded_clips_are_named(paths: dict[str, Path], tmp_path: Path) -> None:
    found = pictures({**paths, "magnify/three": tmp_path / "gone.h5"})
    assert found["magnify/three"].caption == "Not shown: container not found." and not found["magnify/three"].panels
    assert "Not shown" in pictures(paths, "s00/clip1")["align/face"].caption  # excluded in the index
    alone = pictures({"flow/big": paths["flow/big"]})["flow/big"]
    assert [p.label for p in alone.panels][:2] == ["flow 0 → 4", "strain 0 → 4"]  # no face at hand
    lonely = pictures({"magnify/three": paths["magnify/three"]})["magnify/three"]
    assert "the plain frame is missing" in lonely.caption and len(lonely.panels) == 2


@pytest.mark.parametrize(
    ("pairs", "events", "chosen"),
    [
        ([[0, 4], [0, 8]], {"onset": 0, "apex": 8}, [1]),
        ([[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]], {"onset": 1, "apex": 3}, [1, 2]),
        ([[k, k + 1] for k in range(9)], {}, [0, 4, 8]),
        ([[0, 1]], {"onset": 5, "apex": 9}, [0]),
    ],
)
def test_pairs_between_onset_and_apex_come_first(pairs: list, events: dict, chosen: list) -> None:
    assert pick_pairs(np.array(pairs), events) == chosen


def test_frames_are_spread_from_first_to_last(unlabelled: dict[str, Path]) -> None:
    assert spread(9, 4) == [0, 3, 5, 8] and spread(2, 4) == [0, 1] and spread(0, 4) == []
    with Container(unlabelled["align/face"]) as box:
        assert key_frames(box.clip("s00/clip0"), FRAMES)[-1] == (8, "frame 8")


def test_show_clip_draws_every_product(paths: dict[str, Path]) -> None:
    everything = show_clip(paths, "s00/clip0", SOURCES)
    one = show_clip({"align/face": paths["align/face"]}, "s00/clip0", SOURCES)
    assert everything.dtype == np.uint8 and everything.shape[2] == 3
    assert everything.shape[0] > 3 * one.shape[0] and everything.shape[1] >= one.shape[1]


def test_show_clip_of_an_unknown_clip_is_one_line(paths: dict[str, Path]) -> None:
    with pytest.raises(ContainerError, match="no clip nobody"):
        show_clip(paths, "nobody", SOURCES)
