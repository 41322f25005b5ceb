"""Run a bench and keep what it printed, for the site: `python scripts/bench_record.py clip mer bench clip`.

Writes `docs/benchmarks/<name>.json`: the command, the day, the version, the machine, how busy it was, and the rows of
`--json`. A `note` that the record had stays. With `--scores config.yaml` in place of a command, the pooled scores of a
finished run are kept as those of `make demo`.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

from mer import __version__

RECORDS = Path(__file__).resolve().parent.parent / "docs" / "benchmarks"
SCORES = ("uf1", "uf1_low", "uf1_high", "uf1_random_high", "uar", "accuracy", "clips", "groups")


def machine() -> str:
    """Return the processor, how many of its cores there are, and how many jobs had to be done besides."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    busy = os.getloadavg()[0]
    return f"{os.cpu_count()} cores of {model or platform.machine()}, {busy:.1f} jobs beside it"


def scores(configuration: str) -> list[dict[str, Any]]:
    """Return the pooled scores of every experiment of a finished run."""
    import mer

    pooled = mer.open(configuration).scores().xs("pooled", level="dataset").reset_index()
    kept = pooled[["experiment", *(name for name in SCORES if name in pooled)]]
    return [{key: value for key, value in row.items()} for row in json.loads(kept.to_json(orient="records"))]


def write(path: Path, taken: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Write a record, a line for each of its rows."""
    head = json.dumps(taken, indent=1, ensure_ascii=False).removesuffix("\n}")
    body = ",\n".join(f"  {json.dumps(row, ensure_ascii=False)}" for row in rows)
    path.write_text(f'{head},\n "rows": [\n{body}\n ]\n}}\n', encoding="utf-8")


def main(name: str, *command: str) -> None:
    """Run the command and write the record."""
    taken: dict[str, Any] = {"taken": date.today().isoformat(), "mer": __version__, "machine": machine()}
    started = time.monotonic()
    if command[0] == "--scores":
        taken, rows = {"command": "make demo", **taken}, scores(command[1])
    else:
        done = subprocess.run([*command, "--json"], stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise SystemExit(done.returncode)
        taken = {"command": " ".join(command), **taken, "seconds": round(time.monotonic() - started)}
        rows = json.loads(done.stdout)
    path = RECORDS / f"{name}.json"
    if path.exists() and (note := json.loads(path.read_text(encoding="utf-8")).get("note")):
        taken["note"] = note
    write(path, taken, rows)
    print(f"wrote {path}")


if __name__ == "__main__":
    main(*sys.argv[1:])
