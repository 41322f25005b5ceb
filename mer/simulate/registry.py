"""Layouts in which the simulator can write its recordings; adding one is one file and one line here.

A layout module has
`plan(params) -> tuple[ClipPlan, ...]`, `subjects(params) -> list[str]`,
`table(params) -> list[dict[str, str]]`, `listing(params) -> dict[tuple[str, str], list[str]]`,
`reader_input(params, options) -> ReaderInput`,
`write_tables(params, root) -> Path` and `write_subject(params, subject, root, truth_path) -> None`.
It imports nothing heavier than NumPy, so that a workflow knows every row before a frame is rendered.
"""

from __future__ import annotations

from collections.abc import Mapping

LAYOUTS: dict[str, str] = {
    "casme2": "mer.simulate.layouts.casme2",
    "samm": "mer.simulate.layouts.samm",
    "smic_hs": "mer.simulate.layouts.smic",
    "smic_vis": "mer.simulate.layouts.smic",
    "smic_nir": "mer.simulate.layouts.smic",
    "mmew": "mer.simulate.layouts.mmew",
    "casme_sq": "mer.simulate.layouts.casme_sq",
    "samm_lv": "mer.simulate.layouts.samm_lv",
    "casme3": "mer.simulate.layouts.casme3",
    "casme3_v1": "mer.simulate.layouts.casme3",
    "casme3_all": "mer.simulate.layouts.casme3",
    "smic_e_hs": "mer.simulate.layouts.smic_e",
    "smic_e_vis": "mer.simulate.layouts.smic_e",
    "smic_e_nir": "mer.simulate.layouts.smic_e",
    "casme": "mer.simulate.layouts.casme",
    "meview": "mer.simulate.layouts.meview",
    "rld": "mer.simulate.layouts.rld",
    "fourdme": "mer.simulate.layouts.fourdme",
}

# The reader (`mer.datasets.registry`) of each layout; the cameras of SMIC are told by its option `modality`.
READERS: dict[str, str] = {name: module.rsplit(".", 1)[1] for name, module in LAYOUTS.items()}

_SHORT = {"shortest": 0.3, "longest": 0.42}
_CASME3 = {"fps": 30.0, "width": 1280, "height": 720, **_SHORT}

# What the owner's cameras set, where it differs from the defaults of `SimulateParams`.
CAMERAS: dict[str, Mapping[str, float]] = {
    "samm": {"width": 960, "height": 650},
    "samm_lv": {"width": 960, "height": 650},
    "smic_hs": {"fps": 100.0},
    "smic_vis": {"fps": 25.0, **_SHORT},
    "smic_nir": {"fps": 25.0, **_SHORT},
    "smic_e_hs": {"fps": 100.0},
    "smic_e_vis": {"fps": 25.0, **_SHORT},
    "smic_e_nir": {"fps": 25.0, **_SHORT},
    "mmew": {"fps": 90.0, "width": 512, "height": 384},
    "casme_sq": {"fps": 30.0, **_SHORT},
    "casme3": _CASME3,
    "casme3_v1": _CASME3,
    "casme3_all": _CASME3,
    "casme": {"fps": 60.0},
    "meview": {"fps": 25.0, "width": 1280, "height": 720, **_SHORT},
    "rld": {"fps": 25.0, **_SHORT},
    "fourdme": {"fps": 60.0},
}
