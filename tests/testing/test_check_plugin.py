"""`mer check-plugin` and `mer new`: what is written keeps its contract, what is wrong fails by name with what to do."""

import re
import subprocess
import sys
from pathlib import Path

import pages
import pytest
from typer.testing import CliRunner

from mer.cli import app
from mer.core.errors import ConfigError
from mer.models.registry import MODELS
from mer.testing.new_plugin import write_new
from mer.testing.plugins import MOST, check_plugin, run_check

pytestmark = pytest.mark.usefixtures("unplugged")
MODEL = """
import numpy as np
from mer.core.params import Params
from mer.models.contract import Model
from mer.models.state import State, require_classes


class Preset(Params):
    size: int = 2


def features(clips, preset):
    flow = clips["motion"].read("flow")[0]
    return flow.mean(axis=(1, 2)).astype(np.float32)


def fit(features, labels, groups, n_classes, preset, seed, log, device="cpu"):
    require_classes(labels)
    centres = np.full((n_classes, 2), 1e3)
    for k in set(labels):
        centres[k] = features[labels == k].mean(axis=0)
    log("nearest centre")
    return State({"centres": centres.astype(np.float64)}, {"n_classes": n_classes})


def predict(state, features, device="cpu"):
    centres = state.array("centres", (None, 2))
    return -((features[:, None].astype(np.float64) - centres) ** 2).sum(axis=2)


MODEL = Model(
    {"one": Preset()}, {"motion": ("flow",)}, (), "invented", ("numpy",), features, fit, predict,
    parameters=lambda preset, n_classes: 2 * n_classes,
)
"""
METHOD = """
import numpy as np
from mer.stages.flow.method import FlowMethod, FlowParams


def estimate(first, second, params):
    return np.stack([second - first, first - second])


METHOD = FlowMethod(FlowParams, estimate)
"""


