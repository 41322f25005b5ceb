"""The workflow as a user runs it: to the end, nothing twice, and only what changed."""

import csv
import json
import os

import pytest

import mer
from mer.core.container import Container

pytestmark = pytest.mark.slow


def test_a_dry_run_of_a_fresh_clone_shows_every_job(finished):
    assert "fit" in finished.dry
    assert "MissingInput" not in finished.dry
    executed = finished.log.split("steps (100%) done")[0].rsplit(" of ", 1)[1].strip()
    table = finished.dry.split("total")[1].split()[0]
    assert executed == table


def test_it_ends_in_scores_and_a_page(finished):
    results = finished.folder / "results"
    metrics = json.loads((results / "experiments" / "svm_flow" / "metrics.json").read_text())
    assert metrics["n_subjects"] == 4
    assert 0 <= metrics["summary"]["pooled"]["uf1"]["mean"] <= 1
    page = (results / "report" / "index.html").read_text()
    assert "svm_flow" in page and "ststnet" in page


def test_a_notebook_opens_the_folder_of_results_by_itself(finished):
    run = mer.open(finished.folder / "results")
    X, y, groups = run.arrays("flow/apex", experiment="ststnet", size=28)
    folds = run.folds("ststnet")
    assert X.shape[1] == 3 * 28 * 28 and folds.get_n_splits(X, y, groups) == len(folds) == 4
    scored = run.predictions("ststnet")
    assert scored.index.equals(y.index) and (scored["label"] == y).all()


def test_a_clip_with_missing_frames_is_listed_and_the_run_went_on(finished):
    with open(finished.folder / "results" / "simulated" / "excluded.csv") as handle:
        rows = list(csv.DictReader(handle))
    assert any(row["sample_id"] == "sub04/EP03_08" and "missing" in row["reason"] for row in rows)


def test_products_say_what_made_them(finished):
    path = next((finished.folder / "results" / "simulated" / "flow" / "apex").glob("*.h5"))
    with Container(path) as box:
        assert box.attributes["stage"] == "flow"
        assert box.parameters()["method"] == "dis"
        assert len(box.attributes["code"]) == 16
        assert path.name in json.loads(box.attributes["inputs"])


def test_a_second_run_has_nothing_to_do(finished):
    assert "Nothing to be done" in finished.run()


def test_snakemakes_own_report_holds_the_page_and_its_tables(finished, tmp_path):
    finished.run("--report", str(tmp_path / "run.html"))
    text = (tmp_path / "run.html").read_text(encoding="utf-8")
    assert all(name in text for name in ("index.html", "scores.csv", "scores.tex", "methods.tex", "references.bib"))


def test_the_linter_finds_what_is_explained_and_nothing_else(finished):
    text = finished.run("--lint", check=False)
    found = {line.strip() for line in text.splitlines() if line.strip().startswith("* ")}
    # Why, is on docs/releasing.md.
    assert found == {"* Mixed rules and functions in same snakefile.:"}


def test_the_workflow_plans_jobs_of_several_folds(project):
    project.edit(lambda config: config["experiments"]["ststnet"].update(folds_per_job=3))
    planned = project.planned()
    # The fourth fold is alone in its job, as it was before: nothing about it has changed.
    assert planned["fit_ststnet_0"] == planned["predict_ststnet_0"] == 1
    assert not {"fit", "predict", "fit_ststnet_1", "predict_ststnet_1"} & set(planned)


def test_a_bad_configuration_stops_before_any_job(project):
    def change(config):
        config["magnify"]["three"]["alfas"] = [4.0]

    project.edit(change)
    text = project.run(check=False)
    assert "mer: config.yaml: magnify.three.alfas: unknown key; did you mean 'alphas'?" in text
    assert "Traceback" not in text


def test_a_fit_job_never_opens_the_held_out_file(project):
    """The held-out subject's containers are made unreadable; training and only training goes through."""
    folder = project.folder / "results" / "simulated" / "flow" / "apex"
    victim = sorted(folder.glob("*.h5"))[0]
    fold = victim.stem
    content, stamp = victim.read_bytes(), victim.stat()
    models = [f"results/experiments/{name}/seed0/{fold}/model.safetensors" for name in ("svm_flow", "ststnet")]
    kept = {name: (project.folder / name).read_bytes() for name in models}
    victim.write_bytes(b"unreadable")
    try:
        for name in models:
            (project.folder / name).unlink()
        text = project.run(*models, "--allowed-rules", "fit", "--rerun-triggers", "params")
        assert "2 of 2 steps" in text
        assert {name: (project.folder / name).read_bytes() for name in models} == kept, (
            "fold k alone = fold k in the run"
        )
    finally:
        victim.write_bytes(content)
        os.utime(victim, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))


def test_an_interrupted_job_leaves_no_half_container(finished):
    assert not list((finished.folder / "results").rglob("*.partial"))


def test_the_oracle_epoch_is_a_diagnostic_beside_the_score(project):
    """What the best epoch on the held-out clips would have claimed: another fit of each fold, and the same score."""
    results = project.folder / "results" / "experiments" / "ststnet"
    before = json.loads((results / "metrics.json").read_text())
    models = {path: path.read_bytes() for path in results.rglob("model.safetensors")}

    def change(config):
        config["experiments"]["ststnet"]["diagnose"] = {"oracle_epoch": 1}

    project.edit(change)
    planned = project.planned()
    assert (planned["fit_epochs"], planned["predict_epochs"], planned["score"]) == (4, 4, 1) and "fit" not in planned
    project.run()
    after = json.loads((results / "metrics.json").read_text())
    assert after["summary"] == before["summary"] and before["oracle_epoch"] is None
    told = after["oracle_epoch"]
    assert told["epochs"] == [1, 2, 3] and told["one_epoch"]["uf1"] >= told["honest"]["uf1"]
    # The diagnostic trains as the run did: its last epoch is the run's.
    assert told["agreement"] == 1
    assert models == {path: path.read_bytes() for path in results.rglob("model.safetensors")}
    assert "oracle" in (project.folder / "results" / "report" / "index.html").read_text()
