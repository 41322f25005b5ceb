"""Plug-ins: what is found where, under which name, and one line with file and remedy for whatever is wrong."""

import sys

import pytest

from mer.core import registry
from mer.core.errors import ConfigError, ModelError
from mer.core.plugins import blaming, entries, label, located, plug_in, views
from mer.models.registry import MODELS, model
from mer.planning.read_config import parse, place_plugins
from mer.stages.registry import METHODS, load_method

pytestmark = pytest.mark.usefixtures("unplugged")

MODEL = """
import numpy as np
from mer.core.params import Params
from mer.models.contract import Model
from mer.models.state import State

class Preset(Params):
    size: int = 4

def features(clips, preset):
    return np.zeros(3, np.float32)

def fit(features, labels, groups, n_classes, preset, seed, log, device="cpu"):
    return State({"a": np.zeros(1)}, {"n_classes": n_classes})

def predict(state, features, device="cpu"):
    return np.zeros((len(features), 3))

MODEL = Model({"one": Preset()}, {"motion": ("flow",)}, (), "invented", ("numpy",), features, fit, predict)
"""
METHOD = """
import numpy as np
from mer.stages.flow.method import FlowMethod, FlowParams
METHOD = FlowMethod(FlowParams, lambda first, second, params: np.zeros((2, *first.shape), np.float32))
"""


def write(folder, **files):
    """Write files by their stems and return their paths as text."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return [str(folder / f"{name}.py") for name in files]


def test_what_a_file_holds_is_registered_under_its_name(tmp_path):
    paths = write(tmp_path, invented_both=MODEL + METHOD, invented_views='VIEWS = {"mine": {"a": ["x"]}}\n')
    plug_in(paths, "test")
    plug_in(paths, "test")
    assert entries() == tuple(paths)
    assert "invented_both" in MODELS and "invented_both" in list(MODELS) and model("invented_both", "test").presets
    assert load_method("flow", "invented_both", "test").estimate is not None
    assert "invented_both" not in METHODS["magnify"]
    assert (MODELS.plugged("invented_both"), MODELS.plugged("ststnet")) == ("invented_both", "")
    assert label("invented_both") == "invented_both.py"
    assert {name: block for name, (_, block) in views().items()} == {"mine": {"a": ["x"]}}


def test_files_are_looked_for_beside_the_configuration_and_in_the_working_directory(tmp_path, monkeypatch):
    beside, here = tmp_path / "beside", tmp_path / "here"
    (beside / "package").mkdir(parents=True)
    here.mkdir()
    write(beside / "package", part=MODEL)
    write(beside, one="")
    write(here, one="", two="")
    monkeypatch.chdir(here)
    given = ["one.py", "two.py", "package.part", "numpy.linalg", "none.py", 3]
    expected = [str(beside / "one.py"), str(here / "two.py"), str(beside / "package" / "part.py"), *given[3:]]
    assert located(given, [beside]) == expected
    assert place_plugins({"plugins": given}, [beside]) == {"plugins": expected}
    assert place_plugins({}, [beside]) == {}


def test_a_file_of_a_package_is_imported_as_a_part_of_it(tmp_path):
    folder = tmp_path / "invented_package"
    folder.mkdir()
    write(folder, __init__="", beside="SIDE = 3\n", part="from invented_package.beside import SIDE\n" + MODEL)
    plug_in([str(folder / "part.py")], "test")
    assert MODELS["part"] == "invented_package.part" and label("invented_package.part") == "part.py"
    assert str(tmp_path) in sys.path and sys.path[0] != str(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "invented_a",
            "import nothing_of_that_name\n",
            r"a\.py: does not import: ModuleNotFoundError: .*\(line 1\)",
        ),
        ("invented_b", "x = 1\nx = = 2\n", r"b\.py: does not import: SyntaxError: invalid syntax.*\(line 2\)"),
        ("invented_c", "\n\nraise SystemExit(3)\n", r"c\.py: does not import: SystemExit: 3 \(line 3\)"),
        (
            "invented_d",
            "x = 1\n",
            r"d\.py: holds no part; expected one of MODEL, METHOD, READER, LAYOUT, VIEWS;",
        ),
        (
            "invented_e",
            "MODEL = 3\n",
            r"e\.py: MODEL is of class int; expected a Model \(mer\.models\.contract\); see docs",
        ),
        ("ststnet", MODEL, r"ststnet\.py: model 'ststnet' has the name of one that ships; .*; rename the file"),
        ("tvl1", METHOD, r"tvl1\.py: method 'tvl1' has the name of one that ships; .*; rename the file"),
        ("random", MODEL, r"random\.py: has the name of another module \(.*random\.py\).*rename the file"),
        ("two-words", MODEL, r"two-words\.py: is no name of a module; expected letters.*; rename the file"),
        (
            "invented_f",
            "from mer.stages.contract import Method\nfrom mer.core.params import Params\nMETHOD = Method(Params)\n",
            r"f\.py: METHOD is a Method, which is of no stage; expected the class in mer/stages/<stage>/method\.py",
        ),
    ],
)
def test_whatever_is_wrong_is_one_line_with_the_file(tmp_path, name, text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        plug_in(write(tmp_path, **{name: text}), "test")
    assert "\n" not in str(caught.value)
    assert not any(registry.PLUGGED.values())


def test_a_part_that_lacks_a_field_is_told_by_python(tmp_path):
    lacking = MODEL.replace(", features, fit, predict)", ", features, fit)")
    with pytest.raises(ConfigError, match=r"TypeError: .*missing 1 .* argument: 'predict' \(line \d+\)"):
        plug_in(write(tmp_path, invented_l=lacking), "test")


@pytest.mark.parametrize("entry", ["none.py", "no_package.of_that_name", "a folder/x", "numpy.nothing"])
def test_a_file_or_module_that_is_not_there(entry):
    with pytest.raises(ConfigError, match=r"config.yaml: plugins: no (file|plug-in) '.*; paths are relative to"):
        plug_in([entry], "config.yaml: plugins")


def test_two_plugins_of_one_name_are_refused(tmp_path):
    reader = "from mer.datasets.videos import READER\n"
    with pytest.raises(ConfigError, match=r"reader 'videos' has the name of one that ships; .*give its card another"):
        plug_in(write(tmp_path, invented_g=reader), "test")
    plug_in(write(tmp_path, invented_h='VIEWS = {"mine": 1}\n'), "test")
    with pytest.raises(ConfigError, match=r"invented_i\.py: views 'mine' is also in invented_h\.py"):
        plug_in(write(tmp_path, invented_i='VIEWS = {"mine": 2}\n'), "test")


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Install a package that offers a model and a method, as pip would lay it out."""

    def install(**points):
        write(tmp_path, invented_j=MODEL, invented_k=METHOD)
        info = tmp_path / "invented-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: invented\nVersion: 1.0\n")
        groups = (f"[{group.replace('_', '.')}]\n{text}\n" for group, text in points.items())
        (info / "entry_points.txt").write_text("\n".join(groups))
        monkeypatch.syspath_prepend(tmp_path)
        registry.offered.cache_clear()

    yield install
    for name in ("invented_j", "invented_k"):
        sys.modules.pop(name, None)


