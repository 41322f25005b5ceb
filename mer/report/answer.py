"""The answer in plain words: one title for the run and one sentence per experiment."""

from __future__ import annotations

from collections.abc import Sequence

from mer.report.markup import Markup, join, tag
from mer.report.scores import Score, verdict
from mer.report.tables import number

READINGS = {
    "above": "above chance: the whole interval lies beyond what random labels reach",
    "unclear": "not clearly above chance: the interval reaches into the range of random labels",
    "chance": "no better than chance",
}

HELD_OUT = {
    "loso": "each subject held out once",
    "kfold": "subjects held out in parts",
    "database": "each database held out once",
}


def title(pooled: Sequence[Score]) -> str:
    """Return the page's first line: how many experiments on true labels are above chance."""
    true = [score for score in pooled if score.experiment.inputs.labels == "true"]
    if not true:
        return "No experiment was scored" if not pooled else "Only experiments on permuted labels were scored"
    above = sum(verdict(score) == "above" for score in true)
    if len(true) == 1:
        name = true[0].experiment.name
        found = {
            "above": "scores above chance",
            "unclear": "is not clearly above chance",
            "chance": "is at chance level",
        }
        return f"{name} {found[verdict(true[0])]}: UF1 {number(true[0].value['uf1'])}"
    return f"{above} of {len(true)} experiments score above chance"


def sentence(score: Score) -> Markup:
    """Return one sentence on a pooled score."""
    experiment, metrics = score.experiment, score.experiment.metrics
    seeds = len(metrics["seeds"])
    over = f"mean of {seeds} seeds" if seeds > 1 else "one seed"
    held_out = HELD_OUT[experiment.inputs.protocol]
    permuted = experiment.inputs.labels == "permuted"
    random = metrics["chance"]["own_predictions"]["uf1"] if permuted else score.chance["uf1"]
    who = "its predictions reach up to {} by chance" if permuted else "random labels reach up to {}"
    ceiling = who.format(number(random["high"]))
    facts = join([
        "pooled UF1 ", tag("strong", number(score.value["uf1"])),
        f" [95 % interval {number(score.low['uf1'])}, {number(score.high['uf1'])}] on {score.clips} clips of "
        f"{score.subjects} subjects, {held_out}, {over}; {ceiling}. ",
    ])  # fmt: skip
    return join([tag("strong", experiment.name), ": ", facts, _reading(score)])


def _reading(score: Score) -> Markup:
    kind = verdict(score)
    if score.experiment.inputs.labels == "permuted":
        if kind == "chance":
            return tag("span", "Labels were permuted, and the score stays at chance: no sign of a leak.", class_="good")
        return tag("span", "Labels were permuted, yet the score is above chance: look for a leak.", class_="bad")
    text = READINGS[kind]
    return tag("span", f"{text[0].upper()}{text[1:]}.", class_="good" if kind == "above" else "bad")
