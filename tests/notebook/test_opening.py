"""`import mer` costs nothing and knows everything; a run is found by its configuration or by its results."""

import doctest
import fcntl
import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import mer
from mer import provenance
from mer.core import only_run
from mer.core.errors import ConfigError, ContainerError, DatasetError, MerError, ModelError
from mer.models.registry import MODELS
from mer.planning import recorded
from mer.stages.registry import METHODS
from mer.stages.run import stage_modules

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "cv2", "numpy", "pandas", "sklearn", "h5py", "pydantic", "yaml")


def test_importing_mer_imports_nothing():
    code = f"import mer, sys; dir(mer); print([name for name in {HEAVY} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
    cumulative = {line.split("|")[2].strip(): int(line.split("|")[1]) for line in shown.stderr.splitlines()[1:]}
    assert cumulative["mer"] < 100_000  # microseconds; far more than it takes


@pytest.mark.slow
def test_opening_a_run_needs_no_torch_and_no_opencv(project):
    code = (
        "import mer, sys; run = mer.open('config.yaml'); run.index('casme2'); run.folds('svm_flow');"
        "print([name for name in ('torch', 'cv2', 'sklearn', 'matplotlib') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_every_name_is_there_for_completion_and_for_types():
    stub = (ROOT / "mer" / "__init__.pyi").read_text()
    for name, place in mer.NOTEBOOK.items():
        module, _, function = place.partition(":")
        assert getattr(mer, name) is getattr(importlib.import_module(module), function)
        assert name in dir(mer) and getattr(mer, name).__doc__
        told = (
            f"from {module} import {function} as {name}\n" if name != "open" else f"from {module} import {function}\n"
        )
        assert told in stub
    assert stub.count(" as ") == len(mer.NOTEBOOK) - 1
    with pytest.raises(AttributeError, match="no attribute 'opne'"):
        mer.opne  # noqa: B018


def test_no_job_depends_on_the_notebook():
    modules = {
        name for stage, methods in METHODS.items() for method in methods for name in stage_modules(stage, method)
    }
    modules |= {*MODELS.values(), "mer.training.folds", "mer.training.score", "mer.report.build"}
    closure = provenance._closure(tuple(modules))
    assert "mer.stages.run" in closure
    assert not [name for name in closure if name == "mer" or name.startswith("mer.notebook")]


@pytest.mark.slow
def test_a_results_folder_opens_as_its_configuration_does(project, run, monkeypatch):
    by_folder = mer.open(project / "results")
    assert by_folder.config.experiments == run.config.experiments and by_folder.results == run.results
    monkeypatch.chdir(project / "results")
    assert mer.open().results == mer.open(".").results == run.results  # the recorded one lies here


@pytest.mark.slow
def test_results_beside_the_configuration_and_not_those_of_another_run_here(project, tmp_path, monkeypatch):
    other = tmp_path / "results"
    (other / "casme2").mkdir(parents=True)
    shutil.copy(project / "results" / "casme2" / "index.csv", other / "casme2")
    raw = yaml.safe_load((project / "config.yaml").read_text())
    (other / "config.yaml").write_text(yaml.safe_dump({**raw, "flow": {}, "align": {"face": {"method": "none"}}}))
    (project / "other.yaml").write_text(yaml.safe_dump({**raw, "bootstrap": 300}))
    monkeypatch.chdir(tmp_path)
    assert mer.open(project / "other.yaml").results == project / "results"


@pytest.mark.slow
def test_a_copied_folder_opens_and_says_where_it_was_made(project, tmp_path):
    copy = tmp_path / "elsewhere"
    (copy / "casme2").mkdir(parents=True)
    for name in ("config.yaml", "casme2/index.csv"):
        shutil.copy(project / "results" / name, copy / name)
    run = mer.open(copy)
    assert len(run.index("casme2")) == 12
    with pytest.raises(
        DatasetError, match=r"samm/index.csv: not made yet; the run of this folder wrote to results: run"
    ):
        run.index("samm")


@pytest.mark.slow
def test_files_are_laid_over_each_other_and_the_command_names_them(project, tmp_path):
    (project / "more.yaml").write_text(yaml.safe_dump({"experiments": {"ststnet": {"seeds": [0, 1, 2]}}}))
    run = mer.open(project / "config.yaml", project / "more.yaml")
    assert run.config.experiments["ststnet"].seeds == [0, 1, 2]
    with pytest.raises(ModelError) as caught:
        run.predictions("ststnet")
    command = "snakemake results/experiments/ststnet/metrics.json --cores all --resources gpu=1"
    configs = "--configfile config.yaml more.yaml --replace-workflow-config"
    assert f"metrics.json: not made yet; run `{command} {configs}` in {project}" in str(caught.value)


@pytest.mark.slow
def test_while_a_run_goes_on_its_clips_can_be_had_and_what_is_missing_is_waited_for(project, tmp_path):
    place = tmp_path / "project"
    shutil.copytree(project, place)
    known = mer.open(place / "config.yaml")._samples("samm")[0].sample_id
    shutil.rmtree(place / "results" / "samm" / "flow")
    for index in ("casme2", "samm"):
        (place / "results" / index / "index.csv").unlink()
    run = mer.open(place / "config.yaml")
    clip = run.clip(known, "samm")
    assert clip.row.status == "ok" and clip.products[:2] == ["frames", "align/face"]
    with (place / "results" / only_run.LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ContainerError, match="not made yet; a run is at work on results: wait until it has come"):
            clip["flow/apex"]
    with pytest.raises(ContainerError, match="not made yet; run `snakemake"):
        clip["flow/apex"]


@pytest.mark.slow
def test_a_database_that_is_not_on_this_machine_does_not_matter(project, tmp_path):
    raw = yaml.safe_load((project / "config.yaml").read_text())
    raw["datasets"]["casme2"] |= {"root": "/no/such/folder", "licence_accepted": True}
    del raw["datasets"]["casme2"]["simulate"], raw["datasets"]["samm"]
    raw["experiments"]["svm_flow"]["data"] = ["casme2"]
    (project / "licensed.yaml").write_text(yaml.safe_dump(raw))
    assert len(mer.open(project / "licensed.yaml").index("casme2")) == 12


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nothing.yaml", r"nothing.yaml: configuration not found; expected a YAML file"),
        ("empty", r"holds no config.yaml; expected a results folder of a run; name the configuration file instead"),
    ],
)
def test_what_is_no_run_is_one_line(tmp_path, given, message):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=message) as caught:
        mer.open(tmp_path / given)
    assert "\n" not in str(caught.value)


