"""The spotter that comes with `mer`, as `mer analyze` uses it, with a threshold told in false alarms a minute."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mer.analysis.region_parts import REGIONS
from mer.analysis.trained_on import Training
from mer.spotting.faces import FaceSpotter, Judged
from mer.spotting.region_motion import RATE, SIDE, STEPS, RegionMotion

BUNDLED = "spotter_faces"
ALARMS_PER_MINUTE = 1.0
LONGEST = 1.5  # seconds that a candidate can last, at most


@dataclass(frozen=True)
class FaceModels:
    """A trained `FaceSpotter` with the false alarms a minute that its user accepts.

    Args:
        path: of its file.
        alarms_per_minute: decides the threshold.
        negatives: moments a minute of the user's own footage, as `FaceSpotter.alarms`; None for those of the file.
        negative_minutes: of the user's own footage.
    """

    path: Path
    alarms_per_minute: float = ALARMS_PER_MINUTE
    negatives: np.ndarray | None = None
    negative_minutes: float = 0.0

    kinds = ("micro",)
    protocol = "faces"

    @cached_property
    def spotter(self) -> FaceSpotter:
        """The trees; raises `ModelError` when the file holds none."""
        read = FaceSpotter.read(self.path)
        if self.negatives is not None:
            read.alarms = self.negatives
        return read

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.path.stem}, which comes with mer"

    @property
    def classes(self) -> tuple[str, ...]:
        """The names that it gives."""
        return self.spotter.classes

    @property
    def training(self) -> Training:
        """How faces are aligned for it, and what it was trained on."""
        told = self.spotter.meta
        text = f"{told['trained_on']}; scored on people it has not seen"
        return Training(RATE, "dlib", {"size": SIDE}, text)

    @property
    def threshold(self) -> float:
        """Least probability of a candidate."""
        return self.spotter.threshold(self.alarms_per_minute)

    @property
    def features(self) -> dict[str, dict[str, Any]]:
        """What is computed of every part."""
        return {REGIONS: {"method": REGIONS, "distance": max(STEPS) + 1 / RATE}}

    def keys_of(self, name: str, fps: float) -> tuple[str, dict[str, Any]]:
        """Return what is computed under a name, and how far its pairs reach in seconds."""
        keys = dict(self.features[name])
        return str(keys.pop("method")), keys

    def longest(self, fps: float) -> int:
        """Return the longest interval, in frames, that can be found."""
        return max(2, round(LONGEST * fps))

    def judge(self, motion: RegionMotion) -> Judged:
        """Return all moments of a recording."""
        return self.spotter.judge(motion)

    def accepting(self, alarms: np.ndarray, minutes: float) -> FaceModels:
        """Return the same models with a threshold from footage of the user's own."""
        return replace(self, negatives=alarms, negative_minutes=minutes)
