"""Several folds in one job: what is planned, and that each fold's job knows its own held-out subjects."""

import re
from pathlib import Path

import pytest
import yaml

from mer.planning import keys
from mer.planning.catalog import Catalog
from mer.planning.config import parse

SPINE = Path(__file__).resolve().parents[1] / "spine.yaml"


def catalog(**changes):
    config = yaml.safe_load(SPINE.read_text())
    config["experiments"]["ststnet"] |= changes
    return Catalog(parse(config))


def test_every_fold_is_in_one_job():
    planned = catalog(folds_per_job=3)
    batches = keys.fold_batches(planned)
    assert [(name, number, len(folds)) for name, number, folds in batches] == [("ststnet", 0, 3), ("ststnet", 1, 1)]
    names = [fold.name for _, _, folds in batches for fold in folds]
    assert names == [fold.name for fold in planned.folds("ststnet")]
    pattern = keys.one_by_one(planned)
    assert re.fullmatch(pattern, "svm_flow") and not re.fullmatch(pattern, "ststnet")
    assert keys.fit_threads(planned, "ststnet", 3) == 3
    alone = keys.batch_products(planned, "ststnet", batches[1][2])
    assert sorted(map(str, alone)) == sorted(map(str, planned.fold_products("ststnet", names[3], held_out=False)))
    assert len(keys.batch_products(planned, "ststnet", batches[0][2])) == 4


def test_one_fold_in_a_job_is_the_default():
    planned = catalog()
    assert keys.fold_batches(planned) == []
    assert re.fullmatch(keys.one_by_one(planned), "ststnet")


def test_what_a_fold_depends_on_does_not_name_its_job_mates():
    assert keys.fit_block(catalog(folds_per_job=3), "ststnet") == keys.fit_block(catalog(), "ststnet")


@pytest.mark.slow
def test_the_workflow_plans_jobs_of_several_folds(project):
    project.edit(lambda config: config["experiments"]["ststnet"].update(folds_per_job=3))
    planned = project.planned()
    # The fourth fold is alone in its job, as it was before: nothing about it has changed.
    assert planned["fit_ststnet_0"] == 1 and planned["predict"] == 3
    assert "fit" not in planned and "fit_ststnet_1" not in planned
