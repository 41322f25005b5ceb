"""Adam for networks so small that torch's takes longer than their arithmetic: one compiled pass over all weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

from mer.models.compiled.jit import compiled

BETAS = (0.9, 0.999)
_KEPT = ("exp_avg", "exp_avg_sq")


@compiled
def _moved(weights: Any, slopes: Any, mean: Any, square: Any, numbers: Any) -> None:
    """Take one step: (n,) float32 each, all but `slopes` changed; numbers are rate, decay, eps and which step."""
    rate, decay, eps, steps = numbers
    keep, keep_square = np.float32(BETAS[0]), np.float32(BETAS[1])
    size = np.float32(rate / (1 - BETAS[0] ** steps))
    root, decay, eps = np.float32(1 / np.sqrt(1 - BETAS[1] ** steps)), np.float32(decay), np.float32(eps)
    for i in range(len(weights)):
        slope = slopes[i] + decay * weights[i]
        mean[i] = keep * mean[i] + (np.float32(1) - keep) * slope
        square[i] = keep_square * square[i] + (np.float32(1) - keep_square) * slope * slope
        weights[i] -= size * mean[i] / (np.sqrt(square[i]) * root + eps)


class Adam:
    """As `torch.optim.Adam`, its state included, for float32 weights on a CPU that all have gradients.

    Args:
        weights: the parameters.
        lr: learning rate; `param_groups[0]["lr"]` changes it.
        eps: added to the root.
        weight_decay: times the weight is added to its gradient.
    """

    def __init__(
        self, weights: Iterable[torch.Tensor], lr: float, *, eps: float = 1e-8, weight_decay: float = 0.0
    ) -> None:
        self._weights = list(weights)
        self.param_groups: list[dict[str, Any]] = [
            {"params": self._weights, "lr": lr, "betas": BETAS, "eps": eps, "weight_decay": weight_decay}
        ]
        self._ends = np.cumsum([weight.numel() for weight in self._weights])
        self._kept = {name: np.zeros(self._ends[-1], np.float32) for name in _KEPT}
        self._steps = 0

    def step(self) -> None:
        """Move the weights by their gradients."""
        self._steps += 1
        group, weights = self.param_groups[0], [weight.detach().numpy() for weight in self._weights]
        flat = np.concatenate([weight.ravel() for weight in weights])
        slopes = np.concatenate([_slope(weight).ravel() for weight in self._weights])
        numbers = float(group["lr"]), float(group["weight_decay"]), float(group["eps"]), float(self._steps)
        _moved(flat, slopes, *self._kept.values(), numbers)
        for weight, moved in zip(weights, self._parts(flat), strict=True):
            weight[...] = moved.reshape(weight.shape)

    def _parts(self, flat: np.ndarray) -> list[np.ndarray]:
        return [flat[end - weight.numel() : end] for weight, end in zip(self._weights, self._ends, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """Return the state as torch's Adam has it: tensors by the number of the weight."""
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, flat in self._kept.items() if self._steps else ():
            for number, part in enumerate(self._parts(flat)):
                kept = state.setdefault(number, {"step": torch.tensor(float(self._steps))})
                kept[name] = torch.from_numpy(part.reshape(self._weights[number].shape).copy())
        group = {**self.param_groups[0], "params": list(range(len(self._weights)))}
        return {"state": state, "param_groups": [group]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self.param_groups[0].update({**state_dict["param_groups"][0], "params": self._weights})
        for number, kept in state_dict["state"].items():
            self._steps = int(kept["step"])
            for name, flat in self._kept.items():
                self._parts(flat)[number][:] = kept[name].numpy().ravel()


def _slope(weight: torch.Tensor) -> np.ndarray:
    if weight.grad is None:
        raise ValueError(f"a weight of shape {tuple(weight.shape)} has no gradient")
    return weight.grad.numpy()
