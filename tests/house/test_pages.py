"""The pages hold no command, key or code that the program does not know; what they say is run elsewhere is."""

import json
import re
from pathlib import Path

import jsonschema
import pages
import pytest
import yaml

from mer.datasets.views import ViewBlock

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "workflow" / "schemas" / "config.schema.json").read_text(encoding="utf-8"))
#: Pages in this project's own words, without those of facts.
OWN = [path.relative_to(ROOT).as_posix() for path in pages.PAGES if path.parent.name != "specs"]
#: What a part of a configuration may leave out.
PART = {**SCHEMA, "required": []}


def inline(page):
    """Return the commands in the running text of a page that are given whole."""
    prose = pages.FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))
    spans = re.findall(r"`((?:mer|snakemake) [^`]*--[^`]*)`", prose)
    return [" ".join(span.split()) for span in spans if not re.search(r"[…<{\[]|\b[A-Z]{2,}\b|--clips$", span)]


@pytest.mark.parametrize("page", OWN)
def test_every_command_is_known_to_its_program(page, capsys):
    for command in [*pages.commands(page), *inline(page)]:
        text = re.sub(r"\[([^\]]*)\]", r"\1", command)
        try:
            pages.parsed(text)
        except SystemExit:
            pytest.fail(f"{page}: {command}\n{capsys.readouterr().err}")


@pytest.mark.parametrize("page", OWN)
def test_every_configuration_has_known_keys(page):
    for block in pages.blocks(page, "yaml"):
        given = yaml.safe_load(block.text)
        for view in given.pop("views", {}).values():
            ViewBlock.model_validate(view)
        errors = list(jsonschema.Draft202012Validator(PART).iter_errors(given))
        assert not errors, f"{page}: {errors[0].json_path}: {errors[0].message}"


@pytest.mark.parametrize("page", OWN)
def test_all_code_compiles(page):
    for block in pages.blocks(page, "python"):
        compile(block.text, page, "exec")


def test_what_is_said_to_be_run_is_run():
    assert all((ROOT / path).is_file() for path in (*pages.EXECUTED.values(), *pages.ELSEWHERE.values()))
    for page, test in pages.EXECUTED.items():
        text = (ROOT / test).read_text(encoding="utf-8")
        assert page.removeprefix("docs/") in text or f'"{Path(page).stem}"' in text, f"{test} does not run {page}"
    assert {page for page in OWN if "/tutorials/" in page} <= set(pages.EXECUTED)


def test_links_to_other_sites_are_well_formed():
    for path in pages.PAGES:
        for link in re.findall(r"\]\(((?:\w+:)?//[^)\s]*)\)", path.read_text(encoding="utf-8")):
            assert re.fullmatch(r"https?://[\w.-]+\.\w+(?:/[\w./~%+-]*)?(?:#[\w-]+)?", link), f"{path.name}: {link}"


def test_the_count(capsys):
    kinds = ("sh", "", "python", "yaml", "output")
    snippets = sum(len(pages.blocks(page, *kinds)) for page in OWN)
    calls = [(page, command) for page in OWN for command in pages.commands(page)]
    executed = {command for page, command in calls if page in pages.EXECUTED and not pages.where_run(command)}
    literally = [command for _, command in calls if command in executed]
    others = [(page, command, pages.where_run(command)) for page, command in calls if command not in executed]
    never = [command for _, command, told in others if told in pages.NOT_RUN.values()]
    with capsys.disabled():
        print(
            f"\n{len(OWN)} pages, {snippets} snippets, {len(calls)} commands: {len(literally)} executed as they stand, "
            f"{len(others) - len(never)} by other tests on something small, {len(never)} not: {', '.join(never)}"
        )
    assert not [(page, command) for page, command, told in others if not told]
    assert len(literally) >= 28
