"""Scoring tables of intervals: spotting, recognition of what was spotted, STRS (specs/mean-softnet.md §9, §10).

Every subject and video of either table counts: predictions in a video without true intervals are false alarms, true
intervals of a subject without predictions are misses. No score depends on the order of rows.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mer.core.atomic import write_text
from mer.core.errors import DatasetError
from mer.metrics.spotting import THRESHOLDS, Counts, Video, average_precision, match, match_greedy, total
from mer.metrics.strs import analysis, strs
from mer.spotting.interval_files import Interval, Table, dumps_megc, read_table

Key = tuple[str, str]
Sides = tuple[list[Interval], list[Interval]]
KINDS = ("micro", "macro")

#: How each protocol of an experiment pairs intervals.
MATCHING = {"fixed": "one-to-one", "ref": "greedy"}


def score(
    truth: Sequence[Interval],
    prediction: Sequence[Interval],
    classes: Sequence[str] = (),
    matching: str = "one-to-one",
    fps: float | None = None,
) -> dict[str, Any]:
    """Score predicted against true intervals.

    Args:
        truth: true intervals; may be empty.
        prediction: predicted intervals; may be empty.
        classes: emotions that are recognised; all true ones when empty, but `others`.
        matching: `one-to-one`, or `greedy`: the published rule, which depends on the order of `prediction`.
        fps: frames per second: rows without type are micro up to half a second. Untyped tables get no scores by type
            when None.

    Returns:
        `tp`, `fp`, `fn`, `precision_spotting`, `recall_spotting`, `f1_spotting`, `ap_50_95`, `ap_50`, `strs`, the
        keys of `mer.metrics.strs.analysis`, `classes`, `by_type` (micro, macro, overall), `n_truth`, `n_prediction`,
        `videos`, `videos_without_truth`, `subjects_without_prediction`.
    """
    videos = _by_video(truth, prediction)
    pairs = {key: pair_intervals(*rows, matching) for key, rows in videos.items()}
    counts = total(_count(*videos[key], pairs[key]) for key in videos)
    named = tuple(classes) or tuple(sorted({row.emotion for row in truth} - {"", "others", "other"}))
    analysed = analysis(*_emotions(videos, pairs), named)
    ap = average_precision([_video(*rows) for rows in videos.values()])
    return {
        "strs": strs(counts, analysed),
        "tp": counts.tp,
        "fp": counts.fp,
        "fn": counts.fn,
        "precision_spotting": counts.precision,
        "recall_spotting": counts.recall,
        "f1_spotting": counts.f1,
        "ap_50": float(ap[0]),
        "ap_50_95": float(ap.mean()),
        "ap_thresholds": list(THRESHOLDS),
        **analysed,
        "classes": list(named),
        "by_type": _by_type(truth, prediction, matching, fps),
        "n_truth": len(truth),
        "n_prediction": len(prediction),
        "videos": len(videos),
        "videos_without_truth": sum(not rows[0] for rows in videos.values()),
        "subjects_without_prediction": sorted({t.subject for t in truth} - {p.subject for p in prediction}),
    }


def _by_video(truth: Iterable[Interval], prediction: Iterable[Interval]) -> dict[Key, Sides]:
    videos: dict[Key, Sides] = defaultdict(lambda: ([], []))
    for side, rows in enumerate((truth, prediction)):
        for row in rows:
            videos[row.subject, row.video][side].append(row)
    # Equal overlaps are settled by the order of rows: sort the rows, and it is nobody's.
    return {key: (sorted(rows[0]), rows[1]) for key, rows in sorted(videos.items())}


def _frames(rows: Sequence[Interval]) -> np.ndarray:
    return np.array([(row.onset, row.offset) for row in rows], np.int64).reshape(-1, 2)


def pair_intervals(truth: Sequence[Interval], prediction: list[Interval], matching: str) -> np.ndarray:
    """Return (n, 2) indices of the true and predicted intervals of one recording that belong together.

    `matching` is `one-to-one`, which sorts `prediction` first, or `greedy`.
    """
    if matching == "greedy":
        return match_greedy(_frames(truth), _frames(prediction))
    prediction.sort()
    return match(_frames(truth), _frames(prediction))


def _count(truth: Sequence[Interval], prediction: Sequence[Interval], pairs: np.ndarray) -> Counts:
    return Counts(len(pairs), len(prediction) - len(pairs), len(truth) - len(pairs))


def _emotions(videos: Mapping[Key, Sides], pairs: Mapping[Key, np.ndarray]) -> tuple[list[str], list[str]]:
    truth, prediction = [], []
    for key, matched in pairs.items():
        for g, p in matched.tolist():
            truth.append(videos[key][0][g].emotion)
            prediction.append(videos[key][1][p].emotion)
    return truth, prediction


def _video(truth: Sequence[Interval], prediction: Sequence[Interval]) -> Video:
    return Video(_frames(truth), _frames(prediction), np.array([row.confidence for row in prediction], float))


def _by_type(
    truth: Sequence[Interval], prediction: Sequence[Interval], matching: str, fps: float | None
) -> dict[str, dict[str, float]]:
    """Return the scores of micro and macro runs, and of their summed counts; {} where a row has no type."""
    sides = [[(row.kind(fps), row) for row in rows] for rows in (truth, prediction)]
    if any(not kind for side in sides for kind, _ in side):
        return {}
    scores: dict[str, Counts] = {}
    for kind in KINDS:
        videos = _by_video(*([row for type_, row in side if type_ == kind] for side in sides))
        scores[kind] = total(_count(*rows, pair_intervals(*rows, matching)) for rows in videos.values())
    scores["overall"] = total(scores.values())
    return {kind: counts.as_dict() for kind, counts in scores.items()}


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
