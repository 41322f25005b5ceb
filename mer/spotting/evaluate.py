"""Scoring a spotting experiment over all its folds: what every fold spotted in its held-out recordings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mer.core.atomic import write_text
from mer.core.errors import ModelError
from mer.core.seal import why_unreadable
from mer.spotting.interval_files import Interval, dumps_strs
from mer.spotting.recording_tables import Video, read_videos
from mer.spotting.score_intervals import MATCHING, score
from mer.training import outside

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
    objects: list[dict[str, Any]] = []
    for path in paths:
        try:
            objects += [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines() if line]
        except FileNotFoundError:
            raise ModelError(path, "not found", "intervals of a fold", "run the predict step") from None
        except OSError as error:
            found, remedy = why_unreadable(error)
            raise ModelError(path, found, "intervals of a fold", remedy) from None
        except ValueError as error:
            found = f"unreadable ({error})"
            raise ModelError(path, found, "intervals of a fold", "run the predict step again") from error
    return objects


def prediction_rows(spotted: Iterable[dict[str, Any]]) -> list[Interval]:
    """Return spotted intervals as rows of the STRS columns."""
    rows = []
    for one in spotted:
        emotion, frames = one["emotion"] or UNNAMED, (int(one["onset"]), int(one["offset"]))
        confidence = float(one["confidence"])
        rows.append(Interval(one["subject"], one["sample_id"], *frames, emotion, one["kind"], confidence))
    return rows


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
    seeds = {seed: score(truth, rows, classes, MATCHING[protocol]) for seed, rows in sorted(runs.items())}
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


def score_task(
    inputs: Mapping[str, Sequence[str | Path]],
    outs: Sequence[str | Path],
    *,
    seeds: Sequence[int],
    kinds: Sequence[str],
    classes: Sequence[str],
    protocol: str,
) -> list[str]:
    """Score an experiment from the files of its folds; write `outs`.

    Args:
        inputs: paths by kind: `recordings`, the table of all of them; `intervals` and `excluded` of every seed and
            fold, in the order of `seeds`; and `models`, their checkpoints, where weights are from outside.
        outs: `metrics.json`, and the truth and the predictions of the first seed in the STRS columns.
        seeds: of its runs.
        kinds: of expression that were spotted.
        classes: that intervals were given.
        protocol: `fixed` or `ref`.

    Returns:
        one line that sums up, and one for every reason to distrust it.

    Raises:
        ModelError: a file is missing or damaged.
    """
    videos = read_videos(inputs["recordings"][0])
    counted = [video for video in videos if protocol == "fixed" or any(video.of_kind(kind) for kind in kinds)]
    truth = truth_rows(counted, kinds)
    folds = len(inputs["intervals"]) // len(seeds)
    parts = [inputs["intervals"][k * folds : (k + 1) * folds] for k in range(len(seeds))]
    runs = {seed: prediction_rows(read_lines(part)) for seed, part in zip(seeds, parts, strict=True)}
    lost = read_lines(inputs["excluded"][:folds])
    result = {**evaluate(truth, runs, classes, protocol, counted), "excluded": lost}
    weights, flags = outside.told(inputs.get("models", ()))
    if weights is not None:
        result |= {"weights": weights, "flags": flags}
    write_text(outs[1], dumps_strs(truth, confident=False))
    write_text(outs[2], dumps_strs(runs[seeds[0]]))
    write_text(outs[0], json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    mean = result["mean"]
    return [f"F1 {mean['f1_spotting']:.3f}, STRS {mean['strs']:.3f} over {len(counted)} recordings", *flags]
