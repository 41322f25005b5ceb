"""Make the pictures of the pages in docs/: python scripts/page_pictures.py [FOLDER OF IMAGES | REPORT.html]

A report, of a run on simulated faces, gives docs/report-<width>-<scheme>.png. Else the page of a film is pictured, as
docs/page-<width>-<scheme>.png; without a folder, one recording of a simulated person is made first, which takes some
minutes. Needs Chromium or Chrome.
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
SIZES = ((1280, 1060), (390, 1180))
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


def pictures(name: str, page: Path, ready: str, looked_at: str) -> None:
    """Write docs/<name>-<width>-<scheme>.png of a page, once one script is true and after another has run."""
    with browsing() as browser:
        for width, height in SIZES:
            for dark in (False, True):
                browser.size(width, height, dark)
                browser.open(page.resolve().as_uri())
                browser.wait(ready)
                browser.run(looked_at)
                browser.run("new Promise(done => setTimeout(done, 800))")
                path = DOCS / f"{name}-{width}-{'dark' if dark else 'light'}.png"
                browser.picture(path)
                small(path)


def main() -> None:
    """Write the pictures of a report, where a clip is looked at, or of a film's page at its first candidate."""
    if len(sys.argv) > 1 and sys.argv[1].endswith(".html"):
        pictures("report", Path(sys.argv[1]), "true", "document.querySelector('#errors').scrollIntoView()")
        return
    with tempfile.TemporaryDirectory() as held:
        work = Path(held)
        film = Path(sys.argv[1]) if len(sys.argv) > 1 else simulated(work / "film")
        (found,), complete = run_analyze([film], Options(work / "out", fps=FILM["fps"]), print)
        if not complete:
            raise SystemExit(found["error"])
        first = "select(0, false); seek(frameOf(items[0].apex)); scroll(0, 0)"
        shown = "typeof film !== 'undefined' && film.readyState >= 2"
        pictures("page", Path(found["folder"]) / "page.html", shown, first)


if __name__ == "__main__":
    main()
