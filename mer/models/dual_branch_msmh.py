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

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from pydantic import ValidationInfo, field_validator
from torch import nn
from torch.nn import functional

from mer.core.container import Clip
from mer.core.errors import ModelError
from mer.core.seeds import derive_seed
from mer.models import loop
from mer.models.dual_branch import Training, classifier, optimise, restored_scores, viewed
from mer.models.dual_branch_blocks import ATTENTIONS, BlockAttention, Bottleneck, Stem, dense, recurrent, step_width
from mer.models.dual_branch_clip import Frames, positions, read
from mer.models.dual_branch_regions import (
    REGIONS,
    Detector,
    Units,
    change_grid,
    predicted_regions,
    region_of,
    require_units,
)
from mer.models.state import Features, State

INPUTS: dict[str, tuple[str, ...]] = {"clip": ("frames",), "regions": ("patches", "names")}
LIBRARIES = ("numpy", "torch")
UNITS = ("features", "fit")
MOSAIC = ("eyebrows", "eyes", "cheeks", "mouth")


class Preset(Training):
    """Settings of the network; the defaults are the published CASME II variant."""

    region: Literal["face", "eyes", "mouth", "eyebrows", "cheeks", "all_four", "none"] = "face"
    regions: Literal["annotation", "predicted", "none"] = "none"
    width: int = 32
    trunk: int = 64
    pool: int = 3
    norm: bool = False
    attention: Literal["eccbam", "eccbam_sum", "eccbam_figure", "cbam"] = "eccbam"
    bottleneck: tuple[int, int] = (128, 64)
    third_dropout: bool = False
    gru: int = 512
    divisors: tuple[int, ...] = (2, 4, 8, 16, 32, 64, 128, 256)
    query_window: int | None = 10
    causal_heads: int = 0
    head: tuple[int, ...] = (128, 64)
    head_dropout: float = 0.0
    dropout_before_head: bool = False
    sampler: Literal["span", "uniform", "first_n", "apex_window", "topk_diff"] = "topk_diff"
    rate_step: int = 40

    @field_validator("regions")
    @classmethod
    def _has_a_branch(cls, regions: str, info: ValidationInfo) -> str:
        if regions != "none" and info.data.get("region") == "none":
            raise ValueError("this preset has no region branch")
        return regions


