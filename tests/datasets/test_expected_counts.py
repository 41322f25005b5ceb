"""Known releases, corrections as data, and the registry."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

import mer.datasets.expected as module
from mer.core.errors import DatasetError
from mer.core.sample import Sample
from mer.datasets.errata import corrected, errata_of
from mer.datasets.expected import counted, measure, note_differences, release_for
from mer.datasets.reading import Reading
from mer.datasets.registry import databases

RELEASES = databases()["casme2"][1].releases
FOLDER = Path(module.__file__).parent


def test_known_totals_add_up():
    for dataset, releases in json.loads((FOLDER / "expected.json").read_text()).items():
        for release in releases:
            counts = release["counts"]
            emotions = sum(n for name, n in counts.items() if name.startswith("emotion ") and dataset != "meview")
            assert emotions in (0, counts.get("rows")), (dataset, release["release"])
            people = sum(n for name, n in counts.items() if name.startswith("subject "))
            assert people in (0, counts.get("rows")), (dataset, release["release"])
            assert release["status"] in ("verified", "secondary")


def test_the_release_is_known_by_its_file():
    samm_lv = databases()["samm_lv"][1].releases
    assert release_for(RELEASES, "CASME2-coding-20140508.xlsx sha256:ab").counts["emotion sadness"] == 7
    assert release_for(RELEASES, "mine.xlsx") is None
    assert release_for(samm_lv, "SAMM_LongVideos_V3_Release.xlsx").status == "secondary"


def test_every_released_table_is_held_against_a_release():
    for name, (_, card) in databases().items():
        for table in card.tables:
            assert release_for(card.releases, table), f"{name}: {table}"


def test_differences_are_listed_once():
    row = Sample("casme2", "sub01", "casme2:sub01", "a", "a", "", emotion_norm="joy")
    reading = Reading("casme2", "CASME2-coding-20190701.xlsx sha256:0", [row])
    different = {d.what: (d.found, d.expected) for d in counted(reading, RELEASES) if not d.ok}
    assert different["rows"] == (1, 255) and different["emotion joy"] == (1, 0) and different["subject sub01"] == (1, 9)
    note_differences(reading, RELEASES)
    assert [p.rule for p in reading.problems] == ["V04"]
    assert measure([row])["subjects"] == 1


@pytest.mark.parametrize("dataset", ["casme2", "samm", "casme3a", "smic_hs", "rld", "casme_sq"])
@pytest.mark.parametrize("emotion", ["surprise", "negative", "disgust", "deceptive", ""])
def test_a_row_counts_once_under_a_name(dataset, emotion):
    row = Sample(dataset, "p", f"{dataset}:p", "p/c", "p/c", "", emotion_norm=emotion, objective_class=1, au_raw="1+4")
    assert max(measure([row]).values()) == 1


def test_the_clips_that_megc2019_leaves_out_are_known_in_any_case():
    out = ("sub04/EP12_01f", "sub05/ep09_05F", "sub24/EP07_01", "SUB24/ep07_04f", "sub24/EP10_03".upper())
    rows = [Sample("casme2", "p", "casme2:p", name, name, "", emotion_norm="surprise") for name in (*out, "sub04/EP1")]
    assert measure(rows)["megc2019 rows"] == 1


def test_corrections_apply_only_to_the_old_value():
    errata = errata_of("samm")["028_4_1"]
    seen = ("1134", " -1 ", "1143", "1143.0", "1100", "1110")
    assert [corrected({"apex": old}, errata)[0]["apex"] for old in seen] == ["1105"] * 5 + ["1110"]
    _, applied, unmatched = corrected({"apex": "1110"}, errata)
    assert applied == () and [e.field for e in unmatched] == ["apex"]
    assert corrected({"apex": "1105"}, errata)[1:] == ((), ()), "a cell that is right needs nothing"
    assert [e.name for e in corrected({"apex": "1930"}, errata_of("samm")["032_3_1"])[1]] == ["032_3_1 apex 1930->4945"]
    assert errata_of("casme2", "cropped")["SUB16/ep01_08"][0].new == "96" and "sub16/ep01_09" not in errata_of("casme2")
    assert "sub16/EP01_08" in errata_of("casme2", "selected") and "sub16/EP01_08" not in errata_of("casme2", "raw")


def test_errata_file_is_well_formed():
    with open(FOLDER / "errata.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert list(rows[0]) == ["dataset", "key", "field", "old", "new", "reason", "source"]
    assert len({(r["dataset"], r["key"].casefold(), r["field"]) for r in rows}) == len(rows), "one line a cell"
    for r in rows:
        assert r["dataset"].split(":")[0] in databases()
        olds = r["old"].split("|")
        assert r["new"] not in olds and len(set(olds)) == len(olds) and r["reason"] and r["source"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",source\n", ",source,remark\n", r"has the column 'remark'; expected dataset, key, field, old"),
        ("dataset,key,field", "dataset,key,feild", r"lacks the column field"),
        (",offset,110,96", ",ofset,110,96", r"line 2: corrects 'ofset'; expected onset, apex, .*did you mean 'offset'"),
        (",counted on the release\n", "\n", r"line 2: another number of cells than the header"),
    ],
)
def test_an_edited_errata_file_is_read_or_refused_in_one_line(tmp_path, monkeypatch, old, new, message):
    text = (FOLDER / "errata.csv").read_text()
    assert old in text
    (tmp_path / "errata.csv").write_text(text.replace(old, new, 1))
    monkeypatch.setattr("mer.datasets.errata._FILE", tmp_path / "errata.csv")
    with pytest.raises(DatasetError, match=message):
        errata_of.__wrapped__("casme2", "selected")


def test_reading_needs_neither_opencv_nor_torch():
    code = (
        "import sys\nfrom importlib import import_module\nfrom mer.datasets.registry import READERS\n"
        "[import_module(m) for m in READERS.values()]\n"
        "print([m for m in ('cv2','torch','pandas','openpyxl','xlrd','numpy','h5py') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=FOLDER.parents[1]
    )
    assert result.stdout.strip() == "[]"
