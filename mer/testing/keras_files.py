"""Keras weight files of random values, laid out as `save_weights` lays them out: what tests read in place of published
files, which nobody may pass on.
"""

from __future__ import annotations

import math
from pathlib import Path

import h5py
import numpy as np

Layers = dict[str, dict[str, np.ndarray]]


def layers_of(network: str, classes: int = 3, seed: int = 0, head_seed: int | None = None) -> Layers:
    """Return `{layer: {weight: array}}` in Keras' order and shapes (specs/mean-softnet.md §5.1-5.3).

    Args:
        network: `softnet`, `spot` or `recog`.
        classes: of `recog`.
        seed: of the values; a `recog` and a `spot` of one seed have the same trunk, as in every published fold.
        head_seed: of the head's values when they are to differ from those of `seed`.
    """
    rng = np.random.default_rng(seed)

    def drawn(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) * math.sqrt(2 / max(1, math.prod(shape[:-1])))).astype(np.float32)

    def convolution(*shape: int) -> dict[str, np.ndarray]:
        return {"kernel": drawn(*shape), "bias": drawn(shape[-1])}

    def norm(channels: int) -> dict[str, np.ndarray]:
        around = rng.random((4, channels)).astype(np.float32)
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        return dict(zip(names, (around[0] + 0.5, around[1] - 0.5, around[2] - 0.5, around[3] + 0.2), strict=True))

    if network == "softnet":
        named = {f"conv2d{_number(i)}": convolution(5, 5, 1, filters) for i, filters in enumerate((3, 5, 8))}
        return {**named, "dense": convolution(784, 400), "dense_1": convolution(400, 1)}
    filters = (3, 3, 8)
    layers = {f"conv2d{_number(i)}": convolution(5, 5, 1, count) for i, count in enumerate(filters)}
    layers |= {f"batch_normalization{_number(i)}": norm(count) for i, count in enumerate(filters)}
    rng = np.random.default_rng((seed if head_seed is None else head_seed, network == "recog"))
    layers["conv2d_3" if network == "spot" else "conv2d_4"] = convolution(5, 5, 14, 8)
    layers[network] = convolution(392, 1 if network == "spot" else classes)
    return layers


def _number(i: int) -> str:
    return f"_{i}" if i else ""


def write_layers(path: str | Path, layers: Layers) -> None:
    """Write layers as `save_weights` does, with two layers that have no weights before and behind them."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    whole = {"input_1": {}, **layers, "flatten": {}} if "flatten" not in layers else layers
    ordered = [name for name in whole if name not in ("spot", "recog")]
    ordered += [name for name in ("spot", "recog") if name in whole]
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([name.encode() for name in ordered])
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.4.0"
        for name in ordered:
            group = file.create_group(name)
            weights = [f"{name}/{weight}:0" for weight in whole[name]]
            group.attrs["weight_names"] = np.array([weight.encode() for weight in weights] or [], dtype="S")
            for weight, (_, values) in zip(weights, whole[name].items(), strict=True):
                group.create_dataset(weight, data=values)


def write_keras(path: str | Path, network: str, classes: int = 3, seed: int = 0, head_seed: int | None = None) -> None:
    """Write a file of random values; arguments as `layers_of`."""
    write_layers(path, layers_of(network, classes, seed, head_seed))
