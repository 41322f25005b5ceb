"""The check of a card, tried where there is none: every step's JSON, the merged file, the script's bookkeeping."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mer.bench import gpu_check, training
from mer.testing.cuda_stand_in import stand_in

SCRIPT = Path(gpu_check.__file__).parents[2] / "scripts" / "gpu_check.sh"


def test_a_fold_to_its_end_and_one_that_takes_too_long():
    whole = gpu_check.fold("mean", "clean", "float32", 6, 2, 60.0, "cpu")
    assert (whole["epochs"], whole["of"], whole["to_the_end"], whole["computed"]) == (2, 2, True, "float32")
    cut = gpu_check.fold("mean", "", "auto", 6, 0, 0.0, "cpu")
    assert cut["epochs"] == 1 < cut["of"] and not cut["to_the_end"] and cut["preset"] == "joint"
    with stand_in():
        on_card = gpu_check.fold("mean", "clean", "auto", 6, 1, 60.0, "cuda")
    assert on_card["to_the_end"] and on_card["computed"] == "bf16" and on_card["peak_mib"] == 0


def test_kernels_against_the_cpu():
    rows = gpu_check.kernels(2, 40, "cpu")
    assert [row["kernel"] for row in rows] == ["micro", "black_anandan", "rife", "magnet"]
    assert all(row["apart"] == 0 and row["seconds"] > 0 for row in rows)


def test_the_merged_file_says_what_failed(tmp_path, capsys):
    (tmp_path / "steps.tsv").write_text("machine\tok\t1.0\ntests\tfailed (1)\t2.5\nfeeding\tno time\t0\n")
    (tmp_path / "machine.out").write_text('{"cards": 1}\n')
    (tmp_path / "tests.out").write_text("1 failed, 2 passed\n")
    gpu_check.main(["merge", "--folder", str(tmp_path), "--out", str(tmp_path / "all.json")])
    told = json.loads((tmp_path / "all.json").read_text())
    assert told["failed"] == ["feeding", "tests"] and "failed: feeding, tests" in capsys.readouterr().out
    assert told["steps"]["machine"] == {"status": "ok", "seconds": 1.0, "rows": {"cards": 1}}
    assert told["steps"]["tests"]["said"] == ["1 failed, 2 passed"] and told["steps"]["feeding"]["said"] == []


@pytest.mark.slow
def test_the_script_goes_on_and_keeps_its_time(tmp_path):
    out = tmp_path / "check.json"
    environment = {**os.environ, "DEVICE": "cpu", "PYTHON": sys.executable, "LIMIT": "25"}
    done = subprocess.run([SCRIPT, str(out)], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told = json.loads(out.read_text())
    assert told["steps"]["machine"]["status"] == "ok" and "torch" in told["steps"]["machine"]["rows"]
    assert {f"fold-{name}" for name in ("ststnet", "aman")} <= set(told["steps"])
    assert any(step["status"].startswith(("no time", "stopped")) for step in told["steps"].values())
    assert sum(step["seconds"] for step in told["steps"].values()) < 45


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ststnet", "mean"])
def test_the_bench_of_training_runs_on_a_card(name):
    given = {"model": name, "folds": 2, "epochs": 1, "count": 136, "workers": 1}
    with stand_in() as launches:
        made = [training.peer(**given, threads=1, device="cuda"), training.ours(**given, device="cuda")]
    assert launches["convolution"] and all(0 <= one["accuracy"] <= 1 for one in made)
