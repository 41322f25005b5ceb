"""The dual-branch network with an action-unit region and multi-scale multi-head attention (specs/dual-branch.md §3).

One branch sees the face, the other a region of it; the steps of the GRU are pooled by eight attention heads that differ
in width (the "scales"; none is a temporal scale) and classified.

Presets `casme2`, `samm`, `smic`, `casme3`, `casme2sq` and `lie` are the published variants (§3.2); `smic` has no region
and sums its channel attention, `lie` reads the GRU with a causal multi-head attention beside, has two classes and, as
published, the same clip in both branches (there frames 5 to 20 of a recording, here 16 from the onset on). `clean` is
`casme2` with the defects resolved as in `mer.models.dual_branch`. `small` is its reduction for a CPU core.

The published network chose the region from the action units that a coder had given the very clip it was tested on.
Labels are no input here (`au_source: none`): the region is the landmark hull of the face, one named region for all
clips, or `all_four` as one mosaic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from mer.core.container import Clip
from mer.core.errors import ModelError
from mer.core.seeds import derive_seed
from mer.models import loop
from mer.models.dual_branch import Training, classifier, optimise, restored_scores, viewed
from mer.models.dual_branch_blocks import ATTENTIONS, BlockAttention, Bottleneck, Stem, dense, recurrent, step_width
from mer.models.dual_branch_clip import Frames, positions, read
from mer.models.state import Features, State

INPUTS: dict[str, tuple[str, ...]] = {"clip": ("frames",), "regions": ("patches", "names")}
LIBRARIES = ("numpy", "torch")
MOSAIC = ("eyebrows", "eyes", "cheeks", "mouth")


class Preset(Training):
    """Settings of the network; the defaults are the published CASME II variant."""

    region: Literal["face", "eyes", "mouth", "eyebrows", "cheeks", "all_four", "none"] = "face"
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


_CLEAN = Preset(
    sampler="uniform", scaling="standard", norm=True, class_weights="balanced", augment=True, query_window=None
)
PRESETS: dict[str, Preset] = {
    "small": _CLEAN.model_copy(
        update={
            "frames": 8,
            "size": 48,
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
            "epochs": 30,
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


def features(clips: Mapping[str, Clip], preset: Preset) -> dict[str, np.ndarray]:
    """Return `clip` and, unless the preset has no region, `region`: each (3, T, S, S) float32 as `dual_branch.viewed`.

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
    wanted = MOSAIC if preset.region == "all_four" else (preset.region,)
    cut = {name: _region(clips["regions"], names, name, len(frames)) for name in wanted}
    if preset.region != "all_four":
        return views | {"region": viewed(read(cut[preset.region], at, preset.size), preset.view)}
    # An odd side gives the upper and left cells the larger half.
    halves = (preset.size + 1) // 2
    cells = [read(cut[name], at, halves) for name in MOSAIC]
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
) -> State:
    """Train for the preset's epochs; see `mer.models.registry` for the arguments.

    Raises:
        ModelError: one class only, weights of another class set, or a loss that is no longer finite.
    """
    assert isinstance(features, dict)
    with loop.reproducible(derive_seed(seed, "dual_branch_msmh"), device) as place:
        return optimise(build(preset, n_classes).to(place), features, labels, n_classes, preset, log, place)


def predict(state: State, features: Features, device: str = "cpu") -> np.ndarray:
    """Return (N, C) float64 probabilities.

    Raises:
        ModelError: the checkpoint does not hold this network.
    """
    assert isinstance(features, dict)
    preset = Preset.model_validate(state.meta["preset"])
    with loop.reproducible(0, device) as place:
        network = build(preset, int(state.meta["n_classes"])).to(place)
        return restored_scores(network, state, features, preset, place)
