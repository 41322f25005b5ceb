"""A configuration is right or refused in one line that names the key."""

import copy
import json
from pathlib import Path

import pytest
import yaml

from mer.core.errors import ConfigError
from mer.planning import schema
from mer.planning.catalog import Catalog
from mer.planning.experiments import all_planned
from mer.planning.read_config import parse

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = yaml.safe_load((ROOT / "tests" / "spine.yaml").read_text())


def changed(**edits):
    config = copy.deepcopy(DEFAULT)
    for path, value in edits.items():
        *keys, last = path.split("__")
        block = config
        for key in keys:
            block = block[key]
        if value is None:
            del block[last]
        else:
            block[last] = value
    return config


def test_the_shipped_configuration_is_right():
    config = parse(yaml.safe_load((ROOT / "config.yaml").read_text()))
    assert set(config.experiments) >= {"svm_flow", "ststnet"}


def test_the_example_of_shuffled_labels_has_a_twin_of_every_system():
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    permuted = yaml.safe_load((ROOT / "examples" / "permuted.yaml").read_text())["experiments"]
    both = parse({**config, "experiments": {**config["experiments"], **permuted}}).experiments
    assert {name.removeprefix("permuted_") for name in permuted} == set(config["experiments"])
    for name in permuted:
        assert both[name] == both[name.removeprefix("permuted_")].model_copy(update={"labels": "permuted"})


def test_the_example_of_spotting_is_planned():
    catalog = Catalog(parse(yaml.safe_load((ROOT / "examples" / "spotting.yaml").read_text())))
    assert len(all_planned(catalog)["spotting"]["mean"].folds) == 6


def test_a_chain_is_the_journey():
    config = parse(DEFAULT)
    chain = [variant.key for variant in config.chain("rois/patches")]
    assert chain == ["frames", "align/face", "interpolate/ten", "magnify/three", "flow/apex", "rois/patches"]
    assert config.products_of("simulated")[0] == "frames"


def test_an_experiment_pulls_in_only_what_it_names():
    config = parse(changed(datasets__simulated__products=[]))
    assert config.products_of("simulated") == [
        "frames",
        "align/face",
        "interpolate/ten",
        "magnify/three",
        "flow/apex",
    ]


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ({"seeed": 3}, r"seeed: unknown key; did you mean 'seed'\?"),
        ({"align__face__sise": 3}, r"align.face.sise: unknown key; did you mean 'size'\?"),
        ({"datasets__simulated__simulate__subject": 3}, r"simulate.subject: unknown key; did you mean 'subjects'\?"),
        (
            {"datasets__simulated__simulate__subjects": "many"},
            r"simulate.subjects: bad value 'many'; expected input should be",
        ),
        ({"datasets__simulated__simulate__subjects": 0}, r"simulate.subjects: bad value 0; expected"),
        ({"flow__apex__method": "tvl2"}, r"flow.apex.method: unknown name 'tvl2'.*did you mean 'tvl1'"),
        ({"flow__apex__method": None}, r"flow.apex.method: missing; expected one of"),
        (
            {"flow__apex__from": "magnify/thre"},
            r"flow.apex.from: no product 'magnify/thre'.*did you mean 'magnify/three'",
        ),
        ({"flow__apex__from": "rois/patches"}, r"flow.apex.from: 'rois/patches' does not come before flow"),
        ({"flow__apex__from": None}, r"flow.apex.from: missing"),
        ({"flow__apex__from": "index"}, r"flow.apex.from: method dis cannot read 'index'"),
        (
            {"flow__tvl1__method": "published"},
            r"flow.tvl1.from: method published cannot read 'align/face'; expected from: index",
        ),
        ({"datasets__simulated__reader": "casme22"}, r"datasets.simulated.reader: unknown name 'casme22'.*'casme2'"),
        ({"datasets__simulated__root": "/nonexistent"}, r"datasets.simulated: needs either `root` or `simulate`"),
        (
            {"datasets__simulated": {"reader": "casme2", "root": "/no/such"}},
            r"datasets.simulated.root: no folder '/no/such'",
        ),
        (
            {"datasets__simulated__options": {"vew": "raw"}},
            r"datasets.simulated.options.vew: unknown key; did you mean 'view'",
        ),
        (
            {"datasets__simulated__products": ["flow/tvl2"]},
            r"datasets.simulated.products: no product 'flow/tvl2'.*'flow/tvl1'",
        ),
        ({"datasets": {}}, r"datasets: bad value"),
        ({"experiments__ststnet__model": "ststnot"}, r"experiments.ststnet.model: unknown model 'ststnot'.*'ststnet'"),
        (
            {"experiments__ststnet__preset": "huge"},
            r"experiments.ststnet.preset: unknown preset 'huge'; expected one of",
        ),
        (
            {"experiments__ststnet__inputs": {"clip": "flow/apex"}},
            r"experiments.ststnet.inputs: has clip; expected motion",
        ),
        ({"experiments__ststnet__inputs__motion": "flow/x"}, r"experiments.ststnet.inputs.motion: no product 'flow/x'"),
        ({"experiments__ststnet__view": "emotion3"}, r"experiments.ststnet.view: unknown view 'emotion3'.*'emotion_3'"),
        ({"experiments__ststnet__data": ["simulate"]}, r"experiments.ststnet.data: no dataset 'simulate'.*'simulated'"),
        (
            {"experiments__ststnet__train": {"epoch": 3}},
            r"experiments.ststnet.train.epoch: unknown key; did you mean 'epochs'",
        ),
        ({"experiments__svm_flow__train": {"epochs": 3}}, r"svm_flow.train.epochs: model svm_flow has no such setting"),
        (
            {"experiments__a b": {"model": "ststnet", "data": ["simulated"], "inputs": {"motion": "flow/apex"}}},
            r"bad name",
        ),
    ],
)
def test_every_mistake_names_its_key(edits, message):
    with pytest.raises(ConfigError, match=message) as caught:
        parse(changed(**edits))
    assert "\n" not in str(caught.value)


