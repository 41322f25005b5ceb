"""The bench of the published presets trains what the models train, on clips of their size."""

import json
import re

import numpy as np
import pytest
from typer.testing import CliRunner

from mer.bench import systems
from mer.cli import app
from mer.core.errors import ConfigError
from mer.models.registry import MODELS, model


def test_every_published_network_has_a_published_preset():
    assert set(systems.systems()) == set(MODELS) - {"svm_flow", "flow_cnn"}
    assert all(preset in model(name, "test").presets for name, preset in systems.systems().items())


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(systems.systems()))
def test_it_trains_every_system(name):
    preset = "clean" if name == "ststnet" else "small"
    made = systems.measure(name, preset, "float32", 8, 1, "cpu")
    assert made["seconds"] > 0 and made["mib"] > 0 and made["utilisation"] is None
    assert made["computed"] == "float32" and made["budget"] == model(name, "test").presets[preset].epochs


@pytest.mark.parametrize("name", sorted(systems.systems()))
def test_clips_of_the_published_presets(name):
    made = systems.features(name, model(name, "test").presets[systems.systems()[name]], 2)
    arrays = made.values() if isinstance(made, dict) else [made]
    assert all(len(array) == 2 and array.dtype in (np.float32, np.float16, np.uint8) for array in arrays)


def test_the_command_projects_the_hours(in_this_process):
    def measured(name, preset, precision, count, epochs, device):
        seconds = 4.0 if precision == "float32" else 1.0
        return {"seconds": seconds, "computed": precision, "budget": 50, "mib": 10.0, "utilisation": 50.0}

    in_this_process(systems, measured)
    asked = ["bench", "systems", "--models", "aman", "--clips", "8"]
    rows = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)
    assert [row["ratio"] for row in rows] == [1, 4] and [row["clips_per_second"] for row in rows] == [2, 8]
    # 68 folds of 442 · 67 / 68 clips, 50 epochs, 2 clips a second.
    assert rows[0]["loso_hours"] == pytest.approx(68 * 442 * 67 / 68 * 50 / 2 / 3600)
    assert re.search(r"aman +published", CliRunner().invoke(app, asked).stdout)


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match="unknown device 'tpu0'"):
        systems.run_system_bench(["aman"], None, 8, 1, "tpu0", print)
    assert CliRunner().invoke(app, ["bench", "systems", "--models", "nobody"]).exit_code != 0
