"""Spotting without training: weights from outside become the checkpoint of a fold (`spotting.<name>.weights`).

Published files hold the networks alone. The rest of the `ref` protocol needs no training: widths come from the
annotations, the threshold is p = 0.55 of each recording (specs/mean-softnet.md §7), and features are not scaled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mer import __version__
from mer.core.errors import ModelError
from mer.models.mean_softnet import from_keras
from mer.models.state import State
from mer.spotting.decode import P
from mer.spotting.experiment import SpottingExperiment
from mer.spotting.recording_tables import Video, read_videos
from mer.training.checkpoint import fold_metadata, save_checkpoint
from mer.training.outside import groups_of, own_checkpoint, record, report, require_planned
from mer.training.products import Containers, Product
from mer.training.separation import FoldJob, require_held_out
from mer.weights.keras import read_keras
from mer.weights.per_fold import FoldFile
from mer.weights.releases import class_order

Log = Callable[[str], None]


def convert_fold(experiment: SpottingExperiment, job: FoldJob, containers: Containers, log: Log = print) -> None:
    """Write the checkpoint of a fold from the files that `SpottingExperiment.weights` names for it.

    Arguments as of `mer.spotting.fit.fit_fold`; of the containers only one is opened, for the parameters of its
    features.

    Raises:
        ModelError: a held-out person in the table or behind a checkpoint, a file that does not hold the network, or
            not the one that was planned.
    """
    videos = read_videos(job.train_table)
    require_held_out(videos, job.held_out, job.train_table)
    told = experiment.weights[job.fold]
    if "checkpoint" in told:
        state, extra = _ours(experiment, FoldFile.of(told["checkpoint"]), job)
    else:
        state, extra = _keras(experiment, told, videos, containers)
    metadata = {
        **fold_metadata(job, (), experiment.classes, experiment.seed),
        "model": f"spotting {experiment.model}",
        "preset": experiment.protocol,
        "settings": experiment.recipe.model_dump(),
        "versions": {"mer": __version__},
        "made": experiment.made,
        **extra,
    }
    report(job.fold, extra["weights"], log)
    save_checkpoint(job.out, state, metadata)


def _ours(experiment: SpottingExperiment, source: FoldFile, job: FoldJob) -> tuple[State, dict[str, Any]]:
    wanted = {"model": f"spotting {experiment.model}", "preset": experiment.protocol}
    state, _, told = own_checkpoint(source, job.held_out, **wanted, classes=list(experiment.classes))
    return state, told


def _keras(
    experiment: SpottingExperiment, told: Mapping[str, Any], videos: list[Video], containers: Containers
) -> tuple[State, dict[str, Any]]:
    arrays: dict[str, np.ndarray] = {}
    kinds: dict[str, Any] = {}
    inputs: dict[str, Any] = {}
    files: list[FoldFile] = []
    for kind, entries in told["kinds"].items():
        given = {key: FoldFile.of(entry) for key, entry in entries.items()}
        files += given.values()
        states = {"spot": spotting_state(experiment, given["spot"])}
        if "recog" in given and not given["recog"].refused:
            states["recog"] = recognition_state(experiment, given["recog"], states["spot"])
        for part, state in states.items():
            arrays |= {f"{kind}.{part}.{name}": value for name, value in state.arrays.items()}
        decoding = {"half": int(experiment.halves[kind]), "p": P}
        kinds[kind] = {"decoding": decoding, "state": states["spot"].meta, "positions": 0, "named": "recog" in states}
        inputs[kind] = {"parameters": _parameters(kind, containers, videos[0].source)}
    extra = {"train_groups": groups_of(files), "inputs": inputs, "weights": record(files)}
    return State(arrays, {"kinds": kinds}), extra


def spotting_state(experiment: SpottingExperiment, source: FoldFile) -> State:
    """Return a published spotting network as `mer.spotting.network.train` returns a trained one."""
    require_planned(source)
    arrays = read_keras(source.path, "softnet" if experiment.model == "softnet" else "spot")
    meta = {"model": experiment.model, "protocol": experiment.protocol}
    return State({**arrays, "scale": np.ones(3, np.float32)}, meta)


def recognition_state(experiment: SpottingExperiment, source: FoldFile, spotting: State) -> State:
    """Return a published recognition network, its outputs in the order of the experiment's classes.

    Raises:
        ModelError: its trunk is not the one of the spotting file, which it is in every fold of the release (§5.4).
    """
    require_planned(source)
    state = from_keras(source.path, experiment.classes, class_order(source.classes, experiment.classes))
    shared = [name for name in state.arrays if name.startswith("trunk.")]
    if source.classes and not all(np.array_equal(state.arrays[name], spotting.arrays[name]) for name in shared):
        found = "its trunk is not that of the spotting file"
        raise ModelError(source.path, found, "two files of one fold", "name the folders of one release")
    return state


def _parameters(kind: str, containers: Containers, source: str) -> dict[str, Any]:
    product = Product(kind, containers)
    with product.open(source):
        return dict(product.made["parameters"])
