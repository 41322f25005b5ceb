"""What the profile for Kubernetes would send: a dry run with the plug-in itself."""

import os
import re
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT

from mer.bench.cluster import SMALLEST

pytestmark = pytest.mark.slow
pytest.importorskip("snakemake_executor_plugin_kubernetes", reason="pip install -e .[kubernetes]")
pytest.importorskip("snakemake_storage_plugin_fs", reason="pip install -e .[kubernetes]")


def test_a_dry_run_asks_for_memory_time_and_gpus(tmp_path):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({**SMALLEST, "results": "results"}))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--dry-run", "--nocolor"]
    command += ["--profile", str(ROOT / "profiles" / "kubernetes"), "--default-storage-prefix", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    asked = {}
    for rule, block in re.findall(r"rule (\w+):\n((?:\s+\w+: .*\n)+)", said):
        if found := re.search(r"resources: (.*)", block):
            asked[rule] = dict(part.split("=", 1) for part in found[1].split(", "))
    assert {asked[rule]["gpu"] for rule in ("flow", "align")} == {"0"} and asked["fit_ststnet_0"]["gpu"] == "1"
    rules = ("simulate", "frames", "align", "flow", "fit_ststnet_0", "predict_ststnet_0", "score")
    sent = [asked[rule] for rule in rules]
    assert all(int(one["mem_mb"]) >= 700 and 10 <= int(one["runtime"]) <= 24 * 60 for one in sent)
    assert {(one["scale"], one["gpu_manufacturer"], one["disk_mb"]) for one in sent} == {("0", "nvidia", "10000")}
