"""How large the report of many clips is, and how fast it opens: python tests/report/at_scale.py [CLIPS]

The clips of five people, a hundred of them with seven products, stand for as many databases as are needed.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import cv2
import report_world as world
from skimage.data import astronaut

from mer.core.sample import write_index
from mer.report import every_clip
from mer.report.build import build_report
from mer.report.inputs import DatasetInputs, ReportInputs
from mer.testing.browser import browser_path, browsing

PEOPLE, CLIPS = 5, 20


def many(root: Path, count: int) -> ReportInputs:
    """Write a results folder of at least `count` clips."""
    face = cv2.resize(astronaut()[20:188, 140:308], (96, 96), interpolation=cv2.INTER_AREA)
    first = world.make_samples("d00", PEOPLE, CLIPS)
    products, everything, datasets = world.write_products(root, first, face), [], {}
    for number in range(-(-count // len(first[:-1]))):
        name = f"d{number:02d}"
        rows = [replace(one, dataset=name, group=f"{name}:{one.subject}") for one in first]
        write_index(root / name / "index.csv", rows)
        files = {
            product: {key.replace("d00", name): path for key, path in paths.items()}
            for product, paths in products.items()
        }
        gone = root / "none.csv"
        datasets[name] = DatasetInputs(root / name / "index.csv", gone, gone, files, True, "casme2")
        everything += rows
    experiments = {
        name: replace(world.write_experiment(root / "experiments" / name, everything, skill, 1), data=list(datasets))
        for name, skill in (("good", 0.7), ("better", 0.75), ("best", 0.8))
    }
    return ReportInputs(datasets, experiments, root / "benchmarks", 1, sources=world.SOURCES, configuration={})


def remembered(strips):
    """Let the pictures of a container's clip be made once: every database here has the same containers."""
    known = {}

    def made(reader, scales, level):
        key = (*reader.paths.values(), reader.sample_id, level)
        if key not in known:
            known[key] = strips(reader, scales, level)
        return known[key]

    return made


def main() -> None:
    """Build the page, open it, and print what both took."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    every_clip.strips = remembered(every_clip.strips)
    with tempfile.TemporaryDirectory() as held:
        inputs, page = many(Path(held), count), Path(held) / "report" / "index.html"
        began = time.process_time()
        build_report(inputs, page)
        clips = sum(paths.index.read_text().count("\n") - 1 for paths in inputs.datasets.values())
        print(f"{clips} clips: {page.stat().st_size / 1e6:.1f} MB, built in {time.process_time() - began:.0f} CPU s")
        if browser_path() is None:
            return
        with browsing() as browser:
            browser.size(1280, 900)
            browser.ask("Performance.enable", timeDomain="threadTicks")
            for _ in range(3):
                began = time.perf_counter()
                browser.open(page.as_uri())
                seconds = time.perf_counter() - began
                told = {one["name"]: one["value"] for one in browser.ask("Performance.getMetrics")["metrics"]}
                print(f"opened in {seconds:.2f} s, of which the page's thread worked {told['TaskDuration']:.2f} s")
            began = time.perf_counter()
            browser.run("document.querySelectorAll('table.clips th button')[4].click()")
            print(f"sorted in {time.perf_counter() - began:.2f} s; complaints: {browser.complaints()}")


if __name__ == "__main__":
    main()
