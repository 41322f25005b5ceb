"""What the SLURM profile sends, told by a stand-in for its commands: nothing is computed.

What is sent fails, and takes earlier results with it: so this file comes after the others that read the finished run.
"""

import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT

pytestmark = pytest.mark.slow
pytest.importorskip("snakemake_executor_plugin_slurm")

# The jobs with a GPU that are sent before any has ended, if nothing holds them back.
SENT = 6
# Submissions that were sent after a job had ended are marked. Several may be sent at the same moment.
SBATCH = """
exec 9>> {log}.lock
flock 9
[ -e {log}.ended ] && printf "late " >> {log}
printf "%s\\n" "$*" | tr "\\n" " " >> {log}
echo >> {log}
wc -l < {log}
"""
# Jobs run until all are sent; whoever sends them one at a time waits for five questions.
SQUEUE = """
echo >> {log}.asked
state=RUNNING
if [ $(grep -c gpus {log}) -ge {SENT} ] || [ $(wc -l < {log}.asked) -ge 5 ]; then state=FAILED; touch {log}.ended; fi
i=1
while [ $i -le $(wc -l < {log}) ]; do echo "$i|$state"; i=$((i+1)); done
"""
COMMANDS = {
    "sbatch": SBATCH,
    "squeue": SQUEUE,
    "sacctmgr": "echo tests",
    "sinfo": "echo batch*",
    "scontrol": "echo MinJobAge = 300 sec",
    "scancel": "",
}


def submitted(project, folder):
    """Run snakemake with the profile; return what every submission asks for, what it would run, and if it was late."""
    folder.mkdir()
    log = folder / "sbatch.log"
    for name, text in COMMANDS.items():
        (folder / name).write_text("#!/bin/sh\n" + text.replace("{log}", str(log)).replace("{SENT}", str(SENT)))
        (folder / name).chmod(0o755)
    text = (ROOT / "profiles" / "slurm" / "config.yaml").read_text()
    # Apart from the commands: a value that is the name of a file beside the profile would be taken for that file.
    profile = folder / "profile"
    profile.mkdir()
    own = "default-resources:\n  slurm_partition: batch\n  slurm_account: tests\n"
    (profile / "config.yaml").write_text(text.replace("default-resources:\n", own))
    # Two jobs in a submission: the profile would put all eight into one.
    options = ["--group-components", "gpu1=2", "--retries", "0"]
    options += ["--slurm-init-seconds-before-status-checks", "5", "--nocolor"]
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--profile", str(profile)]
    command += options
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    result = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, env=environment, timeout=300)
    assert log.is_file(), result.stdout[-3000:] + result.stderr[-3000:]
    sent = []
    for line in log.read_text().splitlines():
        options, _, told = line.partition("--wrap=")
        asked = {name: found[1] for name in ("gpus", "mem") if (found := re.search(rf"--{name}[ =](\S+)", options))}
        sent.append((asked, told, line.startswith("late ")))
    return sent


def test_submissions_with_a_gpu_are_not_sent_one_at_a_time(project, tmp_path):
    def change(config):
        micro = {"from": "interpolate/linear", "method": "micro", "pairs": "onset_apex"}
        config["flow"] |= {"one": micro, "two": {**micro, "pairs": "onset_offset"}}
        config["datasets"]["simulated"]["products"] += ["flow/one", "flow/two"]
        config["experiments"]["ststnet"]["folds_per_job"] = 2

    project.edit(change)
    sent = submitted(project, tmp_path / "slurm")
    flows = [(asked, re.findall(r"(\w+):dataset=", told)) for asked, told, _ in sent if "variant=" in told]
    # A submission with a GPU holds nothing that does not need one, and its jobs take turns on one.
    assert [rules for _, rules in flows] == 4 * [["flow", "flow"]]
    assert {asked["gpus"] for asked, _ in flows} == {"1"}
    fits = [asked for asked, told, _ in sent if re.search(r"fit_ststnet_\d:", told)]
    assert len(fits) == 2 and {asked["gpus"] for asked in fits} == {"1"}
    assert not any(late for *_, late in sent)
    # CUDA's part of the host's memory, and the fold's own.
    assert all(int(asked["mem"]) >= 2000 for asked, *_ in sent)
