"""Training curves: the mean loss of every epoch of every fold, as the checkpoints keep them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mer.core.errors import MerError
from mer.report.charts import WIDTH, Chart, Scale
from mer.report.drawing import nice_ceiling

HEIGHT, LEFT = 190.0, 56.0
POINTS = 80  # of a fold's line, at most


@dataclass(frozen=True)
class Courses:
    """The losses of an experiment's folds and seeds.

    `losses` has one array (E,) float64 per fold and seed that tells them, the last training of each fit; `names` says
    which; `silent` counts the checkpoints that tell none (a model without epochs, or one of an older version);
    `settings` are those of the first fit.
    """

    losses: Sequence[np.ndarray]
    names: Sequence[str]
    silent: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def mean(self) -> np.ndarray:
        """(E,) mean over folds and seeds, as far as all of them go."""
        shortest = min(len(one) for one in self.losses)
        return np.mean([one[:shortest] for one in self.losses], axis=0)

    @property
    def chart(self) -> Chart:
        """A thin line per fold and seed, and their mean."""
        return course_chart(self)


def read_courses(models: Sequence[Path]) -> Courses:
    """Read the losses of some checkpoints; what cannot be read tells none.

    Args:
        models: `…/seed<k>/<fold>/model.safetensors`.
    """
    # Kept out of the import of the page: only this needs safetensors.
    from mer.training.checkpoint import read_metadata

    losses, names, silent = [], [], 0
    settings: Mapping[str, Any] = {}
    for path in models:
        try:
            meta = read_metadata(path)
        except MerError:
            meta = {}
        settings, told = settings or meta.get("settings") or {}, meta.get("losses")
        if told and told[-1]:
            losses.append(np.asarray(told[-1], float))
            names.append(f"{path.parent.name}, {path.parent.parent.name}")
        else:
            silent += 1
    return Courses(losses, names, silent, settings)


def course_chart(courses: Courses) -> Chart:
    """Return losses over epochs: one thin line per fold and seed with its name as a tip, and the mean."""
    longest = max(len(one) for one in courses.losses)
    top = float(max(one.max() for one in courses.losses))
    low = min(0.0, float(min(one.min() for one in courses.losses)))
    x, y = Scale(1, max(longest, 2), LEFT, WIDTH - 16), Scale(low, top or 1.0, HEIGHT - 34, 8)
    chart = Chart("training loss of every fold over epochs", HEIGHT)
    step = nice_ceiling(((top or 1.0) - low) / 4)
    for value in step * np.arange(np.ceil(low / step), np.floor((top or 1.0) / step) + 1):
        chart.line(x.start, y(value), x.stop, y(value), "grid")
        chart.text(LEFT - 8, y(value) + 4, f"{value + 0:g}", "tick end")
    for epoch in sorted({1, *(round(float(one)) for one in np.linspace(1, longest, 5))}):
        chart.text(x(epoch), HEIGHT - 20, str(epoch), "tick mid" if epoch < longest else "tick end")
    for name, one in zip(courses.names, courses.losses, strict=True):
        chart.lines(x, y, *_thinned(one), "curve fold", name)
    chart.lines(x, y, *_thinned(courses.mean), "curve mean", f"mean of {len(courses.losses)}")
    chart.text((x.start + x.stop) / 2, HEIGHT - 4, "epoch; thin: each fold and seed, thick: their mean", "tick mid")
    return chart


def _thinned(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    at = np.unique(np.linspace(0, len(values) - 1, min(len(values), POINTS)).round().astype(int))
    return at + 1, values[at]
