"""The map from a neutral face to a frame, and its exact inverse.

Forward: x = H_t(m + d_t(m)) with material point m, facial displacement d_t and head pose H_t. The inverse is found by
fixed-point iteration m <- H_t^-1(x) - d_t(m) on a grid of every fourth pixel, then interpolated by cubic splines,
exact to about 1e-3 px because the fields are smooth over tens of pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mer.core.errors import MediaError
from mer.core.geometry import apply, invert
from mer.simulate.action_units import UnitFields
from mer.simulate.exact import product
from mer.simulate.expression import UnitPlan

GRID = 4
TOLERANCE = 1e-4
WHOLE_STEPS, MOST_ITERATIONS = 25, 250
# Above this intensity a field's slope may exceed 1 in size, and one fixed-point step need not improve.
POLISHED_LEVEL = 3.0


@dataclass(frozen=True)
class Deformation:
    """The state of a face at one time: pose, and the intensity of each of its units.

    Args:
        pose: H (2, 3) float64, neutral material pixels to frame pixels.
        units: the clip's action units.
        levels: their intensities now.
        closure: how far the lids are closed, 0 to 1.
    """

    pose: np.ndarray
    units: tuple[UnitPlan, ...]
    levels: tuple[float, ...]
    closure: float = 0.0


def forward(fields: UnitFields, state: Deformation, points: np.ndarray) -> np.ndarray:
    """Return where material `points` (N, 2) are in the frame, float64 pixels."""
    return apply(state.pose, points + fields.displacement(state.units, state.levels, points))


def inverse(fields: UnitFields, state: Deformation, points: np.ndarray) -> np.ndarray:
    """Return the material points (N, 2) seen at frame `points` (N, 2).

    Raises:
        MediaError: the displacement is so large that the face folds over itself.
    """
    target = apply(invert(state.pose), np.asarray(points, dtype=np.float64))
    material = target - fields.displacement(state.units, state.levels, target)
    active = np.flatnonzero(np.abs(material - target).max(axis=1) > 0)
    for k in range(MOST_ITERATIONS):
        if active.size == 0:
            return material
        step = target[active] - fields.displacement(state.units, state.levels, material[active]) - material[active]
        # Whole steps diverge where a magnified field's slope exceeds 1 in size without folding; half steps do not.
        material[active] += step if k < WHOLE_STEPS else 0.5 * step
        active = active[np.abs(step).max(axis=1) > TOLERANCE]
    peak = max(map(abs, state.levels), default=0.0)
    raise MediaError("simulated face", f"intensity {peak:.1f} folds the skin", "a smaller intensity or factor")


def inverse_map(fields: UnitFields, state: Deformation, width: int, height: int) -> np.ndarray:
    """Return the material point (H, W, 2) float32 of every pixel of a frame."""
    columns, rows = width // GRID + 4, height // GRID + 4
    grid_x, grid_y = np.meshgrid((np.arange(columns) - 1) * GRID, (np.arange(rows) - 1) * GRID)
    nodes = np.stack([grid_x, grid_y], axis=-1).reshape(-1, 2).astype(np.float64)
    seen = inverse(fields, state, nodes)
    material = refine((seen - nodes).reshape(rows, columns, 2), width, height) + pixel_grid(width, height)
    still = apply(invert(state.pose), nodes)
    moving = nodes[np.abs(seen - still).max(axis=1) > 1e-4]
    if moving.size and max(map(abs, state.levels)) <= POLISHED_LEVEL:
        low, high = np.maximum(moving.min(0) - GRID, 0).astype(int), (moving.max(0) + GRID + 1).astype(int)
        _polish(fields, state, material[low[1] : high[1], low[0] : high[0]], low)
    return material


def _polish(fields: UnitFields, state: Deformation, part: np.ndarray, corner: np.ndarray) -> None:
    # One more fixed-point step where the face moves: interpolation leaves up to 0.02 px beside small bumps.
    here = pixel_grid(part.shape[1], part.shape[0]).reshape(-1, 2) + corner
    still = apply(invert(state.pose), here)
    moved = fields.displacement(state.units, state.levels, part.reshape(-1, 2).astype(np.float64))
    part[...] = (still - moved).reshape(part.shape)


def refine(coarse: np.ndarray, width: int, height: int, step: int = GRID) -> np.ndarray:
    """Interpolate (rows, columns, 2) by splines to every pixel, (H, W, 2) float32.

    Values lie at every `step`-th pixel, from one node before the frame on.
    """
    down, across = _spline_matrix(coarse.shape[0], height, step), _spline_matrix(coarse.shape[1], width, step)
    return np.stack([product(down, coarse[..., k], across) for k in range(2)], axis=-1).astype(np.float32)


@lru_cache(maxsize=8)
def _spline_matrix(nodes: int, pixels: int, step: int) -> np.ndarray:
    # Interpolation is linear in the values: one matrix per axis makes a dense cubic spline two matrix products.
    from scipy.interpolate import make_interp_spline

    spline = make_interp_spline((np.arange(nodes) - 1.0) * step, np.eye(nodes), k=3)
    return np.asarray(spline(np.arange(pixels)))


def frame_window(pose: np.ndarray, box: tuple[float, ...], width: int, height: int, margin: int) -> tuple[slice, slice]:
    """Return the (rows, columns) of a frame that hold a material box (left, top, right, bottom) under a head pose."""
    left, top, right, bottom = box
    corners = apply(pose, np.array([[left, top], [right, top], [left, bottom], [right, bottom]]))
    low = np.clip(np.floor(corners.min(0)) - margin, 0, [width, height]).astype(int)
    high = np.clip(np.ceil(corners.max(0)) + margin + 1, 0, [width, height]).astype(int)
    return slice(low[1], high[1]), slice(low[0], high[0])


def pixel_grid(width: int, height: int) -> np.ndarray:
    """Return the (x, y) of every pixel, (H, W, 2) float32."""
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)


def dense_displacement(
    fields: UnitFields, units: tuple[UnitPlan, ...], levels: Sequence[float], material: np.ndarray
) -> np.ndarray:
    """Return the facial displacement (H, W, 2) float64 at a dense map of material points (H, W, 2)."""
    return fields.displacement(units, levels, material.reshape(-1, 2)).reshape(material.shape)
