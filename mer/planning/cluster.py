"""Whether the cluster that a profile names is there, before anything is sent to it.

Snakemake's plug-in looks for its commands only when the first job is sent, in a thread, and then waits for it.
"""

from __future__ import annotations

import shutil
import subprocess

from mer.core.errors import ConfigError

#: Commands that SLURM's plug-in runs.
SLURM = ("sbatch", "squeue", "scontrol", "sinfo", "scancel")
#: Seconds in which a controller must answer; its own commands wait for minutes.
ANSWER = 20
_LOCALLY = "log in to a machine of the cluster (perhaps `module load slurm` there), or leave --profile out to run here"


def check_cluster(executor: str, answer: float = ANSWER) -> None:
    """Refuse to send jobs where nobody takes them.

    Args:
        executor: the name of Snakemake's plug-in; only `slurm` is looked at.
        answer: seconds in which the controller must answer.

    Raises:
        ConfigError: a command of SLURM is missing, or no controller answers.
    """
    if executor != "slurm":
        return
    missing = [name for name in SLURM if shutil.which(name) is None]
    if missing:
        raise ConfigError("--profile", f"no {', '.join(missing)} on this machine", "SLURM's commands", _LOCALLY)
    try:
        asked = subprocess.run(["sinfo", "--noheader"], capture_output=True, text=True, timeout=answer)
        said = " ".join(asked.stderr.split()) if asked.returncode else ""
    except subprocess.TimeoutExpired:
        said = f"sinfo said nothing for {answer:g} s"
    if said:
        raise ConfigError("--profile", f"SLURM does not answer ({said})", "a controller", f"try sinfo; {_LOCALLY}")
