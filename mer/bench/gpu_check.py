"""What `scripts/gpu_check.sh` runs and writes: one fold to its end, the kernels of stages, and all of it as one JSON.

`python -m mer.bench.gpu_check machine | fold | kernels` prints JSON; `merge` puts what the steps printed together.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mer.core.atomic import write_text
from mer.models.registry import model


def machine() -> dict[str, Any]:
    """Return what the numbers depend on: the card, its driver's versions, PyTorch."""
    import torch

    told: dict[str, Any] = {"python": platform.python_version(), "torch": torch.__version__, "cuda": torch.version.cuda}
    told |= {"processor": platform.processor() or platform.machine(), "cards": torch.cuda.device_count()}
    if torch.cuda.is_available():
        about = torch.cuda.get_device_properties(0)
        told |= {"card": about.name, "capability": f"{about.major}.{about.minor}", "mib": about.total_memory // 2**20}
        told |= {"bf16": torch.cuda.is_bf16_supported(), "cudnn": torch.backends.cudnn.version()}
    return told


class _OutOfTime(Exception):
    """Ends a training that takes too long."""


def fold(
    name: str, preset: str, precision: str, clips: int, epochs: int, seconds: float, device: str
) -> dict[str, Any]:
    """Train a preset to its last epoch on noise and apply it to one clip; stop after the epoch at `seconds`.

    Args:
        name: of the model.
        preset: its published one where empty, or its first.
        precision: as `train.precision`.
        clips: training clips.
        epochs: instead of the preset's; 0 for those.
        seconds: of training.
        device: `cpu` or `cuda`.
    """
    import torch

    from mer.bench.systems import features
    from mer.models.loop import watching
    from mer.models.surroundings import surrounded
    from mer.training.fit_session import Session

    card = model(name, "--model")
    preset = preset or card.published or card.default
    settings = card.presets[preset]
    settings = settings.model_copy(update={"epochs": epochs}) if epochs else settings
    data = features(name, settings, clips)
    labels, groups = np.arange(clips) % card.classes_of(preset), np.array([f"p{i % 8}" for i in range(clips)])
    coded = {"units": [(1, 4)] * clips} if "fit" in card.units else {}
    session, done, begun = Session(precision=precision), 0, time.perf_counter()  # type: ignore[arg-type]
    ends = [begun]

    def watch(epoch: int, total: int, network: Any) -> None:
        nonlocal done
        done = epoch
        ends.append(time.perf_counter())
        if epoch < total and ends[-1] - begun > seconds:
            raise _OutOfTime

    told = {"model": name, "preset": preset, "device": device, "clips": clips}
    scores = None
    try:
        with surrounded(session), watching(watch):
            state = card.fit(data, labels, groups, card.classes_of(preset), settings, 0, _quiet, device, **coded)
        scores = card.predict(state, _first(data), device)
    except _OutOfTime:
        pass
    peak = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else None
    spent = {"epochs": done, "of": settings.model_dump()["epochs"], "computed": session.used, "peak_mib": peak}
    speed = {"seconds": ends[-1] - begun, "epoch_seconds": float(np.median(np.diff(ends))) if done else None}
    ended = scores is not None and bool(np.isfinite(scores).all())
    return {**told, **spent, **speed, "total_seconds": time.perf_counter() - begun, "to_the_end": ended}


def _first(data: Any) -> Any:
    return {key: array[:1] for key, array in data.items()} if isinstance(data, dict) else data[:1]


def _quiet(line: str) -> None:
    """Take a line of the log."""


def kernels(pairs: int, side: int, device: str) -> list[dict[str, Any]]:
    """Return seconds and the largest difference from the CPU of each estimator and network that stages run."""
    from mer.motion import black_anandan, micro
    from mer.stages.interpolate import rife
    from mer.stages.magnify import magnet

    y, x = np.mgrid[:side, :side]
    waves = [127 + 60 * np.sin((x - 0.01 * t) / 3) * np.cos((y + 0.005 * t) / 4) for t in range(pairs + 1)]
    grey = np.stack(waves).astype(np.float32)
    frames, at = np.repeat(grey.round().astype(np.uint8)[:3, ..., None], 3, axis=-1), np.array([0.25, 0.5, 1.5])
    steps: dict[str, Callable[[str], np.ndarray]] = {
        "micro": lambda place: micro.flows(grey[:1], grey[1:], None, place),
        "black_anandan": lambda place: black_anandan.flows(grey[:1], grey[1:], None, place),
        "rife": lambda place: rife.resample(frames, at, rife.Params(device=place)),  # type: ignore[arg-type]
        "magnet": lambda place: np.stack(list(magnet.magnified(frames, 0, magnet.Params(device=place)))),  # type: ignore[arg-type]
    }
    rows = []
    for name, run in steps.items():
        made, times = run(device), []
        for _ in range(3):
            begun = time.perf_counter()
            run(device)
            times.append(time.perf_counter() - begun)
        apart = float(np.abs(made.astype(np.float64) - run("cpu")).max())
        rows.append(
            {"kernel": name, "device": device, "pairs": pairs, "side": side, "seconds": min(times), "apart": apart}
        )
    return rows


def merge(folder: Path) -> dict[str, Any]:
    """Return the status, the seconds and the rows of every step of a folder; of one without JSON, its last lines."""
    steps = {}
    with (folder / "steps.tsv").open(newline="") as file:
        for name, status, seconds in csv.reader(file, delimiter="\t"):
            steps[name] = {"status": status, "seconds": float(seconds), **_printed(folder, name)}
    return {"failed": sorted(name for name, step in steps.items() if step["status"] != "ok"), "steps": steps}


def _printed(folder: Path, name: str) -> dict[str, Any]:
    texts = {kind: folder / f"{name}.{kind}" for kind in ("out", "err")}
    out, err = (path.read_text(errors="replace") if path.is_file() else "" for path in texts.values())
    try:
        return {"rows": json.loads(out)}
    except ValueError:
        return {"said": (out + err).splitlines()[-20:]}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one step and print what it found, or write all."""
    parser = argparse.ArgumentParser(prog="mer.bench.gpu_check", description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    steps.add_parser("machine")
    one = steps.add_parser("fold")
    for key, kind, default in (("model", str, ""), ("preset", str, ""), ("precision", str, "auto"), ("clips", int, 435),
                               ("epochs", int, 0), ("seconds", float, 60.0), ("device", str, "cuda")):  # fmt: skip
        one.add_argument(f"--{key}", type=kind, default=default)
    of_stages = steps.add_parser("kernels")
    for key, kind, default in (("pairs", int, 64), ("side", int, 128), ("device", str, "cuda")):
        of_stages.add_argument(f"--{key}", type=kind, default=default)
    together = steps.add_parser("merge")
    together.add_argument("--folder", type=Path, required=True)
    together.add_argument("--out", type=Path, required=True)
    asked = vars(parser.parse_args(arguments))
    step = asked.pop("step")
    if step == "merge":
        told = merge(asked["folder"])
        write_text(asked["out"], json.dumps(told, indent=1) + "\n")
        print(f"wrote {asked['out']}: {len(told['steps'])} steps, failed: {', '.join(told['failed']) or 'none'}")
        return
    if step == "fold":
        asked["name"] = asked.pop("model")
    run: dict[str, Callable[..., Any]] = {"machine": machine, "fold": fold, "kernels": kernels}
    print(json.dumps(run[step](**asked), indent=1))


if __name__ == "__main__":
    main()
