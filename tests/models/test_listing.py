"""What `mer models` says, and that docs/models.md describes every system and preset."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mer.cli import app
from mer.listing import entries, render
from mer.models.registry import CLASSES, INPUTS, MODELS, PRESETS, SOURCES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "models.md"
PUBLISHED = {
    ("ststnet", "published"): 1683,
    ("dual_branch", "icip2024"): 7656395,
    ("dual_branch", "icip2024_smic"): 7656395,
    ("dual_branch", "icip2024_p3"): 1964235,
    ("dual_branch_msmh", "casme2"): 3817055,
    ("dual_branch_msmh", "samm"): 3817055,
    ("dual_branch_msmh", "smic"): 2836759,
    ("dual_branch_msmh", "casme3"): 10362463,
    ("dual_branch_msmh", "casme2sq"): 10362528,
    ("dual_branch_msmh", "lie"): 7103190,
    ("mean", "published"): 4407,
    ("au_fusion", "released"): 26026861,
    ("aman", "published"): 8397319,
}


@pytest.fixture(scope="module")
def listed():
    return entries()


def test_every_system_and_preset_is_listed_with_its_published_size(listed):
    assert [(row.model, row.preset) for row in listed] == [(m, p) for m in MODELS for p in PRESETS[m]]
    sizes = {(row.model, row.preset): row.parameters for row in listed}
    assert {key: sizes[key] for key in PUBLISHED} == PUBLISHED
    assert set(SOURCES) == set(MODELS) and {model for model, _ in CLASSES} <= set(MODELS)
    for row in listed:
        assert row.inputs == {name: list(arrays) for name, arrays in INPUTS[row.model].items()}
        small = sizes[row.model, PRESETS[row.model][0]]
        assert row.preset in ("small", "pooled") or small <= row.parameters


def test_the_command_prints_tables_and_json(listed, monkeypatch):
    monkeypatch.setattr("mer.listing.entries", lambda: listed)
    found = json.loads(CliRunner().invoke(app, ["models", "--json"]).stdout)
    assert set(found[0]) == {"model", "preset", "parameters", "classes", "inputs", "source"}
    assert [row["parameters"] for row in found] == [row.parameters for row in listed]
    lines = CliRunner().invoke(app, ["models"]).stdout.splitlines()
    assert lines[0].split() == ["model", "preset", "parameters", "inputs", "source"]
    assert any(line.split()[:3] == ["dual_branch", "icip2024", "7,656,395"] for line in lines)
    assert render(listed).count("8,397,319") == 1


def test_the_page_describes_every_model_and_names_every_preset():
    sections = PAGE.read_text().split("\n## ")[1:]
    texts = {section.splitlines()[0]: section for section in sections}
    for model, presets in PRESETS.items():
        assert model in texts, f"docs/models.md has no section {model}"
        common = {"small", "clean"}
        missing = [name for name in presets if f"`{name}`" not in texts[model] and name not in common]
        assert missing == [], f"docs/models.md, {model}: {missing}"
