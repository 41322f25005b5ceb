"""The dual-branch network with an action-unit region and multi-scale multi-head attention (specs/dual-branch.md §3).

One branch sees the face, the other a region of it; the steps of the GRU are pooled by eight attention heads that differ
in width (the "scales"; none is a temporal scale) and classified.

Presets `casme2`, `samm`, `smic`, `casme3`, `casme2sq` and `lie` are the published variants (§3.2); `smic` has no region
and sums its channel attention, `lie` reads the GRU with a causal multi-head attention beside, has two classes and, as
published, the same clip in both branches (there frames 5 to 20 of a recording, here 16 from the onset on). `clean` is
`casme2` with the defects resolved as in `mer.models.dual_branch`. `small` is its reduction for a CPU core.

The published network chose the region from the action units that a coder had given the very clip it was tested on. Here
`regions` says who chooses, in every preset `none` unless an experiment asks for another: `none`, the region is the same
for all clips, the landmark hull of the face, a named region or `all_four` as one mosaic; `annotation`, the published
oracle, named so in checkpoint and tables; `predicted`, a detector of the fold (`mer.models.dual_branch_regions`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mer.core.container import Clip
from mer.core.errors import ModelError
from mer.models.clip_array import ClipArray
from mer.models.clip_frames import Frames, positions, read, seen
from mer.models.contract import Footprint, Model, Units
from mer.models.dual_branch import REDUCED, RESOLVED, frames_of_noise, rescaled, scaled, training_setup
from mer.models.dual_branch_regions import (
    REGIONS,
    Detector,
    change_grid,
    predicted_regions,
    region_of,
    require_units,
)
from mer.models.dual_branch_settings import RegionPreset
from mer.models.learner import FoldData, Inputs, Learner
from mer.models.state import Features, State, by_name

if TYPE_CHECKING:
    from mer.models.dual_branch_msmh_network import Network

MOSAIC = ("eyebrows", "eyes", "cheeks", "mouth")

PRESETS: dict[str, RegionPreset] = {
    "small": RegionPreset(
        **RESOLVED,
        **REDUCED,
        query_window=None,
        pool=2,
        divisors=(2, 4, 8, 16, 32),
        head=(32,),
        epochs=24,
        rate_step=10,
    ),
    "clean": RegionPreset(**RESOLVED, query_window=None),
    "casme2": RegionPreset(),
    "samm": RegionPreset(sampler="uniform", dropout=0.3),
    "smic": RegionPreset(region="none", frames=10, sampler="first_n", trunk=32, attention="eccbam_sum", dropout=0.3),
    "casme3": RegionPreset(pool=2, head_dropout=0.3, rate_step=20, epochs=100),
    "casme2sq": RegionPreset(pool=2, frames=8, rate_step=20, epochs=100, class_weights=(0.2, 0.3, 0.3, 0.2)),
    "lie": RegionPreset(
        region="none",
        frames=16,
        trunk=32,
        dropout=0.3,
        third_dropout=True,
        l2=0.03,
        causal_heads=4,
        head_dropout=0.3,
        dropout_before_head=True,
        sampler="first_n",
        class_weights=(0.5, 0.5),
        rate_step=0,
        epochs=100,
    ),
}


def build(preset: RegionPreset, n_classes: int) -> Network:
    """Return the network of a preset with fresh weights from torch's random state."""
    from mer.models.dual_branch_msmh_network import Network

    return Network(preset, n_classes)


