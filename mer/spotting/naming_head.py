"""Naming a spotted interval: MEAN's second head, on the trunk that learned to spot (specs/mean-softnet.md §5.3,
§5.4, §8).

The head is trained on the frame pairs (onset, apex) of training persons. `fixed` applies it to the pair of a spotted
interval's first frame and peak, `ref` to the spotting features, of which it takes the most frequent class, as
published (D11).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from mer.core.container import Clip, Container
from mer.core.device import float32_products
from mer.core.errors import ClipError, ModelError
from mer.core.seeds import derive_seed
from mer.models import loop
from mer.models.mean_softnet_network import Recognition
from mer.models.mean_transfer import HeadPlan
from mer.models.mean_transfer import train_head as train
from mer.models.state import State
from mer.motion.grey import grey
from mer.spotting.experiment import SpottingExperiment
from mer.spotting.network import Log
from mer.spotting.recording_tables import Video, positions_of
from mer.stages.registry import load_method
from mer.stages.spot.stage import scaled

HEAD_L2 = 1e-3


class Pairs:
    """Features of any two frames of an aligned recording, by the method that made its spotting features.

    Args:
        parameters: of the container of the features (`Container.parameters`).
    """

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        values = dict(parameters)
        self.name = str(values.pop("method"))
        self.method = load_method("spot", self.name, "spot")
        self.params = self.method.Params.model_validate(values)

    def __call__(self, clip: Clip, first: int, second: int) -> np.ndarray:
        """Return (3, 42, 42) float32 of the frames `first` and `second`; raises `ClipError` as the method does."""
        frames, points = clip.lazy("frames"), clip.lazy("landmarks")
        pair = [grey(frames[i], self.params.size) for i in (first, second)]
        # As published, the landmarks of a recording are those of its first frame throughout.
        place = scaled(points[0 if self.name == "published" else first], self.params.size, frames.shape[1])
        picture = self.method.picture(self.params, clip.sample_id)
        return picture(pair[0], pair[1], place).astype(np.float16).astype(np.float32)


def expressions(
    videos: Sequence[Video],
    kind: str,
    classes: Sequence[str],
    aligned: Mapping[str, str | Path],
    pairs: Pairs,
    log: Log,
) -> tuple[np.ndarray, np.ndarray]:
    """Return features (N, 3, 42, 42) float32 and labels (N,) int64 of the annotated expressions of one kind.

    Those without a class, without motion between onset and apex, or in a recording that could not be aligned are
    left out.
    """
    features, labels = [], []
    for video in videos:
        events = [event for event in video.of_kind(kind) if event.label in classes]
        if not events:
            continue
        with Container(aligned[video.source]) as box:
            if video.sample_id in box.failures:
                log(f"{video.sample_id}: not recognised: {box.failures[video.sample_id]}")
                continue
            clip = box.clip(video.sample_id)
            for event, (onset, apex, _) in zip(events, positions_of(events, clip.read("numbers")), strict=True):
                if onset == apex:
                    log(f"{video.sample_id} frame {event.onset}: apex at the onset; left out of recognition")
                    continue
                features.append(pairs(clip, int(onset), int(apex)))
                labels.append(classes.index(event.label))
    return np.array(features, np.float32).reshape(-1, 3, 42, 42), np.array(labels, np.int64)


def train_head(
    x: np.ndarray,
    y: np.ndarray,
    spotting: State,
    experiment: SpottingExperiment,
    seed: int,
    log: Log,
) -> State:
    """Train a recognition head on the frozen trunk of a trained spotting network; returns the whole recognition
    network.

    Raises:
        ModelError: one class only among `y`, or the loss is no longer finite.
    """
    if len(np.unique(y)) < 2:
        found = f"{len(y)} expressions of one class" if len(y) else "no expression with a class"
        raise ModelError("recognition of spotted intervals", found, "at least two classes", "set recognise: none")
    n_classes, published = len(experiment.classes), experiment.protocol == "ref"
    scale = spotting.array("scale", (3,)).astype(np.float32)
    arrays = {name: value for name, value in spotting.arrays.items() if name != "scale"}
    recipe = experiment.recipe
    budget = recipe.head_epochs, experiment.batch_size, recipe.learning_rate
    plan = HeadPlan(*budget) if published else HeadPlan(*budget, "balanced", "fixed", HEAD_L2)
    data, seed = (x / scale[:, None, None]).astype(np.float32), derive_seed(seed, "naming")
    network, _ = train(data, y, n_classes, arrays, plan, seed, log, experiment.device)
    return State({**loop.arrays_of(network), "scale": scale}, {"n_classes": n_classes})


class Namer:
    """A trained recognition network, ready to name features."""

    def __init__(self, state: State, n_classes: int, device: str = "cpu") -> None:
        self.network = Recognition(n_classes).to(device)
        self.scale = state.array("scale", (3,)).astype(np.float32)[:, None, None]
        self.device = device
        loop.restore(self.network, State({k: v for k, v in state.arrays.items() if k != "scale"}))
        self.network.eval()

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return (N, C) float64 probabilities of features (N, 3, 42, 42)."""
        with float32_products(), torch.no_grad():
            logits = self.network(torch.from_numpy(x / self.scale).to(self.device))
        return functional.softmax(logits.double(), dim=1).cpu().numpy()


def name_pair(namer: Namer, pairs: Pairs, clip: Clip, first: int, peak: int) -> np.ndarray:
    """Return the class probabilities (C,) of a spotted interval from its first frame and its peak.

    Raises:
        ClipError: the landmarks leave no region.
    """
    if peak <= first:
        raise ClipError(clip.sample_id, f"peak {peak} at the first frame", "a peak behind it")
    return namer(pairs(clip, first, peak)[None])[0]


def name_majority(probabilities: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the share (C,) of positions whose most probable class is each, and the class of most of them.

    Of classes with as many positions the one that is met first wins, as published. `probabilities` (N, C), N at least
    1.
    """
    likeliest = probabilities.argmax(axis=1)
    share = np.bincount(likeliest, minlength=probabilities.shape[1]) / len(likeliest)
    return share, int(likeliest[share[likeliest] == share.max()][0])
