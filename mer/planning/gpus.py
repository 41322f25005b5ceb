"""Whether the jobs of a run ask for a GPU: the key `gpu` of the configuration.

Asked whenever a configuration is read, so PyTorch is not imported.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

Gpu = Literal["auto", "always", "never"]

#: Where a run tells its jobs what it found: they read the configuration again, perhaps on another machine.
TOLD = "MER_GPU"
#: What a driver shows: native Linux, a container, and Linux under Windows.
SHOWN = (("/dev", "nvidia[0-9]*"), ("/proc/driver/nvidia/gpus", "*"), ("/usr/lib/wsl/lib", "libcuda.so*"))


def asks_for_gpu(choice: Gpu, environment: Mapping[str, str] = os.environ, root: Path = Path("/")) -> bool:
    """Return whether jobs that a GPU pays for ask for one.

    Args:
        choice: the key. `auto`: what the run has told its jobs, else whether this machine shows an NVIDIA GPU that is
            not hidden (`CUDA_VISIBLE_DEVICES`) and PyTorch, where it is installed here, is not the build for CPUs.
        environment: of the process.
        root: of the file system.
    """
    if choice != "auto":
        return choice == "always"
    if environment.get(TOLD) in ("0", "1"):
        return environment[TOLD] == "1"
    hidden = environment.get("CUDA_VISIBLE_DEVICES", "all").strip() in ("", "-1")
    shown = any(any((root / folder.lstrip("/")).glob(pattern)) for folder, pattern in SHOWN)
    return shown and not hidden and not _for_cpus()


def _for_cpus() -> bool:
    try:
        return version("torch").endswith("+cpu")
    except PackageNotFoundError:
        return False
