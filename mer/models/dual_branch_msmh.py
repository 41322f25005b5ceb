"""The dual-branch network with an action-unit region and multi-scale multi-head attention (specs/dual-branch.md §3).

One branch sees the face, the other a region of it; the steps of the GRU are pooled by eight attention heads that differ
in width (the "scales"; none is a temporal scale) and classified.

Presets `casme2`, `samm`, `smic`, `casme3`, `casme2sq` and `lie` are the published variants (§3.2); `smic` has no region
and sums its channel attention, `lie` reads the GRU with a causal multi-head attention beside, has two classes and, as
published, frames 5 to 20 of a recording in both branches. All but `lie` see blue, green, red, in this order. `clean` is
`casme2` with the defects resolved as in `mer.models.dual_branch`. `small` is its reduction for a CPU core.

The published network chose the region from the action units that a coder had given the very clip it was tested on. Here
`regions` says who chooses, in every preset `none` unless an experiment asks for another: `none`, `region` is seen of
all clips: the landmark hull of the face, another of the table, or `all_four` as one mosaic; `annotation`, the published
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
from mer.models.clip_frames import Frames, coloured, positions, read, seen
from mer.models.contract import Footprint, Model, Units
from mer.models.dual_branch import REDUCED, RESOLVED, frames_of_noise, rescaled, scaled, training_setup
from mer.models.dual_branch_regions import Detector, Table, change_grid, predicted_regions, require_coded
from mer.models.dual_branch_settings import SETTINGS, RegionPreset
from mer.models.learner import FoldData, Inputs, Learner
from mer.models.state import Features, State, by_name

if TYPE_CHECKING:
    from mer.models.dual_branch_msmh_network import Network

#: Of the published table.
REGIONS = 5
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
    "casme2": RegionPreset(colours="bgr", sampler="topk_to_offset"),
    "samm": RegionPreset(colours="bgr", sampler="span_whole", dropout=0.3),
    "smic": RegionPreset(
        colours="bgr",
        region="none",
        frames=10,
        sampler="first_n",
        trunk=32,
        attention="eccbam_sum",
        dropout=0.3,
    ),
    "casme3": RegionPreset(colours="bgr", pool=2, head_dropout=0.3, rate_step=20, epochs=100),
    "casme2sq": RegionPreset(
        colours="bgr", pool=2, frames=8, rate_step=20, epochs=100, class_weights=(0.2, 0.3, 0.3, 0.2)
    ),
    "lie": RegionPreset(
        region="none",
        frames=16,
        trunk=32,
        dropout=0.3,
        third_dropout=True,
        l2=0.03,
        attention_l2=0.01,
        causal_heads=4,
        head_dropout=0.3,
        dropout_before_head=True,
        sampler="first_n",
        first=5,
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

    With `regions: predicted` there is `every`, (R, T, S, S, 3) of all regions, `grids`, (R, 72) float32 for the
    detector, and `shown`, (R,) float32 for its training, in place of `region`.

    Args:
        clips: the products.
        preset: frames, size and regions.
        units: annotated action units of the clip, which `regions: annotation` chooses the region by.

    Raises:
        ModelError: products that are not of colour frames, of different lengths, without the region, or whose table
            leaves none for a clip without action units.
        ClipError: an event that the sampler needs is unknown, or the clip ends before `first`.
    """
    frames = Frames(clips["clip"])
    at = positions(clips["clip"], frames, preset.sampler, preset.frames, preset.first)
    views = {"clip": coloured(seen(frames, at, preset.size, preset.view), preset.colours)}
    if preset.region == "none":
        return views
    names = [str(name) for name in clips["regions"].read("names")]

    def cut(name: str, size: int = preset.size) -> np.ndarray:
        patches = _region(clips["regions"], names, name, len(frames))
        return coloured(seen(patches, at, size, preset.view), preset.colours)

    if preset.regions == "predicted":
        patches = [_region(clips["regions"], names, name, len(frames)) for name in names]
        grids = np.stack([change_grid(coloured(read(one, at, preset.size), preset.colours)) for one in patches])
        shown = Table.of(clips["regions"], preset.units).shown(units)
        every = np.stack([cut(name) for name in names])
        return views | {"grids": grids.astype(np.float32), "shown": shown, "every": every}
    region = preset.region
    if preset.regions == "annotation":
        region = Table.of(clips["regions"], preset.units).region_of(units)
    if region != "all_four":
        return views | {"region": cut(region)}
    # An odd side gives the upper and left cells the larger half.
    cells = [cut(name, (preset.size + 1) // 2) for name in MOSAIC]
    rows = [np.concatenate(cells[i : i + 2], axis=2) for i in (0, 2)]
    return views | {"region": np.ascontiguousarray(np.concatenate(rows, axis=1)[:, : preset.size, : preset.size])}


def _region(clip: Clip, names: list[str], name: str, count: int) -> Frames:
    where = clip.where
    if name not in names:
        found, remedy = f"no region {name!r} among {', '.join(names)}", "use table: dual_branch, or train.region"
        raise ModelError(where, found, name, remedy)
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
        require_coded((coded is not None for coded in fold.units or ()), "annotation")
        fold.log("dual_branch_msmh: oracle: every clip's own annotated action units choose its region")
    if preset.regions != "predicted":
        return replace(scaled(x, preset), meta=meta)
    shown = np.asarray(x["shown"])
    require_coded(shown[:, 0] >= 0, "predicted")
    detector, regions, agreed = predicted_regions(np.asarray(x["grids"], np.float64), shown, fold.groups, fold.seed)
    fold.log(f"dual_branch_msmh: of coded training clips {agreed:.3f} get their annotated region from other persons")
    inputs = scaled(chosen(x, regions), preset)
    return Inputs(inputs.x, {**inputs.kept, **detector.arrays()}, {**meta, "regions_agreed": agreed})


def chosen(x: Mapping[str, ClipArray], regions: np.ndarray) -> dict[str, ClipArray]:
    """Return `clip` and `region` of clips whose regions (N,) were predicted, from `clip` and `every`."""
    every = x["every"]
    each = every.whole.reshape(-1, *every.shape[2:])
    return {"clip": x["clip"], "region": ClipArray(each, every.rows * every.shape[1] + regions)}


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
        every = np.repeat(clip[:, None, :, :, ::-1], REGIONS, axis=1)
        return {"clip": clip, "every": every, "grids": draw(REGIONS, 72), "shown": draw(REGIONS)}
    return {"clip": clip} if preset.region == "none" else {"clip": clip, "region": clip[:, :, :, ::-1].copy()}


LEARNER = Learner("dual_branch_msmh", RegionPreset, build, prepare_fold, recall, training_setup)

MODEL = Model(
    presets=PRESETS,
    inputs={"clip": ("frames",), "regions": ("patches", "names", "units")},
    unread=lambda preset: frozenset({"regions"} if preset.region == "none" else ()),
    settings=tuple(sorted((*SETTINGS, "region", "regions", "units"))),
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
