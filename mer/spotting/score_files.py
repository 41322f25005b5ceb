"""`mer score-spotting`: score anyone's files of intervals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from mer.core.atomic import write_text
from mer.core.errors import DatasetError
from mer.spotting.interval_files import Interval, Table, dumps_megc, read_table
from mer.spotting.score_intervals import score

SHOWN = ("strs", "f1_spotting", "precision_spotting", "recall_spotting", "ap_50_95", "ap_50")
ANALYSIS = ("f1_analysis", "uf1", "uar", "accuracy")


def run_score(
    truth: Path, prediction: Path, classes: str, matching: str, fps: float | None, as_json: bool, megc: Path | None
) -> str:
    """Return the scores of two files as text.

    Args:
        truth: true intervals, STRS columns.
        prediction: predicted intervals, STRS columns or an MEGC submission, which names no subject and no emotion.
        classes: comma-separated emotions that are recognised; '' for all true ones but others.
        matching: `one-to-one` or `greedy`.
        fps: frames per second, to tell micro from macro where rows do not say.
        as_json: one JSON object instead of lines.
        megc: also write the predictions as an MEGC submission here; needs `fps` unless every row has a type.

    Raises:
        DatasetError: a file cannot be used; its message holds one line per malformed row.
    """
    tables = [read_table(path) for path in (truth, prediction)]
    problems = [line for table in tables for line in table.problems]
    if problems:
        raise Malformed(problems)
    if tables[0].format != "strs":
        raise DatasetError(truth, "an MEGC submission", "true intervals: subject,video,onset,offset,emotion")
    rows = _same_names(*tables)
    if megc is not None:
        _write(megc, tables[1], fps)
    result = score(*rows, [name for name in classes.split(",") if name], matching, fps)
    if tables[1].format == "megc":
        result |= dict.fromkeys(("strs", *ANALYSIS))
    return json.dumps(result, indent=1) if as_json else render(result)


class Malformed(DatasetError):
    """Rows that cannot be read; `lines` names each."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        super().__init__(lines[0], f"and {len(lines) - 1} more malformed rows" if len(lines) > 1 else "malformed row")

    def line(self) -> str:
        """Return every malformed row on a line of its own."""
        return "\nmer: ".join(self.lines)


def _same_names(truth: Table, prediction: Table) -> tuple[list[Interval], list[Interval]]:
    if prediction.format == "strs":
        return list(truth.rows), list(prediction.rows)
    owners: dict[str, set[str]] = {}
    for row in truth.rows:
        owners.setdefault(row.video, set()).add(row.subject)
    shared = sorted(video for video, subjects in owners.items() if len(subjects) > 1)
    if shared:
        found = f"video {shared[0]} belongs to {len(owners[shared[0]])} subjects"
        raise DatasetError(truth.path, found, "video names of their own", "an MEGC submission names no subject")
    return [replace(row, subject="") for row in truth.rows], list(prediction.rows)


def _write(path: Path, table: Table, fps: float | None) -> None:
    if fps is None and not all(row.type for row in table.rows):
        raise DatasetError(table.path, "rows without type", "the frame rate, to tell me from mae", "add --fps")
    write_text(path, dumps_megc(table.rows, fps or 1.0))


def render(result: dict[str, Any]) -> str:
    """Return scores as lines of text."""
    lines = [f"{result['n_truth']} true and {result['n_prediction']} predicted intervals in {result['videos']} videos"]
    lines.append(f"spotting   TP {result['tp']}  FP {result['fp']}  FN {result['fn']}")
    for name in SHOWN:
        lines.append(f"  {name:<20}" + ("–" if result[name] is None else f"{result[name]:.4f}"))
    names = ", ".join(result["classes"]) or "none"
    lines.append(f"recognition of {result['n_analysis']} spotted intervals ({names})")
    lines += [f"  {name:<20}" + ("–" if result[name] is None else f"{result[name]:.4f}") for name in ANALYSIS]
    for kind, row in result["by_type"].items():
        counts = f"TP {row['tp']:g}  FP {row['fp']:g}  FN {row['fn']:g}"
        lines.append(f"{kind:<10} {counts}  P {row['precision']:.4f}  R {row['recall']:.4f}  F1 {row['f1']:.4f}")
    if result["videos_without_truth"]:
        lines.append(f"{result['videos_without_truth']} videos have predictions and no true interval: all are counted")
    if result["subjects_without_prediction"]:
        lines.append("subjects without a prediction: " + ", ".join(result["subjects_without_prediction"]))
    return "\n".join(lines)
