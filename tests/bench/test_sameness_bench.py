"""`mer bench sameness` reports what a run feels of its surroundings, and nothing else."""

import json

import pytest
import yaml

from mer.bench import sameness
from mer.bench.survival import RESULTS, SMALLEST, WholeRun


@pytest.fixture
def faked(monkeypatch):
    """A run that writes what it would be given; returns the list of runs, and a set of what it lets shine through."""
    runs, feels = [], set()

    def finish(self):
        runs.append(self)
        text = yaml.safe_load((self.folder / "config.yaml").read_text(encoding="utf-8"))
        results = self.folder / RESULTS
        (results / "simulated" / "flow").mkdir(parents=True)
        (results / "experiments" / "ststnet").mkdir(parents=True)
        (results / "config.json").write_text(json.dumps(text))
        (results / "simulated" / "flow" / "a.h5").write_text("flow" + self.environment.get("OPENCV_IPP", ""))
        (results / "simulated" / "face.jpg").write_text("picture")
        zone = self.environment.get("TZ", "") if "zone" in feels else ""
        (results / "simulated" / "index.csv").write_text(zone)
        uf1 = 0.5 if "OPENCV_IPP" in self.environment else 0.6
        scores = {"summary": {"pooled": {"uf1": {"mean": uf1}}}}
        (results / "experiments" / "ststnet" / "metrics.json").write_text(json.dumps(scores))

    monkeypatch.setattr(WholeRun, "finish", finish)
    return runs, feels


def test_only_a_processor_may_change_what_is_not_a_picture(faked, tmp_path):
    runs, _ = faked
    rows, scores, lines = sameness.run_sameness_bench(SMALLEST, "", tmp_path / "all", print)
    assert lines == []
    assert [row.differ for row in rows] == [0] * (len(rows) - 1) + [2]
    assert rows[-1].kinds == "flow, metrics.json"
    assert [(row.experiment, row.own, row.plain) for row in scores] == [("ststnet", 0.6, 0.5)]
    cores = [int(run.command[run.command.index("--cores") + 1]) for run in runs]
    assert cores == [1, 2] + [1] * (len(rows) - 1)
    assert {run.umask for run in runs} == {-1, 0o077}
    assert any(" " in run.folder.name and not run.folder.name.isascii() for run in runs)


def test_a_run_that_feels_its_surroundings_is_told(faked, tmp_path):
    _, feels = faked
    feels.add("zone")
    rows, scores, lines = sameness.run_sameness_bench(SMALLEST, "time zone", tmp_path / "zone", print)
    assert len(rows) == 1 and scores == []
    assert lines == ["time zone Pacific/Auckland: other bytes: simulated/index.csv"]
