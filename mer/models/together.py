"""Several folds of one small network trained at once on one device: stacked weights, one kernel for all of them.

What makes a GPU pay for networks of a few thousand weights. Every fold keeps its own seed, batches, dropout masks,
statistics and optimiser, so that its result does not depend on which folds are trained beside it beyond rounding: a
kernel over more folds may add in another order. The data of all folds are one tensor; a fold reaches them only through
`Share.clips`, the list of its own training clips.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import nn

from mer.core.errors import ModelError
from mer.models.loop import Log, Schedule, batches, describe, outputs, restore
from mer.models.state import State

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Share:
    """What one fold has of the common data.

    Attributes:
        clips: (n,) int64 rows of the common features that the fold trains on; no other row reaches it.
        labels: (n,) int64 classes of these clips.
        seed: of every random number of the fold.
    """

    clips: np.ndarray
    labels: np.ndarray
    seed: int


class Member(Protocol):
    """One network, written so that several can be computed at once."""

    def build(self) -> nn.Module:
        """Return a network with fresh weights from torch's random state."""

    def masks(self, count: int) -> list[torch.Tensor]:
        """Draw the dropout masks of a batch of `count` clips, in the order in which the network draws them."""

    def forward(
        self, weights: Tensors, x: torch.Tensor, present: torch.Tensor, masks: Sequence[torch.Tensor]
    ) -> tuple[torch.Tensor, Tensors]:
        """Return (B, C) logits of x (B, ...) and the batch's statistics by buffer name; absent clips count nowhere."""

    def loss(
        self, weights: Tensors, logits: torch.Tensor, labels: torch.Tensor, factors: torch.Tensor, present: torch.Tensor
    ) -> torch.Tensor:
        """Return the scalar loss over the clips that are present; `factors` (C,) weigh the classes."""


@dataclass(frozen=True)
class Adam:
    """Adam as `torch.optim.Adam`, for stacked weights; `decay` is added to the gradient."""

    rate: float
    eps: float = 1e-8
    decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)

    def step(self, weights: Tensors, moments: Tensors, counts: torch.Tensor, active: torch.Tensor, rate: float) -> None:
        """Move the weights (F, ...) of the active folds by their gradients; `counts` (F,) are steps taken so far."""
        counts += active
        for name, weight in weights.items():
            assert weight.grad is not None
            shape = (-1,) + (1,) * (weight.dim() - 1)
            on, number = active.view(shape), counts.view(shape).clamp(min=1)
            gradient = weight.grad + self.decay * weight
            first, second = moments[f"first.{name}"], moments[f"second.{name}"]
            first.copy_(torch.where(on, first.lerp(gradient, 1 - self.betas[0]), first))
            moved = second * self.betas[1] + gradient.square() * (1 - self.betas[1])
            second.copy_(torch.where(on, moved, second))
            bias = (1 - self.betas[0] ** number, (1 - self.betas[1] ** number).sqrt())
            change = rate * first / bias[0] / (second.sqrt() / bias[1] + self.eps)
            weight.copy_(torch.where(on, weight - change, weight))
            weight.grad = None


@dataclass
class _Stack:
    """Weights, buffers and random states of all folds."""

    weights: Tensors
    buffers: Tensors
    moments: Tensors
    counts: torch.Tensor
    states: list[torch.Tensor]


