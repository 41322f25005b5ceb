"""Naming spotted intervals by a recognition experiment: its whole preprocessing, on the frames from onset to offset.

The model is that of the fold in which the recording's person was held out, so it has never seen them.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mer.core.atomic import write_text
from mer.core.sample import Sample
from mer.spotting.evaluate import read_lines
from mer.training.new_clips import NewClip
from mer.training.predict_new import Answer, open_ensemble, predict_clips
from mer.training.separation import require_unseen


def name_intervals(
    intervals: str | Path,
    model: str | Path,
    recordings: Mapping[str, tuple[Path, Sample]],
    out: str | Path,
    log: Callable[[str], None] = print,
    device: str = "cpu",
) -> None:
    """Copy a file of spotted intervals with `emotion` and `scores` filled in.

    An interval whose frames cannot be used keeps an empty emotion and gets the `reason`.

    Args:
        intervals: JSON lines, written by `mer.spotting.predict.predict_fold`.
        model: checkpoint of the recognition experiment's fold.
        recordings: the database's folder and the row of every recording, by its `sample_id`.
        out: JSON lines.
        log: takes one line at a time.
        device: `cpu` or `cuda`.

    Raises:
        ModelError: the model saw a person of the intervals, or does not say how its inputs are made.
    """
    rows = read_lines([intervals])
    ensemble = open_ensemble(Path(model))
    require_unseen((row["group"] for row in rows), ensemble.meta, model, intervals)
    refused = str((ensemble.meta.get("weights") or {}).get("refused", ""))
    if refused:
        log(f"nothing named: {refused}")
        rows = [row | {"emotion": "", "scores": {}, "reason": refused} for row in rows]
    for root in sorted({recordings[row["sample_id"]][0] for row in rows if not refused}):
        here = {k: row for k, row in enumerate(rows) if recordings[row["sample_id"]][0] == root}
        clips = [_clip(k, row, recordings[row["sample_id"]][1]) for k, row in here.items()]
        with tempfile.TemporaryDirectory(prefix="mer-naming-") as work:
            answers = predict_clips(ensemble, clips, root, Path(work), log, device)
        for k, answer in zip(here, answers, strict=True):
            rows[k] |= _told(answer, list(ensemble.meta["classes"]))
    write_text(out, "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows))


def _clip(number: int, row: Mapping[str, Any], recording: Sample) -> NewClip:
    # An apex at an end of the interval would leave no motion before or after it.
    onset, offset = int(row["onset"]), int(row["offset"])
    apex = min(max(int(row["apex"]), onset + 1), max(onset + 1, offset - 1))
    events = {"onset": onset, "apex": apex, "offset": max(offset, apex)}
    video = recording.media_kind == "video"
    return NewClip(f"spotted/{number:05d}", recording.media_path, video, events, recording.fps)


def _told(answer: Answer, classes: list[str]) -> dict[str, Any]:
    if answer.scores is None:
        return {"emotion": "", "scores": {}, "reason": answer.reason}
    scores = {name: round(float(value), 6) for name, value in zip(classes, answer.scores, strict=True)}
    return {"emotion": classes[int(answer.scores.argmax())], "scores": scores}
