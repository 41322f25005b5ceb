"""`mer export`: a product as files for other code, with an index, and what it was made with.

Formats:

- `npz` one NumPy file per clip with every array of the product, or the one that is named;
- `png` a folder of numbered pictures per clip, of products with frames;
- `mp4` an H.264 video per clip, of products with frames: to look at, not to measure on; an odd side loses a pixel;
- `flow-images` what the public codes of specs/peers.md §2.1 read (`mer.notebook.flow_image_files`).

Of a magnified product with several factors, `png` and `mp4` have a folder per clip with one entry `x<factor>` each.
The folder has `index.csv` (a row per clip: file, person, class where a view is named, fold where an experiment is,
frame rate and events on the frames of the product), `excluded.csv` where clips are left out, and `export.json`. It is
whole or absent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mer import __version__
from mer.core.atomic import atomic_folder, write_json
from mer.core.container import Clip, Container
from mer.core.csvfile import write_csv
from mer.core.errors import ConfigError, ContainerError, StorageError
from mer.core.images import write_image
from mer.core.progress import each
from mer.core.registry import nearest
from mer.datasets.annotations import safe_id
from mer.notebook import flow_image_files
from mer.notebook.arrays import Source, read_array

if TYPE_CHECKING:
    from mer.notebook.results import Results

FORMATS = ("npz", "png", "mp4", "flow-images")
COLUMNS = ("file", "dataset", "sample_id", "subject", "group", "label", "fold", "fps", "onset", "apex", "offset")
RECORD = "export.json"
RATE = 25.0


@dataclass(frozen=True)
class Wanted:
    """What is written: the product, its format, one array of it or all, and frames per second of videos."""

    product: str
    format: str
    array: str | None
    fps: float | None


def export(
    run: Results,
    product: str,
    format: str,
    output: Path,
    *,
    data: str | Sequence[str] | None = None,
    view: str | None = None,
    experiment: str | None = None,
    array: str | None = None,
    fps: float | None = None,
    force: bool = False,
) -> Path:
    """Write a product of a run for other code, and return the folder.

    Args:
        run: whose product.
        product: `stage/variant`.
        format: one of `FORMATS`.
        output: the folder to make.
        data: the databases; those of the experiment, else all that the product is made of.
        view: a class scheme: only clips with a class in it, which the index names.
        experiment: the clips, classes and folds of this one.
        array: of `npz`, the only array to write.
        fps: of `mp4`, frames per second; those of the clip when None, 25 where they are unknown.
        force: replace an earlier export at the same place.

    Raises:
        StorageError: the place is taken, or the disk is full.
        ConfigError: an unknown format, product, dataset, view or experiment.
        ContainerError, ModelError: not made yet, no clip, or a product that the format cannot show.
    """
    if format not in FORMATS:
        raise ConfigError("export", f"unknown format {format!r}", ", ".join(FORMATS), nearest(format, FORMATS))
    if array is not None and format != "npz":
        raise ConfigError("export", f"array {array!r} with format {format}", "format npz, or no array")
    _require_free(output, force)
    among = None if experiment is None else run.data_of(experiment)
    names = run.holders(product, data, among)
    labelled = view is not None or experiment is not None or format == "flow-images"
    if labelled:
        chosen = run.select(view, experiment, names)
        rows, classes = list(chosen.rows), chosen.classes
    else:
        rows, classes = sorted((row for name in names for row in run.rows(name)), key=lambda row: row.key), ()
    source = run.find(product, rows)
    wanted = Wanted(product, format, array, fps)
    with atomic_folder(output) as folder:
        if format == "flow-images":
            files = flow_image_files.write(folder, source, classes)
        else:
            files = _files(folder, source, wanted)
        _write_tables(folder, source, files, _folds(run, experiment))
        write_json(folder / RECORD, _record(run, wanted, classes, view, experiment))
    return output


def _files(folder: Path, source: Source, wanted: Wanted) -> list[str]:
    """Write every clip and return the name of its file or folder."""
    written, taken = list[str](), dict[str, str]()
    for row, path in each(list(zip(source.rows, source.paths, strict=True)), "clips"):
        name = "/".join(safe_id(part) for part in (row.dataset, *row.sample_id.split("/")))
        if taken.setdefault(name.casefold(), row.sample_id) != row.sample_id:
            raise ContainerError(row.sample_id, f"and {taken[name.casefold()]} have the same file name", "one each")
        with Container(path) as box:
            written.append(_one(folder, name, box.clip(row.sample_id), wanted))
    return written


def _one(folder: Path, name: str, clip: Clip, wanted: Wanted) -> str:
    if wanted.format == "npz":
        names = sorted(clip.group) if wanted.array is None else [wanted.array]
        arrays: dict[str, Any] = {array: _plain(read_array(clip, array)) for array in names}
        path = folder / f"{name}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, **arrays)
        return f"{name}.npz"
    if "frames" not in clip:
        expected, remedy = "a product of align, interpolate or magnify", "use format npz, or flow-images for flow"
        raise ContainerError(wanted.product, f"has no frames for format {wanted.format}", expected, remedy)
    frames = clip.lazy("frames")
    alphas = clip.read("alphas") if frames.ndim == 5 else np.zeros(1)
    for place, alpha in enumerate(alphas):
        # A factor of its own needs no folder of its own.
        below = folder / name / f"x{alpha:g}" if len(alphas) > 1 else folder / name
        images = frames[place] if frames.ndim == 5 else frames
        if wanted.format == "mp4":
            _video(below.with_name(f"{below.name}.mp4"), images, clip, wanted)
            continue
        digits = max(3, len(str(len(images))))
        for number, image in enumerate(images, 1):
            write_image(below / f"{number:0{digits}d}.png", image)
    return f"{name}.mp4" if wanted.format == "mp4" and len(alphas) == 1 else name


def _video(path: Path, images: Any, clip: Clip, wanted: Wanted) -> None:
    from mer.simulate.images import VideoFile

    with VideoFile(path, wanted.fps or clip.attributes.get("fps") or RATE) as video:
        for image in images:
            video.add(image)


def _plain(values: np.ndarray) -> np.ndarray:
    # Text as objects would be pickled, which a careful reader of the file refuses.
    return values.astype(str) if values.dtype == object else values


def _write_tables(folder: Path, source: Source, files: Sequence[str], folds: Mapping[tuple[str, str], str]) -> None:
    lines = []
    for row, path, file in zip(source.rows, source.paths, files, strict=True):
        with Container(path) as box:
            known = box.clip(row.sample_id).attributes
        events = [known.get(name) for name in ("fps", "onset", "apex", "offset")]
        told = [row.dataset, row.sample_id, row.subject, row.group, row.label, folds.get(row.key, "")]
        lines.append([file, *told, *events])
    write_csv(folder / "index.csv", COLUMNS, lines)
    if source.excluded:
        left_out = [[*key, reason] for key, reason in sorted(source.excluded.items())]
        write_csv(folder / "excluded.csv", ("dataset", "sample_id", "reason"), left_out)


def _folds(run: Results, experiment: str | None) -> dict[tuple[str, str], str]:
    """Return the fold that holds out each clip of an experiment."""
    if experiment is None:
        return {}
    folds = run.folds(experiment)
    return {key: name for name, keys in folds.tested().items() for key in keys}


def _record(
    run: Results, wanted: Wanted, classes: Sequence[str], view: str | None, experiment: str | None
) -> dict[str, Any]:
    chain = [
        {"product": step.key, "method": step.method, **step.params.model_dump(mode="json")}
        for step in run.config.chain(wanted.product)
    ]
    told = {"product": wanted.product, "format": wanted.format, "array": wanted.array, "classes": list(classes)}
    return {**told, "view": view, "experiment": experiment, "chain": chain, "mer_version": __version__}


def _require_free(path: Path, force: bool) -> None:
    """Refuse a place that is taken; `force` gives up an earlier export, and nothing else."""
    if not path.exists():
        return
    if not force:
        raise StorageError(path, "exists already", "a new folder", "name another one, or replace it with --force")
    if not (path / RECORD).is_file():
        found = "is no earlier export, so it is not replaced"
        raise StorageError(path, found, f"a folder with {RECORD}", "remove it yourself, or name another one")