def train_together(
    member: Member,
    x: torch.Tensor,
    shares: Sequence[Share],
    scales: torch.Tensor,
    factors: torch.Tensor,
    plan: Schedule,
    adam: Adam,
    momentum: float,
    log: Log,
    name: str,
) -> tuple[list[dict[str, np.ndarray]], list[float]]:
    """Train one network per share and return their arrays by name, and the mean loss of each one's last epoch.

    Args:
        member: the network.
        x: (N, ...) float32 features of all clips, where the training runs.
        shares: what each fold has of them, and its seed (already derived for this model).
        scales: (F, ...) divisors of each fold's clips, from its own training clips.
        factors: (F, C) weights of the classes in each fold's loss.
        plan: the budget, the same for all.
        adam: the optimiser.
        momentum: of the running statistics.
        log: takes one line about ten times.
        name: of the model, for the lines.

    Raises:
        ModelError: the loss of a fold is no longer finite.
    """
    with torch.random.fork_rng([]):
        stack = _stacked(member, shares, x.device)
        means = torch.full((len(shares),), torch.nan, dtype=torch.float64)
        for epoch in range(plan.epochs):
            steps = _epoch_batches(stack, shares, plan)
            totals = torch.zeros(len(shares), dtype=torch.float64, device=x.device)
            for number in range(max(map(len, steps))):
                taken = [own[number] if number < len(own) else own[0][:0] for own in steps]
                inputs = _batch(member, stack, x, shares, scales, taken)
                totals += _step(member, stack, inputs, factors, adam, momentum, adam.rate * plan.rate(epoch))
            means = totals.cpu() / torch.tensor([len(share.clips) for share in shares])
            if not torch.isfinite(means).all():
                found = f"loss {float(means[~torch.isfinite(means)][0])} in epoch {epoch + 1}"
                raise ModelError("training", found, "a finite loss", "lower the learning rate")
            if (epoch + 1) % max(1, plan.epochs // 10) == 0:
                told = f"epoch {epoch + 1}/{plan.epochs}, mean loss {float(means.mean()):.4f}"
                log(f"{name}: {len(shares)} folds, {told}")
    arrays = {key: value.detach().cpu().numpy() for key, value in {**stack.weights, **stack.buffers}.items()}
    return [{key: np.array(value[k]) for key, value in arrays.items()} for k in range(len(shares))], means.tolist()


def _stacked(member: Member, shares: Sequence[Share], place: torch.device) -> _Stack:
    networks, states = [], []
    for share in shares:
        torch.manual_seed(share.seed)
        networks.append(member.build())
        states.append(torch.get_rng_state())
    columns = [dict(network.named_parameters()) for network in networks]
    weights = {key: torch.stack([own[key].detach() for own in columns]).to(place) for key in columns[0]}
    kept = [dict(network.named_buffers()) for network in networks]
    buffers = {key: torch.stack([own[key] for own in kept]).to(place) for key in kept[0]}
    kinds = ("first", "second")
    moments = {f"{kind}.{key}": torch.zeros_like(value) for key, value in weights.items() for kind in kinds}
    for value in weights.values():
        value.requires_grad_()
    return _Stack(weights, buffers, moments, torch.zeros(len(shares), device=place), states)


def _own_state(stack: _Stack, fold: int, draw: Callable[[], list[torch.Tensor]]) -> list[torch.Tensor]:
    """Draw with the random state of one fold."""
    torch.set_rng_state(stack.states[fold])
    drawn = draw()
    stack.states[fold] = torch.get_rng_state()
    return drawn


def _epoch_batches(stack: _Stack, shares: Sequence[Share], plan: Schedule) -> list[list[torch.Tensor]]:
    return [
        _own_state(stack, k, lambda share=share: batches(len(share.clips), plan.batch_size, plan.shuffle))  # type: ignore[misc]
        for k, share in enumerate(shares)
    ]


def _batch(
    member: Member,
    stack: _Stack,
    x: torch.Tensor,
    shares: Sequence[Share],
    scales: torch.Tensor,
    taken: Sequence[torch.Tensor],
) -> tuple[torch.Tensor, ...]:
    """Return x (F, B, ...), labels (F, B), present (F, B) and the masks, padded to the largest batch.

    A place that is left over holds a clip of the same fold, so that nothing of another fold's is even multiplied by 0.
    """
    width = max(len(batch) for batch in taken)
    rows = torch.zeros(len(taken), width, dtype=torch.int64)
    labels, present = torch.zeros_like(rows), torch.zeros(len(taken), width)
    masks: list[list[torch.Tensor]] = []
    for k, (batch, share) in enumerate(zip(taken, shares, strict=True)):
        padded = torch.cat([batch, torch.zeros(width - len(batch), dtype=torch.int64)])
        rows[k] = torch.from_numpy(share.clips)[padded]
        labels[k] = torch.from_numpy(share.labels)[padded]
        present[k, : len(batch)] = 1
        drawn = _own_state(stack, k, lambda batch=batch: member.masks(len(batch)) if len(batch) else [])  # type: ignore[misc]
        drawn = drawn or [mask[:0] for mask in member.masks(1)]
        masks.append([torch.cat([mask, mask.new_zeros(width - len(batch), *mask.shape[1:])]) for mask in drawn])
    joined = [torch.stack(column).to(x.device) for column in zip(*masks, strict=True)]
    images = x[rows.to(x.device)] / scales[(slice(None), None)]
    return images, labels.to(x.device), present.to(x.device), *joined


def _step(
    member: Member,
    stack: _Stack,
    inputs: tuple[torch.Tensor, ...],
    factors: torch.Tensor,
    adam: Adam,
    momentum: float,
    rate: float,
) -> torch.Tensor:
    """Take one step of every fold that has a batch; return its loss times its clips, (F,) float64."""

    def one(weights: Tensors, factor: torch.Tensor, images: torch.Tensor, labels: torch.Tensor, present: torch.Tensor,
            *masks: torch.Tensor) -> tuple[torch.Tensor, Tensors]:  # fmt: skip
        logits, statistics = member.forward(weights, images, present, masks)
        return member.loss(weights, logits, labels, factor, present), statistics

    losses, statistics = torch.func.vmap(one)(stack.weights, factors, *inputs)
    counts = inputs[2].sum(1)
    active = counts > 0
    torch.where(active, losses, torch.zeros_like(losses)).sum().backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        adam.step(stack.weights, stack.moments, stack.counts, active, rate)
        for key, value in statistics.items():
            shape = (-1,) + (1,) * (value.dim() - 1)
            old = stack.buffers[key]
            old.copy_(torch.where(active.view(shape), old.lerp(value, momentum), old))
        for key, value in stack.buffers.items():
            if key.endswith("num_batches_tracked"):
                value += active
    return torch.where(active, losses.detach().double() * counts, torch.zeros_like(losses, dtype=torch.float64))


def described(
    network: nn.Module, held: dict[str, np.ndarray], images: torch.Tensor, share: Share, n_classes: int, loss: float
) -> dict[str, float]:
    """Return the metadata of one fold's checkpoint; `network` is filled with what the fold learned (`held`).

    Args:
        network: any with these arrays, where `images` are.
        held: arrays by name.
        images: (n, ...) training clips of the fold, as the network takes them.
        share: which clips and labels these are.
        n_classes: C.
        loss: mean of the last epoch.
    """
    restore(network, State(held))
    return {"n_classes": n_classes, "training_loss": loss, **describe(outputs(network, images), share.labels)}


def normalised(
    active: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor, present: torch.Tensor, eps: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Normalise (B, C, H, W) by the statistics of the clips that are present.

    Returns:
        the normalised values, and mean and unbiased variance (C,) for the running statistics.
    """
    weight = present[:, None, None, None]
    count = (present.sum() * active.shape[2] * active.shape[3]).clamp(min=1)
    mean = (active * weight).sum((0, 2, 3)) / count
    centred = active - mean[:, None, None]
    variance = (centred.square() * weight).sum((0, 2, 3)) / count
    made = centred * (scale * torch.rsqrt(variance + eps))[:, None, None] + shift[:, None, None]
    return made, mean, variance * (count / (count - 1).clamp(min=1))
