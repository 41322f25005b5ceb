"""Every preset of the five systems: its parameter count and the shape of its answer."""

import pytest
import torch

from mer.core.registry import load
from mer.models.loop import parameter_count
from mer.models.registry import CLASSES, MODELS, PRESETS

COUNTS = {
    ("dual_branch", "small"): 117751,
    ("dual_branch", "clean"): 7656491,
    ("dual_branch", "icip2024"): 7656395,
    ("dual_branch", "icip2024_smic"): 7656395,
    ("dual_branch", "icip2024_p3"): 1964235,
    ("dual_branch", "icip2024_cbam"): 1962740,
    ("dual_branch", "icip2024_figure"): 1962238,
    ("dual_branch_msmh", "small"): 131203,
    ("dual_branch_msmh", "clean"): 3817183,
    ("dual_branch_msmh", "casme2"): 3817055,
    ("dual_branch_msmh", "samm"): 3817055,
    ("dual_branch_msmh", "smic"): 2836759,
    ("dual_branch_msmh", "casme3"): 10362463,
    ("dual_branch_msmh", "casme2sq"): 10362528,
    ("dual_branch_msmh", "lie"): 7103190,
    ("mean", "small"): 4407,
    ("mean", "clean"): 4407,
    ("mean", "published"): 4407,
    ("au_fusion", "small"): 890907,
    ("au_fusion", "clean"): 26026251,
    ("au_fusion", "released"): 26026861,
    ("aman", "small"): 78637,
    ("aman", "pooled"): 2565,
    ("aman", "clean"): 8396293,
    ("aman", "published"): 8397319,
}
# Time steps that the published stems leave of 30 or 10 frames (dual-branch spec, §2).
STEPS = {"small": 2, "clean": 8, "icip2024": 8, "icip2024_smic": 3, "icip2024_p3": 2}


def inputs(model, preset):
    """Return the shapes of a batch of two clips as the preset's features have them."""
    if model.startswith("dual_branch"):
        clip = (2, 3, preset.frames, preset.size, preset.size)
        return [clip] if getattr(preset, "region", "none") == "none" else [clip, clip]
    if model == "mean":
        return [(2, 3, 42, 42)]
    if model == "au_fusion":
        return [(2, preset.flows, 30, 2, 7, 7), (2, 3, 16, preset.size, preset.size)]
    views = {"whole": (3, preset.size, preset.size), "pooled": (512,), "layer4": (256, 14, 14)}
    return [(2, preset.frames, 9, *views[preset.variant])]


def answer(model, name, classes):
    if model == "au_fusion":
        return [(2, classes), (2, 9)]
    steps = {"dual_branch": (STEPS.get(name, 2),), "dual_branch_msmh": (1,)}.get(model, ())
    return [(2, *steps, classes)]


def test_no_preset_is_forgotten():
    assert set(COUNTS) == {(m, p) for m in MODELS if m not in ("svm_flow", "ststnet") for p in PRESETS[m]}


@pytest.mark.parametrize(("model", "name"), COUNTS)
def test_count_and_shape(model, name):
    module, classes = load(MODELS, model, "test"), CLASSES.get((model, name), 3)
    # Tensors without values: shapes are worked out, nothing is filled or computed.
    with torch.device("meta"):
        network = module.build(module.PRESETS[name], classes).eval()
    assert parameter_count(network, running=model == "mean") == COUNTS[model, name]
    with torch.no_grad():
        given = [torch.empty(shape, device="meta") for shape in inputs(model, module.PRESETS[name])]
        out = network.to("meta")(*given)
    assert [tuple(part.shape) for part in (out if isinstance(out, tuple) else (out,))] == answer(model, name, classes)
