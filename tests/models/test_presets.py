"""Every preset of every system: its size, the shape of its answer, its line in `mer models` and in docs/models.md."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from mer.cli import app
from mer.models.listing import entries, render
from mer.models.registry import MODELS, model

PAGE = Path(__file__).resolve().parents[2] / "docs" / "models.md"
COUNTS = {
    ("svm_flow", "float_flow"): 444,
    ("svm_flow", "mer"): 1299,
    ("svm_flow", "minmax_image"): 444,
    ("ststnet", "clean"): 1683,
    ("ststnet", "published"): 1683,
    ("flow_cnn", "float_flow"): 26195,
    ("flow_cnn", "minmax_image"): 26195,
    ("flow_cnn", "minmax_plain"): 26195,
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
    ("mean", "joint"): 4407,
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


def inputs(name, preset):
    """Return the shapes of a batch of two clips as the preset's features have them."""
    if name.startswith("dual_branch"):
        clip = (2, 3, preset.frames, preset.size, preset.size)
        return [clip] if getattr(preset, "region", "none") == "none" else [clip, clip]
    if name in ("ststnet", "flow_cnn", "mean"):
        side = 42 if name == "mean" else 28
        return [(2, 3, side, side)]
    if name == "au_fusion":
        return [(2, preset.flows, 30, 2, 7, 7), (2, 3, 16, preset.size, preset.size)]
    views = {"whole": (3, preset.size, preset.size), "pooled": (512,), "layer4": (256, 14, 14)}
    return [(2, preset.frames, 9, *views[preset.variant])]


def answer(name, preset, classes):
    if name == "au_fusion":
        return [(2, classes), (2, 9)]
    steps = {"dual_branch": (STEPS.get(preset, 2),), "dual_branch_msmh": (1,)}.get(name, ())
    return [(2, *steps, classes)]


@pytest.fixture(scope="module")
def listed():
    return entries()


def test_every_system_and_preset_is_listed_with_its_size(listed):
    spotting = [(row.model, row.parameters) for row in listed if row.preset == "(spotting)"]
    assert spotting == [("mean", 3621), ("softnet", 314817)]
    listed = [row for row in listed if row.preset != "(spotting)"]
    assert [(row.model, row.preset) for row in listed] == [(m, p) for m in MODELS for p in model(m, "test").presets]
    sizes = {(row.model, row.preset): row.parameters for row in listed}
    assert sizes == COUNTS
    for row in listed:
        card = model(row.model, "test")
        assert row.source == card.source and set(card.classes) <= set(card.presets)
        assert row.inputs == {name: list(arrays) for name, arrays in card.inputs_of(card.presets[row.preset]).items()}
        assert ("regions" in row.inputs) == (row.model == "dual_branch_msmh" and row.preset not in ("smic", "lie"))
        assert row.preset in ("small", "pooled") or sizes[row.model, card.default] <= row.parameters


@pytest.mark.parametrize(("name", "preset"), [key for key in COUNTS if key[0] != "svm_flow"])
def test_shape(name, preset):
    card = model(name, "test")
    chosen, classes = card.presets[preset], card.classes_of(preset)
    # Tensors without values: shapes are worked out, nothing is filled or computed.
    with torch.device("meta"):
        network = card.build(chosen, classes).eval()
    with torch.no_grad():
        out = network.to("meta")(*(torch.empty(shape, device="meta") for shape in inputs(name, chosen)))
    shapes = [tuple(part.shape) for part in (out if isinstance(out, tuple) else (out,))]
    assert shapes == answer(name, preset, classes)


def test_the_command_prints_tables_and_json(listed, monkeypatch):
    monkeypatch.setattr("mer.models.listing.entries", lambda: listed)
    printed = json.loads(CliRunner().invoke(app, ["models", "--json"]).stdout)
    assert set(printed[0]) == {"model", "preset", "parameters", "classes", "mib", "inputs", "source"}
    assert [row["parameters"] for row in printed] == [row.parameters for row in listed]
    lines = CliRunner().invoke(app, ["models"]).stdout.splitlines()
    assert lines[0].split() == ["model", "preset", "parameters", "MiB", "inputs", "source"]
    assert any(line.split()[:3] == ["dual_branch", "icip2024", "7,656,395"] for line in lines)
    assert render(listed).count("8,397,319") == 1


def test_the_page_describes_every_model_and_names_every_preset():
    sections = PAGE.read_text().split("\n## ")[1:]
    texts = {section.splitlines()[0]: section for section in sections}
    for name in MODELS:
        assert name in texts, f"docs/models.md has no section {name}"
        named = set(model(name, "test").presets) - {"small", "clean"}
        missing = [preset for preset in named if f"`{preset}`" not in texts[name]]
        assert missing == [], f"docs/models.md, {name}: {missing}"
