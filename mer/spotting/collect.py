"""Scoring a spotting experiment over all its folds: what every fold spotted in its held-out recordings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mer.core.atomic import write_text
from mer.core.errors import ModelError
from mer.spotting.score import score
from mer.spotting.tables import Interval, write_strs
from mer.spotting.truth import Video, read_videos

UNNAMED = "others"


def truth_rows(videos: Iterable[Video], kinds: Sequence[str]) -> list[Interval]:
    """Return the annotated expressions of the kinds that are spotted, as rows of the STRS columns."""
    return [
        Interval(video.subject, video.sample_id, event.onset, event.offset, event.label or UNNAMED, event.kind)
        for video in videos
        for event in video.events
        if event.kind in kinds
    ]


def read_lines(paths: Iterable[str | Path]) -> list[dict[str, Any]]:
    """Return the objects of files of JSON lines, in order.

    Raises:
        ModelError: a file is missing or not such a file.
    """
    found: list[dict[str, Any]] = []
    for path in paths:
        try:
            found += [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines() if line]
        except (OSError, ValueError) as error:
            raise ModelError(
                path, f"unreadable ({error})", "intervals of a fold", "run the predict step again"
            ) from error
    return found


def prediction_rows(found: Iterable[dict[str, Any]]) -> list[Interval]:
    """Return spotted intervals as rows of the STRS columns."""
    return [
        Interval(
            row["subject"],
            row["sample_id"],
            int(row["onset"]),
            int(row["offset"]),
            row["emotion"] or UNNAMED,
            row["kind"],
            float(row["confidence"]),
        )
        for row in found
    ]


def evaluate(
    truth: Sequence[Interval],
    runs: Mapping[int, Sequence[Interval]],
    classes: Sequence[str],
    protocol: str,
    videos: Sequence[Video],
) -> dict[str, Any]:
    """Return the scores of every seed and their mean.

    Args:
        truth: annotated expressions.
        runs: spotted intervals by seed.
        classes: emotions that are recognised; empty where none are.
        protocol: `fixed` pairs intervals one to one, `ref` by the published greedy rule.
        videos: all recordings, to count those without an expression.
    """
    matching = "one-to-one" if protocol == "fixed" else "greedy"
    seeds = {seed: score(truth, rows, classes, matching) for seed, rows in sorted(runs.items())}
    names = ("strs", "f1_spotting", "precision_spotting", "recall_spotting", "ap_50_95", "f1_analysis", "uf1", "uar")
    means = {name: sum(result[name] for result in seeds.values()) / len(seeds) for name in names}
    return {
        "protocol": protocol,
        "classes": list(classes),
        "mean": means,
        "seeds": {str(seed): result for seed, result in seeds.items()},
        "recordings": len(videos),
        "recordings_without_expression": sum(not video.events for video in videos),
        "subjects": len({video.group for video in videos}),
    }


def write_scores(
    folder: Path,
    seeds: Sequence[int],
    folds: Sequence[str],
    kinds: Sequence[str],
    classes: Sequence[str],
    protocol: str,
    file: str = "intervals.jsonl",
) -> str:
    """Score an experiment from the files of its folds; write `metrics.json`, `gt.csv` and `pred.csv` (of the first
    seed).

    Args:
        folder: of the experiment: holds `recordings.csv` and `seed<k>/<fold>/intervals.jsonl`, `excluded.jsonl`.
        seeds: of its runs.
        folds: names.
        kinds: of expression that were spotted.
        classes: that intervals were given.
        protocol: `fixed` or `ref`.
        file: name of the files of intervals.

    Returns:
        one line that sums up.

    Raises:
        ModelError: a file is missing or damaged.
    """
    videos = read_videos(folder / "recordings.csv")
    counted = [video for video in videos if protocol == "fixed" or any(video.of_kind(kind) for kind in kinds)]
    truth = truth_rows(counted, kinds)
    runs = {seed: prediction_rows(read_lines(folder / f"seed{seed}" / fold / file for fold in folds)) for seed in seeds}
    lost = read_lines(folder / f"seed{seeds[0]}" / fold / "excluded.jsonl" for fold in folds)
    result = {**evaluate(truth, runs, classes, protocol, counted), "excluded": lost}
    write_strs(folder / "gt.csv", truth, confident=False)
    write_strs(folder / "pred.csv", runs[seeds[0]])
    write_text(folder / "metrics.json", json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    mean = result["mean"]
    return f"F1 {mean['f1_spotting']:.3f}, STRS {mean['strs']:.3f} over {len(counted)} recordings"
