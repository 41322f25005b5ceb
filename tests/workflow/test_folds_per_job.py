"""Several folds in one job: what is planned, and that each fold's job knows its own held-out subjects."""

import re
from pathlib import Path

import yaml

from mer.planning.catalog import Catalog
from mer.planning.planned import one_by_one
from mer.planning.read_config import parse
from mer.planning.recognition import PlannedRecognition
from mer.training.task import ORACLE_EPOCHS, RECOGNITION

SPINE = Path(__file__).resolve().parents[1] / "spine.yaml"


def plans(gpu="never", **changes):
    config = {**yaml.safe_load(SPINE.read_text()), "gpu": gpu}
    config["experiments"]["ststnet"] |= changes
    catalog = Catalog(parse(config))
    return {name: PlannedRecognition(catalog, name) for name in catalog.config.experiments}


def test_every_fold_is_in_one_job():
    planned = plans(folds_per_job=3)
    batches = planned["ststnet"].batches()
    assert [len(folds) for folds in batches] == [3, 1] and planned["svm_flow"].batches() == []
    assert [fold for folds in batches for fold in folds] == planned["ststnet"].folds
    pattern = one_by_one(planned.values())
    assert re.fullmatch(pattern, "svm_flow") and not re.fullmatch(pattern, "ststnet")
    assert planned["ststnet"].gpus(RECOGNITION) == 0, "a job of several folds asks for as many cores"
    (alone,) = batches[1]
    products = planned["ststnet"].products(alone.train_sources)
    assert len(products) == 3 and not {path.stem for path in products} & {alone.name}
    assert len(planned["ststnet"].products(source for fold in batches[0] for source in fold.train_sources)) == 4


def test_one_fold_in_a_job_is_the_default():
    planned = plans()
    assert planned["ststnet"].batches() == []
    assert re.fullmatch(one_by_one(planned.values()), "ststnet")


def test_on_a_gpu_folds_go_together():
    planned = plans("always")
    ststnet = planned["ststnet"]
    assert ststnet.gpus(RECOGNITION) == 1 and [len(folds) for folds in ststnet.batches()] == [4]
    # The oracle's job trains one fold, which a GPU does not pay for in so small a network.
    assert ststnet.gpus(ORACLE_EPOCHS) == 0
    assert planned["svm_flow"].gpus(RECOGNITION) == 0 and planned["svm_flow"].batches() == []
    assert plans("always", folds_per_job=1)["ststnet"].batches() == []
    # What only the loop of one fold has is not trained together.
    alone = plans("always", train={"gradient_clip": 1.0})["ststnet"]
    assert alone.gpus(RECOGNITION) == 0 and alone.batches() == []


def test_what_a_fold_depends_on_does_not_name_its_job_mates():
    assert plans(folds_per_job=3)["ststnet"].fit_block() == plans()["ststnet"].fit_block()


def test_of_many_folds_a_job_has_several_by_itself(monkeypatch):
    """250 persons with a job each would be half a million pairs of a job and a file that it reads."""
    planned = plans()["ststnet"]
    for many, of_a_job in ((99, 1), (100, 10), (101, 11), (250, 25), (1000, 100)):
        monkeypatch.setattr(PlannedRecognition, "folds", [None] * many)
        planned.__dict__.pop("folds_per_job", None)
        assert planned.folds_per_job == of_a_job
    planned.__dict__.pop("folds_per_job")
    asked = plans(folds_per_job=1)["ststnet"]
    assert asked.folds_per_job == 1