def features(clips: Mapping[str, Clip], preset: RegionPreset, units: Units = None) -> dict[str, np.ndarray]:
    """Return `clip` and, unless the preset has no region, `region`: each (T, S, S, 3), as of `dual_branch`.

    With `regions: predicted` there is `every`, (5, T, S, S, 3) of all regions, and `grids`, (5, 72) float32 for the
    detector, in place of `region`.

    Args:
        clips: the products.
        preset: frames, size and regions.
        units: annotated action units of the clip, which `regions: annotation` chooses the region by.

    Raises:
        ModelError: products that are not of colour frames, of different lengths, or without the region.
        ClipError: onset or offset is needed and unknown.
    """
    frames = Frames(clips["clip"])
    at = positions(clips["clip"], frames, preset.sampler, preset.frames)
    views = {"clip": seen(frames, at, preset.size, preset.view)}
    if preset.region == "none":
        return views
    names = [str(name) for name in clips["regions"].read("names")]

    def cut(name: str, size: int = preset.size) -> np.ndarray:
        return seen(_region(clips["regions"], names, name, len(frames)), at, size, preset.view)

    if preset.regions == "predicted":
        patches = [_region(clips["regions"], names, name, len(frames)) for name in REGIONS]
        grids = [change_grid(read(region, at, preset.size)) for region in patches]
        return views | {"grids": np.stack(grids).astype(np.float32), "every": np.stack([cut(name) for name in REGIONS])}
    region = REGIONS[region_of(units)] if preset.regions == "annotation" else preset.region
    if region != "all_four":
        return views | {"region": cut(region)}
    # An odd side gives the upper and left cells the larger half.
    cells = [cut(name, (preset.size + 1) // 2) for name in MOSAIC]
    rows = [np.concatenate(cells[i : i + 2], axis=2) for i in (0, 2)]
    return views | {"region": np.ascontiguousarray(np.concatenate(rows, axis=1)[:, : preset.size, : preset.size])}


def _region(clip: Clip, names: list[str], name: str, count: int) -> Frames:
    where = f"{clip.group.file.filename} clip {clip.sample_id}"
    if name not in names:
        raise ModelError(where, f"no region {name!r} among {', '.join(names)}", name, "use table: dual_branch")
    patches = Frames(clip, "patches", names.index(name))
    if len(patches) != count:
        remedy = "cut the regions from the product that `clip` names"
        raise ModelError(where, f"patches of {len(patches)} frames", f"{count}, as its clip", remedy)
    return patches


def prepare_fold(features: Features, fold: FoldData, preset: RegionPreset) -> Inputs:
    """Return the scaled inputs; with `regions: predicted` those that the fold's detector chose, and the detector.

    Raises:
        ModelError: no annotated action units for a `regions` that needs them.
    """
    x = by_name(features)
    meta: dict[str, object] = {"regions": preset.regions, "oracle": preset.regions == "annotation"}
    if preset.regions == "annotation":
        require_units(fold.units, "annotation")
        fold.log("dual_branch_msmh: oracle: every clip's own annotated action units choose its region")
    if preset.regions != "predicted":
        return replace(scaled(x, preset), meta=meta)
    coded, grids = require_units(fold.units, "predicted"), np.asarray(x["grids"], np.float64)
    detector, regions, agreed = predicted_regions(grids, coded, fold.groups, fold.seed)
    fold.log(f"dual_branch_msmh: of coded training clips {agreed:.3f} get their annotated region from other persons")
    inputs = scaled(chosen(x, regions), preset)
    return Inputs(inputs.x, {**inputs.kept, **detector.arrays()}, {**meta, "regions_agreed": agreed})


def chosen(x: Mapping[str, ClipArray], regions: np.ndarray) -> dict[str, ClipArray]:
    """Return `clip` and `region` of clips whose regions (N,) were predicted, from `clip` and `every`."""
    every = x["every"]
    each = every.whole.reshape(-1, *every.shape[2:])
    return {"clip": x["clip"], "region": ClipArray(each, every.rows * len(REGIONS) + regions)}


def recall(features: Features, state: State, preset: RegionPreset) -> Inputs:
    """Return the inputs of prediction; with `regions: predicted` the checkpoint's detector chooses them."""
    x = by_name(features)
    if preset.regions == "predicted":
        detector = Detector.of(state)
        x = chosen(x, detector.regions(np.asarray(x["grids"], np.float64)))
    return rescaled(x, state)


def noise(preset: RegionPreset, draw: Callable[..., np.ndarray]) -> Features:
    """Return features for the bench; a region is the clip mirrored."""
    clip = frames_of_noise(preset, draw)
    if preset.regions == "predicted":
        every = np.repeat(clip[:, None, :, :, ::-1], len(REGIONS), axis=1)
        return {"clip": clip, "every": every, "grids": draw(len(REGIONS), 72)}
    return {"clip": clip} if preset.region == "none" else {"clip": clip, "region": clip[:, :, :, ::-1].copy()}


LEARNER = Learner("dual_branch_msmh", RegionPreset, build, prepare_fold, recall, training_setup)

MODEL = Model(
    presets=PRESETS,
    inputs={"clip": ("frames",), "regions": ("patches", "names")},
    settings=("batch_size", "class_weights", "dropout", "epochs", "learning_rate", "regions"),
    source="its extension by action-unit regions and multi-scale multi-head attention; published code",
    libraries=("numpy", "torch"),
    features=features,
    fit=LEARNER.fit,
    predict=LEARNER.predict,
    build=build,
    classes={"casme2sq": 4, "lie": 2},
    published="casme2",
    noise=noise,
    footprints={
        "small": Footprint(3, 139),
        "clean": Footprint(59, 3763),
        "casme2": Footprint(59, 2799),
        "samm": Footprint(59, 2796),
        "smic": Footprint(44, 1129),
        "casme3": Footprint(159, 3239),
        "casme2sq": Footprint(159, 999),
        "lie": Footprint(109, 1674),
    },
    gpu=frozenset(PRESETS) - {"small"},
    shared=True,
    units=("features", "fit"),
)
