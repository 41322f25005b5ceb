"""How much memory a job of a model asks for (`mem_mb` of the workflow), and how many folds a GPU's job takes.

A job holds its process, its clips once, in the type in which a model keeps them, and one step of the training. What a
step takes is measured and stands on the model's card (`mer.models.contract.Footprint`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mer.core.params import Params
from mer.models.contract import Footprint, Model
from mer.models.state import by_name

#: MiB of a job before it reads a clip: Python with PyTorch (up to 320), and the Snakemake processes around it.
PROCESS = 700
#: MiB of host memory that CUDA takes: an estimate, not measured.
CUDA = 1500
#: MiB of host memory that a fold takes for its part of a step on the way to the GPU, where folds are trained together.
FOLD = 4
#: Of clips: what is held of them a second time for a moment. Of a step: what the measured peaks may miss.
CLIPS_MARGIN, STEP_MARGIN = 1.05, 1.15
#: MiB of a GPU that the folds trained together may take: what a card of 12 GB leaves beside a desktop.
GPU = 8192
#: Folds of one job that are trained one after the other: containers are read once for all, and its time stays bounded.
IN_TURN = 8
#: Of a model whose card says nothing: MiB of its clips and step together.
UNKNOWN = 1300

MIB = 2**20
#: The size of the composite of CASME II, SAMM and SMIC, for which memory is listed (`mer models`).
COMPOSITE = 442


def clip_mib(card: Model, settings: Params) -> float:
    """Return what a model keeps of one clip, MiB; 0 where its card has no example of it (`noise`)."""
    if card.noise is None:
        return 0.0
    shown = card.noise(settings, lambda *shape, kind=np.float32: np.zeros((1, *shape), kind))
    return sum(array.nbytes for array in by_name(shown).values()) / MIB


def footprint(card: Model, preset: str, settings: Params) -> Footprint:
    """Return the footprint of a preset with other settings: a step grows with its values (batch, frames, pixels)."""
    known = card.footprints.get(preset)
    if known is None:
        return Footprint(0, UNKNOWN if card.noise is None or card.in_epochs else 0)
    asked, measured = _values(settings), _values(card.presets[preset])
    return Footprint(known.learned, math.ceil(known.step * asked / measured))


def _values(settings: Params) -> float:
    named: dict[str, Any] = settings.model_dump()
    return float(named.get("batch_size", 1) * named.get("frames", 1) * named.get("size", 1) ** 2)


def fit_mib(
    card: Model, preset: str, settings: Params, clips: int, folds: int = 1, workers: int = 1, gpu: int = 0
) -> int:
    """Return the memory of a fit job, MiB.

    Args:
        card: of the model.
        preset: its name.
        settings: the preset with its overrides in place.
        clips: of all folds of the job together.
        folds: of the job.
        workers: processes that train folds side by side on a CPU; each has its own clips.
        gpu: whether a GPU is asked for. The job may find none, so a step on the CPU is asked for as well.
    """
    held, taken = clips * clip_mib(card, settings) * CLIPS_MARGIN, footprint(card, preset, settings)
    step = (taken.learned + taken.step) * STEP_MARGIN
    if gpu:
        return rounded(PROCESS + held + max(step, CUDA) + FOLD * folds)
    return rounded(PROCESS + held + step if workers == 1 else PROCESS + held + workers * (PROCESS + held + step))


def predict_mib(card: Model, preset: str, settings: Params, clips: int) -> int:
    """Return the memory of a predict job of so many clips, MiB: one clip at a time passes through the network."""
    taken = footprint(card, preset, settings)
    one = taken.step / int(settings.model_dump().get("batch_size", 1))
    return rounded(PROCESS + clips * clip_mib(card, settings) * CLIPS_MARGIN + (taken.learned + one) * STEP_MARGIN)


def rounded(mib: float) -> int:
    """Return MiB rounded up to a hundred."""
    return math.ceil(mib / 100) * 100


def folds_of_a_gpu(card: Model, preset: str, settings: Params, clips: int, folds: int, together: bool) -> int:
    """Return how many folds a job on a GPU takes, so that its jobs are about equally long.

    Folds that are trained `together` fill the memory of the GPU; the others follow each other, `IN_TURN` in a job.
    """
    most = IN_TURN
    if together:
        free = GPU - clips * clip_mib(card, settings)
        most = max(1, int(free / max(1, sum(footprint(card, preset, settings)))))
    return math.ceil(folds / math.ceil(folds / most))
