"""The layouts in which the simulator can write a database, by name; adding one is a file and a line here.

What the parameters need to know of a layout is asked for here, by name, so that importing them imports no layout.
"""

from __future__ import annotations

from collections.abc import Mapping

from mer.core.registry import load

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
    "table": "mer.simulate.layouts.table",
    "table_images": "mer.simulate.layouts.table",
}


def camera_defaults(name: str) -> Mapping[str, float]:
    """Return the defaults of `SimulateParams` that the camera of a layout sets: none where there is no such layout."""
    return load(LAYOUTS, name, "simulate.layout").LAYOUT.cameras[name].defaults if name in LAYOUTS else {}