def test_the_recorded_configuration_is_the_mapping_itself(tmp_path):
    raw = {"results": tmp_path, "datasets": {"b": {"x": [1, 2.5, None]}, "a": {"ä": "ö"}}}
    recorded.record(raw, tmp_path / "results")
    back = recorded.recorded(tmp_path / "results")
    assert back == {**raw, "results": str(tmp_path)} and list(back["datasets"]) == ["b", "a"]


@pytest.mark.slow
@pytest.mark.parametrize("module", sorted({place.partition(":")[0] for place in mer.NOTEBOOK.values()}))
def test_the_examples_of_the_docstrings_run(module, run, tmp_path):
    names = {"mer": mer, "run": run, "folder": tmp_path}
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
    result = doctest.testmod(importlib.import_module(module), extraglobs=names, optionflags=flags)
    assert result.attempted and not result.failed


@pytest.mark.slow
def test_every_unknown_name_is_told_the_nearest(run):
    for ask, near in (
        (lambda: run.index("casme3"), "casme2"),
        (lambda: run.arrays("flow/apx", view="emotion_3"), "flow/apex"),
        (lambda: run.folds("stsnet"), "ststnet"),
        (lambda: run.clip("sub01/EP02_01"), "sub01/EP02_01f"),
        (lambda: run.arrays("flow/apex", view="emotion3"), "emotion_3"),
    ):
        with pytest.raises(MerError, match=rf"did you mean '{near}'"):
            ask()


def test_a_product_that_is_not_made_of_a_database_says_where_to_ask_for_it(run):
    clip = run.clip("sub01/EP02_01f")
    with pytest.raises(ContainerError, match=r"no product 'rois/none' is made of it; .* add it to `products`"):
        clip["rois/none"]
