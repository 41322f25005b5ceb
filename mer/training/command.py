"""What `mer predict` does: find the models and the clips, apply, write the table, say what it rests on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from mer.core.atomic import write_text
from mer.core.errors import ModelError
from mer.training.apply import apply, open_experiment, summary, table
from mer.training.newclips import find_clips


def run_predict(model: Path, clips: Path, out: Path, log: Callable[[str], None] = print) -> None:
    """Apply an experiment, or one model of it, to new clips and write `out` (`mer.training.apply.table`).

    Args:
        model: folder of an experiment, or a checkpoint.
        clips: as `mer.training.newclips.find_clips`.
        out: the CSV file.
        log: takes progress, notes and the summary, one line at a time.

    Raises:
        ModelError: unusable models, or no clip that they can name; the message gives the first reason.
        DatasetError: no clips, or a bad table of clips.
        ClipError: a given event is not among the frames of its clip.
    """
    experiment = open_experiment(model)
    root, found = find_clips(clips, experiment.reads_images)
    with TemporaryDirectory(prefix="mer-predict-") as work:
        answers = apply(experiment, found, root, Path(work), log)
    write_text(out, table(experiment, answers))
    for note in experiment.notes():
        log(f"note: {note}")
    estimated = sum(answer.events.get("apex") == "estimated" for answer in answers)
    if estimated:
        log(f"note: the apex of {estimated} of {len(answers)} clips was estimated, not given")
    if all(answer.scores is None for answer in answers):
        raise ModelError(clips, f"no clip could be named ({answers[0].reason})", "clips as the models need them")
    log(f"wrote {out}: {summary(experiment, answers)}")
