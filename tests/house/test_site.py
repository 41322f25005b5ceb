"""The site is built, strictly and offline, and holds what the registries hold."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mer.datasets.registry import READERS
from mer.datasets.views import shipped_views
from mer.models.registry import MODELS, model
from mer.stages.registry import METHODS

ROOT = Path(__file__).resolve().parents[2]
#: What a page asks a browser for.
LOADED = re.compile(r"<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc=\"([^\"]+)|<link\b[^>]*\bhref=\"([^\"]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built as `make docs` builds it: links, anchors and pages without a place in the menu stop it."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return out


def text_of(site, page):
    """Return the words of a built page."""
    return re.sub(r"<[^>]+>", "", (site / page).read_text(encoding="utf-8"))


@pytest.mark.slow
def test_no_page_asks_another_host_for_anything(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        html = page.read_text(encoding="utf-8")
        asked = ["".join(found) for found in LOADED.findall(html)]
        assert asked and not [link for link in asked if re.match(r"(\w+:)?//", link)], page
        # The theme fetches a library for diagrams once a page has one.
        assert 'class="mermaid"' not in html
    for style in site.rglob("*.css"):
        assert not re.findall(r"url\(['\"]?(?:https?:)?//", style.read_text(encoding="utf-8")), style


@pytest.mark.slow
def test_the_reference_holds_what_the_registries_hold(site):
    shown = {name: text_of(site, f"reference/{name}.html") for name in ("databases", "stages", "models", "protocols")}
    assert [name for name in READERS.shipped if name not in shown["databases"]] == []
    assert [name for methods in METHODS.values() for name in methods.shipped if name not in shown["stages"]] == []
    presets = [(name, preset) for name in MODELS.shipped for preset in model(name, "model").presets]
    assert [pair for pair in presets if not all(word in shown["models"] for word in pair)] == []
    assert [name for name in (*shipped_views(), "loso", "kfold", "database") if name not in shown["protocols"]] == []
    commands = text_of(site, "reference/commands.html")
    for name in ("mer analyze", "mer weights fetch", "mer bench stages", "mer score-spotting", "--licence-accepted"):
        assert name in commands
    python = text_of(site, "reference/python.html")
    assert (
        "mer.notebook.run.open_run" in python and "mer.metrics.recognition" in python and "&gt;&gt;&gt; clip" in python
    )
    # Sections of docstrings are read as such, in those with examples, too.
    assert "Args:" not in python and "Returns:" in python and "Raises:" in python
    assert "LOSO" in text_of(site, "glossary.html")


@pytest.mark.slow
def test_no_list_row_or_emphasis_is_left_as_it_was_written(site):
    for page in site.rglob("*.html"):
        html = re.sub(r"<(pre|code|script|style|svg)\b.*?</\1>", "", page.read_text(encoding="utf-8"), flags=re.S)
        for part in re.findall(r"<(?:p|li)>(.*?)</(?:p|li)>", html, re.S):
            words = re.sub(r"<[^>]+>", "", part)
            assert not re.search(r"^ *[-*|] \S|\*\*|\]\(\S+\)", words, re.M), f"{page.name}: {words[:200]}"


@pytest.mark.slow
def test_the_page_of_benchmarks_shows_the_records(site):
    html = (site / "benchmarks.html").read_text(encoding="utf-8")
    pictures = re.findall(r'src="(benchmarks/[^"]+)"', html)
    assert len(pictures) > 5 and all((site / picture).stat().st_size > 5000 for picture in pictures)
    assert {path.name for path in (site / "benchmarks").glob("*.json")} == set(
        re.findall(r"benchmarks/(\S+?\.json)", html)
    )


@pytest.mark.slow
def test_the_gallery_shows_what_its_code_drew(site):
    html = (site / "gallery.html").read_text(encoding="utf-8")
    names = runpy.run_path(str(ROOT / "scripts" / "site_pages.py"))["EXAMPLES"]
    assert {path.stem for path in (ROOT / "examples" / "gallery").glob("*.py")} == set(names)
    for name in names:
        assert f'src="gallery/{name}.png"' in html
        assert (site / "gallery" / f"{name}.png").stat().st_size > 5000


def test_the_site_has_the_chapters_that_it_promises():
    text = re.sub(r"!!python\S+", "", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    chapters = [next(iter(entry)) for entry in yaml.safe_load(text)["nav"]]
    assert chapters[:8] == ["Start", "Tutorials", "How-to", "Reference", "Explanation", "Benchmarks", "Gallery", "FAQ"]
