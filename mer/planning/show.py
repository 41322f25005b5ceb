"""`mer show`: from a configuration and a clip to the picture of its products."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

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
        ConfigError: the configuration, the dataset or the clip does not exist.
        ContainerError: no product of the clip was made yet.
    """
    # Planning stays light: drawing needs OpenCV.
    from mer.core.images import write_image
    from mer.report.show_clip import show_clip

    where = " + ".join(map(str, configs))
    catalog = Catalog(parse(read_files(configs), where))
    if dataset not in catalog.config.datasets:
        raise ConfigError(f"{where}: datasets", f"no dataset {dataset!r}", ", ".join(catalog.config.datasets))
    owners = [key for key, rows in catalog.subjects(dataset).items() if sample_id in {row.sample_id for row in rows}]
    if not owners:
        raise ConfigError(dataset, f"no usable clip {sample_id!r}", "a sample_id of its index.csv")
    products = catalog.config.products_of(dataset)
    paths = {key: catalog.product(dataset, key, owners[0]) for key in products}
    if not any(path.exists() for path in paths.values()):
        raise ConfigError(dataset, f"no product of {sample_id} was made yet", "a finished run", "run snakemake first")
    write_image(out, show_clip(paths, sample_id, sources(catalog.config), only, width))
    return out
