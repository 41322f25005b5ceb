"""Compiled layers in the place of a plain network's own (`mer.models.batch_layers.ShallowLayers` says which those are).

First layers (`mer.models.compiled.first`) are one stream of 3×3 kernels that sees three channels, or streams of 5×5
kernels that each see one, joined. A second layer (`mer.models.compiled.second`) keeps the size of what it sees. Layers
that are not in training mode stay as they are.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import torch
from torch import nn

from mer.models.batch_layers import ShallowLayers
from mer.models.compiled.first import First
from mer.models.compiled.linear import Linear
from mer.models.compiled.planes import Window, sizes_of
from mer.models.compiled.second import Second

Layer = First | Second


class Replaced(NamedTuple):
    """A network with compiled layers.

    Attributes:
        network: the network with them in place of its own, parameters shared.
        first: of the images, None where they are not compiled.
        whole: all layers in their order, where every weight is trained; else None.
    """

    network: nn.Module
    first: First | None
    whole: tuple[First, Second | None, Linear] | None


class CompiledLayer(nn.Module):
    """Stands in a network for the layers that it computes."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Any) -> torch.Tensor:
        """Return (B, F, h, w) of a `Batch` for first layers, of a tensor for a second one."""
        made: torch.Tensor = _Apply.apply(self.layer, x, *self.layer.parameters)
        return made


class _Apply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, layer: Layer, x: Any, *parameters: torch.Tensor) -> torch.Tensor:
        ctx.of_images = isinstance(layer, First)
        made, ctx.back = layer.forward(x if ctx.of_images else x.detach().contiguous().numpy())
        return torch.from_numpy(made)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        slopes = [torch.from_numpy(each) for each in ctx.back(gradients[0].contiguous().numpy())]
        return (None, None, *slopes) if ctx.of_images else (None, *slopes)


def replaced(network: nn.Module, layers: ShallowLayers, images: torch.Tensor) -> Replaced:
    """Return a network with compiled layers; puts it into training mode.

    Raises:
        OutOfRangeError: the images are too large for them.
    """
    network.train()
    modules: dict[str, nn.Module] = {}
    first, second = None, None
    if layers.dropout.training:
        window = Window(layers.convs[0].kernel_size[0], int(layers.convs[0].padding[0]), *layers.pool)
        sizes_of(window, *images.shape[2:])
        first = First(layers.convs, layers.norms, window, layers.dropout.share)
        modules[layers.first] = CompiledLayer(first)
    if layers.second:
        plain = network.get_submodule(layers.second)
        second = Second(plain.conv, plain.dropout.share)  # type: ignore[arg-type, union-attr]
        nothing = dict.fromkeys(("relu", "pool", "dropout"), nn.Identity())
        modules[layers.second] = _with(plain, {"conv": CompiledLayer(second), **nothing})
    trained = all(parameter.requires_grad for parameter in network.parameters())
    whole = (first, second, Linear(layers.linear, layers.average)) if first and trained else None
    return Replaced(_with(network, modules), first, whole)


def _with(network: nn.Module, modules: dict[str, nn.Module]) -> nn.Module:
    """Return a module with other modules in place of some of its own, which it keeps."""
    other = copy.copy(network)
    other._modules = {**network._modules, **modules}
    return other
