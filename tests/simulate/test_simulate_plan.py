"""The plan: what is known of a simulated database before a frame is rendered."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import chi2_contingency, kruskal

from mer.core.errors import ConfigError
from mer.simulate.expression import CLASSES
from mer.simulate.layouts.casme2 import LAYOUT
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan
from mer.simulate.registry import layout, plan


def counted(clips: tuple[ClipPlan, ...]) -> list[ClipPlan]:
    return [clip for clip in clips if not clip.quirk]


def unit_tables(signal: float) -> dict[int, np.ndarray]:
    """Contingency of class (3) against presence (2) of every unit."""
    clips = plan(SimulateParams(subjects=99, clips=30, label_signal=signal, quirks=False))
    names = sorted(set(CLASSES.values()))
    tables: dict[int, np.ndarray] = {}
    for number in sorted({u.number for c in clips for u in c.units}):
        table = np.zeros((3, 2))
        for clip in clips:
            present = any(u.number == number for u in clip.units)
            table[names.index(CLASSES[clip.emotion]), int(present)] += 1
        tables[number] = table
    return tables


def test_planning_imports_nothing_heavy() -> None:
    code = (
        "import sys; from mer.simulate.layouts.casme2 import LAYOUT; from mer.simulate.params import SimulateParams;"
        "p = SimulateParams(); LAYOUT.table(p); LAYOUT.listing(p); LAYOUT.subjects(p);"
        "print([m for m in ('cv2', 'torch', 'scipy', 'skimage', 'h5py', 'openpyxl') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_subject_does_not_depend_on_how_many_there_are() -> None:
    few = [c for c in plan(SimulateParams(subjects=2)) if c.face == 1]
    many = [c for c in plan(SimulateParams(subjects=9)) if c.face == 1]
    assert few == many
    assert few != [c for c in plan(SimulateParams(subjects=2, seed=1)) if c.face == 1]


def test_labels_are_balanced_within_every_subject() -> None:
    for clips in (6, 9):
        chosen = counted(plan(SimulateParams(subjects=5, clips=clips)))
        for index in range(5):
            classes = Counter(CLASSES[c.emotion] for c in chosen if c.face == index)
            assert set(classes.values()) == {clips // 3}


def test_clip_names_are_unique_within_a_subject_and_repeat_across_subjects() -> None:
    clips = plan(SimulateParams(subjects=9, clips=40))
    assert len({c.sample_id for c in clips}) == len(clips)
    assert Counter(c.clip for c in clips)["EP02_01f"] == 9


@pytest.mark.parametrize("fps", [100.0, 200.0])
def test_intervals_are_ordered_and_as_long_as_asked(fps: float) -> None:
    params = SimulateParams(fps=fps, shortest=0.2, longest=0.5, raw=True)
    for recording in LAYOUT.recordings(params):
        (clip,) = recording.events
        if clip.quirk:
            continue
        assert clip.numbers[0] == clip.onset and clip.numbers[-1] == clip.offset
        assert clip.onset + 2 <= clip.apex <= clip.offset - 2 < recording.numbers[-1]
        assert 0.2 - 1 / fps <= (clip.offset - clip.onset) / fps <= 0.5 + 1 / fps


def test_without_label_signal_no_unit_depends_on_the_label() -> None:
    for number, table in unit_tables(0.0).items():
        assert chi2_contingency(table).pvalue > 1e-3 / 12, number


def test_with_full_label_signal_the_units_follow_facs() -> None:
    tables = unit_tables(1.0)
    assert chi2_contingency(tables[1]).pvalue < 1e-100
    surprise, positive = 2, 1
    assert tables[1][[0, positive], 1].sum() == 0 and tables[2][surprise, 1] == tables[2][surprise].sum()
    assert tables[6][[0, surprise], 1].sum() == 0


@pytest.mark.slow
def test_label_signal_mixes_linearly() -> None:
    rates = [unit_tables(s)[2][2, 1] / unit_tables(s)[2][2].sum() for s in (0.0, 0.5, 1.0)]
    assert rates[1] == pytest.approx((rates[0] + rates[2]) / 2, abs=0.05)


def test_nothing_but_the_units_depends_on_the_label() -> None:
    clips = plan(SimulateParams(subjects=99, clips=30, label_signal=0.0, quirks=False))
    for value in (
        lambda c: c.offset - c.onset,
        lambda c: (c.apex - c.onset) / (c.offset - c.onset),
        lambda c: max(u.peak for u in c.units),
        lambda c: int(c.clip[2:4]),
    ):
        groups = [[value(c) for c in clips if CLASSES[c.emotion] == name] for name in set(CLASSES.values())]
        assert kruskal(*groups).pvalue > 1e-3


def test_quirks_add_the_documented_rows_and_nothing_else() -> None:
    plain, quirky = plan(SimulateParams(quirks=False)), plan(SimulateParams())
    assert plain == tuple(counted(quirky))
    extra = {c.sample_id: c for c in quirky if c.quirk}
    assert set(extra) == {
        "sub01/EP06_02_01",
        "sub02/EP08_1",
        "sub03/EP14_09",
        "sub04/EP03_08",
        "sub05/EP11_09f",
        "sub09/EP11_09f",
    }
    rows = {(int(row["Subject"]), row["Filename"]): row for row in LAYOUT.table(SimulateParams())}
    no_apex = extra["sub02/EP08_1"]
    assert rows[2, "EP08_1"]["ApexFrame"] == "/" and 2 * no_apex.apex == no_apex.onset + no_apex.offset
    tail = extra["sub04/EP03_08"]
    assert tail.numbers[-1] < tail.offset and rows[4, "EP03_08"]["OffsetFrame"] == str(tail.offset)
    assert extra["sub03/EP14_09"].emotion == "sadness"


def test_table_and_listing_agree_with_the_plan() -> None:
    params = SimulateParams()
    table, listing = LAYOUT.table(params), LAYOUT.listing(params)
    assert LAYOUT.subjects(params) == [f"sub{k:02d}" for k in range(1, 13)]
    assert len(table) == len(listing) == len(plan(params))
    assert {row["Subject"] for row in table} >= {"01", "2", "03", "12"}
    for row in table:
        paths = listing[f"sub{int(row['Subject']):02d}", row["Filename"]]
        assert min(int(path.rpartition("/img")[2].removesuffix(".jpg")) for path in paths) == int(row["OnsetFrame"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layout": "casme9"}, "unknown layout 'casme9'; did you mean 'casme'"),
        ({"label_signal": 1.1}, "less than or equal to 1"),
        ({"longest": 0.1}, "is below shortest"),
        ({"fps": 30.0, "shortest": 0.1}, "fewer than 6 frames"),
        ({"width": 640, "height": 640}, "not between 6:5 and 2:1"),
        ({"subjekts": 3}, "Extra inputs"),
    ],
)
def test_impossible_parameters_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SimulateParams(**change)  # type: ignore[arg-type]


def test_every_parameter_is_described() -> None:
    assert all(field.description for field in SimulateParams.model_fields.values())


def test_an_unknown_layout_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="unknown name 'nowhere'"):
        layout("nowhere")
