"""One training part of a recognition experiment: fitted once, or on parts of it several times."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from mer.core.params import Params
from mer.core.seeds import derive_seed
from mer.models.registry import MODELS
from mer.models.state import State, by_name, subset
from mer.provenance import code_digest
from mer.training.experiment import Experiment
from mer.training.gather import Gathered, features_for
from mer.training.outside import trunk_of
from mer.weights.locate import sha256


@dataclass(frozen=True)
class TrainingPart:
    """The gathered training clips of one fold."""

    experiment: Experiment
    fold: str
    data: Gathered
    log: Callable[[str], None]

    @property
    def labels(self) -> np.ndarray:
        """(N,) int64 class of each clip."""
        return np.array([self.experiment.classes.index(row.label) for row in self.data.rows], dtype=np.int64)

    @property
    def groups(self) -> np.ndarray:
        """(N,) str person of each clip."""
        return np.array([row.group for row in self.data.rows])

    @property
    def seed(self) -> int:
        """The fold's seed, the same whichever folds are trained beside it."""
        return derive_seed(self.experiment.seed, self.experiment.model, self.experiment.preset, self.fold)

    def fit(self, chosen: Params, clips: np.ndarray | None = None) -> State:
        """Train the model on all clips, or on those with the given indices."""
        card, rows = self.experiment.card, self.data.rows
        taken = np.arange(len(rows)) if clips is None else clips
        features = self.data.features if clips is None else subset(self.data.features, clips)
        coded: dict[str, Any] = {}
        if "fit" in card.units:
            coded = {"units": [rows[i].unit_numbers for i in taken]}
        if self.experiment.trunks:
            coded["start"] = trunk_of(self.experiment.trunks[self.fold], self.fold)[0]
        labels, groups = self.labels[taken], self.groups[taken]
        n_classes, device = len(self.experiment.classes), self.experiment.device
        seen = features_for(card, features)
        return card.fit(seen, labels, groups, n_classes, chosen, self.seed, self.log, device, **coded)

    def scores(self, state: State, clips: np.ndarray) -> np.ndarray:
        """Return (N, C) scores of some clips of the training part."""
        features = subset(self.data.features, clips)
        card = self.experiment.card
        return card.predict(state, features_for(card, features), self.experiment.device)

    def digest(self) -> str:
        """Return what decides the result, as one number: settings, seed, clips, features, device, code."""
        run = self.experiment
        recipe, chosen = run.recipe.model_dump(mode="json"), run.settings.model_dump(mode="json")
        named = [run.model, run.preset, recipe, chosen, run.classes, self.seed, run.device]
        named += [sha256(run.trunks[self.fold])] if run.trunks else []
        versions = {name: version(name) for name in run.card.libraries}
        rows = [(*row.key, row.group, row.label, row.units) for row in self.data.rows]
        code = code_digest("mer.training.fit", "mer.training.fit_in_epochs", MODELS[run.model])
        digest = hashlib.sha256(json.dumps([named, rows, versions, code], default=str).encode())
        features = by_name(self.data.features)
        for name in sorted(features):
            for block in features[name].blocks():
                digest.update(np.ascontiguousarray(block).data)
        return digest.hexdigest()
