"""The dual-branch network (specs/dual-branch.md §2), and how both dual-branch networks learn."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from mer.models import loop
from mer.models.augment import augmented
from mer.models.clip_frames import viewed
from mer.models.dual_branch_blocks import (
    ATTENTIONS,
    SLOPE,
    BlockAttention,
    Bottleneck,
    Stem,
    dense,
    recurrent,
    step_width,
)
from mer.models.dual_branch_settings import Preset
from mer.models.feed import Feed
from mer.models.learner import Inputs, TrainingSetup


class Steps(nn.Module):
    """What both networks have before their heads: stem, attention, bottleneck of every time step, and GRU.

    Args:
        preset: settings.
        third: the third layer of the bottleneck drops values too.
    """

    def __init__(self, preset: Preset, third: bool) -> None:
        super().__init__()
        self.stem = Stem(preset.width, preset.trunk, preset.pool, preset.norm)
        self.attention = BlockAttention(preset.trunk, ATTENTIONS[preset.attention])
        inputs = step_width(preset.size, preset.pool, preset.trunk)
        self.bottleneck = Bottleneck(inputs, preset.bottleneck, preset.dropout, third)
        self.gru = recurrent(preset.bottleneck[1], preset.gru)

    def steps(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Return (B, T', gru) of the clips of the two branches, (B, 3, T, S, S) float32 RGB, scaled."""
        made: torch.Tensor = self.gru(self.bottleneck(self.attention(self.stem(first, second))))[0]
        return made

    def penalised(self) -> list[torch.Tensor]:
        """Return the kernels under the L2 penalty."""
        return self.bottleneck.penalised() + self.attention.penalised()

    def penalty(self, preset: Preset) -> torch.Tensor:
        """Return the L2 penalty: `l2`, and of the attention's kernels `attention_l2` where the preset has one."""
        if preset.attention_l2 is None:
            return loop.l2_penalty(self.penalised(), preset.l2)
        parts = (self.bottleneck.penalised(), preset.l2), (self.attention.penalised(), preset.attention_l2)
        return torch.stack([loop.l2_penalty(kernels, rate) for kernels, rate in parts]).sum()


class Network(Steps):
    """Clips (B, 3, T, S, S) float32 RGB, scaled → log-probabilities (B, T', n_classes) of every step."""

    def __init__(self, preset: Preset, n_classes: int) -> None:
        super().__init__(preset, third=True)
        self.head = classifier((preset.gru, *preset.head), n_classes)

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        """Return (B, T', n_classes) log-probabilities."""
        return functional.log_softmax(self.head(self.steps(clip, clip)), dim=-1)


def classifier(widths: tuple[int, ...], n_classes: int, dropout: float = 0.0) -> nn.Sequential:
    """Return dense layers with leaky ReLU, dropout after each, and a last one with a Glorot kernel."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [dense(inputs, outputs), nn.LeakyReLU(SLOPE), nn.Dropout(dropout)]
    return nn.Sequential(*layers, dense(widths[-1], n_classes, nn.init.xavier_uniform_))


def read_out(log_probabilities: torch.Tensor, readout: str) -> torch.Tensor:
    """Return (B, C) of per-step log-probabilities (B, T, C): the `first` step, the `last`, or their `mean`."""
    if readout == "mean":
        return log_probabilities.mean(dim=1)
    return log_probabilities[:, 0 if readout == "first" else -1]


def step_loss(log_probabilities: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the weighted cross-entropy of (B, T, C) against the clips' labels (B,), mean over clips and steps."""
    steps = log_probabilities.shape[1]
    return loop.weighted_nll(log_probabilities.flatten(0, 1), labels.repeat_interleave(steps), weights)


def steps_setup(network: Steps, inputs: Inputs, feed: Feed, preset: Preset) -> TrainingSetup:
    """Return how a network learns from clips (N, T, S, S, 3) of each input, in order, less a centre, over a divisor."""
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]

    def given(batch: torch.Tensor, training: bool) -> list[torch.Tensor]:
        clips = [scaled(clip, inputs.kept[f"scale.{name}"], preset.view) for name, clip in feed(batch).items()]
        clips = augmented(clips) if training and preset.augment else clips
        # Channels last: half the time of a training step on a CPU.
        return [clip.contiguous(memory_format=torch.channels_last_3d) for clip in clips]

    def loss(batch: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        value = step_loss(network(*given(batch, True)), labels, weights)
        return value + network.penalty(preset)

    def logits(batch: torch.Tensor) -> torch.Tensor:
        return read_out(network(*given(batch, False)), preset.readout)

    def optimiser() -> torch.optim.Adam:
        return torch.optim.Adam(network.parameters(), lr=preset.learning_rate, eps=1e-7)

    schedule = loop.Schedule(preset.epochs, preset.batch_size, preset.rate_step, preset.rate_gamma)
    return TrainingSetup(given, loss, logits, optimiser, schedule)


def scaled(clips: torch.Tensor, factors: np.ndarray, view: str) -> torch.Tensor:
    """Return (B, 3, T, S, S) float32, less a centre and over a divisor, of clips (B, T, S, S, 3) of bytes or float32.

    The colours stay last in memory.
    """
    centred = viewed(clips, view) - float(factors[0])
    return centred.div_(float(factors[1])).permute(0, 4, 1, 2, 3)
