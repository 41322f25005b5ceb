"""Training of shallow networks on a CPU in compiled loops: the only module of this package that others import.

The plain `torch.nn` network is the definition; what is computed here agrees with it but for rounding
(tests/models/test_compiled.py), in float32 whatever precision is asked for, which is faster there than bf16.
docs/compiled.md says what this gains, for which networks, and how to do without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from mer.models.compiled.adam import Adam
from mer.models.compiled.first import First
from mer.models.compiled.layers import Replaced, replaced
from mer.models.compiled.linear import Linear
from mer.models.compiled.planes import Batch, OutOfRangeError, sizes_of, stored
from mer.models.compiled.second import Second
from mer.models.loop import Loss
from mer.models.objective import Labelled, Objective


@dataclass(frozen=True)
class StepLoss:
    """A loss and the gradients that were found with it, which the loop takes like a scalar tensor."""

    value: float
    parameters: Sequence[torch.Tensor]
    gradients: Sequence[np.ndarray]

    def backward(self) -> None:
        """Give the parameters their gradients."""
        for parameter, gradient in zip(self.parameters, self.gradients, strict=True):
            parameter.grad = torch.from_numpy(gradient)

    def detach(self) -> torch.Tensor:
        """Return the value, float64."""
        return torch.tensor(self.value, dtype=torch.float64)


class Compiled:
    """A training whose layers are compiled, as many of them as can be; otherwise as `mer.models.step.Plain`.

    Where the whole network is, and the objective a cross-entropy, no graph is kept: for networks so small that takes
    longer than their arithmetic.
    """

    rounded = "float32"

    def __init__(self, network: nn.Module, images: torch.Tensor, objective: Objective, layers: Replaced) -> None:
        self._network, self._objective, self._layers = network, objective, layers
        self._images, self._planes = images, None
        if layers.first is not None:
            self._sizes = sizes_of(layers.first.window, *images.shape[2:])
            self._planes = stored(images.numpy(), self._sizes)

    def loss(self, indices: torch.Tensor) -> Loss:
        """Return the loss of the clips `indices` (B,) int64."""
        if self._planes is None:
            return self._objective(self._layers.network(self._images[indices]), indices)
        batch = Batch(self._planes, indices.numpy(), self._sizes)
        if self._layers.whole is not None and isinstance(self._objective, Labelled):
            return _without_graph(self._objective, batch, *self._layers.whole)
        return self._objective(self._layers.network(batch), indices)

    def adam(self, rate: float, eps: float, decay: float) -> Adam:
        """Return Adam over the weights."""
        return Adam(self._network.parameters(), rate, eps=eps, weight_decay=decay)


def _without_graph(objective: Labelled, batch: Batch, first: First, second: Second | None, linear: Linear) -> StepLoss:
    labels = objective.labels[batch.clips]
    weights = objective.factors[labels]
    joined, to_first = first.forward(batch)
    read_last, to_second = second.forward(joined) if second else (joined, None)
    shares = (weights / (weights.sum() if objective.loss.over == "weights" else len(labels))).astype(np.float32)
    loss, (slope, *last) = linear.loss(read_last, labels, shares)
    parameters, gradients = list(linear.parameters), last
    if second and to_second:
        slope, *middle = to_second(slope)
        parameters, gradients = [*second.parameters, *parameters], [*middle, *gradients]
    parameters, gradients = [*first.parameters, *parameters], [*to_first(slope), *gradients]
    places = {id(parameter): place for place, parameter in enumerate(parameters)}
    for name, rate in objective.loss.penalties.items():
        parameter = objective.network.get_parameter(name)
        kernel = parameter.detach().numpy()
        loss += rate * float(np.square(kernel).sum())
        gradients[places[id(parameter)]] += 2 * rate * kernel
    return StepLoss(loss, parameters, gradients)


def compiled_training(network: nn.Module, images: torch.Tensor, objective: Objective) -> Compiled | None:
    """Return the training of a plain network on images (N, C, H, W), or None where none of its layers is compiled."""
    if images.device.type != "cpu" or not hasattr(network, "layers"):
        return None
    try:
        return Compiled(network, images, objective, replaced(network, network.layers(), images))  # type: ignore[operator]
    except OutOfRangeError:
        return None