_CLEAN = Preset(
    sampler="uniform", scaling="standard", norm=True, class_weights="balanced", augment=True, query_window=None
)
PRESETS: dict[str, Preset] = {
    "small": _CLEAN.model_copy(
        update={
            "frames": 6,
            "size": 36,
            "view": "change",
            "width": 8,
            "trunk": 16,
            "pool": 2,
            "bottleneck": (64, 32),
            "gru": 64,
            "divisors": (2, 4, 8, 16, 32),
            "head": (32,),
            "dropout": 0.3,
            "l2": 1e-3,
            "epochs": 24,
            "rate_step": 10,
        }
    ),
    "clean": _CLEAN,
    "casme2": Preset(),
    "samm": Preset(sampler="uniform", dropout=0.3),
    "smic": Preset(region="none", frames=10, sampler="first_n", trunk=32, attention="eccbam_sum", dropout=0.3),
    "casme3": Preset(pool=2, head_dropout=0.3, rate_step=20, epochs=100),
    "casme2sq": Preset(pool=2, frames=8, rate_step=20, epochs=100, class_weights=(0.2, 0.3, 0.3, 0.2)),
    "lie": Preset(
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


class Head(nn.Module):
    """One head of the attention pooling (§1.5): queries, keys and values of `width`, biases everywhere."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        rule = nn.init.xavier_uniform_
        self.query, self.key, self.value = (dense(inputs, width, rule) for _ in range(3))
        self.out = dense(width, width, rule)
        self.root = math.sqrt(width)

    def forward(self, steps: torch.Tensor, window: int | None) -> torch.Tensor:
        """Return (B, R, width): the values averaged with weights softmax_k max_q (q·k / √width)."""
        score = self.query(steps) @ self.key(steps).transpose(1, 2) / self.root
        weights = functional.softmax(largest(score, window), dim=-1)
        return self.out(weights @ self.value(steps))


def largest(score: torch.Tensor, window: int | None) -> torch.Tensor:
    """Return the maximum over the query axis of (B, T, K), in blocks of `window` ('same' padding) or over all."""
    length = score.shape[1]
    if window is None or window >= length:
        return score.amax(dim=1, keepdim=True)
    lacking = -length % window
    padded = functional.pad(score, (0, 0, lacking // 2, lacking - lacking // 2), value=-math.inf)
    return padded.unflatten(1, (-1, window)).amax(dim=2)


class MultiScaleAttention(nn.Module):
    """MSMH: heads of width D / divisor side by side, (B, T, D) → (B, R, Σ widths); R is 1 with a global window."""

    def __init__(self, inputs: int, divisors: tuple[int, ...], window: int | None) -> None:
        super().__init__()
        self.window = window
        self.heads = nn.ModuleList(Head(inputs, inputs // divisor) for divisor in divisors)
        self.width = sum(inputs // divisor for divisor in divisors)

    def forward(self, steps: torch.Tensor) -> torch.Tensor:
        """Return (B, R, width)."""
        return torch.cat([head(steps, self.window) for head in self.heads], dim=-1)


class CausalAttention(nn.Module):
    """Standard attention whose heads are each as wide as the input; a step sees itself and earlier ones (§3.2)."""

    def __init__(self, inputs: int, heads: int) -> None:
        super().__init__()
        rule = nn.init.xavier_uniform_
        self.heads = heads
        self.query, self.key, self.value = (dense(inputs, heads * inputs, rule) for _ in range(3))
        self.out = dense(heads * inputs, inputs, rule)

    def forward(self, steps: torch.Tensor) -> torch.Tensor:
        """Return (B, T, D) of (B, T, D)."""
        parts = [f(steps).unflatten(-1, (self.heads, -1)).transpose(1, 2) for f in (self.query, self.key, self.value)]
        mixed = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2], is_causal=True)
        return self.out(mixed.transpose(1, 2).flatten(2))


class Network(nn.Module):
    """Two clips (B, 3, T, S, S) float32 RGB, scaled → log-probabilities (B, R, n_classes); R is 1 in all presets.

    The second clip is the region; presets with `region: none` take one clip and give it to both branches.
    """

    def __init__(self, preset: Preset, n_classes: int) -> None:
        super().__init__()
        self.stem = Stem(preset.width, preset.trunk, preset.pool, preset.norm)
        self.attention = BlockAttention(preset.trunk, ATTENTIONS[preset.attention])
        inputs = step_width(preset.size, preset.pool, preset.trunk)
        self.bottleneck = Bottleneck(inputs, preset.bottleneck, preset.dropout, preset.third_dropout)
        self.gru = recurrent(preset.bottleneck[1], preset.gru)
        self.pooling = MultiScaleAttention(preset.gru, preset.divisors, preset.query_window)
        self.causal = CausalAttention(preset.gru, preset.causal_heads) if preset.causal_heads else None
        width = self.pooling.width + (preset.gru if self.causal else 0)
        self.before = nn.Dropout(preset.head_dropout if preset.dropout_before_head else 0.0)
        self.head = classifier((width, *preset.head), n_classes, preset.head_dropout)

    def forward(self, clip: torch.Tensor, region: torch.Tensor | None = None) -> torch.Tensor:
        """Return (B, R, n_classes) log-probabilities."""
        steps = self.attention(self.stem(clip, clip if region is None else region))
        steps = self.gru(self.bottleneck(steps))[0]
        pooled = self.pooling(steps)
        if self.causal is not None:
            pooled = torch.cat([pooled, largest(self.causal(steps), self.pooling.window)], dim=-1)
        return functional.log_softmax(self.head(self.before(pooled)), dim=-1)

    def penalised(self) -> list[torch.Tensor]:
        """Return the kernels under the L2 penalty."""
        return self.bottleneck.penalised() + self.attention.penalised()


def build(preset: Preset, n_classes: int) -> Network:
    """Return the network of a preset with fresh weights from torch's random state."""
    return Network(preset, n_classes)


def features(clips: Mapping[str, Clip], preset: Preset, units: Sequence[int] | None = None) -> dict[str, np.ndarray]:
    """Return `clip` and, unless the preset has no region, `region`: each (3, T, S, S) float32 as `dual_branch.viewed`.

    With `regions: predicted` there is `every`, (5, 3, T, S, S) of all regions, and `grids`, (5, 72) for the detector,
    in place of `region`.

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
    views = {"clip": viewed(read(frames, at, preset.size), preset.view)}
    if preset.region == "none":
        return views
    names = [str(name) for name in clips["regions"].read("names")]

    def cut(name: str, size: int = preset.size) -> np.ndarray:
        return read(_region(clips["regions"], names, name, len(frames)), at, size)

    if preset.regions == "predicted":
        every = [cut(name) for name in REGIONS]
        views["grids"] = np.stack([change_grid(region) for region in every]).astype(np.float32)
        return views | {"every": np.stack([viewed(region, preset.view) for region in every])}
    region = REGIONS[region_of(units)] if preset.regions == "annotation" else preset.region
    if region != "all_four":
        return views | {"region": viewed(cut(region), preset.view)}
    # An odd side gives the upper and left cells the larger half.
    cells = [cut(name, (preset.size + 1) // 2) for name in MOSAIC]
    rows = [np.concatenate(cells[i : i + 2], axis=3) for i in (0, 2)]
    mosaic = np.concatenate(rows, axis=2)[:, :, : preset.size, : preset.size]
    return views | {"region": viewed(mosaic, preset.view)}


def _region(clip: Clip, names: list[str], name: str, count: int) -> Frames:
    where = f"{clip.group.file.filename} clip {clip.sample_id}"
    if name not in names:
        raise ModelError(where, f"no region {name!r} among {', '.join(names)}", name, "use table: dual_branch")
    patches = Frames(clip, "patches", names.index(name))
    if len(patches) != count:
        remedy = "cut the regions from the product that `clip` names"
        raise ModelError(where, f"patches of {len(patches)} frames", f"{count}, as its clip", remedy)
    return patches


def fit(
    features: Features,
    labels: np.ndarray,
    groups: np.ndarray,
    n_classes: int,
    preset: Preset,
    seed: int,
    log: Callable[[str], None],
    device: str = "cpu",
    units: Units | None = None,
) -> State:
    """Train for the preset's epochs; see `mer.models.registry` for the arguments.

    Args:
        units: annotated action units of the training clips: `regions: predicted` trains its detector on them.

    Raises:
        ModelError: one class only, weights of another class set, no annotated action units for a `regions` that needs
            them, or a loss that is no longer finite.
    """
    assert isinstance(features, dict)
    arrays: dict[str, np.ndarray] = {}
    meta: dict[str, object] = {"regions": preset.regions, "oracle": preset.regions == "annotation"}
    if preset.regions == "annotation":
        require_units(units, "annotation")
        log("dual_branch_msmh: oracle: every clip's own annotated action units choose its region")
    if preset.regions == "predicted":
        coded = require_units(units, "predicted")
        detector, regions, agreed = predicted_regions(features["grids"].astype(np.float64), coded, groups, seed)
        log(f"dual_branch_msmh: of coded training clips {agreed:.3f} get their annotated region from other persons")
        features = chosen(features, regions)
        arrays, meta = detector.arrays(), meta | {"regions_agreed": agreed}
    with loop.reproducible(derive_seed(seed, "dual_branch_msmh"), device) as place:
        state = optimise(build(preset, n_classes).to(place), features, labels, n_classes, preset, log, place)
    return State(state.arrays | arrays, state.meta | meta)


def chosen(features: Mapping[str, np.ndarray], regions: np.ndarray) -> dict[str, np.ndarray]:
    """Return `clip` and `region` of clips whose regions (N,) were predicted, from `clip` and `every`."""
    return {"clip": features["clip"], "region": features["every"][np.arange(len(regions)), regions]}


def predict(state: State, features: Features, device: str = "cpu") -> np.ndarray:
    """Return (N, C) float64 probabilities.

    Raises:
        ModelError: the checkpoint does not hold this network.
    """
    assert isinstance(features, dict)
    preset = Preset.model_validate(state.meta["preset"])
    if preset.regions == "predicted":
        places = len(REGIONS)
        weights = state.array("detector.weights", (places - 1, None))
        centre, spread = (state.array(f"detector.{name}", (places, None)) for name in ("centre", "spread"))
        found = Detector(weights, centre, spread).regions(features["grids"].astype(np.float64))
        features = chosen(features, found)
    with loop.reproducible(0, device) as place:
        network = build(preset, int(state.meta["n_classes"])).to(place)
        return restored_scores(network, state, features, preset, place)
