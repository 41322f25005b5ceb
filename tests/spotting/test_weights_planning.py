"""Weights from outside in a configuration: what is planned, what runs again, and what stops before any job."""

import copy
import json

import pytest
from safetensors.numpy import save

from mer.core.errors import ConfigError, DatasetError, ModelError
from mer.planning.catalog import Catalog
from mer.planning.experiments import all_planned
from mer.planning.read_config import parse
from mer.spotting.experiment import from_block
from mer.testing.keras_files import write_keras
from mer.training.task import RECOGNITION

PEOPLE = ["casme_sq:s15", "casme_sq:s16", "casme_sq:s19"]
CONFIG = {
    "datasets": {
        "faces": {
            "reader": "casme_sq",
            "options": {"view": "raw", "types": "micro"},
            "simulate": {
                "layout": "casme_sq", "subjects": 3, "clips": 6, "width": 240, "height": 180, "raw": True, "seconds": 5,
            },
        }
    },
    "align": {"long": {"method": "dlib", "size": 96, "clips": "recordings"}, "face": {"method": "dlib", "size": 96}},
    "spot": {
        "mean": {"from": "align/long", "method": "published", "system": "mean"},
        "softnet": {"from": "align/long", "method": "published", "system": "softnet", "distance_frames": 6},
        "clean": {"from": "align/long", "method": "clean"},
    },
    "flow": {"apex": {"from": "align/face", "method": "tvl1", "pairs": "onset_apex"}},
}  # fmt: skip
SPOT = {"data": ["faces"], "features": {"micro": "spot/mean"}, "protocol": "ref"}
RECOGNISE = {
    "model": "mean", "preset": "published", "data": ["faces"], "view": "emotion_3", "inputs": {"motion": "flow/apex"},
}  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    root = tmp_path_factory.mktemp("keras")
    for number in (1, 2, 3):
        for network in ("spot", "recog", "softnet"):
            write_keras(root / network / f"s{number}.hdf5", network, seed=number)
    return root


def told(files, **more):
    return {"spot": f"{files}/spot/s{{number}}.hdf5", "recog": f"{files}/recog/s{{number}}.hdf5", **more}


def plans(**blocks):
    return all_planned(Catalog(parse(copy.deepcopy(CONFIG) | blocks)))


def spotting(**changes):
    return plans(spotting={"x": SPOT | changes})["spotting"]["x"]


def recognition(**changes):
    experiment = recognising(**changes)
    return plans(experiments={"x": experiment}, spotting={"trunk": SPOT})["experiments"]["x"]


def recognising(**changes):
    return copy.deepcopy(RECOGNISE) | changes


def test_every_fold_has_its_file_and_another_file_runs_it_again(files):
    plan = spotting(weights=told(files, left_out=PEOPLE))
    block = json.loads(plan.fit_block())
    spot = block["weights"]["casme_sq-s16"]["kinds"]["micro"]["spot"]
    assert spot["path"].endswith("spot/s2.hdf5") and spot["trained_on"] == [PEOPLE[0], PEOPLE[2]]
    experiment = from_block(block, 0, "cpu")
    assert set(experiment.weights) == {fold.name for fold in plan.folds} and experiment.halves["micro"] > 0
    assert [path.name for path in plan.score_inputs()["models"]] == ["model.safetensors"] * 3
    before = plan.fit_block()
    write_keras(files / "spot" / "s2.hdf5", "spot", seed=9)
    assert spotting(weights=told(files, left_out=PEOPLE)).fit_block() != before
    write_keras(files / "spot" / "s2.hdf5", "spot", seed=2)
    assert spotting(weights=told(files, left_out=PEOPLE)).fit_block() == before


def test_an_experiment_that_trains_depends_on_no_weights():
    plan = spotting()
    assert "weights" not in json.loads(plan.fit_block()) and "models" not in plan.score_inputs()
    assert plan.trunk(plan.folds[0].name) == []


def test_softnet_needs_its_own_features_and_names_nothing(files):
    weights = {"spot": f"{files}/softnet/s{{number}}.hdf5", "left_out": PEOPLE}
    given = {"model": "softnet", "features": {"micro": "spot/softnet"}, "recognise": "none", "weights": weights}
    block = json.loads(spotting(**given).fit_block())
    assert set(block["weights"]["casme_sq-s15"]["kinds"]["micro"]) == {"spot"}
    with pytest.raises(
        ConfigError, match=r"features spot/mean are published mean; expected method: published, system: s"
    ):
        spotting(**given | {"features": {"micro": "spot/mean"}})


