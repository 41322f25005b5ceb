"""Fixtures of the checks: an invented release, and the counts it is held against."""

import json

import pytest
from small_release import Release

import mer.datasets.expected as expected


@pytest.fixture
def release(tmp_path):
    return Release(tmp_path / "CASME2")


@pytest.fixture
def known(tmp_path, monkeypatch):
    """Replace the known releases by the given ones: database -> list of releases."""

    def use(**databases):
        path = tmp_path / "expected.json"
        path.write_text(json.dumps(databases))
        monkeypatch.setattr(expected, "_FILE", path)
        expected.releases.cache_clear()

    yield use
    expected.releases.cache_clear()


@pytest.fixture
def small(known):
    """Make the four rows of `Release` the release."""
    known(casme2=[{"release": "CASME2-coding-20190701", "status": "verified", "counts": {"rows": 4, "subjects": 2}}])
