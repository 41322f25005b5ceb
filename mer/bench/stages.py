"""`mer bench stages`: every stage and method against the simulator's truth, each alone in a process of its own.

Speed is a ratio to OpenCV TV-L1 at its defaults on one 224 × 224 pair, measured in the same run; one unit of work is a
pair (flow, magnify), a frame (align, interpolate) or a clip (frames, rois).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from mer.bench.clips import Folder, prepare, prepare_recordings, write_clips
from mer.bench.measure import Row, run_alone
from mer.core.registry import load
from mer.stages.registry import METHODS

REFERENCE = {"method": "tvl1", "options": {"preset": "opencv"}}
NOISES = (0.0, 1.5, 3.0)
FACTORS = (3.0, 8.0)


def run_bench(count: int = 12, seed: int = 0, log: Callable[[str], None] = print) -> list[Row]:
    """Measure every stage on `count` simulated clips.

    Returns:
        rows in the order of the journey; the reference itself is among them, with a ratio near 1.
    """
    with tempfile.TemporaryDirectory(prefix="mer-bench-") as name:
        bench = _simulate(Path(name), count, seed, log)
        log("flow tvl1 (opencv): the reference")
        reference = run_alone("mer.bench.tasks:flow", files=bench.plain, sigma=0.0, **REFERENCE).cpu_seconds
        rows = []
        for stage, method, case, arguments in tasks(bench):
            log(f"{stage} {method} {case}")
            measured = run_alone(f"mer.bench.tasks:{stage}", **arguments)
            ratio = reference / max(measured.cpu_seconds, 1e-9)
            for measure, (error, unit) in measured.errors.items():
                text = f"{measure}, {case}"
                rows.append(Row(stage, method, text, error, unit, ratio, measured.cpu_seconds, measured.peak_mib))
        return rows


@dataclass(frozen=True)
class Bench:
    """What is measured on: rendered pairs with and without head drift, and recordings as files."""

    plain: list[Path]
    faint: list[Path]
    recordings: Folder
    drifting: list[Path]


def _simulate(root: Path, count: int, seed: int, log: Callable[[str], None]) -> Bench:
    log(f"simulating {count} clips")
    folder = write_clips(root / "plain", count, seed)
    plain = prepare(folder, count, root / "pairs")
    # Magnified eight times, a full expression would fold the skin; half of one does not. Without drift the face alone
    # is magnified.
    log("simulating faint clips without head drift, for magnification")
    faint = prepare(write_clips(root / "faint", count, seed, intensity=0.5, drift=0), count, root / "held", FACTORS)
    log("simulating clips with strong head drift, for alignment")
    drifting = prepare_recordings(
        write_clips(root / "drift", min(count, 6), seed, drift=6), min(count, 6), root / "files"
    )
    return Bench(plain, faint, folder, drifting)


def tasks(bench: Bench) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Yield (stage, method, case, arguments) of every measurement."""
    yield "frames", "list", "per clip", {"root": bench.recordings.root, "truths": bench.recordings.truths}
    for method in METHODS["align"]:
        yield "align", method, "per frame", {"files": bench.drifting, "method": method}
    for method in METHODS["interpolate"]:
        for sigma in NOISES[:2]:
            yield "interpolate", method, f"noise {sigma:g}", {"files": bench.plain, "method": method, "sigma": sigma}
    for algorithm in ("micro", "dis", "tvl1"):
        for factor in FACTORS:
            case = f"gain {factor:g}, noise 1"
            arguments: dict[str, Any] = {"files": bench.faint, "algorithm": algorithm, "factor": factor, "sigma": 1.0}
            yield "magnify", f"lagrangian ({algorithm})", case, arguments
    for method, preset in flow_presets():
        for sigma in NOISES:
            arguments = {"files": bench.plain, "method": method, "options": {"preset": preset}, "sigma": sigma}
            yield "flow", f"{method} ({preset})", f"noise {sigma:g}", arguments
    for method in METHODS["rois"]:
        yield "rois", method, "per clip", {"files": bench.plain, "method": method}


def flow_presets() -> list[tuple[str, str]]:
    """Return every preset of every estimating flow method."""
    methods = {name: load(METHODS["flow"], name, "bench").Params for name in METHODS["flow"]}
    known = [(name, params.model_fields.get("preset")) for name, params in methods.items()]
    return [(name, preset) for name, field in known if field for preset in get_args(field.annotation)]
