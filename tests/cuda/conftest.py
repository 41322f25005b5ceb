"""Operators that are kept by the device's name are forgotten: a real card must not be given the stand-in's tensors."""

import pytest

from mer.motion import black_anandan_grid, black_anandan_system, micro_kernel, micro_light, micro_solve
from mer.networks import ifnet_warp, magnet_small


@pytest.fixture(autouse=True)
def forgotten():
    yield
    modules = black_anandan_grid, black_anandan_system, micro_kernel, micro_light, micro_solve, ifnet_warp, magnet_small
    black_anandan_system._KEPT.clear()
    for module in modules:
        for value in vars(module).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()
