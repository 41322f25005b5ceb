"""The answer in plain words: one title for the run and one sentence per experiment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mer.report.scores import Score
from mer.report.wording import number

READINGS = {
    "above": "Above chance: the whole interval lies beyond what random labels reach.",
    "unclear": "Not clearly above chance: the interval reaches into the range of random labels.",
    "chance": "No better than chance.",
}
NO_LEAK = "Labels were permuted, and the score stays at chance: no sign of a leak."
LEAK = "Labels were permuted, yet the score is above chance: look for a leak."
OF_ONE = {"above": "scores above chance", "unclear": "is not clearly above chance", "chance": "is at chance level"}

HELD_OUT = {
    "loso": "each subject held out once",
    "kfold": "subjects held out in parts",
    "database": "each database held out once",
}


@dataclass(frozen=True)
class Answer:
    """The sentence on one experiment, in the pieces that the page sets apart, and the warnings below it."""

    name: str
    score: float
    facts: str
    reading: str
    good: bool
    warnings: Sequence[str]


def title(pooled: Sequence[Score]) -> str:
    """Return the page's first line: how many experiments on true labels are above chance."""
    true = [score for score in pooled if not score.experiment.permuted]
    if not true:
        return "No experiment was scored" if not pooled else "Only experiments on permuted labels were scored"
    if len(true) == 1:
        return f"{true[0].experiment.name} {OF_ONE[true[0].verdict]}: UF1 {number(true[0].value['uf1'])}"
    above = sum(score.verdict == "above" for score in true)
    return f"{above} of {len(true)} experiments score above chance"


def answer(score: Score) -> Answer:
    """Return the sentence on a pooled score."""
    experiment = score.experiment
    over = f"mean of {experiment.seeds} seeds" if experiment.seeds > 1 else "one seed"
    if average := experiment.metrics.get("average"):
        over += f" ({number(average['pooled']['uf1'])} by the mean of their scores of a clip)"
    who, level = "random labels", score.chance["uf1"]
    if experiment.permuted:
        who, level = "its predictions", experiment.metrics["chance"]["own_predictions"]["uf1"]
    facts = (
        f"[95 % interval {number(score.low['uf1'])}, {number(score.high['uf1'])}] on {score.clips} clips of "
        f"{score.subjects} subjects, {HELD_OUT[experiment.inputs.protocol]}, {over}; {who} reach up to "
        f"{number(level['high'])}{' by chance' if experiment.permuted else ''}."
    )
    good = score.verdict == ("chance" if experiment.permuted else "above")
    reading = READINGS[score.verdict]
    if experiment.permuted:
        reading = NO_LEAK if good else LEAK
    return Answer(experiment.name, score.value["uf1"], facts, reading, good, score.warnings)
