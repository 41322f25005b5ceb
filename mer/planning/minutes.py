"""How long a job asks for (`runtime` of the workflow, minutes): several times what was measured, on a slow core.

Whoever asks for too little is ended, and starts again with twice as much; whoever asks for much waits longer. Seconds
are CPU seconds of an old, busy core, from the benchmark files of the default configuration and of the published
presets in `examples/` (`mer bench workflow results` prints those of a run).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from mer.core.params import Params
from mer.core.sample import Sample
from mer.models import memory
from mer.models.contract import Model

#: Seconds of the slowest measured variant of a stage, a clip; `spot` a recording of 1,000 frames.
STAGES: Mapping[str, float] = {
    "simulate": 4.3,
    "frames": 0.3,
    "align": 1.9,
    "interpolate": 1.8,
    "magnify": 10.7,
    "flow": 18.0,
    "rois": 0.7,
    "spot": 18.0,
}
#: Frames of a clip; of a recording of unknown length.
CLIP, RECORDING = 70, 5000
#: Minutes of a job that reads nothing large, and the least of any; most of one job, which goes on where it was ended.
SHORT, LONGEST = 10, 24 * 60
#: Networks, caches and disks that are slower than where this was measured.
MARGIN = 3.0
#: Seconds to train or apply a clip once, for every MiB that a step takes of it (`Footprint`): of `aman`, the slowest of
#: the published systems; the others take 0.0001 to 0.005 (`mer bench systems`).
SECONDS_OF_A_MIB = 0.012
#: How many times faster a GPU is: an estimate, not measured.
GPU = 20
#: Of a model whose card says nothing.
UNKNOWN = 4 * 60
#: Fits of at most so many minutes may share a submission; a job that takes several persons is given no more.
SHARED = 60


def rounded(seconds: float) -> int:
    """Return minutes for so many measured seconds, with a margin, in steps of five."""
    return min(LONGEST, SHORT + 5 * math.ceil(seconds * MARGIN / 300))


def stage_minutes(stage: str, rows: Sequence[Sample], recordings: bool = False) -> int:
    """Return the minutes of a stage of one person.

    Args:
        stage: `simulate`, or the name of a stage.
        rows: of the clips.
        recordings: whether a row whose length is not known is a whole recording.
    """
    return rounded(stage_seconds(stage, rows, recordings))


def stage_seconds(stage: str, rows: Sequence[Sample], recordings: bool = False) -> float:
    """Return the measured seconds of a stage of some clips, by its slowest method."""
    clips = sum(max(1.0, _frames(row, recordings) / CLIP) for row in rows)
    return clips * STAGES[stage] * (CLIP / 1000 if stage == "spot" else 1)


def _frames(row: Sample, recordings: bool) -> int:
    if row.first_file is None or row.last_file is None:
        return RECORDING if recordings else CLIP
    return row.last_file - row.first_file + 1


def fit_minutes(card: Model, preset: str, settings: Params, clips: int, folds: int = 1, gpu: int = 0) -> int:
    """Return the minutes of a fit job whose folds follow each other.

    Args:
        card: of the model.
        preset: its name.
        settings: the preset with its overrides in place.
        clips: of one fold.
        folds: that are trained one after the other; what is trained side by side counts once.
        gpu: whether a GPU is asked for.
    """
    passes = clips * folds * int(settings.model_dump().get("epochs", 1))
    seconds = passes * _seconds(card, preset, settings) / (GPU if gpu else 1)
    return UNKNOWN if preset not in card.footprints and card.in_epochs else rounded(seconds)


def predict_minutes(card: Model, preset: str, settings: Params, clips: int) -> int:
    """Return the minutes of a predict job of so many clips, on a CPU."""
    return rounded(clips * _seconds(card, preset, settings))


def _seconds(card: Model, preset: str, settings: Params) -> float:
    step = memory.footprint(card, preset, settings).step
    return SECONDS_OF_A_MIB * step / int(settings.model_dump().get("batch_size", 1))
