"""A folder in which the real workflow runs at the smallest size that shows everything."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mer.simulate.params import SimulateParams
from mer.simulate.registry import layout

ROOT = Path(__file__).resolve().parents[2]


class Project:
    """A user's folder with a configuration."""

    def __init__(self, folder):
        self.folder = folder

    def edit(self, change):
        """Apply `change` to the configuration in place."""
        path = self.folder / "config.yaml"
        config = yaml.safe_load(path.read_text())
        change(config)
        path.write_text(yaml.safe_dump(config, sort_keys=False))

    def run(self, *arguments, check=True):
        """Run snakemake as the README says."""
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "2"]
        command += ["--resources", "gpu=1", "--nocolor", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        result = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env=environment)
        text = result.stdout + result.stderr
        assert not check or result.returncode == 0, text[-6000:]
        return text

    def planned(self):
        """Return how many jobs of each rule a dry run would run."""
        return jobs_in(self.run("--dry-run", "--quiet", "host", "reason"))


def jobs_in(text):
    """Return how many jobs of each rule the output of a dry run lists."""
    rows = [line.split() for line in text.split("\ntotal ")[0].splitlines()]
    counts = {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}
    return {rule: count for rule, count in counts.items() if rule != "all"}


def project_in(folder, config):
    """Return a project in an empty folder, with the text of a configuration."""
    (folder / "config.yaml").write_text(config)
    return Project(folder)


def small_project(folder):
    """Return a project over four subjects with three clips each, in a folder of the user's like a real database."""
    project = project_in(folder, (ROOT / "tests" / "spine.yaml").read_text())

    def small(config):
        block = config["datasets"]["simulated"]
        given = SimulateParams.model_validate(block.pop("simulate"))
        write_database(given, folder / "faces")
        block |= {"root": "faces", "part": True, "licence_accepted": True}
        config["experiments"]["ststnet"]["train"] = {"epochs": 3}
        config["bootstrap"] = 200

    project.edit(small)
    return project


def write_database(params, root):
    """Write a simulated database, and its truth beside it."""
    chosen = layout(params.layout)
    chosen.write_tables(params, root)
    for subject in chosen.subjects(params):
        chosen.write_subject(params, subject, root, root.with_name("truth") / f"{subject}.h5")


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The whole workflow, run once."""
    project = small_project(tmp_path_factory.mktemp("project"))
    project.dry = project.run("--dry-run")
    project.log = project.run()
    return project


@pytest.fixture
def project(finished, tmp_path):
    """The finished run, restored afterwards."""
    kept = {path: path.read_bytes() for path in [finished.folder / "config.yaml"]}
    yield finished
    for path, content in kept.items():
        path.write_bytes(content)
