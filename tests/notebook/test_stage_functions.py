"""Every stage as a function of arrays gives what the workflow wrote, to the last bit."""

import numpy as np
import pytest

import mer
from mer.core.container import Container
from mer.core.errors import ClipError, ConfigError, ContainerError
from mer.core.media import open_frames

CLIP = "sub01/EP02_01f"


@pytest.fixture
def clip(run):
    return run.clip(CLIP)


@pytest.mark.slow
def test_alignment_is_that_of_the_workflow(run, clip):
    with Container(clip.paths["frames"]) as box:
        frames = list(open_frames(box.clip(CLIP), run.results / "casme2" / "simulate"))
    given = np.stack(frames)
    aligned = mer.align(given, size=96)
    product = clip["align/face"]
    for name in aligned._fields:
        np.testing.assert_array_equal(getattr(aligned, name), product[name])
        assert getattr(aligned, name).dtype == product[name].dtype
    np.testing.assert_array_equal(given, np.stack(frames))


@pytest.mark.slow
def test_interpolation_is_that_of_the_workflow(clip):
    source = clip["align/face"]
    events = {name: source.attributes[name] for name in ("onset", "apex", "offset")}
    made = mer.interpolate(source["frames"], 10, numbers=source["numbers"], **events)
    np.testing.assert_array_equal(made, clip["interpolate/ten"]["frames"])
    np.testing.assert_array_equal(mer.interpolate(source["frames"], 10, **events), made)


@pytest.mark.slow
def test_magnification_and_flow_are_those_of_the_workflow(clip):
    source = clip["interpolate/ten"]
    larger = mer.magnify(source["frames"], 3, onset=source.attributes["onset"])
    np.testing.assert_array_equal(larger, clip["magnify/three"]["frames"][0])
    np.testing.assert_array_equal(mer.magnify(source["frames"], [3.0])[0], larger)
    flow = mer.flow(larger[0], larger[source.attributes["apex"]], method="dis")
    np.testing.assert_array_equal(flow, clip["flow/apex"]["flow"][0, 0])
    np.testing.assert_array_equal(mer.strain(flow), clip["flow/apex"]["strain"][0, 0])


@pytest.mark.slow
def test_regions_are_those_of_the_workflow(clip):
    flow, product = clip["flow/micro"], clip["rois/boxes"]
    crops = clip["align/face"]
    onset, apex = (crops["frames"][crops.attributes[name]] for name in ("onset", "apex"))
    np.testing.assert_array_equal(mer.flow(onset, apex), flow["flow"][0])
    regions = mer.rois(flow["flow"][0], flow["landmarks"][0], size=28)
    np.testing.assert_array_equal(regions.patches, product["patches"][0])
    np.testing.assert_array_equal(regions.boxes, product["boxes"][0])
    assert list(regions.names) == list(product["names"])


STILL = np.full((3, 32, 32, 3), 90, np.uint8)


def test_arrays_given_are_left_alone_and_equal_images_have_no_flow():
    kept = STILL.copy()
    assert not mer.flow(STILL[0], STILL[1]).any()
    assert mer.magnify(STILL, (2, 3)).shape == (2, 3, 32, 32, 3)
    np.testing.assert_array_equal(STILL, kept)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: mer.flow(STILL[0], STILL[1], method="micr"), ConfigError, "mer.flow: unknown name 'micr'.*'micro'"),
        (lambda: mer.flow(STILL[0], STILL[1], presett="fast"), ConfigError, "mer.flow: presett: unknown key.*'preset'"),
        (lambda: mer.flow(STILL[0], STILL[1, :16]), ContainerError, "expected images of one size"),
        (lambda: mer.flow(STILL[0] / 255, STILL[1]), ContainerError, r"float64; expected image \(S, S, 3\) uint8"),
        (lambda: mer.flow(STILL[0], STILL[1], method="published"), ConfigError, "reads files of a database"),
        (lambda: mer.flow(STILL[0], STILL[1], centre="nose"), ClipError, "landmarks of frame 0 are unknown"),
        (lambda: mer.magnify(STILL[0], 2), ContainerError, r"expected frames \(F, S, S, 3\) uint8"),
        (lambda: mer.magnify(STILL, 2, onset=7), ClipError, "onset 7 is outside the clip"),
        (lambda: mer.interpolate(STILL, 1), ConfigError, "mer.interpolate: frames: bad value 1"),
        (lambda: mer.interpolate(STILL, 5, onset=2, apex=0), ClipError, "events out of order"),
        (lambda: mer.interpolate(STILL, 5, numbers=[1, 2]), ContainerError, r"numbers: shape \(2,\); expected \(3,\)"),
        (lambda: mer.rois(STILL[0], np.zeros((5, 2))), ContainerError, r"landmarks: shape \(5, 2\)"),
        (lambda: mer.strain(np.zeros((3, 8, 8))), ContainerError, r"expected \(..., 2, H, W\) float"),
        (lambda: mer.align([]), ClipError, "^clip: "),
        (lambda: mer.align(STILL[..., 0]), ContainerError, r"shape \(32, 32\), uint8; expected frames \(T, H, W, 3\)"),
        (lambda: mer.align(STILL[0]), ContainerError, r"shape \(32, 3\), uint8; expected frames \(T, H, W, 3\)"),
        (lambda: mer.align("clip.mp4"), ContainerError, "given the path 'clip.mp4'; expected arrays of frames; read"),
        (lambda: mer.draw("sub01/EP02_01f"), ContainerError, "mer.draw: is given str; expected a clip of a run"),
    ],
)
def test_bad_input_is_one_line(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
