"""`mer show`: region sets on the face with what is cut out of them, chosen products, one picture."""

from pathlib import Path

import numpy as np
import pytest
from report_world import SOURCES, make_samples, write_products

from mer.core.container import Container, ContainerWriter
from mer.core.errors import ContainerError
from mer.report import patch_sheet
from mer.report.clip_pictures import ClipReader, clip_pictures
from mer.report.product_pictures import rois_picture
from mer.report.show_clip import show_clip
from mer.stages.rois.published_boxes import SETS, Params, names

CLIP = "s00/clip0"


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory, face: np.ndarray) -> dict[str, Path]:
    products = write_products(tmp_path_factory.mktemp("shown"), make_samples("alpha", 1, 2), face)
    return {product: files["alpha-s00"] for product, files in products.items()}


def drawn(paths: dict[str, Path], only: tuple[str, ...] = (), width: int = 1800) -> np.ndarray:
    return show_clip(paths, CLIP, SOURCES, only, width)


def test_chosen_products_are_drawn_with_the_faces_of_the_others(paths: dict[str, Path]) -> None:
    everything, regions_only = drawn(paths), drawn(paths, ("rois",))
    assert regions_only.shape[0] < 0.5 * everything.shape[0]
    np.testing.assert_array_equal(drawn(paths, ("rois/*",)), regions_only)
    # A face stands behind the boxes although its product was not chosen: skin is redder than blue.
    skin = regions_only[..., 0].astype(int) - regions_only[..., 2]
    assert (skin > 30).mean() > 0.05
    assert drawn(paths, ("rois/boxes", "align")).shape[0] < everything.shape[0]


def test_a_pattern_that_matches_nothing_is_one_line(paths: dict[str, Path]) -> None:
    with pytest.raises(ContainerError, match=r"no product matches rios; expected align/face, interpolate/five"):
        drawn(paths, ("rios",))


@pytest.mark.parametrize("width", [700, 1800, 3000])
def test_the_picture_keeps_to_its_width(paths: dict[str, Path], width: int) -> None:
    picture = drawn(paths, (), width)
    assert 0.5 * width < picture.shape[1] < width + 200


def test_a_product_that_was_not_made_is_named_and_the_others_are_drawn(paths: dict[str, Path], tmp_path: Path) -> None:
    missing = {**paths, "magnify/three": tmp_path / "gone.h5"}
    only = ("align", "magnify")
    assert drawn(missing, only).shape[0] < drawn(paths, only).shape[0] + 60
    assert not np.array_equal(drawn(missing, only), drawn(paths, only))
    with pytest.raises(ContainerError, match="container not found"):
        drawn(missing, ("magnify",))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 30])
@pytest.mark.parametrize("size", [(7, 7), (21, 42), (128, 128), (400, 30)])
def test_a_sheet_holds_every_patch_within_its_size(count: int, size: tuple[int, int]) -> None:
    images = [np.full((*size, 3), 20 + 7 * k, np.uint8) for k in range(count)]
    sheet = patch_sheet.sheet(images, [f"landmark{k}" for k in range(count)])
    assert sheet.shape[0] <= patch_sheet.HEIGHT + 20 and sheet.shape[1] <= patch_sheet.WIDTH + 20
    colours = {tuple(c) for c in sheet.reshape(-1, 3).tolist()}
    assert {(20 + 7 * k,) * 3 for k in range(count)} <= colours


def test_flow_and_strain_of_patches_are_scaled_together() -> None:
    patches = np.zeros((2, 3, 4, 5))
    patches[1, 0], patches[1, 2] = 1.5, 0.04
    images, scale = patch_sheet.patch_images(patches, "flow_strain")
    assert scale == "full colour 2 px, strain to 0.05"
    assert [image.shape for image in images] == [(8, 5, 3)] * 2
    assert (images[0][:4] == 255).all() and (images[0][4:] < 10).all()  # no motion is white, no strain black
    assert (images[1][:4] != 255).any() and images[1][4:].max() > 200
    frames = np.arange(24, dtype=np.uint8).reshape(1, 2, 4, 3)
    same, nothing = patch_sheet.patch_images(frames, "frames")
    assert nothing == "" and (same[0] == frames[0]).all()
    flow, _ = patch_sheet.patch_images(np.full((1, 2, 4, 5), np.nan), "flow")
    assert (flow[0] == 255).all()


@pytest.mark.parametrize("name", list(SETS))
def test_every_region_set_is_drawn_with_its_patches(tmp_path: Path, face: np.ndarray, name: str) -> None:
    count, sides = len(SETS[name].regions), (SETS[name].height, SETS[name].width)
    low = np.linspace(5, 60, count)
    with ContainerWriter(tmp_path / "rois.h5", "rois") as out, out.clip("a") as clip:
        clip.write("boxes", np.stack([low, low, low + 20, low + 20], axis=1)[None].astype(np.float32))
        clip.write("names", np.array(names(Params(set=name))))
        clip.write("patches", np.full((3, count, *sides, 3), 90, np.uint8))
        clip.attributes({"of": "frames"})
    with Container(tmp_path / "rois.h5") as box:
        picture = rois_picture("rois/x", box.clip("a"), {}, [(0, face, "onset")], (96, 96), (1,))
    on_face, sheet = picture.panels
    assert on_face.image.shape == (192, 192, 3) and sheet.sheet and sheet.label == "patches of frame 1"
    assert (sheet.image == 90).all(axis=2).mean() > 0.2
    assert f"{count} region" in picture.caption


def test_remarks_of_the_alignment_stand_in_its_caption(tmp_path: Path, face: np.ndarray) -> None:
    with ContainerWriter(tmp_path / "align.h5", "align") as out, out.clip("a") as clip:
        clip.write("frames", np.stack([face] * 3))
        clip.write("landmarks", np.full((3, 68, 2), 40, np.float32))
        clip.attributes({"flag: no face": "1-2", "fps": 200.0})
    with ClipReader({"align/x": tmp_path / "align.h5"}, "a", {}) as reader:
        assert "Flagged: no face in frames 1-2." in next(clip_pictures(reader, {})).caption
