"""The options of Black-Anandan flow; see `mer.motion.black_anandan`."""

from __future__ import annotations

from pydantic import Field

from mer.core.params import Params

LEAST_SIDE = 16


class BlackAnandanOptions(Params):
    """Options of Black-Anandan flow; the defaults are the table of specs/au-fusion.md §3.2."""

    presmooth: float = Field(
        default=5.0, ge=0, le=50, description="Sigma of a 5 x 5 Gaussian on both images; 0 is none."
    )
    data_sigma: float = Field(default=6.3, gt=0, description="Scale of the brightness penalties, grey levels.")
    spatial_sigma: float = Field(default=0.1, gt=0, description="Scale of the smoothness penalties, pixels.")
    smoothness: float = Field(default=0.1, gt=0, description="Weight of the robust smoothness.")
    smoothness_quadratic: float = Field(default=0.05, gt=0, description="Weight of the quadratic smoothness.")
    stages: int = Field(default=3, ge=1, le=10, description="Stages from the quadratic to the robust penalties.")
    levels: int = Field(default=2, ge=1, le=8, description="Pyramid levels of the first stage.")
    spacing: float = Field(default=2.0, gt=1, le=4, description="Size ratio of its levels.")
    stage_levels: int = Field(default=2, ge=1, le=8, description="Pyramid levels of the later stages.")
    stage_spacing: float = Field(default=1.25, gt=1, le=4, description="Size ratio of their levels.")
    warps: int = Field(default=3, ge=1, le=50, description="Warps per level.")
    linearisations: int = Field(default=1, ge=1, le=20, description="Reweighted systems per warp.")
    limit: float = Field(default=1.0, gt=0, description="Most that a warp may add to u or v, pixels.")
    tolerance: float = Field(default=1e-4, gt=0, lt=1, description="Relative residual at which a system is solved.")
    iterations: int = Field(default=300, ge=1, description="Most conjugate gradient iterations per system.")