def checked(folder, name, text, *changes):
    """Return whether a plug-in of this text is kept, and the lines that are said of it."""
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    (folder / f"{name}.py").write_text(text)
    lines = []
    kept = check_plugin(str(folder / f"{name}.py"), lines.append)
    assert not any("\n" in line for line in lines if line[:4] in ("pass", "FAIL", "note"))
    return kept, lines


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["model", "method", "reader"])
def test_what_is_written_passes_as_it_is(tmp_path, kind):
    written = write_new(kind, f"invented_{kind}", tmp_path / "mine")
    assert [path.name for path in written] == [f"invented_{kind}.py", f"test_invented_{kind}.py"]
    lines = []
    assert check_plugin(str(written[0]), lines.append), lines
    assert not [line for line in lines if line.startswith(("FAIL", "note"))]
    assert sum(line.startswith(f"pass  {kind.upper()}") for line in lines) == MOST[kind.upper()]
    assert not any("my_plugin" in path.read_text() for path in written)
    # The test beside it is one.
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", str(written[1])]
    if kind == "method":
        done = subprocess.run(run, capture_output=True, text=True, cwd=tmp_path)
        assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_the_method_that_is_written_finds_a_known_motion(tmp_path):
    import numpy as np

    from mer.core.plugins import plug_in
    from mer.stages.registry import load_method

    plug_in([str(write_new("method", "invented_flow", tmp_path)[0])], "test")
    y, x = np.mgrid[:64, :64].astype(np.float32)

    def picture(shift):
        return 128 + 50 * np.sin((x - shift) / 5) + 40 * np.cos(y / 6)

    method = load_method("flow", "invented_flow", "test")
    u, v = method.estimate(picture(0.0), picture(0.3), method.Params())[:, 12:-12, 12:-12]
    assert u == pytest.approx(0.3, abs=0.05) and v == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("layout", "mine", "unknown name 'layout'"),
        ("model", "Mine", "'Mine' is no name for a plug-in; expected lower-case letters"),
        ("model", "my-model", "is no name for a plug-in"),
        ("model", "../mine", "is no name for a plug-in"),
        ("model", "class", "is no name for a plug-in"),
        ("model", "ststnet", "a model ststnet ships with mer"),
        ("method", "lagrangian", "a method lagrangian ships with mer"),
        ("reader", "casme2", "a reader casme2 ships with mer"),
        ("model", "json", "json is a module of Python or of a library"),
        ("model", "torch", "torch is a module of Python or of a library"),
        ("model", "mer", "mer is a module of Python or of a library"),
    ],
)
def test_bad_names_are_refused_and_nothing_is_written(tmp_path, kind, name, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        write_new(kind, name, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("file", ["invented_x.py", "test_invented_x.py"])
def test_nothing_is_overwritten(tmp_path, file):
    (tmp_path / file).write_text("mine")
    with pytest.raises(ConfigError, match=rf"{file}: is there already"):
        write_new("model", "invented_x", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [file] and (tmp_path / file).read_text() == "mine"


NOT_KEPT = {
    "nan": [("return -((", "return np.nan * -((")],
    "shape": [("axis=2)", "axis=1)")],
    "batch": [("return -((features[:, None]", "return -((features[:, None] - features.mean()")],
    "random": [('log("nearest', 'centres = centres + np.random.rand()\n    log("nearest')],
    "input": [("    require_classes(labels)", "    features += 1\n    require_classes(labels)")],
    "one class": [("    require_classes(labels)", "    pass")],
    "silent": [('    log("nearest centre")', "    pass")],
    "foreign": [('state.array("centres", (None, 2))', "next(iter(state.arrays.values()))")],
    "raises": [("flow.mean(axis=(1, 2))", "flow[:, 999, 999]")],
    "features": [(".astype(np.float32)", ".astype(np.int64)")],
    "library": [('("numpy",)', '("no_such_library",)')],
    "array": [('("flow",)', '("flew",)')],
}
SAID = {
    "nan": "predict: scores that are not finite; look for",
    "shape": r"predict: shape \(6, 2\), not \(6, 4\); a row for each clip",
    "batch": "predict: clip 0 scores differently alone; score clips one at a time",
    "random": "fit: the same arguments give another centres; draw all random numbers from the seed",
    "input": "fit: .* changes the features that it is given; work on a copy|fit: the same arguments give another",
    "one class": "fit on clips of one class: not refused by ModelError",
    "silent": "fit: says nothing to its log; call log",
    "foreign": "predict of a foreign checkpoint: .*",
    "raises": r"raises IndexError: .* \(line 14 of invented_raises\.py\)",
    "features": "features: the array is int64, not float32, float16 or uint8; end in",
    "library": "card: library no_such_library is not an installed distribution; name it as pip does",
    "array": "input motion: reads flew; expected one of",
}


@pytest.fixture
def filmed(monkeypatch, tmp_path):
    """In place of clips that take ten seconds to film, some that are written at once."""
    from contextlib import contextmanager

    import numpy as np

    from mer.core.container import Container, ContainerWriter
    from mer.testing import plugins
    from mer.testing.simulated_clips import Simulated

    @contextmanager
    def clips(steps):
        rng, (name,) = np.random.default_rng(0), steps
        with ContainerWriter(tmp_path / "flow.h5", "flow") as out:
            for number in range(6):
                with out.clip(f"c{number}") as clip:
                    clip.write("flow", rng.normal(number % 3, 1, (1, 2, 16, 16)).astype(np.float32))
                    clip.write("strain", rng.normal(number % 3, 1, (1, 16, 16)).astype(np.float32))
        yield Simulated([{name: clip} for clip in Container(tmp_path / "flow.h5")], [0, 1, 2] * 2, list("aaabbb"))

    monkeypatch.setattr(plugins, "simulated", clips)


def test_a_model_that_keeps_its_contract(filmed, tmp_path):
    kept, lines = checked(tmp_path, "invented_good", MODEL)
    assert kept, lines
    assert sum(line.startswith("pass") for line in lines) == 9
    assert any("| `invented_good` | one | motion |" in line for line in lines)
    assert any("| `size` | `2` |" in line for line in lines)


@pytest.mark.parametrize("name", NOT_KEPT)
def test_what_is_not_kept_fails_by_name(filmed, tmp_path, name):
    kept, lines = checked(tmp_path, f"invented_{name.replace(' ', '_')}", MODEL, *NOT_KEPT[name])
    assert not kept
    (failed,) = [line for line in lines if line.startswith("FAIL")]
    assert re.search(SAID[name], failed), failed
    assert lines[-1] == failed


METHODS_NOT_KEPT = {
    "nan": ([("return np.stack", "return np.nan * np.stack")], "not finite"),
    "shape": (
        [("first - second])", "first])[..., :9]")],
        r"the method gives flow of shape \(2, \d+, 9\); expected \(2, H, W\), here \(2, ",
    ),
    "rest": ([("second - first, first - second", "0 * first + 1, second - first")], "identical images have no flow"),
    "input": ([("    return", "    first += 1\n    return")], "changes the arrays that it is given"),
    "random": ([("second - first, first", "(second - first) * np.random.rand(), first")], "methods are deterministic"),
    "keys": (
        [("FlowMethod(FlowParams", "FlowMethod(P"), ("METHOD =", "class P(FlowParams):\n    x: int = 0\n\n\nMETHOD =")],
        r"keys without a description: x; write x: \.\.\. = Field\(default, description=",
    ),
}


@pytest.mark.parametrize("name", METHODS_NOT_KEPT)
def test_a_method_that_breaks_its_contract_fails_by_name(tmp_path, name):
    changes, said = METHODS_NOT_KEPT[name]
    kept, lines = checked(tmp_path, f"invented_method_{name}", METHOD, *changes)
    assert not kept and re.search(said, lines[-1]), lines
    assert lines[-1].startswith("FAIL  METHOD")


def test_the_examples_of_the_page_are_plugins(filmed, tmp_path):
    page = (Path(__file__).resolve().parents[2] / "docs" / "plugins.md").read_text()
    blocks = [block for block in re.findall(r"```python\n(.*?)```", page, re.S) if "def build(" in block]
    assert len(blocks) == 2
    for number, block in enumerate(blocks):
        kept, lines = checked(tmp_path, f"invented_page{number}", block)
        assert kept and not [line for line in lines if line.startswith("note")], lines


ESTIMATOR = """
from mer.models.plain_estimator import Settings, estimator


def build(preset):
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC

    return make_pipeline(PCA(20, whiten=True), SVC())


MODEL = estimator(build, Settings(c_grid=(0.1, 1)), parameter="svc__C")
"""
NETWORK = """
from mer.models.plain_network import Settings, network


def build(preset, n_classes):
    from torch import nn

    nn.Sequential(nn.Flatten(), nn.Linear(3 * 28 * 28, n_classes))


MODEL = network(build, {"small": Settings()})
"""


def test_an_estimator_that_asks_for_more_clips_than_are_filmed_is_kept(filmed, tmp_path):
    kept, lines = checked(tmp_path, "invented_pca", ESTIMATOR)
    assert kept and "each varied 12 times" in lines[1], lines


def test_a_build_without_return_is_named(filmed, tmp_path):
    kept, lines = checked(tmp_path, "invented_no_return", NETWORK)
    assert not kept and "build returns NoneType; expected a torch.nn.Module" in lines[-1], lines


@pytest.mark.parametrize(
    ("views", "said"),
    [
        ("{'emotion_3': {'classes': ['a', 'b']}}", "emotion_3 has the name of a view that ships"),
        ("{'mine': {'clases': ['a', 'b']}}", "clases: unknown key; did you mean 'classes'"),
        (
            "{'mine': {'classes': {'a': 'happiness', 'b': ['fear']}}}",
            r"the single word 'happiness'; expected a list: \[happiness\]",
        ),
    ],
)
def test_views_that_cannot_be_are_named(tmp_path, views, said):
    kept, lines = checked(tmp_path, f"invented_views{len(said)}", f"VIEWS = {views}\n")
    assert not kept and re.search(said, lines[-1]), lines


def test_presets_that_are_no_settings_are_named(tmp_path):
    kept, lines = checked(tmp_path, "invented_presets", NETWORK, ('"small": Settings()', '"small": 3'))
    assert not kept and "presets hold 3; expected settings by name" in lines[-1], lines


def test_a_file_that_cannot_be_loaded_fails_at_once(tmp_path):
    kept, lines = checked(tmp_path, "invented_broken", "import nothing_of_that_name\n")
    assert not kept and len(lines) == 1 and re.match(r"FAIL  file .*invented_broken\.py: does not import", lines[0])


def test_a_heavy_import_is_noted(filmed, tmp_path):
    kept, lines = checked(tmp_path, "invented_heavy", "import torch\n" + MODEL)
    assert kept and [line for line in lines if line.startswith("note  file")] == [
        "note  file    imports torch at its top, so every job waits for it; import it inside functions"
    ]


def test_the_commands_end_in_their_status(filmed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "invented_cli.py").write_text(MODEL)
    (tmp_path / "invented_bad.py").write_text("x = 1\n")
    run = CliRunner().invoke
    good, bad = run(app, ["check-plugin", "invented_cli.py"]), run(app, ["check-plugin", "invented_bad.py"])
    assert (good.exit_code, bad.exit_code) == (0, 2)
    pages.expect("docs/tutorials/own-model.md", good.stdout.splitlines()[-1])
    assert "holds no part" in bad.stdout
    assert not run_check(["invented_cli.py", "invented_bad.py"], lambda line: None)
    made = run(app, ["new", "reader", "invented_reader"])
    assert made.exit_code == 0 and "next: mer check-plugin invented_reader.py" in made.stdout
    assert (tmp_path / "invented_reader.py").is_file()


def test_mer_models_lists_a_plugin_that_is_named(tmp_path):
    (tmp_path / "invented_listed.py").write_text(MODEL)
    result = CliRunner().invoke(app, ["--plugin", str(tmp_path / "invented_listed.py"), "models"])
    assert result.exit_code == 0 and re.search(r"invented_listed +one +6 .* motion +invented", result.stdout)
    assert "invented_listed" in MODELS and "invented_listed" not in MODELS.shipped


def test_the_products_of_a_configuration_are_those_of_its_experiment(tmp_path):
    import yaml

    from mer.planning.chains import chains
    from mer.testing.simulated_clips import CHAINS, chain_for

    write_new("model", "invented_net", tmp_path)
    config = {
        "plugins": ["invented_net.py"],
        "datasets": {"faces": {"reader": "casme2", "simulate": {"layout": "casme2"}}},
        "align": {"face": {"method": "dlib", "size": 96}},
        "flow": {"apex": {"from": "align/face", "method": "tvl1"}},
        "experiments": {"a": {"model": "invented_net", "data": ["faces"], "inputs": {"motion": "flow/apex"}}},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    steps = chains([tmp_path / "config.yaml"])["invented_net"]["motion"]
    assert [(step.stage, step.method) for step in steps] == [("frames", "list"), ("align", "dlib"), ("flow", "tvl1")]
    assert steps[1].params["size"] == 96
    assert chain_for("motion", ("flow", "strain")) == CHAINS["flow"]
    assert [step.stage for step in chain_for("magnified", ("frames", "alphas"))] == ["frames", "align", "magnify"]
