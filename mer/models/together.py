"""Several folds of one small network trained at once on one device: stacked weights, one kernel for all of them.

What makes a GPU pay for networks of a few thousand weights. Every fold keeps its own seed, batches, dropout masks,
statistics and optimiser, so that its result does not depend on which folds are trained beside it beyond rounding: a
kernel over more folds may add in another order. The data of all folds are one tensor; a fold reaches them only through
`Share.clips`, the list of its own training clips.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from mer.core.errors import ModelError
from mer.models.batch_layers import dropout_mask, mask_shapes, padded
from mer.models.loop import Log, Schedule, batches
from mer.models.objective import CrossEntropy

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
    """Weights, buffers and random states of all folds; `network` is any of them, for its forward pass."""

    network: nn.Module
    weights: Tensors
    buffers: Tensors
    moments: Tensors
    counts: torch.Tensor
    states: list[torch.Tensor]
    masks: list[tuple[tuple[int, ...], float]]

    @contextmanager
    def drawing(self, fold: int) -> Iterator[None]:
        """Let torch draw with the random state of one fold."""
        torch.set_rng_state(self.states[fold])
        yield
        self.states[fold] = torch.get_rng_state()


def train_together(
    build: Callable[[], nn.Module],
    x: torch.Tensor,
    shares: Sequence[Share],
    scales: torch.Tensor,
    factors: torch.Tensor,
    loss: CrossEntropy,
    plan: Schedule,
    adam: Adam,
    log: Log,
    name: str,
) -> tuple[list[dict[str, np.ndarray]], list[float]]:
    """Train one network per share and return their arrays by name, and the mean loss of each one's last epoch.

    Args:
        build: returns a network with fresh weights from torch's random state, whose batch normalisation and dropout are
            those of `mer.models.batch_layers`.
        x: (N, ...) float32 features of all clips, where the training runs.
        shares: what each fold has of them, and its seed (already derived for this model).
        scales: (F, ...) divisors of each fold's clips, from its own training clips.
        factors: (F, C) weights of the classes in each fold's loss.
        loss: of a batch.
        plan: the budget, the same for all.
        adam: the optimiser.
        log: takes one line about ten times.
        name: of the model, for the lines.

    Raises:
        ModelError: the loss of a fold is no longer finite.
    """
    with torch.random.fork_rng([]):
        stack = _stacked(build, shares, x)
        means = torch.full((len(shares),), torch.nan, dtype=torch.float64)
        for epoch in range(plan.epochs):
            orders = []
            for fold, share in enumerate(shares):
                with stack.drawing(fold):
                    orders.append(batches(len(share.clips), plan.batch_size, plan.shuffle))
            totals = torch.zeros(len(shares), dtype=torch.float64, device=x.device)
            for number in range(max(map(len, orders))):
                taken = [order[number] if number < len(order) else order[0][:0] for order in orders]
                next_ones = _next_batches(stack, x, shares, scales, taken)
                totals += _step(stack, next_ones, factors, loss, adam, adam.rate * plan.rate(epoch))
            means = totals.cpu() / torch.tensor([len(share.clips) for share in shares])
            if not torch.isfinite(means).all():
                found = f"loss {float(means[~torch.isfinite(means)][0])} in epoch {epoch + 1}"
                raise ModelError("training", found, "a finite loss", "lower the learning rate")
            if (epoch + 1) % max(1, plan.epochs // 10) == 0:
                told = f"epoch {epoch + 1}/{plan.epochs}, mean loss {float(means.mean()):.4f}"
                log(f"{name}: {len(shares)} folds, {told}")
    arrays = {key: value.detach().cpu().numpy() for key, value in {**stack.weights, **stack.buffers}.items()}
    return [{key: np.array(value[k]) for key, value in arrays.items()} for k in range(len(shares))], means.tolist()


def _stacked(build: Callable[[], nn.Module], shares: Sequence[Share], x: torch.Tensor) -> _Stack:
    networks, states = [], []
    for share in shares:
        torch.manual_seed(share.seed)
        networks.append(build())
        states.append(torch.get_rng_state())
    masks = mask_shapes(networks[0], tuple(x.shape[1:]))
    weights, buffers = torch.func.stack_module_state([network.to(x.device).train() for network in networks])
    kinds = ("first", "second")
    moments = {f"{kind}.{key}": torch.zeros_like(value) for key, value in weights.items() for kind in kinds}
    counts = torch.zeros(len(shares), device=x.device)
    return _Stack(networks[0], weights, buffers, moments, counts, states, masks)


def _next_batches(
    stack: _Stack, x: torch.Tensor, shares: Sequence[Share], scales: torch.Tensor, taken: Sequence[torch.Tensor]
) -> tuple[torch.Tensor, ...]:
    """Return the batches `taken` of every fold, filled up to the largest.

    A place that is left over holds a clip of the same fold, so that nothing of another fold's is even multiplied by 0.

    Returns:
        images (F, B, ...), labels (F, B) int64, `present` (F, B) 1 and 0 where a place is filled up, and the masks of
        dropout, (F, B, ...) each, in the order in which the network drops.
    """
    width = max(len(batch) for batch in taken)
    rows = torch.zeros(len(taken), width, dtype=torch.int64)
    labels, present = torch.zeros_like(rows), torch.zeros(len(taken), width)
    masks = [torch.zeros(len(taken), width, *shape) for shape, _ in stack.masks]
    for k, (batch, share) in enumerate(zip(taken, shares, strict=True)):
        filled = torch.cat([batch, torch.zeros(width - len(batch), dtype=torch.int64)])
        rows[k] = torch.from_numpy(share.clips)[filled]
        labels[k] = torch.from_numpy(share.labels)[filled]
        present[k, : len(batch)] = 1
        if len(batch):
            with stack.drawing(k):
                for mask, (shape, part) in zip(masks, stack.masks, strict=True):
                    mask[k, : len(batch)] = dropout_mask((len(batch), *shape), part, rows.device)
    images = x[rows.to(x.device)] / scales[(slice(None), None)]
    return images, *(each.to(x.device) for each in (labels, present, *masks))


def _step(
    stack: _Stack, taken: Sequence[torch.Tensor], factors: torch.Tensor, loss: CrossEntropy, adam: Adam, rate: float
) -> torch.Tensor:
    """Take one step of every fold that has a batch; return its loss times its clips, (F,) float64."""

    def one(weights: Tensors, buffers: Tensors, factor: torch.Tensor, images: torch.Tensor, labels: torch.Tensor,
            present: torch.Tensor, *masks: torch.Tensor) -> torch.Tensor:  # fmt: skip
        with padded(present, masks):
            logits = torch.func.functional_call(stack.network, {**weights, **buffers}, (images,))
        return loss.value(logits, labels, factor, weights, present)

    losses = torch.func.vmap(one)(stack.weights, stack.buffers, factors, *taken)
    counts = taken[2].sum(1)
    active = counts > 0
    torch.where(active, losses, torch.zeros_like(losses)).sum().backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        adam.step(stack.weights, stack.moments, stack.counts, active, rate)
    return torch.where(active, losses.detach().double() * counts, torch.zeros_like(losses, dtype=torch.float64))
