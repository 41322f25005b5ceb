"""In which numbers a training computes: float32, or with a product's operands rounded, to tf32 (10 bits) or bf16 (7).

Weights, optimiser, statistics and losses stay float32. Both have float32's range, so no loss is scaled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn

from mer.core.device import float32_products
from mer.core.errors import ConfigError


def resolve(asked: str, place: torch.device) -> str:
    """Return `float32`, `tf32` or `bf16`.

    Args:
        asked: one of these, or `auto`: bf16 where it is faster, so the choice depends on the machine.
        place: where the training runs.

    Raises:
        ConfigError: bf16 was asked of a GPU that has none, or tf32 of a CPU or of such a GPU.
    """
    if asked == "tf32":
        if place.type != "cuda" or torch.cuda.get_device_capability(place) < (8, 0):
            found = f"{torch.cuda.get_device_name(place) if place.type == 'cuda' else 'a CPU'} has no tf32"
            raise ConfigError("train.precision", found, "float32 or auto", "set precision to float32")
        return "tf32"
    if place.type == "cuda":
        able = torch.cuda.is_bf16_supported(including_emulation=False)
        if asked == "bf16" and not able:
            found = f"{torch.cuda.get_device_name(place)} has no bf16"
            raise ConfigError("train.precision", found, "float32 or auto", "set precision to float32")
        return "bf16" if asked != "float32" and able else "float32"
    return "bf16" if asked == "bf16" or (asked == "auto" and _fast_on_cpu()) else "float32"


def _fast_on_cpu() -> bool:
    # Products of bf16 in matrix units, or at least in vectors (docs/benchmarks.md). Not in every release of torch.
    asks = (getattr(torch.cpu, name, None) for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"))
    return any(ask is not None and ask() for ask in asks)


def gradients_are_finite(
    network: nn.Module, loss: Callable[[torch.Tensor], Any], batch: torch.Tensor, generators: Sequence[Any] = ()
) -> bool:
    """Return whether a step on a batch in bf16 has finite gradients on this CPU; leaves everything as it was.

    With AMX, oneDNN (of PyTorch 2.13) gives NaN for the kernel of a 3-D convolution with at most 32 filters on clips
    of less than six steps that are wider than some fifty values, whatever the values are.

    Args:
        network: in training mode.
        loss: of a batch.
        batch: (B,) int64 indices of clips.
        generators: of NumPy, that `loss` draws from besides torch's random state.
    """
    buffers = {name: value.clone() for name, value in network.named_buffers()}
    before, drawn = torch.get_rng_state(), [one.bit_generator.state for one in generators]
    with computing("bf16", torch.device("cpu")):
        value = loss(batch)
    value.backward()
    finite = all(weight.grad is None or bool(weight.grad.isfinite().all()) for weight in network.parameters())
    network.zero_grad(set_to_none=True)
    for name, kept in buffers.items():
        network.get_buffer(name).copy_(kept)
    torch.set_rng_state(before)
    for one, state in zip(generators, drawn, strict=True):
        one.bit_generator.state = state
    return finite


def computing(kind: str, place: torch.device) -> AbstractContextManager[object]:
    """Return the context of a forward pass in `kind`."""
    return torch.autocast(place.type, torch.bfloat16) if kind == "bf16" else nullcontext()


def multiplying(kind: str, place: torch.device) -> AbstractContextManager[object]:
    """Return the context of a whole training in `kind`: how products of float32 are taken, forward and backward."""
    return float32_products(kind == "tf32") if place.type == "cuda" else nullcontext()


def channels_last(network: nn.Module) -> None:
    """Lay out the kernels of 2-D and 3-D convolutions channels last, in place; values do not change."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        elif isinstance(layer, nn.Conv3d):
            layer.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
