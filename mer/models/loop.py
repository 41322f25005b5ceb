"""The training loop that the PyTorch models share: seeded, deterministic, and of a length fixed in advance.

The weights after the last epoch are the result; no epoch is chosen on anything. Batches are drawn on the CPU from the
seed, so that any device sees the same ones.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from mer.core.device import float32_products
from mer.core.errors import ConfigError, ModelError
from mer.models.precision import channels_last, computing, gradients_are_finite, multiplying, resolve
from mer.models.state import State
from mer.models.surroundings import Optimiser, Part, current

Log = Callable[[str], None]
RUNNING = ("running_mean", "running_var")
Watcher = Callable[[int, int, nn.Module], None]


class Loss(Protocol):
    """What the loop needs of the loss of a batch: a scalar tensor, or what stands for one."""

    def backward(self) -> Any:
        """Give the weights their gradients."""

    def detach(self) -> torch.Tensor:
        """Return the value."""


_WATCHER: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@dataclass(frozen=True)
class Schedule:
    """How long and how fast is trained.

    The learning rate is multiplied by `gamma` after every `step` epochs, from epoch `start` (0-based) on. It depends on
    the epoch alone, never on how many there will be, so that a training can be continued. Without `shuffle` every epoch
    has the clips in their given order.
    """

    epochs: int
    batch_size: int
    step: int = 0
    gamma: float = 1.0
    start: int = 0
    shuffle: bool = True

    def rate(self, epoch: int) -> float:
        """Return the factor of the learning rate in a 0-based epoch."""
        return self.gamma ** max(0, (epoch - self.start) // self.step) if self.step else 1.0


def place_of(device: str) -> torch.device:
    """Return the device by its name.

    Raises:
        ConfigError: `device` is not one that torch can use here.
    """
    try:
        place = torch.device(device)
    except RuntimeError:
        raise ConfigError("device", f"unknown device {device!r}", "cpu or cuda") from None
    if place.type == "cuda":
        # cuBLAS reads this when its handle is made; without it its reductions may differ between runs.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        if not torch.cuda.is_available():
            raise ConfigError("device", "no CUDA device is available", "cpu", "set the device to cpu")
    return place


@contextmanager
def reproducible(seed: int, device: str) -> Iterator[torch.device]:
    """Seed torch, ask for deterministic kernels and one CPU thread; put everything back afterwards.

    On a CUDA device an operator without a deterministic kernel is refused, cuDNN does not choose its kernels by their
    speed, and products of float32 are of float32.

    Raises:
        ConfigError: `device` is not one that torch can use here.
    """
    place = place_of(device)
    on_card = place.type == "cuda"
    before = torch.get_deterministic_debug_mode(), torch.get_num_threads(), torch.backends.cudnn.benchmark
    settings: Any = torch.utils.deterministic
    filling = settings.fill_uninitialized_memory
    try:
        exact = float32_products() if on_card else nullcontext()
        with exact, torch.random.fork_rng([place.index or 0] if on_card else []):
            torch.manual_seed(seed)
            # Not `use_deterministic_algorithms`: that loads torch's compiler first, which takes a second. Where torch
            # may only warn, attention on a CUDA device keeps kernels that do not repeat themselves.
            torch.set_deterministic_debug_mode("error" if on_card else "warn")
            torch.backends.cudnn.benchmark = False
            # Nothing here reads memory before it is written, and writing it twice costs a tenth of a training.
            settings.fill_uninitialized_memory = False
            torch.set_num_threads(1)
            yield place
    finally:
        settings.fill_uninitialized_memory = filling
        torch.set_deterministic_debug_mode(before[0])
        torch.set_num_threads(before[1])
        torch.backends.cudnn.benchmark = before[2]


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Call `watcher(epoch, epochs, network)` after every epoch trained in the block; it must change nothing.

    The diagnostic of `mer.training.oracle_epochs` keeps weights in it. Training itself neither knows nor depends on it.
    """
    token = _WATCHER.set(watcher)
    try:
        yield
    finally:
        _WATCHER.reset(token)


