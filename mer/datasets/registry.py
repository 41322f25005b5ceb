"""Readers of databases by name; adding one is one file and one line here.

A reader module has `Options` (a `Params` class: the reader's keys in `config.yaml`) and
`read(root: Path, options: Options, errata: bool = True) -> Reading`. A reader of an annotation table also
has the pure `samples_from(table, listing, options, release, errata=True) -> Reading`, which opens no file.
"""

from __future__ import annotations

READERS: dict[str, str] = {
    "casme2": "mer.datasets.casme2",
    "flow_images": "mer.datasets.flow_images",
    "videos": "mer.datasets.videos",
    "samm": "mer.datasets.samm",
    "smic": "mer.datasets.smic",
    "mmew": "mer.datasets.mmew",
    "casme_sq": "mer.datasets.casme_sq",
    "casme3": "mer.datasets.casme3",
    "casme3c": "mer.datasets.casme3c",
    "samm_lv": "mer.datasets.samm_lv",
    "smic_e": "mer.datasets.smic_e",
    "meview": "mer.datasets.meview",
    "fourdme": "mer.datasets.fourdme",
    "rld": "mer.datasets.rld",
    "casme": "mer.datasets.casme",
}
