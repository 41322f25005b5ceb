"""`mer bench stages`: every stage and method against the simulator's truth, each alone in a process of its own.

Speed is a ratio to OpenCV TV-L1 at its defaults on one clean 224 × 224 pair, measured in the same run; one unit of work
is a pair (flow, magnify), a frame (align, interpolate) or a clip (frames, rois). Methods that take more than a tenth of
a second for a pair see the first few of the pairs alone.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from mer.bench.clips import Folder, prepare, prepare_recordings, write_clips
from mer.bench.measure import Row, run_alone, run_cases
from mer.core.errors import ModelError
from mer.core.progress import each
from mer.stages.flow.method import FlowMethod
from mer.stages.registry import METHODS, load_method

REFERENCE = {"method": "tvl1", "options": {"preset": "opencv"}}
NOISES = (0.0, 1.0, 2.0, 3.0)
PLAIN_NOISES = (0.0, 1.5)
FACTORS = (3.0, 8.0)
# Pairs that the slow flow methods see, clips of magnification and of interpolation, and recordings of alignment.
SLOW, MAGNIFIED, HELD_OUT, RECORDED, DRIFTING = 16, 12, 6, 6, 40
SLOW_METHODS = ("tvl1", "black_anandan")
# What is measured of a method beside its defaults, or instead of them.
VARIANTS: dict[tuple[str, str], dict[str, dict[str, Any]]] = {
    ("magnify", "lagrangian"): {name: {"flow": name} for name in ("micro", "dis", "tvl1")},
    ("magnify", "eulerian"): {"two frames": {"temporal": "none"}},
}
SCIPY = "mer.bench.black_anandan_peer"
# The side at which the AU-fusion system's flow is compared with its peer, and the pairs of that.
PEER_SIZE, PEER_PAIRS = 128, 2

Cases = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Task:
    """One method of one stage, measured in a process of its own on several cases."""

    stage: str
    method: str
    function: str
    common: dict[str, Any]
    cases: Cases


@dataclass(frozen=True)
class Bench:
    """What is measured on.

    Pairs without and with strong head drift, clips for magnification and for interpolation with their truth, and
    recordings as files and as arrays.
    """

    pairs: list[Path]
    drifting: list[Path]
    faint: list[Path]
    rising: list[Path]
    recordings: Folder
    frames: list[Path]


def run_bench(count: int = 200, seed: int = 0, log: Callable[[str], None] = print) -> list[Row]:
    """Measure every stage.

    Args:
        count: simulated onset-apex pairs of the flow rows; other stages and slow methods use fewer.
        seed: of the simulated people and clips.
        log: receives a line per task, and one where a method's weights are not there, whose rows are left out.

    Returns:
        rows in the order of the journey; the reference itself is among them, with a ratio near 1.
    """
    with tempfile.TemporaryDirectory(prefix="mer-bench-") as name:
        bench = _simulate(Path(name), count, seed, log)
        log("flow tvl1 (opencv): the reference")
        reference = run_alone("mer.bench.tasks:flow", files=bench.pairs[:SLOW], sigma=0.0, **REFERENCE).cpu_seconds
        rows = []
        for task in each(list(tasks(bench)), "methods"):
            log(f"{task.stage} {task.method}")
            try:
                measured = run_cases(task.function, list(task.cases.values()), **task.common)
            except ModelError as absent:
                log(f"{task.stage} {task.method} is left out: {absent}")
                continue
            for case, result in zip(task.cases, measured, strict=True):
                ratio = reference / max(result.cpu_seconds, 1e-9)
                for measure, (error, unit) in result.errors.items():
                    if not math.isnan(error):
                        text = ", ".join(filter(None, (measure, case)))
                        cost = ratio, result.cpu_seconds, result.peak_mib
                        rows.append(Row(task.stage, task.method, text, error, unit, *cost))
        return rows


def _simulate(root: Path, count: int, seed: int, log: Callable[[str], None]) -> Bench:
    log(f"simulating {count} pairs, and {min(count, DRIFTING)} with strong head drift")
    pairs = prepare(root / "pairs", count, seed)
    drifting = prepare(root / "drifting", min(count, DRIFTING), seed, drift=6)
    log("simulating clips for magnification, interpolation and alignment")
    # Magnified eight times, a full expression would fold the skin; half of one does not. Without drift the face alone
    # is magnified.
    faint = prepare(root / "faint", min(count, MAGNIFIED), seed, (0.5,), FACTORS, drift=0)
    rising = prepare(root / "rising", min(count, HELD_OUT), seed, (1.0, 2.0), rise=True)
    recordings = write_clips(root / "recordings", min(count, RECORDED), seed, drift=6)
    frames = prepare_recordings(recordings, min(count, RECORDED), root / "frames")
    return Bench(pairs, drifting, faint, rising, recordings, frames)


def tasks(bench: Bench) -> Iterator[Task]:
    """Yield every measurement."""
    database = {"root": bench.recordings.root, "truths": bench.recordings.truths}
    yield Task("frames", "list", "mer.bench.tasks:frames", database, {"per clip": {}})
    for method in METHODS["align"]:
        yield Task("align", method, "mer.bench.tasks:align", {"files": bench.frames, "method": method}, {"": {}})
    noises: Cases = {f"noise {sigma:g}": {"sigma": sigma} for sigma in PLAIN_NOISES}
    gains: Cases = {f"gain {f:g}, noise 1": {"factor": f, "sigma": 1.0} for f in FACTORS}
    for stage, files, cases in (("interpolate", bench.rising, noises), ("magnify", bench.faint, gains)):
        for method in METHODS[stage]:
            for label, options in VARIANTS.get((stage, method), {"": {}}).items():
                common: dict[str, Any] = {"files": files, "method": method, "options": options}
                name = f"{method} ({label})" if label else method
                yield Task(stage, name, f"mer.bench.{stage}:{stage}", common, cases)
    yield from _flow_tasks(bench)
    for method in METHODS["rois"]:
        yield Task("rois", method, "mer.bench.tasks:rois", {"files": bench.pairs, "method": method}, {"per clip": {}})


def _flow_tasks(bench: Bench) -> Iterator[Task]:
    """Yield the measurements of flow, which are the same for every method."""
    for method, label, options in flow_methods():
        few = SLOW if method in SLOW_METHODS else len(bench.pairs)
        name = f"{method} ({label})" if label else method
        cases = flow_cases(bench.pairs[:few], bench.drifting[:few])
        yield Task("flow", name, "mer.bench.tasks:flow", {"method": method, "options": options}, cases)
    alone: dict[str, Any] = {
        "method": "micro",
        "options": {"device": "cpu"},
        "together": False,
        "files": bench.pairs,
        "sigma": 0.0,
    }
    yield Task("flow", "micro (fast), a pair at a time", "mer.bench.tasks:flow", alone, {"noise 0": {}})
    files = bench.pairs[:PEER_PAIRS]
    small = f"noise 0, {PEER_SIZE} px, {PEER_PAIRS} pairs"
    common: dict[str, Any] = {"method": "black_anandan", "options": {"device": "cpu"}, "files": files, "sigma": 0.0}
    yield Task("flow", "black_anandan", "mer.bench.tasks:flow", {**common, "size": PEER_SIZE}, {small: {}})
    common = {"method": "black_anandan", "peer": SCIPY, "files": files, "size": PEER_SIZE}
    yield Task("flow", "black_anandan by SciPy's spsolve", "mer.bench.tasks:compared_flow", common, {small: {}})


def flow_cases(pairs: Sequence[Path], drifting: Sequence[Path]) -> Cases:
    """Return the cases of flow by name: noise, changes of light, and a moving head; each says how many pairs it has."""
    cases: Cases = {}
    for sigma in NOISES:
        cases[f"noise {sigma:g}, {len(pairs)} pairs"] = {"files": pairs, "sigma": sigma, "by_motion": sigma == 0}
    for light, label in (("flicker", "flicker of 3 %"), ("drifting", "light drifting by 4 %")):
        cases[f"{label}, noise 1, {len(pairs)} pairs"] = {"files": pairs, "sigma": 1.0, "light": light}
    cases[f"head drift, noise 1, {len(drifting)} pairs"] = {"files": drifting, "sigma": 1.0}
    return cases


def flow_methods() -> list[tuple[str, str, dict[str, Any]]]:
    """Return every method that estimates flow, with every preset: (method, preset or '', options)."""
    methods: list[tuple[str, str, dict[str, Any]]] = []
    for method in METHODS["flow"]:
        chosen = load_method("flow", method, "bench")
        if not isinstance(chosen, FlowMethod):
            continue
        fields = chosen.Params.model_fields
        # Speed is compared on processors, whatever the machine has.
        options = {"device": "cpu"} if "device" in fields else {}
        presets = get_args(fields["preset"].annotation) if "preset" in fields else ("",)
        methods += [(method, preset, {**options, **({"preset": preset} if preset else {})}) for preset in presets]
    return methods
