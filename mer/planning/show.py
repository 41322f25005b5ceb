"""From a configuration and a clip to the picture of its products: `mer show`, and `draw` of a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mer.core.errors import ConfigError
from mer.planning.catalog import Catalog
from mer.planning.read_config import parse, read_files
from mer.planning.report_inputs import sources


def draw_clip(
    configs: Sequence[Path], dataset: str, sample_id: str, out: Path, only: Sequence[str] = (), width: int = 1800
) -> Path:
    """Draw the products of one clip into a PNG and return its path; one that was not made is named.

    Args:
        configs: configuration files, laid over each other.
        dataset: its name in the configuration.
        sample_id: the clip.
        out: the PNG.
        only: patterns of the products to draw (`rois`, `rois/*`); all when empty.
        width: of the picture in pixels, about.

    Raises:
        ConfigError: the configuration, the dataset or the clip does not exist, or no product of it was made yet.
    """
    # Planning stays light: drawing needs OpenCV.
    from mer.core.images import write_image

    where = " + ".join(map(str, configs))
    catalog = Catalog(parse(read_files(configs), where))
    if dataset not in catalog.config.datasets:
        raise ConfigError(f"{where}: datasets", f"no dataset {dataset!r}", ", ".join(catalog.config.datasets))
    write_image(out, clip_picture(catalog, dataset, sample_id, only, width))
    return out


def clip_picture(
    catalog: Catalog, dataset: str, sample_id: str, only: Sequence[str] = (), width: int = 1800
) -> np.ndarray:
    """Return the products of one clip in one picture, (H, W, 3) uint8 RGB; arguments and errors as `draw_clip`."""
    from mer.report.show_clip import show_clip

    paths = clip_products(catalog, dataset, sample_id)
    if not any(path.exists() for path in paths.values()):
        raise ConfigError(dataset, f"no product of {sample_id} was made yet", "a finished run", "run snakemake first")
    return show_clip(paths, sample_id, sources(catalog.config), only, width)


def clip_products(catalog: Catalog, dataset: str, sample_id: str) -> dict[str, Path]:
    """Return the container of every product of a clip, in the order of the journey, made or not.

    Raises:
        ConfigError: the dataset has no usable clip of this name.
    """
    owners = [key for key, rows in catalog.subjects(dataset).items() if sample_id in {row.sample_id for row in rows}]
    if not owners:
        raise ConfigError(dataset, f"no usable clip {sample_id!r}", "a sample_id of its index.csv")
    return {key: catalog.product(dataset, key, owners[0]) for key in catalog.config.products_of(dataset)}
