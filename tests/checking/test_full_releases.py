"""Every known release with all its counts is usable as `mer check` sees it; one row less or another cell is not."""

import pytest
from full_makers import RELEASES
from full_release import known

import mer.checking.check as module
from mer.checking.check import check
from mer.checking.media import Looked
from mer.core.exits import Status
from mer.datasets.registry import databases


def test_every_known_release_is_invented():
    assert set(RELEASES) == {(name, one.name) for name, (_, card) in databases().items() for one in card.releases}


#: Those that add time and no way of reading.
SLOW = (
    "JpgIndex_v1",
    "20250903",
    "part_A_v1",
    "part_A_v2",
    "20140508",
    "SAMM_20181215_Micro_FACS_Codes_v2",
    "SAMM_LongVideos",
)
CASES = [
    pytest.param(key, id=" ".join(key).strip(), marks=[pytest.mark.slow] if key[1].endswith(SLOW) else [])
    for key in RELEASES
]


@pytest.fixture(params=CASES)
def full(request, tmp_path):
    """One whole release on disk; its own root beside the file that its images are links to."""
    release = RELEASES[request.param]()
    assert (release.dataset, release.release) == request.param
    release.root = tmp_path / "release"
    release.root.mkdir()
    release.write(release.root)
    return release


def looked_at(full):
    return check(full.root, full.dataset, full.options, licence_accepted=True, decode=0)


def test_a_genuine_download_is_usable_and_another_is_not(full, monkeypatch):
    report = looked_at(full)
    assert not report.stops and not report.fatal, report.verdict
    assert [count for count in report.counts if not count.ok] == []
    assert [p.line() for p in report.problems if p.severity == "error" or p.rule in ("V04", "V15", "V16")] == []
    assert report.exit_code == Status.YES, report.verdict
    assert {count.what for count in report.counts} >= set(known(full.dataset, full.release).counts)

    # The images have been looked at; only the table changes from here on.
    monkeypatch.setattr(module, "look", lambda *args: Looked())
    if full.column is not None or not full.table:
        rows, files = list(full.rows), list(full.files)
        full.change(full.root)
        _is_noticed(full, looked_at(full))
        full.rows, full.files = rows, files
        if full.table:
            full.write_table(full.root)
    if full.table:
        full.less_one(full.root)
        _is_noticed(full, looked_at(full))


def test_names_in_capitals_are_the_same_clips(tmp_path):
    full = RELEASES["casme2", "CASME2-coding-20190701"]()
    full.rows = [[subject, clip.upper(), *cells] for subject, clip, *cells in full.rows]
    full.root = tmp_path / "release"
    full.root.mkdir()
    full.write(full.root)
    report = looked_at(full)
    assert {count.what: count.found for count in report.counts}["megc2019 rows"] == 145
    assert report.exit_code == Status.YES, report.verdict


@pytest.mark.parametrize("camera", ["smic_hs", "smic_vis", "smic_nir"])
def test_a_clip_less_is_noticed(camera, tmp_path):
    full = RELEASES[camera, ""]()
    full.root = tmp_path / "release"
    full.root.mkdir()
    full.write(full.root)
    full.less_one(full.root)
    _is_noticed(full, looked_at(full))


def _is_noticed(full, report):
    """Counts that are sure stop it; second-hand ones warn, and stop it under `strict`."""
    wrong = [count.what for count in report.counts if not count.ok]
    assert wrong and any(problem.rule == "V04" for problem in report.problems)
    if full.status == "verified":
        assert report.exit_code not in (Status.YES, Status.NO), wrong
        assert "not the release (V04)" in report.verdict
    else:
        strict = check(full.root, full.dataset, full.options, strict=True, licence_accepted=True, decode=0)
        assert strict.exit_code not in (Status.YES, Status.NO)
