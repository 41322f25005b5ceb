"""The bench that disturbs runs on a cluster of one machine: what it refuses, and whom it disturbs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mer.bench import cluster
from mer.core.errors import ConfigError


def test_a_fault_that_is_not_known_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="--fault: 'flood' is not known; expected some of memory, time, node"):
        cluster.run_cluster_bench(cluster.SMALLEST, ["flood"], tmp_path / "runs", print)
    assert not (tmp_path / "runs").exists()


def test_without_a_cluster_of_one_machine_nothing_is_disturbed(tmp_path, monkeypatch):
    monkeypatch.setenv("MER_SLURM", str(tmp_path))
    with pytest.raises(ConfigError, match="names no cluster of one machine"):
        cluster.Cluster()


def test_only_jobs_of_the_own_cluster_are_found(tmp_path, monkeypatch):
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    (own / "slurmd.pid").write_text("1")
    monkeypatch.setenv("MER_SLURM", str(own))
    monkeypatch.setattr(cluster, "command", lambda *words: "7 RUNNING\n")
    sleep = [sys.executable, "-c", "input()"]
    started = {
        (folder.name, number): subprocess.Popen(
            sleep, stdin=subprocess.PIPE, env={**os.environ, "MER_SLURM": str(folder), "SLURM_JOB_ID": number}
        )
        for folder in (own, other)
        for number in ("7", "77")
    }
    try:
        found = cluster.Cluster()
        assert found.first == 8 and set(found.processes(7)) == {started["own", "7"].pid}
        assert set(found.processes()) == {started["own", "7"].pid, started["own", "77"].pid}
        title = Path(f"/proc/{os.getpid()}/cmdline").read_bytes()[:20]
        assert os.getpid() in set(cluster._parents(started["own", "7"].pid, title))
    finally:
        for process in started.values():
            process.communicate(b"\n")


def test_a_disturbed_run_begins_with_the_products_and_without_what_was_learned(tmp_path):
    kept = ["results/simulated/flow/a.h5", "results/logs/flow/a.log", ".snakemake/metadata/x"]
    left = ["results/experiments/e/metrics.json", "results/report/index.html", "results/logs/fit/a.log", "run.log"]
    for name in kept + left:
        (tmp_path / "alone" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "alone" / name).touch()
    cluster._begin_with_products(tmp_path / "alone", tmp_path / "fault")
    assert sorted(
        str(p.relative_to(tmp_path / "fault")) for p in (tmp_path / "fault").rglob("*") if p.is_file()
    ) == sorted(kept)
