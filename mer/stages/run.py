"""One subject through one stage: the loop over clips, failures and progress.

A clip that raises `ClipError` or `MediaError` is excluded and listed in the product with its reason; clips
that an earlier stage excluded are carried on with theirs. Everything else stops the job and leaves no file.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mer.core.container import Container, ContainerWriter, file_digest
from mer.core.errors import ClipError, MediaError
from mer.core.made import Step, require_made, rows_digest
from mer.core.on_disk import look, remember
from mer.core.plugins import blaming
from mer.core.source import ABSENT, Source
from mer.provenance import code_digest, library_line, with_files
from mer.stages.contract import DeviceParams, Method, Stage
from mer.stages.registry import METHODS, STAGES, load_method, load_stage
from mer.weights.locate import used

Log = Callable[[str], None]


@dataclass(frozen=True)
class StageSpec:
    """Which stage runs how: what the rule of the stage passes on."""

    stage: str
    variant: str
    method: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """How many clips were written, and which were excluded for what reason."""

    written: int
    failures: Mapping[str, str]


def stage_modules(stage: str, method: str) -> tuple[str, str, str]:
    """Return the modules whose code decides what a stage writes."""
    return ("mer.stages.run", STAGES[stage], METHODS[stage][method])


def stage_digest(stage: str, method: str, weights: Sequence[Path] = ()) -> str:
    """Return the code digest of one method of one stage, joined with that of the weights that it uses, if any."""
    code = code_digest(*stage_modules(stage, method))
    return with_files(code, *weights) if weights else code


def run_subject(
    spec: StageSpec,
    rows: Sequence[Mapping[str, Any]],
    out: Path,
    source: Path | None = None,
    root: Path | None = None,
    log: Log = print,
    device: str = "cpu",
    wanted: Sequence[Step] | None = None,
) -> Outcome:
    """Run one stage over the clips of one subject and write its container.

    Args:
        spec: the stage, variant, method and parameters.
        rows: the subject's label-free index rows (`mer.core.sample.media_row`).
        out: the container to write.
        source: the container that the variant reads; None for `from: index`.
        root: the dataset's folder, for stages that read the owner's media.
        log: receives one line per clip.
        device: `cpu`, or `cuda` where the job was given a GPU: what `device: auto` stands for.
        wanted: the steps that must have led to the source; None where any will do.

    Raises:
        ContainerError: the source is unfinished, lacks an array, or was made otherwise than `wanted`.
        StorageError: the disk is full.
    """
    stage = load_stage(spec.stage)
    method = load_method(spec.stage, spec.method, f"{spec.stage}.method")
    params = method.Params.model_validate(dict(spec.params))
    weights = used(params)
    inputs = {path.name: file_digest(path) for path in [*([source] if source else []), *weights]}
    digest = stage_digest(spec.stage, spec.method)
    own = params.model_dump(mode="json")
    step = {"stage": spec.stage, "method": spec.method, "params": own}
    step["code"] = stage_digest(spec.stage, spec.method, weights)
    # Rows of a database that the workflow wrote itself have no keys of files.
    seen = look(root, rows, params) if root and not source and any("files" in row for row in rows) else {}
    if isinstance(params, DeviceParams):
        params = params.placed(device)
    with Container(source) if source else nullcontext() as box:
        if box and wanted is not None:
            require_made(box, wanted)
        behind = box.attributes.get("rows") if box else [one.content for one in seen.values()]
        chain = json.dumps([*(box.chain() if box else ()), step], sort_keys=True)
        record = {"chain": chain, "rows": rows_digest(rows, behind)}
        recorded = {"method": spec.method, **own}
        with ContainerWriter(out, spec.stage, spec.variant, recorded, inputs, digest, library_line(), record) as writer:
            failures = _every_clip(spec, stage, method, params, rows, root, box, writer, log)
    if seen:
        remember(out, seen)
    return Outcome(len(rows) - len(failures), failures)


def _every_clip(
    spec: StageSpec,
    stage: Stage[Any, Any],
    method: Method[Any],
    params: Any,
    rows: Sequence[Mapping[str, Any]],
    root: Path | None,
    box: Container | None,
    writer: ContainerWriter,
    log: Log,
) -> dict[str, str]:
    """Run every clip; return the reasons of those that were excluded."""
    plugged = METHODS[spec.stage].plugged(spec.method)
    failures: dict[str, str] = {}
    for number, row in enumerate(rows, 1):
        started = time.perf_counter()
        sample_id = str(row["sample_id"])
        with blaming(plugged, f"method {spec.method} of {spec.stage}, clip {sample_id},"):
            reason = _one_clip(stage, method, params, row, root, box, writer)
        if reason:
            failures[sample_id] = reason
        state = f"excluded: {reason}" if reason else f"{time.perf_counter() - started:.2f} s"
        log(f"{spec.stage} {number}/{len(rows)} {sample_id}: {state}")
    return failures


def _one_clip(
    stage: Stage[Any, Any],
    method: Method[Any],
    params: Any,
    row: Mapping[str, Any],
    root: Path | None,
    box: Container | None,
    writer: ContainerWriter,
) -> str:
    """Run one clip; return '' or the reason for which it was excluded."""
    sample_id = str(row["sample_id"])
    if box is not None and sample_id not in box.clip_ids:
        reason = box.failures.get(sample_id, f"{box.path}: clip is not in the product of the stage before")
        writer.fail(sample_id, reason)
        return reason
    problem: list[str] = []
    with writer.clip(sample_id) as clip:
        try:
            source = box.clip(sample_id) if box else None
            stage.process(Source(row, root, source), clip, method, params)
            if source is not None:
                clip.attributes({ABSENT: source.attributes.get(ABSENT)})
        except (MediaError, ClipError) as error:
            # Reasons end up in tables that must not differ between machines.
            where = error.where.replace(f"{root}/", "") if root else error.where
            excluded = ClipError(where, error.found, error.expected, error.remedy)
            problem.append(excluded.line())
            raise excluded from error
    return problem[0] if problem else ""
