"""`mer bench clip`: one clip from its image files to the flow of its regions, as the AU-fusion system goes.

A simulated clip of 70 frames of 640 × 480 runs through every stage with the system's own choices (specs/au-fusion.md
§1 to 4): aligned crops, ten frames by RIFE or TIM, ten factors of Eulerian magnification, Black-Anandan flow between
neighbouring frames of every factor, and thirty patches. Each stage writes its product as in a real run. All is run
twice in one process, and the second time is measured: loading libraries and weights is not a clip's work.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mer.bench.clips import prepare, write_clips
from mer.bench.measure import Clock, run_alone
from mer.bench.table import BenchRow, column
from mer.bench.tasks import Errors
from mer.core.errors import ClipError, ModelError
from mer.core.progress import bar

FRAMES, FPS = 70, 200.0
FACTORS = tuple(round(2.2 + 0.2 * k, 1) for k in range(10))
# Stage, the stage that it reads, its method and keys. The second interpolation is a dead end, there to be compared.
CHAIN: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("frames", "", "list", {}),
    ("align", "frames", "dlib", {"size": 224}),
    ("interpolate", "align", "tim", {"frames": 10, "schedule": "onset_apex_offset"}),
    ("interpolate", "align", "rife", {"frames": 10, "schedule": "onset_apex_offset"}),
    ("magnify", "interpolate", "eulerian", {"alphas": FACTORS}),
    ("flow", "magnify", "black_anandan", {"pairs": "consecutive", "size": 128, "device": "cpu"}),
    ("rois", "flow", "patches30", {}),
)
REFERENCE_PAIRS = 3
# Arrays by which a product's size is told.
MADE = ("numbers", "frames", "flow", "patches")


@dataclass(frozen=True)
class ClipRow(BenchRow):
    """One stage of the clip: what it made, its CPU-seconds, and those in OpenCV TV-L1 pairs at 224 × 224."""

    stage: str = column("stage")
    method: str = column("method")
    made: str = column("made")
    cpu_seconds: float = column("CPU s", "{:.3f}")
    tvl1_pairs: float = column("TV-L1 pairs", "{:.2f}")


def run_clip_bench(seed: int = 0, log: Callable[[str], None] = print) -> list[ClipRow]:
    """Measure the chain stage by stage; the last row is the sum, with one of the two interpolations."""
    with tempfile.TemporaryDirectory(prefix="mer-bench-clip-") as name, bar("steps") as update:
        root = Path(name)
        log(f"simulating {FRAMES} frames")
        seconds = (FRAMES - 1) / FPS
        folder = write_clips(root / "clip", 1, seed, shortest=seconds, longest=seconds, fps=FPS)
        pairs = prepare(root / "pairs", REFERENCE_PAIRS, seed)
        update(1, 3)
        log("flow tvl1 (opencv): the reference")
        options = {"preset": "opencv"}
        reference = run_alone("mer.bench.tasks:flow", files=pairs, sigma=0.0, method="tvl1", options=options)
        update(2, 3)
        log("the chain, twice")
        measured = run_alone("mer.bench.clip:chain", root=folder.root, products=root / "products")
    rows = []
    for name, (cost, made) in measured.errors.items():
        stage, method = name.split(" ")
        rows.append(ClipRow(stage, method, made, cost, cost / reference.cpu_seconds))
    used = [row.method for row in rows if row.stage == "interpolate"][-1]
    if used == "tim":
        log("interpolate rife is left out: its weights are not there; the chain goes on with tim")
    total = sum(row.cpu_seconds for row in rows if row.stage != "interpolate" or row.method == used)
    return [*rows, ClipRow("all", f"with {used}", "", total, total / reference.cpu_seconds)]


def chain(clock: Clock, root: Path, products: Path) -> Errors:
    """Run the chain twice on the first clip of a simulated database.

    Returns:
        by "stage method", the CPU-seconds of the second time, and the shape of what was made.

    Args:
        clock: not used, for the steps are told apart.
        root: the database's folder.
        products: where the products go.
    """
    from mer.core.sample import media_row
    from mer.datasets.casme2 import READER, Options

    row = media_row(READER.read(root, Options()).samples[0])
    costs: Errors = {}
    for turn in ("first", "second"):
        folder = products / turn
        folder.mkdir(parents=True)
        for step in CHAIN:
            try:
                costs[f"{step[0]} {step[2]}"] = _run(step, row, root, folder)
            except ModelError:
                if step[2] != "rife":
                    raise
    return costs


def _run(
    step: tuple[str, str, str, dict[str, Any]], row: Mapping[str, Any], root: Path, folder: Path
) -> tuple[float, str]:
    """Run one step into `folder`; return its CPU-seconds and the shape of what it made."""
    from mer.core.container import Container
    from mer.stages.run import StageSpec, run_subject

    stage, source, method, params = step
    out, given = folder / f"{stage}.h5", folder / f"{source}.h5" if source else None
    started = time.process_time()
    outcome = run_subject(StageSpec(stage, "bench", method, params), [row], out, given, root, log=lambda line: None)
    cost = time.process_time() - started
    for sample_id, reason in outcome.failures.items():
        raise ClipError(sample_id, reason)
    with Container(out) as box:
        clip = box.clip(str(row["sample_id"]))
        largest = max((clip.lazy(name).shape for name in MADE if name in clip), key=len)
    return cost, " × ".join(str(side) for side in largest)
