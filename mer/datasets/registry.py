"""Readers of databases by name; adding one is one file with `READER` (`mer.datasets.contract`) and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from mer.core.errors import ConfigError
from mer.core.registry import Registry, nearest
from mer.datasets.contract import AnyReader, Database

_SHIPPED: dict[str, str] = {
    "casme2": "mer.datasets.casme2",
    "flow_images": "mer.datasets.flow_images",
    "videos": "mer.datasets.videos",
    "table": "mer.datasets.table",
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
READERS = Registry("READER", _SHIPPED)


def reader(name: str, where: str = "reader") -> AnyReader:
    """Return a reader by name.

    Raises:
        ConfigError: there is none; the message names `where` it was asked for and the nearest valid name.
    """
    found: AnyReader = READERS.load(name, where)
    return found


def reader_of(dataset: str) -> tuple[AnyReader, Mapping[str, str]]:
    """Return the reader of that name, or of the database of that name, and the options that choose the database.

    Raises:
        ConfigError: neither is known; the message names the nearest valid name.
    """
    if dataset in READERS:
        return reader(dataset), {}
    if dataset in databases():
        one, card = databases()[dataset]
        return one, card.chosen_by
    remedy = nearest(dataset, {*READERS, *databases()})
    expected = "a reader or database of docs/datasets.md, or --config and a name in it"
    raise ConfigError("dataset", f"unknown {dataset!r}", expected, remedy)


def databases() -> Mapping[str, tuple[AnyReader, Database]]:
    """Return what the rows of all readers can carry as `Sample.dataset` -> its reader and its card."""
    return _databases(tuple(READERS))


@cache
def _databases(names: tuple[str, ...]) -> dict[str, tuple[AnyReader, Database]]:
    return {card.name: (one, card) for one in map(reader, names) for card in one.databases}
