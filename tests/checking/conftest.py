"""Fixtures of the checks: an invented release, and the counts it is held against."""

import pytest
from small_release import Release

import mer.datasets.contract as contract
from mer.datasets.registry import databases


@pytest.fixture
def release(tmp_path):
    return Release(tmp_path / "CASME2")


@pytest.fixture
def known(monkeypatch):
    """Replace the known releases by the given ones: database -> list of the fields of `Release`."""

    def use(**given):
        for name, (_, card) in databases().items():
            monkeypatch.setitem(
                vars(card), "releases", tuple(contract.Release(**fields) for fields in given.get(name, ()))
            )

    return use


@pytest.fixture
def small(known):
    """Make the four rows of `Release` the release."""
    known(casme2=[{"name": "CASME2-coding-20190701", "status": "verified", "counts": {"rows": 4, "subjects": 2}}])
