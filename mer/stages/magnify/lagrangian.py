"""Lagrangian motion magnification: the reference frame warped along its flow to every frame, times a gain.

Needs no weights, keeps the texture of the reference, and adds no change of brightness (specs/aman-magnet-rife.md
D.1 and D.2; with `project: pca`, the global model of Le Ngo et al., FG 2018). A factor is the *total* displacement
relative to the reference: 1 is the motion as filmed, 2 is twice.

Every estimator shortens the motions of small regions, in noise more so, and the gain obtained falls short by the same
share. So the flow is estimated again on what its first estimate left (`passes`), see `mer.motion.refine`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from mer.core.levels import as_uint8
from mer.motion.estimator import EstimatorParams
from mer.stages.magnify.method import FactorParams, MagnifyMethod
from mer.stages.magnify.passes import by_factor

# Gaussian on every estimate, pixels, when there is more than one: keeps the noise that they add from growing.
_SIGMA = 1.0
# Pixels of all fields that `principal` holds in double precision at once.
_BLOCK = 1 << 16


class Params(FactorParams, EstimatorParams):
    """Keys of `method: lagrangian`."""

    passes: int = Field(
        default=1, ge=0, le=5, description="Further estimates of the motion that was missed, against a gain too small."
    )
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
    """Yield the magnified clip of each factor in turn; see `MagnifyMethod`.

    Holds one frame's motion at a time, or with `project: pca` those of the clip, 8 bytes per pixel.
    """
    from mer.motion.warp import spline_coefficients

    start = np.asarray(frames[reference])
    texture = spline_coefficients(start)
    principals = (
        principal(np.stack(list(motions(frames, start, params))), params.energy or 0.95)
        if (params.project == "pca")
        else None
    )

    def visit(alphas: Sequence[float]) -> Iterator[tuple[int, Iterable[np.ndarray]]]:
        for index, motion in enumerate(motions(frames, start, params) if principals is None else principals):
            if params.appearance:
                filmed = np.asarray(frames[index])
                yield index, [carried(filmed, motion, alpha) for alpha in alphas]
            else:
                yield index, [moved(start, texture, motion, alpha) for alpha in alphas]

    yield from by_factor(len(frames), start.shape, params.alphas, visit)


def motions(frames: Any, reference: np.ndarray, params: Params) -> Iterator[np.ndarray]:
    """Yield the flow from the reference to every frame.

    Args:
        frames: (F, S, S, 3) uint8 RGB, an array or a dataset; read one at a time.
        reference: (S, S, 3) uint8 RGB.
        params: estimator and passes.

    Yields:
        (2, S, S) float32 pixels on the grid of the reference; zero where a frame equals the reference.
    """
    from mer.motion.estimator import estimate
    from mer.motion.grey import grey
    from mer.motion.refine import refined

    start = grey(reference)
    sigma = _SIGMA if params.passes else 0.0
    for index in range(len(frames)):
        frame = grey(np.asarray(frames[index]))
        yield refined(lambda one, two: estimate(one, two, params), start, frame, params.passes, sigma)


def principal(fields: np.ndarray, energy: float) -> np.ndarray:
    """Reduce flow fields to the fewest principal motions that hold a share of their energy, in place.

    The fields are not centred on their mean, so that a frame without motion keeps none.

    Args:
        fields: (F, 2, S, S) float, pixels; overwritten.
        energy: the share, 0 to 1.

    Returns:
        `fields`.
    """
    flat = fields.reshape(len(fields), -1)
    blocks = [flat[:, k : k + _BLOCK] for k in range(0, flat.shape[1], _BLOCK)]
    gram = sum(block.astype(np.float64) @ block.astype(np.float64).T for block in blocks)
    values, vectors = np.linalg.eigh(np.asarray(gram))
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    if values.sum() == 0:
        return fields
    count = int(np.searchsorted(np.cumsum(values) / values.sum(), energy - 1e-12)) + 1
    basis = vectors[:, :count]
    projection = (basis @ basis.T).astype(fields.dtype)
    for block in blocks:
        block[:] = projection @ block
    return fields


def moved(reference: np.ndarray, texture: np.ndarray, motion: np.ndarray, alpha: float) -> np.ndarray:
    """Return the reference moved `alpha` times as far as `motion`: result(m + alpha u(m)) = reference(m).

    Args:
        reference: (S, S, 3) uint8 RGB.
        texture: its `mer.motion.warp.spline_coefficients`.
        motion: (2, S, S) float, pixels on the grid of the reference.
        alpha: total displacement factor.

    Returns:
        (S, S, 3) uint8 RGB; exactly the reference where nothing moves.
    """
    from mer.motion.warp import invert, sample_spline

    return as_uint8(sample_spline(texture, invert(alpha * motion))).transpose(1, 2, 0) if motion.any() else reference


def carried(filmed: np.ndarray, motion: np.ndarray, alpha: float) -> np.ndarray:
    """Return a filmed frame with its pixels moved on from where they are to `alpha` times the motion.

    Unlike `moved` it keeps changes of brightness since the reference. Exactly `filmed` where nothing moves.

    Args:
        filmed: (S, S, 3) uint8 RGB.
        motion: (2, S, S) float, pixels, from the reference to `filmed` on the grid of the reference.
        alpha: total displacement factor.

    Returns:
        (S, S, 3) uint8 RGB.
    """
    from mer.motion.warp import invert, sample_linear, sample_spline, spline_coefficients

    if not motion.any():
        return filmed
    origin = invert(alpha * motion)
    seen = origin + sample_linear(motion.astype(np.float64), origin)
    return as_uint8(sample_spline(spline_coefficients(filmed), seen)).transpose(1, 2, 0)


METHOD = MagnifyMethod(Params, magnified)
