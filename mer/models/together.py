"""Several folds of one small network trained at once on one device: stacked weights, one kernel for all of them.

What makes a GPU pay for networks of a few thousand weights. Every fold keeps its own seed, batches, dropout masks,
statistics and optimiser, so that its result does not depend on which folds are trained beside it beyond rounding: a
kernel over more folds may add in another order. The data of all folds are one tensor; a fold reaches them only through
`Share.clips`, the list of its own training clips.

`torch.optim.Adam` counts the steps of a whole tensor, and the folds of a stack share theirs. So a stack holds the folds
that have the same number of batches, and every fold of it moves in every step. The stacks of one training (leaving out
one person in turn gives one or two) take their steps in turns.

Resuming, curves and whoever watches the epochs are those of `mer.models.surroundings`, as in `mer.models.loop.train`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from mer.core.errors import ModelError
from mer.models.batch_layers import dropout_mask, mask_shapes, padded
from mer.models.loop import Log, Schedule, batches, epoch_done
from mer.models.objective import CrossEntropy
from mer.models.surroundings import Part, current

Tensors = dict[str, torch.Tensor]
T = TypeVar("T")


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
    """How `torch.optim.Adam` is set; `decay` is added to the gradient."""

    rate: float
    eps: float = 1e-8
    decay: float = 0.0

    def over(self, weights: Iterator[nn.Parameter]) -> torch.optim.Adam:
        """Return the optimiser of these weights."""
        return torch.optim.Adam(weights, lr=self.rate, eps=self.eps, weight_decay=self.decay)


class Stack(nn.Module):
    """Folds with the same number of batches: their weights and buffers on one axis, and what is random in each.

    What changes from epoch to epoch is in its `state_dict`, under numbers: names of layers have dots.

    Args:
        build: see `train_together`.
        shares: of these folds.
        scales: (F, ...) divisors of the clips of each.
        factors: (F, C) weights of the classes in the loss of each.
        x: features of all clips, where the training runs.
    """

    random: torch.Tensor
    means: torch.Tensor

    def __init__(
        self,
        build: Callable[[], nn.Module],
        shares: Sequence[Share],
        scales: torch.Tensor,
        factors: torch.Tensor,
        x: torch.Tensor,
    ) -> None:
        super().__init__()
        self.shares, self.scales, self.factors = shares, scales, factors
        networks, states = [], []
        for share in shares:
            torch.manual_seed(share.seed)
            networks.append(build())
            states.append(torch.get_rng_state())
        self.masks = mask_shapes(networks[0], tuple(x.shape[1:]))
        stacked = torch.func.stack_module_state([network.to(x.device).train() for network in networks])
        weights, buffers = stacked
        self.names, self.kept_names = list(weights), list(buffers)
        self.weights = nn.ParameterList(weights.values())
        for number, value in enumerate(buffers.values()):
            self.register_buffer(f"kept{number}", value)
        self.register_buffer("random", torch.stack(states))
        self.register_buffer("means", torch.full((len(shares),), torch.nan, dtype=torch.float64))
        # Not a part of this module: only its layers are used, with the stacked weights.
        self.network = [networks[0]]

    def named(self) -> tuple[Tensors, Tensors]:
        """Return the weights and the buffers of all folds, (F, ...) each, by the network's names."""
        kept = [self.get_buffer(f"kept{number}") for number in range(len(self.kept_names))]
        return dict(zip(self.names, self.weights, strict=True)), dict(zip(self.kept_names, kept, strict=True))

    @contextmanager
    def drawing(self, fold: int) -> Iterator[None]:
        """Let torch draw with the random state of one fold."""
        torch.set_rng_state(self.random[fold].clone())
        yield
        self.random[fold] = torch.get_rng_state()

    def orders(self, plan: Schedule) -> list[list[torch.Tensor]]:
        """Return the batches of an epoch of every fold, drawn with its own random state."""
        drawn = []
        for fold, share in enumerate(self.shares):
            with self.drawing(fold):
                drawn.append(batches(len(share.clips), plan.batch_size, plan.shuffle))
        return drawn


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
        members = _members(shares, plan)
        stacks = [Stack(build, [shares[k] for k in some], scales[some], factors[some], x) for some in members]
        around, network = current(), nn.ModuleList(stacks)
        optimiser = adam.over(network.parameters())
        around.computed_in("float32")
        part = Part(name, network, optimiser, plan.epochs)
        done, _ = around.begin(part)
        if done:
            log(f"{name}: continues after epoch {done}")
        for epoch in range(done, plan.epochs):
            for group in optimiser.param_groups:
                group["lr"] = adam.rate * plan.rate(epoch)
            _epoch(stacks, x, loss, plan, optimiser)
            means = _in_order([stack.means.tolist() for stack in stacks], members)
            mean = float(np.mean(means))
            if not np.isfinite(mean):
                found = f"loss {next(one for one in means if not np.isfinite(one))} in epoch {epoch + 1}"
                raise ModelError("training", found, "a finite loss", "lower the learning rate")
            epoch_done(epoch + 1, plan.epochs, network)
            around.each(epoch + 1, means)
            around.after(part, epoch + 1, mean)
            if (epoch + 1) % max(1, plan.epochs // 10) == 0:
                log(f"{name}: {len(shares)} folds, epoch {epoch + 1}/{plan.epochs}, mean loss {mean:.4f}")
    means = _in_order([stack.means.tolist() for stack in stacks], members)
    return _in_order([_apart(stack) for stack in stacks], members), means


def _members(shares: Sequence[Share], plan: Schedule) -> list[list[int]]:
    """Return the folds of every stack: those whose clips make the same number of batches."""
    counts = [len(batches(len(share.clips), plan.batch_size, shuffle=False)) for share in shares]
    return [[k for k, count in enumerate(counts) if count == number] for number in sorted(set(counts))]


def _in_order(values: Sequence[Sequence[T]], members: Sequence[Sequence[int]]) -> list[T]:
    """Return the values of all folds, given by stack, in the order of the folds."""
    by_fold = {k: value for some, ks in zip(values, members, strict=True) for k, value in zip(ks, some, strict=True)}
    return [by_fold[k] for k in sorted(by_fold)]


def _apart(stack: Stack) -> list[dict[str, np.ndarray]]:
    """Return copies of the weights and buffers of every fold by name."""
    weights, kept = stack.named()
    arrays = {name: value.detach().cpu().numpy() for name, value in {**weights, **kept}.items()}
    return [{name: np.array(value[k]) for name, value in arrays.items()} for k in range(len(stack.shares))]


def _epoch(
    stacks: Sequence[Stack], x: torch.Tensor, loss: CrossEntropy, plan: Schedule, optimiser: torch.optim.Adam
) -> None:
    """Take every batch of every fold once, and put the mean loss over its clips into `means` of its stack."""
    orders = [stack.orders(plan) for stack in stacks]
    totals = [torch.zeros(len(stack.shares), dtype=torch.float64, device=x.device) for stack in stacks]
    for number in range(max(len(order[0]) for order in orders)):
        optimiser.zero_grad(set_to_none=True)
        for stack, order, total in zip(stacks, orders, totals, strict=True):
            # A weight without a gradient stays as it is: a stack whose batches are over is not moved.
            if number < len(order[0]):
                total += _gradients(stack, _next_batches(stack, x, [one[number] for one in order]), loss)
        optimiser.step()
    for stack, total in zip(stacks, totals, strict=True):
        counts = torch.tensor([len(share.clips) for share in stack.shares], dtype=torch.float64)
        stack.means.copy_(total.cpu() / counts)


def _next_batches(stack: Stack, x: torch.Tensor, taken: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
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
    for k, (batch, share) in enumerate(zip(taken, stack.shares, strict=True)):
        filled = torch.cat([batch, torch.zeros(width - len(batch), dtype=torch.int64)])
        rows[k] = torch.from_numpy(share.clips)[filled]
        labels[k] = torch.from_numpy(share.labels)[filled]
        present[k, : len(batch)] = 1
        with stack.drawing(k):
            for mask, (shape, part) in zip(masks, stack.masks, strict=True):
                mask[k, : len(batch)] = dropout_mask((len(batch), *shape), part, rows.device)
    images = x[rows.to(x.device)] / stack.scales[(slice(None), None)]
    return images, *(each.to(x.device) for each in (labels, present, *masks))


def _gradients(stack: Stack, taken: Sequence[torch.Tensor], loss: CrossEntropy) -> torch.Tensor:
    """Give the weights of every fold the gradients of its batch; return its loss times its clips, (F,) float64."""
    network = stack.network[0]

    def one(weights: Tensors, kept: Tensors, factor: torch.Tensor, images: torch.Tensor, labels: torch.Tensor,
            present: torch.Tensor, *masks: torch.Tensor) -> torch.Tensor:  # fmt: skip
        with padded(present, masks):
            logits = torch.func.functional_call(network, {**weights, **kept}, (images,))
        return loss.value(logits, labels, factor, weights, present)

    losses = torch.func.vmap(one)(*stack.named(), stack.factors, *taken)
    losses.sum().backward()  # type: ignore[no-untyped-call]
    return losses.detach().double() * taken[2].sum(1)
