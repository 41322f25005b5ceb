"""Which facial region a clip's second branch sees: by its annotated action units, or by a detector of the fold's own.

The rule is the published one (specs/dual-branch.md §3.3): the first region of the table that shows one of the action
units, the last one, the whole face, where none does. The table is that of the product (`mer.stages.rois.regions`). The
detector answers, for each region but the last, whether the clip shows any of its action units: one ridge-penalised
logistic regression on how a coarse grid of the region changes. It learns from training clips that a
coder has seen; the regions of training clips themselves come from detectors that did not see their person.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mer.core.container import Clip
from mer.core.errors import ModelError
from mer.core.seeds import derive_seed
from mer.models.contract import Units
from mer.models.flow_image import area_pool
from mer.models.grouping import deal_groups
from mer.models.state import State
from mer.stages.rois.regions import first_match

GRID = 6
RIDGE = 10.0
STEPS = 25
PARTS = 3


@dataclass(frozen=True)
class Table:
    """The regions of a product: their `names`, and the action units of each that choose it."""

    names: tuple[str, ...]
    units: tuple[frozenset[int], ...]

    @classmethod
    def of(cls, clip: Clip, listed: tuple[int, ...] | None) -> Table:
        """Return the table of a product of regions.

        Args:
            clip: its `names` and `units`.
            listed: the action units that count; all when None.

        Raises:
            ModelError: the last region has action units, so that none is left for clips that show no unit.
        """
        names = tuple(str(name) for name in clip.read("names"))
        given = [frozenset(int(unit) for unit in str(units).split("+") if unit) for units in clip.read("units")]
        if given[-1]:
            where, found = clip.where, f"units of the last region, {names[-1]}"
            expected = "a table whose last region, for clips that show no unit, lists none"
            raise ModelError(where, found, expected, "use table: dual_branch, or add such a region")
        kept = given if listed is None else [units & set(listed) for units in given]
        return cls(names, tuple(kept))

    def region_of(self, units: Units) -> str:
        """Return the region that a clip's action units choose; the last one where nobody coded it."""
        return self.names[first_match(units or (), self.units)]

    def shown(self, units: Units) -> np.ndarray:
        """Return (R,) float32: 1 where a clip's action units show the region, 0 where not; all -1 where None."""
        if units is None:
            return np.full(len(self.units), -1, np.float32)
        return np.array([bool(region & set(units)) for region in self.units], np.float32)


def require_coded(coded: Iterable[bool], regions: str) -> None:
    """Refuse training clips of which nobody `coded` any, so that nothing can choose a region by their action units.

    Raises:
        ModelError: none is coded.
    """
    if not any(coded):
        found = "no clip has annotated action units"
        raise ModelError("training part", found, f"coded action units for regions: {regions}", "use regions: none")


def change_grid(region: np.ndarray) -> np.ndarray:
    """Return (72,) float64 of a region (T, S, S, 3): the change since its first frame on 6 × 6 cells.

    First the mean over time, then the mean size over time.
    """
    change = (region - region[:1]).mean(axis=3)
    return np.concatenate([area_pool(view, GRID).mean(axis=0).ravel() for view in (change, np.abs(change))])


@dataclass(frozen=True)
class Detector:
    """Logistic regressions of R - 1 regions, of features less `centre` over `spread`, (R, D) each.

    `weights` is (R - 1, D + 1), the last column the intercept.
    """

    weights: np.ndarray
    centre: np.ndarray
    spread: np.ndarray

    def probabilities(self, grids: np.ndarray) -> np.ndarray:
        """Return (N, R - 1) probabilities that clips (N, R, D) show an action unit of a region."""
        x = ((grids - self.centre) / self.spread)[:, :-1]
        logits = np.einsum("nrd,rd->nr", x, self.weights[:, :-1]) + self.weights[:, -1]
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))))

    def regions(self, grids: np.ndarray) -> np.ndarray:
        """Return (N,) int: the first region that is more likely than not, else the last."""
        return first_or_last(self.probabilities(grids) >= 0.5)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays for a checkpoint."""
        return {f"detector.{name}": value for name, value in vars(self).items()}

    @classmethod
    def of(cls, state: State) -> Detector:
        """Return the detector of a checkpoint; raises `ModelError` where it has none."""
        return cls(**{name: state.array(f"detector.{name}", (None, None)) for name in ("weights", "centre", "spread")})


def first_or_last(shown: np.ndarray) -> np.ndarray:
    """Return (N,) int: the first of the regions (N, R - 1) bool that is shown, else the last region, R - 1."""
    return np.where(shown.any(axis=1), shown.argmax(axis=1), shown.shape[1])


def train_detector(grids: np.ndarray, shown: np.ndarray) -> Detector:
    """Return the detector of clips (N, R, D) with `Table.shown` (N, R); clips that nobody coded are left out."""
    known = shown[:, 0] >= 0
    x, y = grids[known], shown[known, :-1].astype(np.float64)
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
    grids: np.ndarray, shown: np.ndarray, groups: np.ndarray, seed: int
) -> tuple[Detector, np.ndarray, float]:
    """Return the detector, the regions (N,) of the training clips, and how often these are the annotated ones.

    Args:
        grids: (N, R, 72) `change_grid` of every region of the training clips.
        shown: (N, R) `Table.shown` of each; some clip is coded.
        groups: (N,) person of each.
        seed: of the dealing of persons.
    """
    detector = train_detector(grids, shown)
    regions = detector.regions(grids)
    coded = shown[:, 0] >= 0
    persons = np.array([str(group) for group in groups])
    count = min(PARTS, len(set(persons[coded])))
    parts = deal_groups(persons[coded], count, derive_seed(seed, "regions")) if count > 1 else {}
    for part in range(count if parts else 0):
        inside = np.array([parts.get(person) == part for person in persons])
        if (coded & ~inside).any():
            regions[inside] = train_detector(grids[~inside], shown[~inside]).regions(grids[inside])
    return detector, regions, float((regions == first_or_last(shown[:, :-1] > 0))[coded].mean())
