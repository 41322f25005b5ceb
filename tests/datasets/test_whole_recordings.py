"""Whole recordings as rows, from the readers of long databases."""

import pytest

from mer.core.errors import DatasetError
from mer.datasets.casme_sq import READER as reader
from mer.datasets.recordings import by_recording, recordings
from mer.datasets.samm_lv import READER as lv_reader
from mer.simulate.params import SimulateParams
from mer.simulate.registry import layout


def reading(name, read, **options):
    params = SimulateParams(layout=name, subjects=3, clips=4, raw=True)
    given = layout(name).reader_input(params, options)
    return params, read.samples_from(
        given.table, given.listing, read.options(**options), "simulated", True, **given.extra
    )


def test_every_recording_is_one_row_with_those_that_nobody_annotated():
    params, planned = reading("casme_sq", reader, view="raw")
    rows = recordings(planned)
    filmed = [r for r in layout("casme_sq").recordings(params) if not r.kind]
    assert len(rows) == len(filmed) and len({row.sample_id for row in rows}) == len(rows)
    events = by_recording(planned.samples)
    quiet = [row for row in rows if row.media_path not in events]
    assert [row.subject for row in quiet] == ["s15"] and "0508" in quiet[0].media_path
    assert all(row.onset is None and row.fps == 30 and row.sample_id.endswith("-whole") for row in rows)
    assert sum(map(len, events.values())) == sum(s.status == "ok" and s.onset is not None for s in planned.samples)


def test_a_misplaced_copy_is_not_a_recording():
    _, planned = reading("casme_sq", reader, view="raw")
    assert not [row for row in recordings(planned) if row.subject == "s16" and "15_" in row.media_path]


def test_samm_long_videos_are_recordings():
    params, planned = reading("samm_lv", lv_reader)
    assert len(recordings(planned)) == len(layout("samm_lv").recordings(params))


def test_a_view_of_single_expressions_is_refused():
    _, planned = reading("casme_sq", reader, view="selected")
    with pytest.raises(DatasetError, match=r"set options\.view to raw"):
        recordings(planned)
