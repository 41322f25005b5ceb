"""Small invented databases with images that really decode, laid out like the releases."""

import functools
from pathlib import Path

import cv2
import numpy as np
import openpyxl

HEADER = ("Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None, "Action Units")
HEADER = (*HEADER, "Estimated Emotion")
TABLE = "CASME2-coding-20190701.xlsx"
SELECTED = "CASME2_RAW_selected"


@functools.cache
def picture(width, height, grey=False, kind=".jpg"):
    """Return the bytes of a face: an ellipse with eyes and a mouth."""
    image = np.full((height, width, 3), (60, 80, 100), np.uint8)
    cv2.ellipse(image, (width // 2, height // 2), (width // 4, height // 3), 0, 0, 360, (150, 180, 220), -1)
    for side in (-1, 1):
        cv2.circle(image, (width // 2 + side * width // 10, 2 * height // 5), max(width // 40, 1), (20, 20, 20), -1)
    cv2.line(image, (2 * width // 5, 2 * height // 3), (3 * width // 5, 2 * height // 3), (40, 40, 160), 2)
    if grey:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return cv2.imencode(kind, image)[1].tobytes()


def write_images(folder, numbers, pattern="img{}.jpg", size=(640, 480), grey=False):
    """Write one picture per number."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        name = pattern.format(number)
        (folder / name).write_bytes(picture(*size, grey, Path(name).suffix.lower()))


def write_table(path, rows, sheet="Sheet1"):
    """Write rows of cells as an .xlsx."""
    book = openpyxl.Workbook()
    book.active.title = sheet
    for row in rows:
        book.active.append(list(row))
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    book.save(path)


class Release:
    """CASME II with four rows: change `rows` or the files under `root`, then call `write`."""

    def __init__(self, root):
        self.root = Path(root)
        self.header = list(HEADER)
        self.rows = [
            self.row("01", "EP02_01f", 10, 20, 29, 4, "happiness"),
            self.row(1, "EP03_02", 10, 15, 29, "4+L12", "others"),
            self.row(2, "EP02_01f", 40, 50, 59, "1+2", "surprise"),
            self.row(2, "EP08_04f", 40, 50, 59, "15", "sadness"),
        ]
        for row in self.rows:
            write_images(self.folder(row), range(row[3], row[5] + 1))

    @staticmethod
    def row(subject, clip, onset, apex, offset, aus, emotion):
        return [subject, clip, None, onset, apex, offset, None, aus, emotion]

    def folder(self, row):
        return self.root / SELECTED / f"sub{int(row[0]):02d}" / row[1]

    def write(self):
        write_table(self.root / TABLE, [self.header, *self.rows])
        return self.root
