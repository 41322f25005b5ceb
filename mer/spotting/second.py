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
from mer.core.errors import ModelError
from mer.spotting.collect import read_lines
from mer.spotting.media import Medium
from mer.training.apply import Answer, apply, open_experiment
from mer.training.newclips import NewClip


def name_intervals(
    intervals: str | Path,
    model: str | Path,
    media: Mapping[str, Medium],
    out: str | Path,
    log: Callable[[str], None] = print,
    device: str = "cpu",
) -> None:
    """Copy a file of spotted intervals with `emotion` and `scores` filled in.

    An interval whose frames cannot be used keeps an empty emotion and gets the `reason`.

    Args:
        intervals: JSON lines, written by `mer.spotting.predict.predict_fold`.
        model: checkpoint of the recognition experiment's fold.
        media: every recording by its `sample_id`.
        out: JSON lines.
        log: takes one line at a time.
        device: `cpu` or `cuda`.

    Raises:
        ModelError: the model saw a person of the intervals, or does not say how its inputs are made.
    """
    rows = read_lines([intervals])
    experiment = open_experiment(Path(model))
    seen = sorted({row["group"] for row in rows} & set(experiment.meta["train_groups"]))
    if seen:
        raise ModelError(model, f"was trained on {seen[0]}", "a model that has not seen the recording's person")
    for root in sorted({media[row["sample_id"]].root for row in rows}):
        own = {k: row for k, row in enumerate(rows) if media[row["sample_id"]].root == root}
        clips = [_clip(k, row, media[row["sample_id"]]) for k, row in own.items()]
        with tempfile.TemporaryDirectory(prefix="mer-naming-") as work:
            answers = apply(experiment, clips, root, Path(work), log, device)
        for k, answer in zip(own, answers, strict=True):
            rows[k] |= _told(answer, list(experiment.meta["classes"]))
    write_text(out, "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows))


def _clip(number: int, row: Mapping[str, Any], medium: Medium) -> NewClip:
    # An apex at an end of the interval would leave no motion before or after it.
    onset, offset = int(row["onset"]), int(row["offset"])
    apex = min(max(int(row["apex"]), onset + 1), max(onset + 1, offset - 1))
    events = {"onset": onset, "apex": apex, "offset": max(offset, apex)}
    return NewClip(f"spotted/{number:05d}", medium.path, medium.kind == "video", events, medium.fps)


def _told(answer: Answer, classes: list[str]) -> dict[str, Any]:
    if answer.scores is None:
        return {"emotion": "", "scores": {}, "reason": answer.reason}
    scores = {name: round(float(value), 6) for name, value in zip(classes, answer.scores, strict=True)}
    return {"emotion": classes[int(answer.scores.argmax())], "scores": scores}
