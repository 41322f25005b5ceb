"""Make the pictures of the pages in docs/: python scripts/page_pictures.py [FOLDER OF IMAGES | REPORT.html]

A report, of a run on simulated faces, gives docs/report-<width>-<scheme>.png. Else the page of a film is pictured, as
docs/page-<width>.png; without a folder, one recording of a simulated person is made first, which takes some minutes.
Needs Chromium or Chrome.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image

from mer.analysis.command import Options, run_analyze
from mer.simulate.params import SimulateParams
from mer.simulate.registry import layout
from mer.testing.browser import browsing

DOCS = Path(__file__).resolve().parent.parent / "docs"
FILM = {"layout": "casme_sq", "fps": 30.0, "raw": True, "width": 480, "height": 360, "talk": 0.1, "turn": 0.2,
        "blink": 0.4, "subjects": 1, "clips": 4, "seconds": 20.0, "seed": 11}  # fmt: skip
SIZES = ((1280, 1060, False), (390, 1180, True))
COLOURS = 256


def simulated(folder: Path) -> Path:
    """Return a folder of images of a recording that is made in `folder`."""
    for _ in layout("casme_sq").write(SimulateParams.model_validate(FILM), folder):
        pass
    return min(path.parent for path in folder.glob("rawpic/*/*/*.jpg"))


def small(path: Path) -> None:
    """Bring a picture to few colours, and print its size."""
    picture = Image.open(path).convert("RGB")
    picture.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, kmeans=2).save(path, optimize=True)
    print(path, path.stat().st_size)


def report(page: Path) -> None:
    """Write docs/report-<width>-<scheme>.png: the errors of a run, where a clip is looked at."""
    with browsing() as browser:
        for width, height, _ in SIZES:
            for dark in (False, True):
                browser.size(width, height, dark)
                browser.open(page.resolve().as_uri())
                browser.run("document.querySelector('#errors').scrollIntoView()")
                browser.run("new Promise(done => setTimeout(done, 800))")
                path = DOCS / f"report-{width}-{'dark' if dark else 'light'}.png"
                browser.picture(path)
                small(path)


def main() -> None:
    """Write the pictures of a report or of a film's page."""
    if len(sys.argv) > 1 and sys.argv[1].endswith(".html"):
        report(Path(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory() as held:
        work = Path(held)
        film = Path(sys.argv[1]) if len(sys.argv) > 1 else simulated(work / "film")
        (found,), complete = run_analyze([film], Options(work / "out", fps=FILM["fps"]), print)
        if not complete:
            raise SystemExit(found["error"])
        with browsing() as browser:
            for width, height, dark in SIZES:
                browser.size(width, height, dark)
                browser.open((Path(found["folder"]) / "page.html").resolve().as_uri())
                browser.wait("typeof film !== 'undefined' && film.readyState >= 2")
                browser.run("select(0, false); seek(frameOf(items[0].apex)); scroll(0, 0)")
                browser.run("new Promise(done => setTimeout(done, 800))")
                path = DOCS / f"page-{width}.png"
                browser.picture(path)
                small(path)


if __name__ == "__main__":
    main()
