"""From the clips of a product to arrays: which array of it, in which shape, for which clips."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mer.core.container import Clip, Container
from mer.core.errors import ConfigError, ContainerError
from mer.models.flow_image import area_pool
from mer.notebook.clip import Missing
from mer.training.fold_tables import Row

if TYPE_CHECKING:
    import pandas as pd

#: The stage of a product -> the array that is meant where none is named. u, v and strain are one array, as in the
#: flow images that small models see (specs/peers.md §2.1).
USUAL = {"align": "frames", "interpolate": "frames", "magnify": "frames", "flow": "flow_strain", "rois": "patches"}
#: What a clip is told by among all databases: the levels of the index of every table here.
KEYS = ["dataset", "sample_id"]
#: Arrays of images, and the number of axes of one of them.
IMAGES = {"frames": 3, "flow": 3, "flow_strain": 3, "strain": 2}


class Arrays(NamedTuple):
    """Clips as scikit-learn takes them; unpack it: `X, y, groups = run.arrays(...)`.

    Attributes:
        X: (N, D) the array of each clip in a row, or (N, ...) in the shape of the product.
        y: (N,) classes as a pandas Series of a categorical type, which knows the class set of the view and its order.
        groups: (N,) str, the person of each clip (`family:subject`).

    `y` and `groups` are indexed by dataset and sample_id: what holds rows and folds together (`mer.notebook.folds`).
    """

    X: np.ndarray
    y: pd.Series
    groups: pd.Series


@dataclass(frozen=True)
class Source:
    """The clips of a product that can be read, in the order asked for, and why the others cannot.

    Attributes:
        rows: of the clips.
        paths: (N,) the container of each.
        excluded: reason of every other clip by its key.
    """

    rows: list[Row] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    excluded: dict[tuple[str, str], str] = field(default_factory=dict)


def find(rows: Iterable[Row], path_of: Callable[[Row], Path], missing: Missing, product: str) -> Source:
    """Look which clips a product has; every container is opened once.

    Args:
        rows: of the clips.
        path_of: the container of a row's person.
        missing: makes the error for a container that is not there.
        product: its name in messages.

    Raises:
        MerError: a container was not made yet.
        ContainerError: no clip is left.
    """
    held, found = dict[Path, Container](), Source()
    with ExitStack() as stack:
        for row in rows:
            path = path_of(row)
            if path not in held:
                if not path.exists():
                    raise missing(path)
                held[path] = stack.enter_context(Container(path))
            if row.sample_id in held[path].clip_ids:
                found.rows.append(row)
                found.paths.append(path)
            else:
                found.excluded[row.key] = held[path].failures.get(row.sample_id, "not among its clips")
    if not found.rows:
        reason = next(iter(found.excluded.values()), "none was asked for")
        raise ContainerError(product, f"no clip is left ({reason})", "at least one", "see excluded.csv of its dataset")
    return found


def usual_array(product: str, array: str | None, clip: Clip) -> str:
    """Return the array that is meant: the one named, or the one that is usual for the product's stage.

    Raises:
        ConfigError: none is named and none is usual.
    """
    if array is not None:
        return array
    stage = product.split("/")[0]
    if stage not in USUAL:
        raise ConfigError(product, "no usual array", "the name of one: array=…", f"it has {', '.join(clip.group)}")
    return "flow" if USUAL[stage] == "flow_strain" and "strain" not in clip else USUAL[stage]


def read_array(clip: Clip, array: str, size: int | None = None) -> np.ndarray:
    """Return one array of a clip; leading axes of images (factors, pairs) that have length 1 are left out.

    Args:
        clip: of a product.
        array: its name, or `flow_strain`: u, v and strain as three channels (..., 3, H, W).
        size: side in pixels to which images are averaged by area, as float32; None leaves them. Flow keeps its unit, a
            pixel of the product.

    Raises:
        ContainerError: the product has no such array.
        ConfigError: `size` of an array that holds no images.
    """
    if array == "flow_strain":
        flow, bent = clip.read("flow"), clip.read("strain")
        values = np.concatenate([flow, bent[..., None, :, :]], axis=-3)
    else:
        values = clip.read(array)
    while array in IMAGES and values.ndim > IMAGES[array] and len(values) == 1:
        values = values[0]
    return values if size is None else _resized(values, array, size)


def _resized(values: np.ndarray, array: str, size: int) -> np.ndarray:
    if array not in IMAGES or size < 1:
        raise ConfigError(f"size={size}", f"of the array {array}", f"at least 1, of {', '.join(IMAGES)}")
    if array == "frames":
        return np.moveaxis(area_pool(np.moveaxis(values, -1, -3), size), -3, -1).astype(np.float32)
    return area_pool(values, size).astype(np.float32)


def each_array(source: Source, product: str, array: str | None, size: int | None) -> Iterator[np.ndarray]:
    """Yield the array of every clip in turn; a container stays open for the clips that follow each other in it."""
    for path, members in groupby(zip(source.rows, source.paths, strict=True), key=lambda pair: pair[1]):
        with Container(path) as box:
            for row, _ in members:
                clip = box.clip(row.sample_id)
                yield read_array(clip, usual_array(product, array, clip), size)


def stacked(source: Source, product: str, array: str | None, size: int | None) -> np.ndarray:
    """Return the arrays of all clips as one, (N, ...).

    Raises:
        ContainerError: two clips have arrays of different shapes.
    """
    whole: np.ndarray | None = None
    for place, values in enumerate(each_array(source, product, array, size)):
        if whole is None:
            whole = np.empty((len(source.rows), *values.shape), values.dtype)
        if values.shape != whole.shape[1:]:
            where = f"{product} of {source.rows[place].sample_id}"
            found, expected = f"shape {values.shape}", f"{whole.shape[1:]}, as of {source.rows[0].sample_id}"
            raise ContainerError(where, found, expected, "interpolate to a fixed number of frames, or use run.clip")
        whole[place] = values
    assert whole is not None
    return whole


def labels_of(rows: Sequence[Row], classes: Sequence[str]) -> tuple[pd.Series, pd.Series]:
    """Return `y` and `groups` of `Arrays` for some rows."""
    import pandas as pd

    index = keys_index(row.key for row in rows)
    y = pd.Series(pd.Categorical([row.label for row in rows], categories=list(classes)), index=index, name="label")
    return y, pd.Series([row.group for row in rows], index=index, name="group")


def keys_index(keys: Iterable[tuple[str, str]]) -> pd.MultiIndex:
    """Return keys of clips as the index that all tables of a notebook share."""
    import pandas as pd

    pairs = list(keys)
    return pd.MultiIndex.from_arrays([[key[part] for key in pairs] for part in (0, 1)], names=KEYS)


def told(excluded: Mapping[tuple[str, str], str], product: str, count: int) -> str:
    """Return one line on the clips that are left out."""
    (dataset, sample), reason = next(iter(excluded.items()))
    return f"{len(excluded)} of {count} clips are not in {product}, such as {sample} of {dataset}: {reason}"