def test_the_roster_of_a_release_decides_and_the_shift_of_its_recognition_files(files):
    block = json.loads(spotting(weights=told(files, release="casme_sq")).fit_block())["weights"]
    assert [block[f"casme_sq-s{n}"]["kinds"]["micro"]["spot"]["path"][-7:] for n in (15, 16, 19)] == [
        "s1.hdf5", "s2.hdf5", "s3.hdf5",
    ]  # fmt: skip
    recog = {name: entry["kinds"]["micro"]["recog"] for name, entry in block.items()}
    assert recog["casme_sq-s16"]["path"].endswith("recog/s2.hdf5")
    # There is no file for s15, and the head of file 3 left out another person than its trunk (D2).
    assert all("no file left" in recog[name]["refused"] for name in ("casme_sq-s15", "casme_sq-s19"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"protocol": "fixed"}, r"weights: Keras files under protocol fixed, whose thresholds must be learned"),
        ({"recognise": "none"}, r"weights.recog: recognise: none beside recog"),
        ({"weights": {"spot": "@/spot/s1.hdf5"}}, r"weights.recog: recognise: own without recog"),
        ({"features": {"micro": "spot/clean"}}, r"micro features spot/clean are clean; expected method: published"),
        ({"weights": {"spot": "@/none.hdf5", "recog": "@/recog/s1.hdf5"}}, r"weights.spot: no file '.*none.hdf5'"),
        ({"weights": {"spot": "@/recog/s1.hdf5", "recog": "@/recog/s1.hdf5"}}, r"s1.hdf5: ends in layer 'recog'"),
        ({"weights": {"spott": "@/x"}}, r"spotting.x.weights.spott: unknown key; did you mean 'spot'"),
        ({"weights": {"spot": "a.hdf5", "checkpoint": "b"}}, r"either checkpoint, or Keras files"),
        ({"view": "emotion_4"}, r"recognition weights: classes negative, positive, surprise, others; expected"),
        (
            {"weights": {"checkpoint": "@/{fold}.safetensors"}},
            r"weights.checkpoint: no file '.*casme_sq-s15.safetensors'",
        ),
    ],
)
def test_a_mistake_stops_before_any_job_in_one_line(files, changes, message):
    given = {"weights": told(files, left_out=PEOPLE)} | copy.deepcopy(changes)
    given["weights"] = {k: v.replace("@", str(files)) if isinstance(v, str) else v for k, v in given["weights"].items()}
    with pytest.raises((ConfigError, ModelError), match=message) as error:
        spotting(**given)
    assert "\n" not in str(error.value)


def test_the_trunk_of_a_fold_is_an_input_of_its_fit():
    plan = recognition(train={"trunk": "spotting/trunk"})
    assert [path.as_posix() for path in plan.trunk("casme_sq-s16")] == [
        "results/spotting/trunk/seed0/casme_sq-s16/model.safetensors"
    ]
    assert set(json.loads(plan.fit_block())["trunks"]) == {fold.name for fold in plan.folds}
    assert plan.gpus(RECOGNITION) == int(plan.catalog.config.gpu)


def test_recognition_with_weights_asks_for_no_gpu_and_knows_its_files(files):
    weights = {"recog": f"{files}/recog/s{{number}}.hdf5", "left_out": PEOPLE}
    plan = recognition(train={"weights": weights})
    block = json.loads(plan.fit_block())["weights"]["casme_sq-s19"]
    assert block["file"]["path"].endswith("s3.hdf5") and not block["checkpoint"] and plan.gpus(RECOGNITION) == 0
    assert plan.trunk("casme_sq-s19") == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, r"train.trunk: preset published trains its head on a trunk .* the preset joint, which needs none"),
        ({"train": {"trunk": "spotting/trunks"}}, r"'spotting/trunks' is no spotting experiment.*\(spotting/trunk\)"),
        ({"train": {"trunk": "ifnet_small"}}, r"'ifnet_small' is no spotting experiment"),
        ({"train": {"trunk": "spotting/trunk"}, "protocol": "kfold", "folds": 2}, r"the protocol kfold; expected loso"),
        ({"preset": "clean", "train": {"trunk": "spotting/trunk"}}, r"only the preset published takes a trunk"),
        (
            {"preset": "joint", "train": {"weights": {"recog": "x.hdf5"}}},
            r"weights: preset joint; expected preset publ",
        ),
        ({"train": {"weights": {"spot": "x.hdf5"}}}, r"a recognition experiment has no use for spot"),
        (
            {"train": {"weights": {"recog": "x.hdf5"}}, "diagnose": {"oracle_epoch": 2}},
            r"weights: nothing is trained; expected no diagnose.oracle_epoch",
        ),
    ],
)
def test_a_mistake_of_recognition_stops_before_any_job(changes, message):
    with pytest.raises(ConfigError, match=message):
        recognition(**changes)


def test_other_models_take_their_own_checkpoints_but_no_keras_files():
    svm = recognising(model="svm_flow", preset=None, train={"weights": {"recog": "x.hdf5"}})
    with pytest.raises(ConfigError, match=r"weights: no Keras files are published for svm_flow; expected checkpoint"):
        plans(experiments={"x": svm})
    svm["train"] = {"weights": {"checkpoint": "nowhere/{fold}.safetensors"}}
    with pytest.raises(ConfigError, match=r"weights.checkpoint: no file 'nowhere/casme_sq-s15.safetensors'"):
        plans(experiments={"x": svm})


def test_a_file_that_only_looks_like_a_checkpoint_is_one_line(tmp_path):
    path = tmp_path / "model.safetensors"
    for header, message in (({"mer": "{}"}, "its metadata lacks model"), ({}, "not a checkpoint of mer")):
        path.write_bytes(save({}, metadata=header))
        with pytest.raises(ModelError, match=message):
            spotting(weights={"checkpoint": str(path)})


def test_a_trunk_must_be_as_published():
    for change, message in (
        ({"protocol": "fixed"}, "trunk has model mean and protocol fixed"),
        ({"features": {"micro": "spot/clean"}}, "micro features spot/clean are clean"),
    ):
        with pytest.raises(ConfigError, match=message):
            given = {"experiments": {"x": recognising(train={"trunk": "spotting/trunk"})}}
            plans(**given, spotting={"trunk": SPOT | change})


def test_persons_without_recordings_are_one_line():
    other = copy.deepcopy(CONFIG["datasets"]["faces"])
    other["simulate"]["subjects"] = 2
    config = copy.deepcopy(CONFIG) | {"spotting": {"trunk": SPOT | {"data": ["fewer"]}}}
    config["datasets"]["fewer"] = other
    config["experiments"] = {"x": recognising(train={"trunk": "spotting/trunk"})}
    with pytest.raises(DatasetError, match="no fold of casme_sq-s19: no whole recording of this person"):
        all_planned(Catalog(parse(config)))
