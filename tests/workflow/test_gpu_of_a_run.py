"""Who asks for a GPU: only where there is one, and only what gains by it."""

from pathlib import Path

import pytest
import yaml

from mer.core.errors import ConfigError
from mer.planning import gpus
from mer.planning.catalog import Catalog
from mer.planning.experiments import all_planned
from mer.planning.gpus import TOLD, asks_for_gpu
from mer.planning.planned import trying
from mer.planning.read_config import parse
from mer.training.task import ORACLE_EPOCHS, RECOGNITION

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine without a GPU, and PyTorch's CUDA build."""
    monkeypatch.setattr(gpus, "version", lambda name: "2.13.0+cu130")
    (tmp_path / "dev").mkdir()
    return tmp_path


def test_a_machine_shows_its_gpu(machine, monkeypatch):
    assert not asks_for_gpu("auto", {}, machine)
    (machine / "dev" / "nvidiactl").touch()
    assert not asks_for_gpu("auto", {}, machine), "a driver without a card"
    (machine / "dev" / "nvidia0").touch()
    assert asks_for_gpu("auto", {}, machine)
    assert not asks_for_gpu("never", {}, machine)
    assert not asks_for_gpu("auto", {"CUDA_VISIBLE_DEVICES": ""}, machine)
    assert asks_for_gpu("auto", {"CUDA_VISIBLE_DEVICES": "1"}, machine)
    monkeypatch.setattr(gpus, "version", lambda name: "2.13.0+cpu")
    assert not asks_for_gpu("auto", {}, machine), "PyTorch is the build for CPUs"


def test_jobs_plan_what_their_run_has_planned(machine):
    assert asks_for_gpu("auto", {TOLD: "1"}, machine) and asks_for_gpu("always", {TOLD: "0"}, machine)
    (machine / "dev" / "nvidia0").touch()
    assert not asks_for_gpu("auto", {TOLD: "0"}, machine)


def default(gpu, **train):
    config = {**yaml.safe_load((ROOT / "config.yaml").read_text()), "gpu": gpu}
    for experiment in config["experiments"].values():
        experiment["diagnose"] = {"oracle_epoch": 10} if experiment["model"] != "svm_flow" else {}
    catalog = Catalog(parse(config))
    return catalog, all_planned(catalog)["experiments"]


def test_without_a_gpu_the_default_configuration_is_one_fold_a_job():
    catalog, plans = default("never")
    assert not any(variant.gpus(catalog.config.gpu) for variant in catalog.config.variants.values())
    for plan in plans.values():
        assert plan.folds_per_job == 1 and plan.gpus(RECOGNITION) == plan.gpus(ORACLE_EPOCHS) == 0


def test_with_one_only_what_gains_by_it_asks():
    catalog, plans = default("always")
    asking = {key for key, variant in catalog.config.variants.items() if variant.gpus(catalog.config.gpu)}
    assert asking == {"flow/micro"}
    fits = {name for name, plan in plans.items() if plan.gpus(RECOGNITION)}
    assert fits == {"ststnet", "mean"} and all(plans[name].folds_per_job == 12 for name in fits)
    assert not any(plan.gpus(ORACLE_EPOCHS) for plan in plans.values())


def test_a_published_preset_asks_for_a_gpu_and_for_its_memory():
    config = {**yaml.safe_load((ROOT / "config.yaml").read_text()), "gpu": "always"}
    config["experiments"]["dual_branch"]["preset"] = "icip2024"
    plan = all_planned(Catalog(parse(config)))["experiments"]["dual_branch"]
    assert plan.gpus(RECOGNITION) == 1 and [len(folds) for folds in plan.batches()] == [6, 6]
    # What the preset was once measured to take with 14 clips.
    assert plan.fit_mib(RECOGNITION, plan.folds[:1]) > 3210
    kept = plan.fit_mib(ORACLE_EPOCHS, plan.folds[:1]) - plan.fit_mib(RECOGNITION, plan.folds[:1])
    assert kept > 0 and plan.predict_mib(RECOGNITION, plan.folds[:1]) < plan.fit_mib(RECOGNITION, plan.folds[:1])


def test_every_attempt_asks_for_more():
    asked = trying(lambda wildcards, threads: 1000 * threads)
    assert [asked(None, 2, attempt) for attempt in (1, 2)] == [2000, 4000]


def test_a_misspelt_choice_is_one_line():
    config = {**yaml.safe_load((ROOT / "config.yaml").read_text()), "gpu": "yes"}
    with pytest.raises(
        ConfigError, match=r"gpu: bad value 'yes'; expected input should be 'auto', 'always' or 'never'"
    ):
        parse(config)
