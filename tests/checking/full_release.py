"""Whole invented releases on disk: a table in the owner's own columns with all counts of the release, and its media."""

import csv
import os
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import openpyxl
import xlwt
from full_counts import Label
from small_release import picture

from mer.datasets.registry import databases


@dataclass
class Full:
    """One release: its table, the files of each row, and where the cell stands that `changed` changes."""

    dataset: str
    release: str
    table: str = ""
    sheet: str = "Sheet1"
    above: list = field(default_factory=list)
    rows: list = field(default_factory=list)
    files: list = field(default_factory=list)
    form: tuple = (640, 480, False)
    column: int | None = None
    beside: dict = field(default_factory=dict)
    options: dict = field(default_factory=dict)

    @property
    def status(self):
        return known(self.dataset, self.release).status

    def write(self, root):
        """Write the release, its images as links to one and the same file."""
        self.write_table(root)
        for name, rows in self.beside.items():
            _write_table(Path(root) / name, "Sheet1", rows)
        sources, made = {}, set()
        for name in (name for own in self.files for name in own):
            path = Path(root) / name
            if path.parent not in made:
                path.parent.mkdir(parents=True, exist_ok=True)
                made.add(path.parent)
            if path.suffix not in sources:
                sources[path.suffix] = Path(root).with_name(f"source{path.suffix}")
                _write_medium(sources[path.suffix], self.form)
            os.link(sources[path.suffix], path)

    def write_table(self, root):
        if self.table:
            _write_table(Path(root) / self.table, self.sheet, [*self.above, *self.rows])

    def less_one(self, root):
        """Take the last row away from the release on disk."""
        last = self.files[-1]
        self.rows, self.files = self.rows[:-1], self.files[:-1]
        if self.table:
            self.write_table(root)
            return
        for name in last:
            (Path(root) / name).unlink()
        (Path(root) / last[0]).parent.rmdir()

    def change(self, root):
        """Change one cell of the release on disk: what its last row shows."""
        if self.table:
            self.rows[-1] = [*self.rows[-1]]
            cells = [row[self.column] for row in self.rows]
            self.rows[-1][self.column] = next(word for word in cells if word and word != cells[-1])
            self.write_table(root)
            return
        folder = (Path(root) / self.files[-1][0]).parent
        new = Path(str(folder).replace("surprise", "negative").replace("_sur_", "_ne_9"))
        assert new != folder
        new.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(new)


def _write_medium(path, form):
    width, height, grey = form
    if path.suffix != ".mp4":
        path.write_bytes(picture(width, height, grey, path.suffix))
        return
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 25, (width, height))
    for number in range(40):
        writer.write(np.full((height, width, 3), 90 + number, np.uint8))
    writer.release()


def _write_table(path, sheet, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        with open(path, "w", newline="") as handle:
            csv.writer(handle).writerows(rows)
    elif path.suffix == ".xls":
        book = xlwt.Workbook()
        page = book.add_sheet(sheet)
        for at, cells in enumerate(rows):
            for column, cell in enumerate(cells):
                if cell is not None:
                    page.write(at, column, cell)
        book.save(str(path))
    else:
        book = openpyxl.Workbook(write_only=True)
        page = book.create_sheet(sheet)
        for cells in rows:
            page.append(list(cells))
        book.save(path)


def known(dataset, release):
    """Return a known release of a database."""
    return next(one for one in databases()[dataset][1].releases if one.name == release)


def named(dataset, release, start="subject "):
    """Return the persons whose rows are counted one by one."""
    counts = known(dataset, release).counts
    return [what.removeprefix(start) for what in counts if what.startswith(start)]


def labels(words, kinds=("micro",)):
    return [Label(kind, word) for kind in kinds for word in words]


def units(row, sign="+"):
    """Return the cell of a row's action units: a number where there is one."""
    numbers = sorted(row.units)
    return numbers[0] if len(numbers) == 1 else sign.join(map(str, numbers)) or None


def images(folder, first, number, pattern="{}.jpg"):
    return [f"{folder}/{pattern.format(k)}" for k in range(first, first + number)]
