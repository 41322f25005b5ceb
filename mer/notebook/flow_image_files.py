"""Flow in the files of the MEGC2019 composite as published with HTNet (specs/peers.md §2.1), for networks of others.

`STSNet_whole_norm_u_v_os/` holds a PNG of 28×28 per clip, `<sub>_<file> .png` (with a space): red u, green v, blue
strain, each channel of each image stretched to 0–255 between its own least and greatest value, so that lengths and the
zero level are lost. `combined_3_class2_for_optical_flow.csv` lists them with the number of their class in the view.
`three_norm_u_v_os/<sub>/u_train|u_test/<label>/` is the same per held-out person, as links to the same files where the
disk has them. The reader `flow_images` reads the folder back.
"""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mer.core.container import Container
from mer.core.csvfile import write_csv
from mer.core.errors import ContainerError
from mer.core.images import write_image
from mer.core.levels import as_uint8
from mer.core.progress import each
from mer.datasets.annotations import safe_id
from mer.models.flow_image import flow_image
from mer.models.ststnet import scale_image
from mer.notebook.arrays import Source
from mer.training.fold_tables import Row

SIDE = 28
IMAGES, TABLE, FOLDS = "STSNet_whole_norm_u_v_os", "combined_3_class2_for_optical_flow.csv", "three_norm_u_v_os"
COLUMNS = ("dataset", "sub", "filename_o", "label", "apex", "imagename", "sub_filename")
#: Our names of the three databases -> those of the table.
WRITTEN = {"smic_hs": "smic"}


def write(folder: Path, source: Source, classes: Sequence[str]) -> list[str]:
    """Write images, table and fold tree, and return the image of each clip, relative to the folder.

    Args:
        folder: to write into.
        source: the clips, of a flow product with one pair.
        classes: of the view, in the order of their numbers.

    Raises:
        ModelError: the product has several pairs or factors.
        ContainerError: it has no flow, or two clips or persons get the same name.
    """
    files, lines, taken = list[str](), list[Sequence[object]](), dict[str, str]()
    for row, path in each(list(zip(source.rows, source.paths, strict=True)), "clips"):
        clip = row.sample_id.partition("/")[2] or row.sample_id
        subject, clip = safe_id(row.subject), safe_id(clip.replace("/", "_"))
        name = f"{subject}_{clip} .png"
        if taken.setdefault(name.casefold(), row.sample_id) != row.sample_id or name in files:
            raise ContainerError(row.sample_id, f"and {taken[name.casefold()]} have the same file name", "one each")
        with Container(path) as box:
            write_image(folder / IMAGES / name, published(flow_image({"motion": box.clip(row.sample_id)}, SIDE)))
        files.append(name)
        dataset = WRITTEN.get(row.dataset, row.dataset)
        lines.append([dataset, subject, clip, classes.index(row.label), "", name, ""])
    write_csv(folder / TABLE, COLUMNS, lines)
    _write_folds(folder, source.rows, files, classes)
    return [f"{IMAGES}/{name}" for name in files]


def published(image: np.ndarray) -> np.ndarray:
    """Return u, v and strain (3, S, S) as the picture (S, S, 3) uint8 of them; a constant channel becomes 0."""
    return np.ascontiguousarray(as_uint8(scale_image(image, "range255")).transpose(1, 2, 0))


def _write_folds(folder: Path, rows: Sequence[Row], files: Sequence[str], classes: Sequence[str]) -> None:
    """Write the images once per held-out person: `u_test` are that person's, `u_train` all others."""
    people: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        people[safe_id(row.subject)].add(row.group)
    shared = [name for name, groups in people.items() if len(groups) > 1]
    if shared:
        found = f"{' and '.join(sorted(people[shared[0]]))} are both called {shared[0]}"
        raise ContainerError(FOLDS, found, "one name for every person", "export the databases apart")
    for subject, (group,) in sorted((name, tuple(groups)) for name, groups in people.items()):
        for part in ("u_train", "u_test"):
            (folder / FOLDS / subject / part).mkdir(parents=True, exist_ok=True)
        for row, name in zip(rows, files, strict=True):
            part = "u_test" if row.group == group else "u_train"
            place = folder / FOLDS / subject / part / str(classes.index(row.label))
            place.mkdir(exist_ok=True)
            _link(folder / IMAGES / name, place / name)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
