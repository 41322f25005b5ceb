"""What was measured: every record says where it comes from, and the page has no number that is in no record."""

import json
import re
import runpy
import sys
from pathlib import Path

import pages
import pytest

ROOT = Path(__file__).resolve().parents[2]
SITE = runpy.run_path(str(ROOT / "scripts" / "benchmark_pages.py"))
PAGE = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
NUMBER = re.compile(r"(?<![\w.])(?:\d[\d,]*(?:\.\d+)?|\.\d+)")


def numbers(value):
    """Return every number of a record: its values, and those in its words."""
    if isinstance(value, dict):
        return [number for key, inner in value.items() for number in numbers(inner) + numbers(key)]
    if isinstance(value, list):
        return [number for inner in value for number in numbers(inner)]
    if isinstance(value, str):
        return [float(found.rstrip(",").replace(",", "")) for found in NUMBER.findall(value)]
    return [] if value is None or isinstance(value, bool) else [float(value)]


@pytest.mark.parametrize("name", SITE["names"]())
def test_a_record_says_what_was_run_when_and_where(name):
    taken = SITE["record"](name)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", taken["taken"]) and taken["machine"] and taken["rows"]
    for command in taken["command"].split("; "):
        if command.split()[0] in ("mer", "snakemake", "make"):
            pages.parsed(command)
    fields = [set(row) for row in taken["rows"]]
    assert all(row == fields[0] for row in fields)


def test_every_record_has_one_place_on_the_page_and_every_place_a_record():
    assert sorted(name for _, name in SITE["MARK"].findall(PAGE)) == SITE["names"]()


def test_the_page_has_every_row_and_every_plot():
    shown, plots = SITE["with_records"](PAGE), SITE["plots"]()
    assert set(re.findall(r"\]\((benchmarks/[\w-]+\.(?:svg|png))\)", shown)) == set(plots)
    assert all(len(drawn) > 5000 for drawn in plots.values())
    for name in SITE["names"]():
        taken = SITE["record"](name)
        assert taken["command"] in shown and taken["machine"] in shown
        if name != "stages":
            assert "\n".join(SITE["table"](taken["rows"])) in shown


@pytest.mark.parametrize("section", PAGE.split("\n## ")[1:], ids=lambda text: text.partition("\n")[0])
def test_no_number_of_the_page_is_in_no_record(section):
    known = [number for _, name in SITE["MARK"].findall(section) for number in numbers(SITE["record"](name))]
    prose = re.sub(r"`[^`]*`|\]\([^)]*\)", "", SITE["MARK"].sub("", section.partition("\n")[2]))
    for found in NUMBER.findall(prose.replace("MEGC2019", "").replace("CAS(ME)³", "")):
        text = found.rstrip(",").replace(",", "")
        digits = len(text.partition(".")[2])
        assert any(round(number, digits) == float(text) for number in known), f"{found} is in no record"


def test_a_bench_is_kept_with_where_it_ran_and_the_note_that_was_there(tmp_path):
    kept = runpy.run_path(str(ROOT / "scripts" / "bench_record.py"))
    kept["main"].__globals__["RECORDS"] = tmp_path
    (tmp_path / "fast.json").write_text('{"note": "of 3 clips", "rows": []}')
    kept["main"]("fast", sys.executable, "-c", "import sys; print('[{\"given\": 2.5}]' * ('--json' in sys.argv))")
    taken = json.loads((tmp_path / "fast.json").read_text())
    assert taken["rows"] == [{"given": 2.5}] and taken["note"] == "of 3 clips" and "cores of" in taken["machine"]
    assert taken["command"].startswith(sys.executable) and not taken["command"].endswith("--json")
    with pytest.raises(SystemExit):
        kept["main"]("slow", sys.executable, "-c", "raise SystemExit(3)")
    assert not (tmp_path / "slow.json").exists()
