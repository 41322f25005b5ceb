"""Lagrangian motion magnification: the reference frame warped along its flow to every frame, times a gain.

Needs no weights, keeps the texture of the reference, and adds no change of brightness (specs/aman-magnet-rife.md
D.1 and D.2; with `project: pca`, the global model of Le Ngo et al., FG 2018). A factor is the *total* displacement
relative to the reference: 1 is the motion as filmed, 2 is twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from mer.motion.estimator import EstimatorParams
from mer.stages.magnify.factors import FactorParams


class Params(FactorParams, EstimatorParams):
    """Keys of `method: lagrangian`."""

    project: Literal["none", "pca"] = Field(
        default="none", description="`pca`: keep the clip's principal motions only."
    )
    energy: float | None = Field(
        default=None, gt=0, le=1, description="Share of motion that `pca` keeps; 0.95 if absent."
    )
    appearance: bool = Field(
        default=False, description="Move the filmed frame, with its lighting, instead of the reference."
    )

    @model_validator(mode="after")
    def _used(self) -> Params:
        if self.project == "none" and self.energy is not None:
            raise ValueError("energy needs project: pca")
        return self


def magnified(frames: Any, reference: int, params: Params) -> Iterator[np.ndarray]:
    """Yield the magnified clip of each factor in turn.

    Args:
        frames: (F, S, S, 3) uint8 RGB, an array or a dataset; read one frame at a time.
        reference: index of the reference frame.
        params: factors, estimator and options.

    Yields:
        (F, S, S, 3) uint8 RGB.
    """
    start = np.asarray(frames[reference])
    fields = motions(frames, start, params)
    for alpha in params.alphas:
        clip = np.empty((len(fields), *start.shape), np.uint8)
        for index, field in enumerate(fields):
            clip[index] = magnify(start, field, alpha, frames[index] if params.appearance else None)
        yield clip


def motions(frames: Any, reference: np.ndarray, params: Params) -> np.ndarray:
    """Return the flow from the reference to every frame.

    Args:
        frames: (F, S, S, 3) uint8 RGB, an array or a dataset; read one at a time.
        reference: (S, S, 3) uint8 RGB.
        params: estimator and projection.

    Returns:
        (F, 2, S, S) float32 pixels on the grid of the reference; zero where a frame equals the reference.
    """
    from mer.motion.estimator import estimate
    from mer.motion.grey import grey

    start = grey(reference)
    out = np.empty((len(frames), 2, *start.shape), np.float32)
    for index in range(len(frames)):
        out[index] = estimate(start, grey(frames[index]), params)
    return principal(out, params.energy or 0.95) if params.project == "pca" else out


def principal(fields: np.ndarray, energy: float) -> np.ndarray:
    """Return flow fields (F, 2, S, S) reduced to the fewest principal motions that hold a share of their energy.

    The fields are not centred on their mean, so that a frame without motion keeps none.
    """
    flat = fields.reshape(len(fields), -1)
    gram = (flat @ flat.T).astype(np.float64)
    values, vectors = np.linalg.eigh(gram)
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    if values.sum() == 0:
        return fields
    count = int(np.searchsorted(np.cumsum(values) / values.sum(), energy - 1e-12)) + 1
    basis = vectors[:, :count]
    return ((basis @ basis.T).astype(fields.dtype) @ flat).reshape(fields.shape)


def magnify(reference: np.ndarray, motion: np.ndarray, alpha: float, frame: np.ndarray | None = None) -> np.ndarray:
    """Return the reference moved `alpha` times as far as `motion`: result(m + alpha u(m)) = reference(m).

    Args:
        reference: (S, S, 3) uint8 RGB.
        motion: (2, S, S) float, pixels on the grid of the reference.
        alpha: total displacement factor.
        frame: the filmed frame (S, S, 3) uint8; when given, its pixels are moved on from where they are, so that
            changes of brightness stay, instead of those of the reference.

    Returns:
        (S, S, 3) uint8 RGB; exactly the reference (or `frame`) where nothing moves.
    """
    from mer.motion.warp import invert, sample_linear, sample_spline, spline_coefficients

    if not motion.any():
        return reference if frame is None else frame
    origin = invert(alpha * motion)
    if frame is not None:
        origin = origin + sample_linear(motion.astype(np.float64), origin)
    moved = sample_spline(spline_coefficients(reference if frame is None else frame), origin)
    return np.clip(np.rint(moved), 0, 255).astype(np.uint8).transpose(1, 2, 0)
