"""What code, tests and pages refer to exists: pages of facts and their sections, links, modules, paths."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from mer import NOTEBOOK
from mer.core.registry import PARTS

ROOT = Path(__file__).resolve().parents[2]
FACTS = {page.name: page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "specs").glob("*.md")}
CODE = sorted(
    p for folder in ("mer", "workflow", "tests") for p in (ROOT / folder).rglob("*") if p.suffix in (".py", ".smk")
)
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "mer").rglob("*.md")])
#: Pages about the present; the changelog may name what is gone.
NOW = [page for page in PAGES if page.name != "CHANGELOG.md"]
#: Pages that the site makes of the code (scripts/site_pages.py); that links to them lead somewhere, its build holds.
MADE = re.compile(r"(?:^|/)(?:reference/\w+|gallery|glossary|contributing|changelog)\.md$")
FOLDERS = "mer|workflow|tests|profiles|envs|examples|docs"
SECTION = r"(?:[A-G]\.\d+|\d+(?:\.\d+)?|[ADV]\d+|[A-G])(?!\w)"
AND = r"(?:\s*[,;]\s*(?:and\s)?|\s+(?:and|to|\()\s*|[-–])"
PAGE = rf"(?<![\w/])(docs/)?(specs/\s*)?({'|'.join(re.escape(n) for n in FACTS)})(?!\w)\)?"
CITED = re.compile(rf"{PAGE}(\s*§?{SECTION}(?:{AND}§?{SECTION})*)?")


def name(path):
    return str(path.relative_to(ROOT))


def read(path):
    """The text with comments and docstrings on one line, so that a reference may be broken over two."""
    return re.sub(r"\s*\n\s*(?:#:?\s)?", " ", path.read_text(encoding="utf-8"))


@cache
def sections(page):
    """What can be cited of a page of facts: its numbered headings, and the ids of its vectors, defects and rules."""
    headings = re.findall(r"^#+ ([A-G](?:\.\d+)?|\d+(?:\.\d+)?)[. ]", FACTS[page], re.M)
    ids = re.findall(r"^(?:- )?\*\*([AD]\d+)\.?\*\*", FACTS[page], re.M)
    return {*headings, *ids, *re.findall(r"^\| ([DV]\d+) \|", FACTS[page], re.M)}


def citations(text):
    """Yield (page, section or None) of everything that cites the pages of facts."""
    for match in CITED.finditer(text):
        docs, specs, page, tail = match.groups()
        if docs and not specs:
            continue
        found = re.findall(SECTION, tail or "")
        # `datasets.md` alone is docs/datasets.md; a paragraph sign makes it the page of facts.
        if found and (specs or "§" in tail or page != "datasets.md"):
            yield from ((page, section) for section in found)
        elif specs:
            yield page, None


@pytest.mark.parametrize("path", [*CODE, *PAGES], ids=name)
def test_every_cited_section_exists(path):
    text = read(path)
    cited = list(citations(text))
    missing = [f"{page} §{section}" for page, section in cited if section and section not in sections(page)]
    pages = {path.name} if path.parent.name == "specs" else {page for page, _ in cited}
    if len(pages) == 1 and (path.suffix == ".py" or path.parent.name == "specs"):
        (page,) = pages
        rest = CITED.sub("", text)
        bare = [*re.findall(r"§(\d+(?:\.\d+)?|[A-G]\.\d+)", rest), *re.findall(r"\((D\d+)\)", rest)]
        missing += [f"{page} §{section}" for section in bare if page in FACTS and section not in sections(page)]
    assert not missing
    unknown = [page for page in re.findall(r"\bspecs/\s*([\w-]+\.md)", text) if page not in FACTS]
    assert not unknown


@pytest.mark.parametrize("path", CODE, ids=name)
def test_every_rule_of_the_readers_is_explained(path):
    rules = {
        node.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8") if path.suffix == ".py" else ""))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"V\d\d", node.value)
    }
    assert rules <= sections("datasets.md")


def test_no_reference_to_a_document_outside_the_project():
    stale = [name(p) for p in [*CODE, *PAGES] if p != Path(__file__) and re.search(r"\bdesign(\.md)? §", read(p))]
    assert stale == []


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_relative_link_resolves(path):
    prose = re.sub(r"```.*?```|`[^`]*`", "", path.read_text(encoding="utf-8"), flags=re.S)
    links = [
        link for link in re.findall(r"\]\(([^)\s]+)\)", prose) if "://" not in link and not link.startswith("mailto:")
    ]
    links = [link for link in links if not MADE.search(link.split("#")[0])]
    assert [link for link in links if not (path.parent / link.split("#")[0]).exists()] == []
    anchors = [link.split("#") for link in links if "#" in link]
    assert [(p, a) for p, a in anchors if a not in slugs(path if not p else path.parent / p)] == []


def slugs(path):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", [*CODE, *PAGES], ids=name)
def test_every_named_page_exists(path):
    named = re.findall(r"\bdocs/((?:specs/)?[\w-]+\.md)", read(path))
    assert [page for page in named if not (ROOT / "docs" / page).exists()] == []


@cache
def names_of(module):
    """The names that a module binds at its top level."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} | {
        node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    }


def known(dotted):
    """Whether a dotted name is a package, a module, what a module binds, or a name of the notebook."""
    if dotted.removeprefix("mer.") in NOTEBOOK:
        return True
    where = ROOT
    for part in dotted.split("."):
        if (where / part).is_dir():
            where = where / part
        elif where.with_suffix(".py").is_file():
            return part in names_of(where.with_suffix(".py"))
        else:
            where = where / part
    return where.is_dir() or where.with_suffix(".py").is_file()


@pytest.mark.parametrize("path", [*CODE, *NOW], ids=name)
def test_every_named_module_exists(path):
    mark = "`" if path in CODE else ""
    dotted = set(re.findall(rf"(?<![\w./-]){mark}(mer(?:\.[A-Za-z_]\w*)+){mark}", read(path)))
    groups = {part.group for part in PARTS.values()}
    assert sorted(entry for entry in dotted - groups if not known(entry)) == []


@pytest.mark.parametrize("path", NOW, ids=name)
def test_every_named_path_exists(path):
    text = path.read_text(encoding="utf-8")
    paths = set(re.findall(rf"(?<![\w./-])((?:{FOLDERS})/[\w./-]*[\w/])(?![\w<*{{…])", text))
    assert sorted(entry for entry in paths if not (ROOT / entry).exists()) == []


def test_the_index_of_facts_links_every_page():
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", FACTS["README.md"]))
    assert linked == set(FACTS) - {"README.md"}
