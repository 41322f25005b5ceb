"""docs/datasets.md is in step with the readers, their options and the known counts."""

import re
from pathlib import Path

import pytest
import yaml

from mer.checking.report_text import FOLDED
from mer.datasets.registry import READERS, reader
from mer.simulate.params import SimulateParams
from mer.simulate.registry import layout
from mer.testing.readers import check_reader

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "datasets.md").read_text(encoding="utf-8")
SECTIONS = {m[1]: m[2] for m in re.finditer(r"^## (\w+): .*?\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)}
RECIPES = PAGE.partition("## Databases without a reader")[2].partition("\n## ")[0]
#: Readers of one's own material.
OWN = {"table", "videos"}
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


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", RECIPES, re.DOTALL))
def test_every_recipe_is_a_valid_block(text):
    (block,) = yaml.safe_load(text)["datasets"].values()
    assert block["reader"] == "table" and set(block) == {"reader", "root", "options"}
    assert reader("table").options.model_validate(block["options"]).table
    assert "ntried" in RECIPES.partition(text)[0] and len(re.findall(r"[Uu]ntried|\*Tried", RECIPES)) >= 4


def test_the_recipe_of_fourdme_reads_what_its_own_reader_reads(tmp_path):
    given = SimulateParams.model_validate({"layout": "fourdme", "subjects": 2, "clips": 3})
    chosen = layout("fourdme")
    (text,) = (text for text in re.findall(r"```yaml\n(.*?)```", RECIPES, re.DOTALL) if "4DME_Labelling" in text)
    options = yaml.safe_load(text)["datasets"]["fourdme"]["options"]
    chosen.write_tables(given, tmp_path)
    for path in (path for paths in chosen.listing(given).values() for path in paths):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    own = reader("table").read(tmp_path, reader("table").options.model_validate(options))
    theirs = reader("fourdme").read(tmp_path, reader("fourdme").options())
    facts = ("dataset", "group", "sample_id", "media_path", "onset", "apex", "offset", "fps", "emotion_norm", "aus")
    rows = [{name: getattr(row, name) for name in facts} for row in own.samples if row.status == "ok"]
    assert rows == [{name: getattr(row, name) for name in facts} for row in theirs.samples if row.status == "ok"]
    assert rows


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
    assert known or name in OWN


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
    assert set(LICENCES) == set(READERS) - OWN


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
