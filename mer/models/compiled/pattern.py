"""Which layers of a plain network are computed by this package: found in what `torch.fx` traces of it.

First layers (`mer.models.compiled.first`) are streams of convolution, ReLU, batch normalisation and pooling by 3×3, and
dropout behind them: one stream of 3×3 kernels that sees three channels, or streams of 5×5 kernels that each see one,
joined. A second layer (`mer.models.compiled.second`) is convolution by 5×5 that keeps the size, ReLU, pooling by 2×2
and dropout. Layers that are not in training mode stay as they are.
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import torch
from torch import fx, nn

from mer.models.batch_layers import BatchNorm2d, Dropout
from mer.models.compiled.first import First
from mer.models.compiled.linear import Linear
from mer.models.compiled.planes import OutOfRangeError, Window, sizes_of
from mer.models.compiled.second import WIDE, WINDOW, Second

Layer = First | Second


class Reading(NamedTuple):
    """What was found in a network.

    Attributes:
        graph: the network with compiled layers where there are some, parameters shared.
        first: of the images, None where they are not compiled.
        whole: all layers in their order, where they are compiled first ones, perhaps a compiled second, and a linear
            one; else None.
    """

    graph: fx.GraphModule
    first: First | None
    whole: tuple[First, Second | None, Linear] | None


class CompiledLayer(nn.Module):
    """Stands in a traced network for the layers that it computes."""

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


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, BatchNorm2d | Dropout) or super().is_leaf_module(m, module_qualified_name)


class _Shapes(fx.Interpreter):
    def run_node(self, n: fx.Node) -> Any:
        made = super().run_node(n)
        n.meta["shape"] = tuple(made.shape)
        return made


def read(network: nn.Module, images: torch.Tensor) -> Reading:
    """Return which layers of a network are compiled; puts it into training mode.

    Raises:
        OutOfRangeError: none of them.
    """
    graph = fx.GraphModule(network, _Tracer().trace(network.eval()))
    with torch.no_grad():
        _Shapes(graph).run(images[:1])
    network.train()
    layers: dict[fx.Node, Layer] = {}
    reasons = []
    for node in list(graph.graph.nodes):
        if node.op != "call_module" or not isinstance(graph.get_submodule(node.target), Dropout):
            continue
        for kind in (_first, _second):
            try:
                source, layer = kind(graph, node)
            except OutOfRangeError as reason:
                reasons.append(str(reason))
                continue
            name = f"compiled_{node.name}"
            graph.add_submodule(name, CompiledLayer(layer))
            with graph.graph.inserting_after(node):
                made = graph.graph.call_module(name, (source,))
            made.meta.update(node.meta)
            node.replace_all_uses_with(made)
            layers[made] = layer
            break
    if not layers:
        raise OutOfRangeError("; ".join(reasons) or "no dropout behind compiled layers")
    graph.graph.eliminate_dead_code()
    graph.recompile()
    first = next((layer for layer in layers.values() if isinstance(layer, First)), None)
    return Reading(graph, first, _whole(graph, layers))


def _back(graph: fx.GraphModule, node: Any, *kinds: type[nn.Module]) -> tuple[Any, list[Any]]:
    """Return what the first of the modules reads that lead to `node`, and these modules, the last one first."""
    modules: list[Any] = []
    for kind in kinds:
        called = isinstance(node, fx.Node) and node.op == "call_module"
        module = graph.get_submodule(node.target) if called else None
        if not isinstance(module, kind):
            told = type(module).__name__ if module else f"{node}"
            raise OutOfRangeError(f"{told} where {kind.__name__} is compiled")
        modules.append(module)
        node = node.args[0]
    return node, modules


def _require(*conditions: bool, told: object) -> None:
    if not all(conditions):
        raise OutOfRangeError(f"no layers are compiled for {told}")


def _window(conv: nn.Conv2d, pool: nn.MaxPool2d) -> Window:
    _require(conv.stride == conv.dilation == (1, 1), conv.groups == 1, conv.padding_mode == "zeros", told=conv)
    _require(conv.bias is not None, conv.weight.dtype == torch.float32, told=conv)
    sides = {conv.kernel_size[0], conv.kernel_size[1]}, {conv.padding[0], conv.padding[1]}
    _require(all(len(each) == 1 for each in sides), told=conv)
    square = isinstance(pool.kernel_size, int) and isinstance(pool.padding, int)
    _require(square, pool.stride == pool.kernel_size, pool.dilation == 1, not pool.ceil_mode, told=pool)
    return Window(conv.kernel_size[0], conv.padding[0], pool.kernel_size, pool.padding)  # type: ignore[arg-type]


def _first(graph: fx.GraphModule, node: fx.Node) -> tuple[fx.Node, First]:
    joined, (drop,) = _back(graph, node, Dropout)
    parts = joined.args[0] if joined.target is torch.cat and joined.kwargs.get("dim") == 1 else [joined]
    kinds = nn.MaxPool2d, nn.BatchNorm2d, nn.ReLU, nn.Conv2d
    read_from, streams = zip(*(_back(graph, part, *kinds) for part in parts), strict=True)
    pools, norms, _, convs = zip(*streams, strict=True)
    images = next(each for each in graph.graph.nodes if each.op == "placeholder")
    for i, source in enumerate(read_from):
        channel = (images, (slice(None, None, None), slice(i, i + 1, None)))
        alone = source is images and len(streams) == 1
        _require(alone or (source.target is operator.getitem and source.args == channel), told=f"what reads {source}")
    windows = {_window(*pair) for pair in zip(convs, pools, strict=True)}
    window, sees = min(windows), {conv.in_channels for conv in convs}
    kernels = (window.kernel, sees) == (5, {1}) or (window.kernel, sees, len(convs)) == (3, {3}, 1)
    wide = window.kernel // 2 <= window.padding <= window.kernel // 2 + 1
    _require(len(windows) == 1, kernels, wide, window.pool == 3, told=convs)
    for norm in norms:
        _require(norm.affine, norm.momentum is not None, norm.running_mean is not None, norm.training, told=norm)
    _require(len({norm.eps for norm in norms}) == 1, drop.training, told=norms)
    sizes_of(window, *images.meta["shape"][2:])
    return images, First(convs, norms, window, drop.share)


def _second(graph: fx.GraphModule, node: fx.Node) -> tuple[fx.Node, Second]:
    source, (drop, pool, _, conv) = _back(graph, node, Dropout, nn.MaxPool2d, nn.ReLU, nn.Conv2d)
    _require(_window(conv, pool) == WINDOW, conv.in_channels <= WIDE, drop.training, told=(conv, pool))
    sizes_of(WINDOW, *source.meta["shape"][2:])
    return source, Second(conv, drop.share)


def _whole(graph: fx.GraphModule, layers: dict[fx.Node, Layer]) -> tuple[First, Second | None, Linear] | None:
    (output,) = (each for each in graph.graph.nodes if each.op == "output")
    try:
        node, (linear,) = _back(graph, output.args[0], nn.Linear)
        _require(node.target == "flatten", node.args[1:] == (1,), linear.bias is not None, told=node)
        node, average = node.args[0], 1
        if node not in layers:
            node, (pool,) = _back(graph, node, nn.AvgPool2d)
            average = pool.kernel_size
            sides = node.meta["shape"][2:]
            _require(pool.stride == average, pool.padding == 0, all(side % average == 0 for side in sides), told=pool)
        second = layers[node] if isinstance(layers.get(node), Second) else None
        first = layers.get(node.args[0] if second else node)
        _require(isinstance(first, First), all(one.requires_grad for one in graph.parameters()), told="the whole")
    except OutOfRangeError:
        return None
    return first, second, Linear(linear, average)  # type: ignore[return-value]
