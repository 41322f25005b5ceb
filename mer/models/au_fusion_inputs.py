"""What the fusion network is given (specs/au-fusion.md §5): windows of flow, frames, and action units to learn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: The action units that it names, those of the brows first.
AUS = (1, 2, 4, 10, 12, 14, 15, 17, 25)
BROW_AUS = 3
#: Windows of a flow map: 0–9 around the brows, 10–29 around the mouth.
ROIS = 30
BROW_ROIS = 10
#: Frames of a clip.
LENGTH = 16


def unit_targets(annotated: Sequence[Sequence[int] | None]) -> np.ndarray:
    """Return (N, 9) float32 targets in the order of `AUS`: 1 where a clip shows the unit, NaN rows where None.

    Args:
        annotated: action-unit numbers of each clip; None for a clip without annotation. Other units are ignored.
    """
    rows = [[np.nan] * len(AUS) if units is None else [float(au in set(units)) for au in AUS] for units in annotated]
    return np.array(rows, np.float32).reshape(-1, len(AUS))


def factor_index(alphas: np.ndarray, wanted: float) -> int:
    """Return the index of the factor (A,) nearest to the one wanted for prediction."""
    return int(np.abs(alphas - wanted).argmin())
