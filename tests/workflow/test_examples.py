"""The example configurations of the published systems at test size: one fold, one epoch, few small films."""

import csv
from pathlib import Path

import pytest
import yaml
from conftest import project_in
from whole_run import fit_and_predict, make_products, write_folds

from mer.planning.catalog import Catalog
from mer.planning.experiments import all_planned
from mer.planning.read_config import parse
from mer.training.checkpoint import read_metadata

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
#: The experiment of each example, its preset, and what is made smaller besides films and epochs.
SYSTEMS = {
    "dual_branch": ("dual_branch", "icip2024", {}),
    "msmh": ("dual_branch_msmh", "casme2", {"align": {"whole": {"size": 128}}}),
    "au_fusion": ("au_fusion", "released", {"magnify": {"ten": {"alphas": [3.0]}}, "flow": {"steps": {"size": 64}}}),
    "aman": ("aman", "published", {"align": {"published": {"size": 96}}, "magnify": {"nine": {"alphas": [2.0, 7.0]}}}),
    "lie": ("lie", "lie", {}),
}


def example(name):
    return yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())


def reduced(name):
    """Return an example at the size of a test: one epoch, and two persons with so few clips as have every class."""
    config, (experiment, _, changes) = example(name), SYSTEMS[name]
    (dataset,) = config["datasets"].values()
    seed = 6 if name == "aman" else 1
    dataset["simulate"] |= {"subjects": 2, "clips": 2, "width": 240, "height": 180, "seed": seed}
    for stage, variants in changes.items():
        for variant, keys in variants.items():
            config[stage][variant] |= keys
    config["experiments"][experiment]["train"] = {"epochs": 1}
    return config | {"results": "results", "bootstrap": 100}


@pytest.mark.parametrize("name", SYSTEMS)
def test_an_example_is_the_published_preset_as_it_is(name):
    config, (experiment, preset, _) = parse(example(name)), SYSTEMS[name]
    assert set(config.experiments) == {experiment}
    settled = config.settled[experiment]
    block = config.experiments[experiment]
    assert settled.preset == preset and not block.train.overrides() and block.protocol == "loso"
    # A user who runs it finds clips of several classes in every training part.
    for fold in Catalog(config).folds(experiment):
        assert len({row.label for row in fold.train}) > 1


@pytest.mark.parametrize("name", SYSTEMS)
def test_what_an_example_says_of_real_databases_is_right(name):
    """Every commented database is a block that its reader takes."""
    text = (EXAMPLES / f"{name}.yaml").read_text()
    lines = [line.strip().lstrip("#").strip() for line in text.splitlines() if line.strip().startswith("#")]
    roots = [line for line in lines if line.startswith("root: ")]
    licences = [line for line in lines if line == "licence_accepted: true"]
    assert roots and len(roots) == len(licences) and all(root.startswith("root: /data/") for root in roots)
    (active,) = example(name)["datasets"].values()
    named = [active["reader"], *(line.removeprefix("reader: ") for line in lines if line.startswith("reader: "))]
    assert len(named) == len(roots)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dual_branch", "msmh", "au_fusion"])
def test_one_fold_of_an_example_ends_in_predictions(name, tmp_path):
    config, (experiment, preset, _) = reduced(name), SYSTEMS[name]
    catalog = Catalog(parse(config | {"results": str(tmp_path / "results")}))
    (dataset,), plan = catalog.config.datasets, all_planned(catalog)["experiments"][experiment]
    make_products(catalog, dataset)
    write_folds(plan)
    predicted(fit_and_predict(plan, plan.folds[0], 0), plan.folds[0], preset)


@pytest.mark.slow
def test_one_fold_of_an_example_whose_trunk_is_kept_ends_in_predictions(tmp_path):
    config, (experiment, preset, _) = reduced("aman"), SYSTEMS["aman"]
    project = project_in(tmp_path, yaml.safe_dump(config, sort_keys=False))
    fold = Catalog(parse(config)).folds(experiment)[0]
    folder = tmp_path / "results" / "experiments" / experiment / "seed0" / fold.name
    project.run(str((folder / "predictions.csv").relative_to(tmp_path)))
    predicted(folder, fold, preset)


def predicted(folder, fold, preset):
    """Hold a fold's results against what the fold is and what it was asked for."""
    with open(folder / "predictions.csv") as handle:
        rows = list(csv.DictReader(handle))
    assert {row["sample_id"] for row in rows} == {row.sample_id for row in fold.test}
    meta = read_metadata(folder / "model.safetensors")
    assert meta["preset"] == preset and meta["state"]["preset"]["epochs"] == 1


@pytest.mark.slow
def test_lie_detection_runs_from_the_films_to_scores_of_every_speaker(tmp_path):
    project = project_in(tmp_path, yaml.safe_dump(reduced("lie"), sort_keys=False))
    project.run("results/experiments/lie/metrics.json")
    folder = tmp_path / "results" / "experiments" / "lie"
    with open(folder / "per_subject.csv") as handle:
        speakers = list(csv.DictReader(handle))
    assert [row["group"] for row in speakers] == ["rld:p01", "rld:p02"]
    for row in speakers:
        assert int(row["n_deceptive"]) + int(row["n_truthful"]) == int(row["clips"]) == 2
        assert 0 <= float(row["source_uf1"]) <= 1 and float(row["accuracy"]) == int(row["right"]) / 2
    meta = read_metadata(folder / "seed0" / "rld-p01" / "model.safetensors")
    assert meta["classes"] == ["deceptive", "truthful"] and set(meta["inputs"]) == {"clip"}