def epoch_done(epoch: int, epochs: int, network: nn.Module) -> None:
    """Tell the watcher, where there is one, that the 1-based `epoch` of `epochs` is over."""
    watcher = _WATCHER.get()
    if watcher is not None:
        watcher(epoch, epochs, network)


def batches(count: int, size: int, shuffle: bool = True) -> list[torch.Tensor]:
    """Return the indices 0 … count-1, in a random order unless not to be shuffled, cut into batches.

    A last batch of one joins its neighbour: batch normalisation has no statistics of one vector.
    """
    parts = list((torch.randperm(count) if shuffle else torch.arange(count)).split(size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


def train(
    network: nn.Module,
    loss: Callable[[torch.Tensor], Loss],
    count: int,
    schedule: Schedule,
    optimiser: Optimiser,
    log: Log,
    name: str,
    *,
    generators: Sequence[np.random.Generator] = (),
    rounded: str | None = None,
    coming: Callable[[Sequence[torch.Tensor]], None] | None = None,
) -> float:
    """Train for the epochs of `schedule` and return the mean loss of the last one.

    Precision, gradient clipping, resuming and logs come from `mer.models.surroundings.current()`.

    Args:
        network: put in training mode, and changed in place.
        loss: scalar loss of a batch, given the (B,) int64 indices of its clips. Augmentation belongs in here, so that
            it never touches a clip that is predicted.
        count: number of training clips.
        schedule: the budget.
        optimiser: over the network's parameters; its learning rates are the initial ones.
        log: takes one line about ten times.
        name: of the model, for the lines.
        generators: that `loss` draws from besides torch's random state; a resumed training puts them back too.
        rounded: the precision, `float32` or `bf16`, to which `loss` itself brings its operands; None leaves that to
            the loop.
        coming: told the batches of every epoch before the first of them.

    Raises:
        ModelError: the loss is no longer finite, the memory of the device is too small, or it has no kernel for an
            operator that repeats itself.
        ConfigError: the device has not the precision asked for.
    """
    around, place = current(), next(network.parameters()).device
    kind = resolve(around.precision, place)
    kind = rounded or kind
    network.train()
    if around.precision == "auto" and kind == "bf16" and place.type == "cpu" and rounded is None:
        first = torch.arange(min(count, schedule.batch_size))
        with _limits(schedule.batch_size):
            if not gradients_are_finite(network, loss, first, generators):
                log(f"{name}: this processor's gradients in bf16 are not finite")
                kind = "float32"
    around.computed_in(kind)
    if kind != "float32" or around.precision != "float32":
        log(f"{name}: computes in {kind} on {place.type}")
    if kind == "bf16" and rounded is None:
        channels_last(network)
    part = Part(name, network, optimiser, schedule.epochs, generators)
    rates = [group["lr"] for group in optimiser.param_groups]
    done, mean = around.begin(part)
    if done:
        log(f"{name}: continues after epoch {done}")
    for epoch in range(done, schedule.epochs):
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * schedule.rate(epoch)
        order = batches(count, schedule.batch_size, schedule.shuffle)
        if coming is not None:
            coming(order)
        with _limits(schedule.batch_size), multiplying(kind, place):
            mean = _epoch(part, loss, order, around.gradient_clip, computing("float32" if rounded else kind, place))
        if not np.isfinite(mean):
            remedy = ("set precision to float32 or " if kind == "bf16" else "") + "lower the learning rate"
            raise ModelError("training", f"loss {mean} in epoch {epoch + 1}", "a finite loss", remedy)
        epoch_done(epoch + 1, schedule.epochs, network)
        around.after(part, epoch + 1, mean)
        if (epoch + 1) % max(1, schedule.epochs // 10) == 0:
            log(f"{name}: epoch {epoch + 1}/{schedule.epochs}, loss {mean:.4f}")
    return mean


def _epoch(
    part: Part,
    loss: Callable[[torch.Tensor], Loss],
    order: Sequence[torch.Tensor],
    clip: float,
    context: AbstractContextManager[object],
) -> float:
    """Take one step per batch and return the mean loss over the clips."""
    weights = list(part.network.parameters())
    total: torch.Tensor | float = 0.0
    for batch in order:
        with context:
            value = loss(batch)
        # The optimiser's own way takes longer than a step of a small network's layer.
        for weight in weights:
            weight.grad = None
        value.backward()
        if clip:
            nn.utils.clip_grad_norm_(weights, clip)
        part.optimiser.step()
        # Summed where it is: reading it would wait for a GPU in every step.
        total = total + value.detach().double() * len(batch)
    return float(total) / sum(len(batch) for batch in order)


@contextmanager
def _limits(batch_size: int) -> Iterator[None]:
    """Turn what a device cannot do (no memory, no kernel that repeats itself) into one clear line."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if "does not have a deterministic implementation" in str(error):
            found = f"the device cannot repeat {str(error).split(maxsplit=1)[0]}"
            raise ModelError("training", found, "kernels that repeat themselves", "set the device to cpu") from error
        # What the CPU allocator raises has no type of its own.
        told = any(text in str(error) for text in ("not enough memory", "can't allocate memory"))
        if not told and not isinstance(error, torch.OutOfMemoryError | MemoryError):
            raise
        found = f"no memory for a batch of {batch_size} clips"
        raise ModelError("training", found, remedy="set a smaller batch_size") from error


def weighted_nll(log_probabilities: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the mean over clips of -w[label] log p[label]; weights are not renormalised in the batch.

    Args:
        log_probabilities: (B, C).
        labels: (B,) int64.
        weights: (C,).
    """
    return -(weights[labels] * log_probabilities.gather(1, labels[:, None])[:, 0]).mean()


def l2_penalty(weights: Sequence[torch.Tensor], factor: float) -> torch.Tensor:
    """Return factor · Σ w² over the given kernels: the penalty that plain Adam has as weight_decay = 2 · factor."""
    return factor * torch.stack([weight.square().sum() for weight in weights]).sum()


def scores(
    network: nn.Module, count: int, n_classes: int, logits: Callable[[torch.Tensor], torch.Tensor]
) -> np.ndarray:
    """Return (count, n_classes) float64 probabilities from `logits` of one clip's index at a time, in evaluation mode.

    One at a time, because a convolution may round differently in a larger batch.
    """
    network.eval()
    with torch.no_grad():
        rows = [functional.softmax(logits(torch.tensor([i])).double(), dim=1).cpu().numpy() for i in range(count)]
    return np.concatenate([np.zeros((0, n_classes)), *rows])


def outputs(network: nn.Module, images: torch.Tensor) -> np.ndarray:
    """Return what the network, put in evaluation mode and in channels-last memory, makes of images (N, C, H, W)."""
    channels_last(network.eval())
    with torch.no_grad():
        parts = (part.contiguous(memory_format=torch.channels_last) for part in images.split(64))
        return np.concatenate([network(part).cpu().numpy() for part in parts])


def describe(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return the training accuracy and how many classes the predictions use: the exponential of their entropy.

    The second number is 1 where the network has collapsed onto one class (specs/dual-branch.md §9, D22).
    """
    guess = probabilities.argmax(axis=1)
    share = np.bincount(guess) / len(guess)
    share = share[share > 0]
    used = float(np.exp(-(share * np.log(share)).sum()))
    return {"training_accuracy": float((guess == labels).mean()), "classes_used": used}


def arrays_of(network: nn.Module) -> dict[str, np.ndarray]:
    """Return copies of the network's parameters and buffers by name."""
    return {name: value.detach().cpu().numpy().copy() for name, value in network.state_dict().items()}


def restore(network: nn.Module, state: State) -> None:
    """Fill the network from a checkpoint; raises `ModelError` when an array is absent or of another shape."""
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    network.load_state_dict({name: torch.from_numpy(state.array(name, shape).copy()) for name, shape in shapes.items()})


def parameter_count(network: nn.Module, running: bool = False) -> int:
    """Return the number of parameters; with `running`, also of batch-normalisation means and variances."""
    count = sum(parameter.numel() for parameter in network.parameters())
    buffers: Mapping[str, torch.Tensor] = dict(network.named_buffers()) if running else {}
    return count + sum(value.numel() for name, value in buffers.items() if name.rsplit(".", 1)[-1] in RUNNING)
