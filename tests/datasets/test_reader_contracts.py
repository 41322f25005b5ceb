"""Every reader of a table, fed any cells: one canonical row per annotation, no traceback, no silent exclusion."""

from importlib import import_module

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mer.core.errors import MerError
from mer.core.sample import dumps_index
from mer.datasets.casme_sq import COLUMNS as SQ_COLUMNS
from mer.datasets.registry import READERS

WITH_TABLE = [name for name in READERS if name not in ("videos", "smic", "flow_images")]
CELL = st.one_of(
    st.sampled_from(
        ["", "1", "6", "006", "12", "20", "30", "/", "-1", "0", "12.5", "NULL", "1e308", "9" * 30, "../..", "=A1"]
    ),
    st.sampled_from(["006_1_2", "S03-01-002", "s1_ne_01", "anger1_1", "a", "spNO.1", "sub01-1", "trial_lie_001.mp4"]),
    st.sampled_from(
        ["disgust", "Happy", "others", "negative", "deceptive", "micro-expression", "Macro", "4+L12 or 14?"]
    ),
    st.text(max_size=6),
)


def headers(module):
    columns = SQ_COLUMNS if module.NAME == "casme_sq" else [texts[0] for texts in module.COLUMNS.values()]
    return list(columns)


@pytest.mark.parametrize("name", WITH_TABLE)
def test_any_cells(name):
    module = import_module(READERS[name])
    if not hasattr(module, "NAME"):
        module.NAME = name
    columns = headers(module)
    options = module.Options(allow_speaker_leak=True) if name == "rld" else module.Options()

    @settings(max_examples=120, deadline=None)
    @given(st.lists(st.lists(CELL, min_size=len(columns), max_size=len(columns)), max_size=4))
    def run(rows):
        table = [dict(zip(columns, row, strict=True)) for row in rows]
        listing = {
            ("006", "006_1_2"): ["a/1.jpg", "a/2.jpg"],
            ("spNO.1", "a"): ["b/12.jpg"],
            ("", "trial_lie_001"): ["c.mp4"],
        }
        reading = module.samples_from(table, listing, options, "r")
        ids = [sample.sample_id.casefold() for sample in reading.samples]
        assert len(ids) == len(set(ids))
        for sample in reading.samples:
            assert sample.status in ("ok", "excluded", "missing_media")
            assert bool(sample.reason) == (sample.status != "ok")
            assert sample.media_path or sample.status != "ok"
            assert "\0" not in sample.sample_id and ".." not in sample.sample_id.split("/")
            if sample.status == "ok" and sample.onset is not None and sample.apex is not None:
                assert sample.onset <= sample.apex <= sample.offset
        assert "\n" in dumps_index(reading.samples)

    run()


@pytest.mark.parametrize("name", WITH_TABLE)
def test_missing_columns_are_named(name):
    module = import_module(READERS[name])
    options = module.Options(allow_speaker_leak=True) if name == "rld" else module.Options()
    with pytest.raises(MerError, match=r"missing columns .*; present: 'Nothing'"):
        module.samples_from([{"Nothing": "1"}], {}, options, "r")


@pytest.mark.parametrize("name", READERS)
def test_a_root_that_is_missing_or_empty(name, tmp_path):
    module = import_module(READERS[name])
    with pytest.raises(MerError, match="no such folder"):
        module.read(tmp_path / "absent", module.Options())
    with pytest.raises(MerError, match=r"annotation not found|no such folder; found: nothing|no video; found: nothing"):
        module.read(tmp_path, module.Options())
