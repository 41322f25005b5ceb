"""The dual-branch network with multi-scale multi-head attention over its steps (specs/dual-branch.md §1.5, §3.2)."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from mer.models.dual_branch_blocks import dense
from mer.models.dual_branch_network import Steps, classifier
from mer.models.dual_branch_settings import RegionPreset


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


class Network(Steps):
    """Two clips (B, 3, T, S, S) float32 RGB, scaled → log-probabilities (B, R, n_classes); R is 1 in all presets.

    The second clip is the region; presets with `region: none` take one clip and give it to both branches.
    """

    def __init__(self, preset: RegionPreset, n_classes: int) -> None:
        super().__init__(preset, preset.third_dropout)
        self.pooling = MultiScaleAttention(preset.gru, preset.divisors, preset.query_window)
        self.causal = CausalAttention(preset.gru, preset.causal_heads) if preset.causal_heads else None
        width = self.pooling.width + (preset.gru if self.causal else 0)
        self.before = nn.Dropout(preset.head_dropout if preset.dropout_before_head else 0.0)
        self.head = classifier((width, *preset.head), n_classes, preset.head_dropout)

    def forward(self, clip: torch.Tensor, region: torch.Tensor | None = None) -> torch.Tensor:
        """Return (B, R, n_classes) log-probabilities."""
        steps = self.steps(clip, clip if region is None else region)
        pooled = self.pooling(steps)
        if self.causal is not None:
            pooled = torch.cat([pooled, largest(self.causal(steps), self.pooling.window)], dim=-1)
        return functional.log_softmax(self.head(self.before(pooled)), dim=-1)
