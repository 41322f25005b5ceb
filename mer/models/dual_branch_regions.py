"""Which facial region a clip's second branch sees: by its annotated action units, or by a detector of the fold's own.

The rule is the published one (specs/dual-branch.md §3.3): the first region of the table that shows one of the action
units, the whole face where none does. The detector answers, per region, whether the clip shows any of its action units:
one ridge-penalised logistic regression on how a coarse grid of the region changes. It learns from training clips that a
coder has seen; the regions of training clips themselves come from detectors that did not see their person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mer.core.errors import ModelError
from mer.core.seeds import derive_seed
from mer.models.contract import Units
from mer.models.flow_image import area_pool
from mer.models.grouping import deal_groups
from mer.models.state import State
from mer.stages.rois.regions import TABLES, first_match

TABLE = TABLES["dual_branch"]
REGIONS = tuple(TABLE)
FACE = REGIONS.index("face")
GRID = 6
RIDGE = 10.0
STEPS = 25
PARTS = 3


def region_of(units: Units) -> int:
    """Return the index in `REGIONS` of the region that a clip's action units choose; the face when nobody coded it."""
    return REGIONS.index(first_match(units or ()))


def region_targets(units: Sequence[Units]) -> np.ndarray:
    """Return (N, 4) float64: 1 where a clip shows an action unit of a region, 0 where not, NaN rows where None.

    The columns are the regions of `REGIONS` but the face.
    """
    wanted = [set(region.aus) for name, region in TABLE.items() if name != "face"]
    rows = [[np.nan if coded is None else float(bool(aus & set(coded))) for aus in wanted] for coded in units]
    return np.array(rows, np.float64).reshape(len(units), len(wanted))


def require_units(units: Sequence[Units] | None, regions: str) -> Sequence[Units]:
    """Return the annotated action units of the training clips.

    Raises:
        ModelError: no clip has any, so that nothing can choose a region by them.
    """
    if units is None or all(coded is None for coded in units):
        found = "no clip has annotated action units"
        raise ModelError("training part", found, f"coded action units for regions: {regions}", "use regions: none")
    return units


def change_grid(region: np.ndarray) -> np.ndarray:
    """Return (72,) float64 of a region (T, S, S, 3): the change since its first frame on 6 × 6 cells.

    First the mean over time, then the mean size over time.
    """
    change = (region - region[:1]).mean(axis=3)
    return np.concatenate([area_pool(view, GRID).mean(axis=0).ravel() for view in (change, np.abs(change))])


@dataclass(frozen=True)
class Detector:
    """Logistic regressions: `weights` (4, D + 1), the last the intercept, of features less `centre` over `spread`."""

    weights: np.ndarray
    centre: np.ndarray
    spread: np.ndarray

    def probabilities(self, grids: np.ndarray) -> np.ndarray:
        """Return (N, 4) probabilities that clips (N, 5, D) show an action unit of a region."""
        x = ((grids - self.centre) / self.spread)[:, :FACE]
        logits = np.einsum("nrd,rd->nr", x, self.weights[:, :-1]) + self.weights[:, -1]
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))))

    def regions(self, grids: np.ndarray) -> np.ndarray:
        """Return (N,) int: the first region that is more likely than not, else the face."""
        likely = self.probabilities(grids) >= 0.5
        return np.where(likely.any(axis=1), likely.argmax(axis=1), FACE)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays for a checkpoint."""
        return {f"detector.{name}": value for name, value in vars(self).items()}

    @classmethod
    def of(cls, state: State) -> Detector:
        """Return the detector of a checkpoint; raises `ModelError` where it has none."""
        shapes = {"weights": (FACE, None), "centre": (len(REGIONS), None), "spread": (len(REGIONS), None)}
        return cls(**{name: state.array(f"detector.{name}", shape) for name, shape in shapes.items()})


def train_detector(grids: np.ndarray, targets: np.ndarray) -> Detector:
    """Return the detector of clips (N, 5, D) with targets (N, 4); rows of NaN are left out."""
    known = ~np.isnan(targets[:, 0])
    x, y = grids[known], targets[known]
    centre, spread = x.mean(axis=0), x.std(axis=0)
    spread = np.where(spread > 1e-12, spread, 1.0)
    scaled = (x - centre) / spread
    return Detector(np.stack([_regress(scaled[:, r], y[:, r]) for r in range(y.shape[1])]), centre, spread)


def _regress(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return (D + 1,) weights of a ridge-penalised logistic regression by Newton's method; the intercept is free."""
    count = len(x)
    # One clip of either kind in spirit, so that a region that no clip shows keeps a finite intercept.
    x, y = np.column_stack([x, np.ones(count)]), (y * count + y.mean()) / (count + 1)
    penalty = np.diag([RIDGE] * (x.shape[1] - 1) + [1e-3])
    weights = np.zeros(x.shape[1])
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        slope = x.T @ (p - y) + penalty @ weights
        weights = weights - np.linalg.solve((x.T * (p * (1 - p))) @ x + penalty, slope)
    return weights


def predicted_regions(
    grids: np.ndarray, units: Sequence[Units], groups: np.ndarray, seed: int
) -> tuple[Detector, np.ndarray, float]:
    """Return the detector, the regions (N,) of the training clips, and how often these are the annotated ones.

    Args:
        grids: (N, 5, 72) `change_grid` of every region of the training clips.
        units: annotated action units of each, or None.
        groups: (N,) person of each.
        seed: of the dealing of persons.

    Raises:
        ModelError: no clip has annotated action units.
    """
    targets = region_targets(require_units(units, "predicted"))
    detector = train_detector(grids, targets)
    regions = detector.regions(grids)
    coded = ~np.isnan(targets[:, 0])
    persons = np.array([str(group) for group in groups])
    count = min(PARTS, len(set(persons[coded])))
    parts = deal_groups(persons[coded], count, derive_seed(seed, "regions")) if count > 1 else {}
    for part in range(count if parts else 0):
        inside = np.array([parts.get(person) == part for person in persons])
        if (coded & ~inside).any():
            regions[inside] = train_detector(grids[~inside], targets[~inside]).regions(grids[inside])
    true = np.array([region_of(coded_units) for coded_units in units])
    return detector, regions, float((regions == true)[coded].mean())
