"""A real SLURM of this machine: a person goes through the profile to the same bytes as without it."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

from mer.bench.cluster import SMALLEST
from mer.bench.survival import WholeRun, differences, files_of

pytestmark = pytest.mark.slow
pytest.importorskip("snakemake_executor_plugin_slurm")
SCRIPT = ROOT / "scripts" / "one_node_slurm.sh"
SBIN = f"{os.environ['PATH']}{os.pathsep}/usr/sbin{os.pathsep}/sbin"
ABSENT = [name for name in ("munged", "slurmctld", "slurmd", "sbatch") if shutil.which(name, path=SBIN) is None]
PRODUCT = "results/simulated/flow/apex/casme2-sub01.h5"
OPTIONS = ["--profile", str(ROOT / "profiles" / "slurm"), "--slurm-init-seconds-before-status-checks", "3", PRODUCT]
# What a job sees of two cards, and what `mer` makes of it, while the other job holds one too.
CARD = (
    "import os, time; from mer.core.cards import claim_card; time.sleep(3); print(os.environ['CUDA_VISIBLE_DEVICES'], "
)
CARD += "claim_card(lambda: 2, print))"


def free_port():
    """Return a port that is free, as is the next."""
    while True:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            try:
                other.bind(("127.0.0.1", one.getsockname()[1] + 1))
            except (OSError, OverflowError):
                continue
            return one.getsockname()[1]


@pytest.fixture(scope="module")
def slurm():
    if ABSENT:
        pytest.skip(f"no {', '.join(ABSENT)}; as root: scripts/one_node_slurm.sh install")
    # munged wants folders that everyone may enter.
    with tempfile.TemporaryDirectory(prefix="mer-slurm-", dir="/tmp") as place:
        folder = Path(place) / "cluster"
        Path(place).chmod(0o755)
        before = dict(os.environ)
        # It offers more than the machine has: other tests run at the same time.
        os.environ |= {"MER_SLURM": str(folder), "PORT": str(free_port()), "CPUS": "4", "MEMORY": "16000", "GPUS": "2"}
        try:
            subprocess.run([str(SCRIPT), "start"], check=True, timeout=120)
            os.environ |= {"SLURM_CONF": str(folder / "slurm.conf"), "PYTHONPATH": str(ROOT)}
            os.environ["PATH"] = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
            yield folder
        finally:
            subprocess.run([str(SCRIPT), "stop"], check=True, timeout=120)
            os.environ.clear()
            os.environ |= before


def test_a_person_goes_through_the_profile_to_the_same_bytes(slurm, tmp_path):
    def files(name, options):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(yaml.safe_dump({**SMALLEST, "results": "results"}))
        WholeRun(tmp_path / name, 1, options=options).finish()
        made = files_of(tmp_path / name / "results")
        # The profile adds a key to the configuration that a run records.
        del made["config.yaml"]
        return made

    runs = {"slurm": OPTIONS, "here": [PRODUCT, "--resources", "gpu=1"]}
    with ThreadPoolExecutor() as threads:
        found = dict(zip(runs, threads.map(files, runs, runs.values()), strict=True))
    assert PRODUCT.removeprefix("results/") in found["here"]
    assert differences(found["here"], found["slurm"]) == []
    asked = ["squeue", "--noheader", "--states=all", "--sort=i", "--format=%T %m %l"]
    told = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.splitlines()
    # Simulation, frames and alignment in one submission of three times a quarter of an hour, flow in the next.
    assert told == ["COMPLETED 1500M 45:00", "COMPLETED 1500M 15:00"]


def test_jobs_on_a_node_of_two_cards_have_one_each(slurm):
    command = ["srun", "--gpus=1", "--ntasks=1", "--mem=200", sys.executable, "-c", CARD]
    jobs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sorted(job.communicate(timeout=300)[0].split() for job in jobs) == [["0", "None"], ["1", "None"]]
