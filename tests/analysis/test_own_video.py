"""The tutorial on a video of one's own, command by command, on a second of film."""

import csv
import re

import analysis_world as world
import pages
import pytest

pytestmark = pytest.mark.slow
PAGE = "docs/tutorials/own-video.md"


def test_a_video_becomes_a_page_and_tables(tmp_path):
    world.write_film(tmp_path / "clip.mp4", world.film(24, onset=8))
    # The first films another clip, longer.
    _, first, fewer = pages.commands(PAGE)
    printed = pages.mer(first, tmp_path)
    pages.expect(PAGE, printed)
    made = {path.name for path in (tmp_path / "analysis" / "clip.mp4").iterdir()}
    page = (pages.ROOT / PAGE).read_text(encoding="utf-8")
    assert made >= {name.rstrip("/") for name in re.findall(r"^\| `([\w./]+)`", page, re.M)} | {"page.html"}
    with open(tmp_path / "analysis" / "clip.mp4" / "scores.csv", newline="") as handle:
        assert len(list(csv.DictReader(handle))) == 24
    # The same film again, from the parts of the first time.
    pages.expect(PAGE, pages.mer(fewer, tmp_path))
