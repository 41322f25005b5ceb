"""Spotting as a task (`mer.training.task`): its inputs are named by the kinds of expression, and `crops_of` each."""

from __future__ import annotations

from mer.training.task import Step, Task

SPOTTING = Task(
    folder="spotting",
    experiment="mer.spotting.experiment:from_block",
    table=Step("spot_split", "mer.spotting.recording_tables:write_videos"),
    fit=Step("spot_fit", "mer.spotting.fit:fit_folds", ("model.safetensors",)),
    predict=Step(
        "spot_predict", "mer.spotting.predict:predict_fold", ("intervals.jsonl", "curves.npz", "excluded.jsonl")
    ),
    score=Step("spot_score", "mer.spotting.evaluate:score_task", ("metrics.json", "gt.csv", "pred.csv")),
)