def test_installed_packages_offer_what_they_hold_by_entry_points(packages):
    packages(mer_models="mine = invented_j", mer_methods="flow.mine = invented_k")
    assert "mine" in MODELS and MODELS["mine"] == "invented_j" and MODELS.plugged("mine") == "invented_j"
    assert load_method("flow", "mine", "test").Params is not None and "mine" not in METHODS["rois"]
    assert "mine" not in MODELS.shipped and list(MODELS)[-1] == "mine"


def test_an_entry_point_that_is_wrong_is_one_line(packages):
    packages(mer_models="mine = invented_k\nyours = not_there")
    with pytest.raises(ConfigError, match=r"model mine: invented_k holds no MODEL; expected a mer\.models\.contract"):
        model("mine", "test")
    with pytest.raises(ConfigError, match=r"model yours: does not import: ModuleNotFoundError"):
        model("yours", "test")


def test_an_entry_point_with_a_name_that_ships_is_refused(packages):
    packages(mer_models="ststnet = invented_j")
    with pytest.raises(ConfigError, match=r"mer\.models: ststnet = invented_j: has the name of a model that ships"):
        list(MODELS)


def test_what_a_plugin_does_wrong_in_a_job_is_blamed_on_it(tmp_path):
    paths = write(tmp_path, invented_n=MODEL.replace("    return np.zeros(3, np.float32)", "    return clips['x']"))
    plug_in(paths, "test")
    card = model("invented_n", "test")
    found = r"invented_n\.py line 11: features of model invented_n raises KeyError: 'x'; see `mer check-plugin`"
    with pytest.raises(ModelError, match=found):
        card.features({}, card.presets["one"])
    with pytest.raises(KeyError), blaming("", "what ships"):
        raise KeyError("x")


@pytest.mark.parametrize(
    ("made", "found"),
    [
        ("np.full((len(features), 3), np.nan)", "scores that are not finite"),
        ("np.zeros(3)", r"scores \(3,\) for 2 clips"),
    ],
)
def test_scores_that_are_none_are_refused(tmp_path, made, found):
    import numpy as np

    plug_in(write(tmp_path, invented_m=MODEL.replace("np.zeros((len(features), 3))", made)), "test")
    with pytest.raises(ModelError, match=rf"invented_m\.py: model invented_m: {found}; expected finite scores \(2,"):
        model("invented_m", "test").predict(None, np.zeros((2, 3)))


SMALLEST = {"datasets": {"casme2": {"reader": "casme2", "simulate": {"layout": "casme2", "subjects": 1, "clips": 1}}}}


def test_views_of_a_plug_in_are_those_of_a_configuration(tmp_path):
    held = '{"invented": {"classes": {"up": {"units": [12]}, "down": {"units": [15]}}}}'
    (path,) = write(tmp_path, invented_j=f"VIEWS = {held}\n")
    config = parse({**SMALLEST, "plugins": [path]})
    assert config.views["invented"].classes == ("up", "down") and "megc2019" in config.views


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ('{"megc2019": {"classes": ["a", "b"]}}', r"invented_k.py: VIEWS.megc2019: the name of a view that comes"),
        ('{"invented": {"classes": ["a"]}}', r"invented_k.py: VIEWS.invented.classes: bad value"),
        ('{"invented": {"clases": ["a", "b"]}}', r"invented_k.py: VIEWS.invented.*clas"),
        ('{"invented": ["a", "b"]}', r"invented_k.py: VIEWS.invented: a list; expected a mapping"),
        ('{"mine": {"classes": ["a", "b"]}}', r"config.yaml: views.mine: the name of a view of a plug-in"),
    ],
)
def test_wrong_views_of_a_plug_in_name_its_file(tmp_path, held, message):
    (path,) = write(tmp_path, invented_k=f"VIEWS = {held}\n")
    own = {"mine": {"classes": ["happiness", "fear"]}}
    with pytest.raises(ConfigError, match=message):
        parse({**SMALLEST, "plugins": [path], "views": own})
