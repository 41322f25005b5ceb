"""Recognition and spotting keep one contract, and one plan leads both from a configuration to their jobs."""

import json

import pytest

from mer.core.errors import ConfigError, ModelError
from mer.planning.catalog import Catalog
from mer.planning.experiments import TASKS, all_planned
from mer.planning.read_config import parse
from mer.training.fold_tables import sources
from mer.training.separation import require_trained_as
from mer.training.task import function

LONG = {
    "layout": "casme_sq", "subjects": 3, "clips": 4, "width": 240, "height": 180, "raw": True, "seconds": 5,
}  # fmt: skip
RAW = {
    "datasets": {"faces": {"reader": "casme_sq", "options": {"view": "raw"}, "simulate": LONG}},
    "align": {"long": {"method": "dlib", "size": 96, "clips": "recordings"}, "face": {"method": "dlib", "size": 96}},
    "spot": {"tenth": {"from": "align/long", "method": "clean", "size": 96}},
    "flow": {
        "apex": {"from": "align/face", "method": "dis", "pairs": "onset_apex"},
        "long": {"from": "align/long", "method": "dis", "pairs": "onset_apex"},
    },
    "experiments": {
        "net": {
            "model": "ststnet", "data": ["faces"], "view": "emotion_3", "inputs": {"motion": "flow/apex"},
            "diagnose": {"oracle_epoch": 2},
        }
    },
    "spotting": {
        "own": {"data": ["faces"], "features": {"micro": "spot/tenth"}},
        "bare": {"data": ["faces"], "features": {"macro": "spot/tenth"}, "recognise": "none", "protocol": "ref"},
        "named": {"data": ["faces"], "features": {"micro": "spot/tenth"}, "recognise": "net"},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def plans():
    return all_planned(Catalog(parse(RAW)))


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_every_step_of_a_task_can_be_loaded(task):
    steps = [task.table, task.fit, task.predict, *([task.score] if task.score else [])]
    assert all(callable(step.load()) for step in steps) and callable(function(task.experiment))
    assert len({step.rule for step in steps}) == len(steps)
    assert len(task.fit.files) == 1 and task.predict.files


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_a_fold_of_any_task_leaves_its_persons_out(plans, tmp_path, task):
    for plan in plans[task.folder].values():
        everyone = {row.group for row in plan.folds[0].train + plan.folds[0].test}
        assert sorted(group for fold in plan.folds for group in fold.held_out) == sorted(everyone)
        for fold in plan.folds:
            assert not {row.group for row in fold.train} & set(fold.held_out)
            assert not set(plan.products(fold.train_sources)) & set(plan.products(fold.test_sources))
            task.table.load()(tmp_path / "train.csv", fold.train)
            assert sources(tmp_path / "train.csv") == list(fold.train_sources)
        assert len(list(plan.tables())) >= 2 * len(plan.folds) and list(plan.split_notes())


def test_a_job_reads_its_experiment_from_its_parameters(plans):
    for task in TASKS.values():
        for plan in plans[task.folder].values():
            experiment = function(task.experiment)(json.loads(plan.fit_block(task)), 3, "cpu")
            assert experiment.seed == 3 and experiment.device == "cpu"
    assert function(TASKS["fit_epochs"].experiment)(
        json.loads(plans["experiments"]["net"].fit_block(TASKS["fit_epochs"])), 0, "cpu"
    ).keep_every == 2  # fmt: skip


def test_crops_are_read_only_where_the_network_names(plans):
    spotting = plans["spotting"]
    assert spotting["own"].inputs == {"micro": "spot/tenth", "micro crops": "align/long"}
    assert spotting["bare"].inputs == {"macro": "spot/tenth"} and spotting["bare"].classes == ()
    assert set(json.loads(spotting["bare"].fit_block())["halves"]) == {"macro"}
    assert json.loads(spotting["named"].fit_block())["classes"] == [] and spotting["named"].classes
    fold = spotting["named"].folds[0].name
    assert spotting["named"].naming_model(fold).as_posix() == f"results/experiments/net/seed0/{fold}/model.safetensors"
    assert [path.name for path in spotting["named"].score_inputs()["intervals"]] == ["named.jsonl"] * 3


def test_a_checkpoint_of_another_run_is_one_line():
    with pytest.raises(ModelError, match=r"m: trained with seed 0; expected seed 1; run the fit step again"):
        require_trained_as({"model": "a", "seed": 0}, "m", model="a", seed=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": ["face"]}, r"spotting.own.data: no dataset 'face'.*did you mean 'faces'"),
        ({"features": {"micro": "spot/tent"}}, r"features.micro: no product 'spot/tent'.*'spot/tenth'"),
        ({"features": {"micro": "align/long"}}, r"features.micro: align/long holds no spotting features"),
        ({"view": "emotion3"}, r"view: unknown view 'emotion3'.*'emotion_3'"),
        ({"model": "softnet"}, r"recognise: SOFTNet has no second head"),
        ({"recognise": "nets"}, r"recognise: no experiment 'nets'.*did you mean 'net'"),
    ],
)
def test_every_mistake_names_its_key(change, message):
    spotting = {"own": RAW["spotting"]["own"] | change}
    with pytest.raises(ConfigError, match=message):
        parse(RAW | {"spotting": spotting})


def test_recognition_does_not_read_whole_recordings():
    net = RAW["experiments"]["net"] | {"inputs": {"motion": "flow/long"}}
    with pytest.raises(ConfigError, match=r"experiments.net.inputs.motion: flow/long holds whole recordings"):
        parse(RAW | {"experiments": {"net": net}})
