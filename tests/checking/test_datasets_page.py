"""docs/datasets.md is in step with the readers, their options and the known counts."""

import re
from pathlib import Path

import pytest
import yaml

from mer.checking.report_text import FOLDED
from mer.datasets.registry import READERS, reader
from mer.testing.readers import check_reader

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "datasets.md").read_text(encoding="utf-8")
SECTIONS = {m[1]: m[2] for m in re.finditer(r"^## (\w+): .*?\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)}
LICENCES = {name: reader(name).licence for name in READERS if reader(name).licence}


def test_every_reader_has_a_section():
    assert set(SECTIONS) == set(READERS)


@pytest.mark.parametrize("name", READERS)
def test_every_snippet_is_a_valid_block(name):
    (text,) = re.findall(r"```yaml\n(.*?)```", SECTIONS[name], re.DOTALL)
    (block,) = yaml.safe_load(text)["datasets"].values()
    assert block["reader"] == name and block["root"].startswith("/data/")
    assert set(block) <= {"reader", "root", "options", "licence_accepted"}
    assert block.get("licence_accepted", False) is (name in LICENCES)
    reader(name).options.model_validate(block.get("options", {}))


def told(section):
    """Return {(dataset, release, status): {count: number}} of the block of counts of a section."""
    shown = {}
    for text in re.findall(r"```counts\n(.*?)```", section, re.DOTALL):
        for line in re.sub(r"\n  ", " ", text).strip().splitlines():
            name, release, status, items = re.fullmatch(r"(\w+) (.+) \((\w+)\): (.*)", line).groups()
            pairs = (item.split(" = ") for item in items.split(", "))
            shown[name, release, status] = {what: int(number) for what, number in pairs}
    return shown


@pytest.mark.parametrize("name", READERS)
def test_every_count_is_the_one_that_is_checked(name):
    known = {}
    for card in reader(name).databases:
        for release in card.releases:
            for status, counts in ((release.status, release.counts), ("secondary", release.secondary)):
                shown = {w: n for w, n in counts.items() if not w.startswith(tuple(f"{group} " for group in FOLDED))}
                if shown:
                    known.setdefault((card.name, release.name or "any table", status), {}).update(shown)
    assert told(SECTIONS[name]) == known
    assert known or name == "videos"


@pytest.mark.parametrize("name", LICENCES)
def test_a_section_says_whom_to_cite_and_where_to_ask(name):
    section, licence = " ".join(SECTIONS[name].split()), LICENCES[name]
    assert "**Get it**" in section
    assert re.match(r"\w+", licence.cite)[0] in section or "citation** as part A" in section
    if " " not in licence.url:
        assert licence.url in section


def test_licences_are_required_by_the_key_that_the_page_shows():
    assert reader("videos").licence_request("mine") == ""
    reader("videos").require_licence("mine", False, "config.yaml")
    reader("samm").require_licence("mine", True, "config.yaml")
    with pytest.raises(Exception, match=r"datasets.mine.licence_accepted: set .* \(V20\)") as caught:
        reader("samm").require_licence("mine", False, "config.yaml")
    assert str(caught.value) == (
        "config.yaml: datasets.mine.licence_accepted: set datasets.mine.licence_accepted: true after signing the SAMM "
        "licence form of Manchester Metropolitan University; see the paper's authors (M. H. Yap). (V20)"
    )
    assert set(LICENCES) == set(READERS) - {"videos"}


def test_the_example_of_a_new_database_keeps_the_contract(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    module = {}
    exec(code, module)
    check_reader(module["READER"])
    (tmp_path / "Clips" / "p01" / "c03").mkdir(parents=True)
    for number in range(1, 30):
        (tmp_path / "Clips" / "p01" / "c03" / f"{number:04d}.png").touch()
    table = "Subject,Filename,Onset,Apex,Offset,Action Units,Emotion\np01,c03,2,9,20,12,Happy\n01,c04,2,9,20,,others\n"
    (tmp_path / "coding.csv").write_text(table)
    reading = module["READER"].read(tmp_path, module["Options"]())
    assert [(row.sample_id, row.status) for row in reading.samples] == [("p01/c03", "ok"), ("01/c04", "excluded")]
    assert [problem.rule for problem in reading.problems] == ["V13", "V09", "V04"]
