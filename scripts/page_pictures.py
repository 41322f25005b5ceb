"""Make the pictures of the page in docs/ from a simulated film: python scripts/page_pictures.py [FOLDER OF IMAGES]

Without a folder, one recording of a simulated person is made first, which takes some minutes. Needs Chromium or Chrome.
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


def main() -> None:
    """Write docs/page-<width>.png."""
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
                picture = Image.open(path).convert("RGB")
                picture.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE).save(path, optimize=True)
                print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
