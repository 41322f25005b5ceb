"""Optical strain magnitude of a flow field (specs/mean-softnet.md §3).

e = sqrt(ux^2 + vy^2 + (uy + vx)^2 / 2), dimensionless (pixels per pixel). The derivatives of the published systems
differ at the border and by half a pixel inside:

- `backward` (MEAN): u[y, x] - u[y, x - 1]; a missing first column or row makes that term 0.
- `forward` (SOFTNet): between a pixel and the next; the last column of e copies the one before, then the last row.
- `central`: half the difference of both neighbours, one-sided at the border; no shift between flow and strain.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

Variant = Literal["backward", "forward", "central"]


def strain(flow: np.ndarray, variant: Variant = "central") -> np.ndarray:
    """Return the strain magnitude of a flow.

    Args:
        flow: (..., 2, H, W) float, H and W at least 2; u first.
        variant: the difference scheme.

    Returns:
        (..., H, W) in the dtype of `flow`, >= 0.
    """
    u, v = flow[..., 0, :, :], flow[..., 1, :, :]
    if variant == "central":
        (uy, ux), (vy, vx) = (np.gradient(c, axis=(-2, -1)) for c in (u, v))
        return _magnitude(ux, uy, vx, vy)
    if variant == "backward":
        ux, vx = (np.diff(c, axis=-1, prepend=c[..., :1]) for c in (u, v))
        uy, vy = (np.diff(c, axis=-2, prepend=c[..., :1, :]) for c in (u, v))
        return _magnitude(ux, uy, vx, vy)
    ux, vx = (np.diff(c, axis=-1)[..., :-1, :] for c in (u, v))
    uy, vy = (np.diff(c, axis=-2)[..., :, :-1] for c in (u, v))
    inner = _magnitude(ux, uy, vx, vy)
    wide = np.concatenate([inner, inner[..., -1:]], axis=-1)
    return np.concatenate([wide, wide[..., -1:, :]], axis=-2)


def _magnitude(ux: np.ndarray, uy: np.ndarray, vx: np.ndarray, vy: np.ndarray) -> np.ndarray:
    return np.sqrt(ux**2 + vy**2 + (uy + vx) ** 2 / 2)