def test_class_weights_are_counted_once_the_classes_are_known():
    config = parse(changed(experiments__ststnet__train={"class_weights": [1, 2]}))
    expected = r"^config\.yaml: experiments\.ststnet\.train\.class_weights: 2 weights; expected 3, one for each class$"
    with pytest.raises(ConfigError, match=expected):
        Catalog(config).selection("ststnet")


def test_the_editor_schema_is_in_step_with_the_code():
    path = ROOT / "workflow" / "schemas" / "config.schema.json"
    assert json.loads(path.read_text()) == schema.config_schema(), "run: python -m mer.planning.schema"


def test_the_reference_page_names_every_key():
    page = (ROOT / "docs" / "configuration.md").read_text()
    assert page == schema.reference_page(), "run: python -m mer.planning.schema"


def test_a_licensed_root_needs_a_signed_licence(tmp_path):
    block = {"reader": "casme2", "root": str(tmp_path)}
    with pytest.raises(ConfigError, match=r"datasets.simulated.licence_accepted: set .*licence_accepted: true.*V20"):
        parse(changed(datasets__simulated=block))
    parse(changed(datasets__simulated={**block, "licence_accepted": True}))
    parse(changed(datasets__simulated={"reader": "videos", "root": str(tmp_path)}))


OWN = {"smiles": {"classes": {"smile": ["happiness"], "rest": ["disgust", "repression", "wonder"]}}}


def test_classes_of_ones_own():
    name = next(iter(DEFAULT["experiments"]))
    raw = changed(views=OWN, **{f"experiments__{name}__view": "smiles"})
    plan = all_planned(Catalog(parse(raw)))["experiments"][name]
    assert {row.label for fold in plan.folds for row in fold.test} == {"smile", "rest"}
    notes = list(plan.split_notes())
    assert any("no class in smiles (surprise)" in note for note in notes)
    assert any("no row has the emotion 'wonder'" in note for note in notes) and plan.unheard_words() == ["wonder"]
    wider = copy.deepcopy(raw)
    wider["views"]["smiles"]["classes"]["rest"].append("fear")
    changed_plan = all_planned(Catalog(parse(wider)))["experiments"][name]
    assert changed_plan.split_block() != plan.split_block()


@pytest.mark.parametrize(
    ("views", "message"),
    [
        ({"megc2019": OWN["smiles"]}, "views.megc2019: the name of a view that comes with mer"),
        ({"smiles": {"classes": {"smile": ["happiness"], "rest": ["Happy"]}}}, "'happiness' belongs to smile"),
        ({"smiles": {"classes": {"a": ["x"], "b": {"emotion": ["y"]}}}}, "did you mean 'emotions'"),
        ({"smi les": OWN["smiles"]}, "bad name"),
    ],
)
def test_wrong_classes_of_ones_own(views, message):
    with pytest.raises(ConfigError, match=message):
        parse(changed(views=views))
