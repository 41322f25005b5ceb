"""Reading the published Keras weight files of SOFTNet and MEAN: HDF5 as `save_weights` wrote it, treated as hostile.

A file lists its layers (`layer_names`) and, for each, its weights (`weight_names`). Read are real numbers of the
expected shapes that lie in the file itself: no link, no external storage, no objects, nothing larger than the network.
The layers must be those of the network and no others, in the order in which the file lists them, and their numbered
names (`conv2d`, `conv2d_1`, ...) must count upwards: the streams of u and v have the same shapes, and only the order
tells them apart (specs/mean-softnet.md §5.1-5.3, §5.5).

The arrays come back as PyTorch has them, by the names of `mer.models.mean_softnet_network`: kernels (out, in, h, w),
dense kernels (out, in) for features that are flattened channel by channel, where Keras flattens height, width, channel.
Neither PyTorch nor Keras is needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from mer.core.errors import ModelError
from mer.core.seal import why_unreadable

LARGEST = 16 << 20
MOST_NAMES, LONGEST_NAME = 200, 200
BASES = {
    "convolution": ("kernel", "bias"),
    "normalisation": ("gamma", "beta", "moving_mean", "moving_variance"),
    "dense": ("kernel", "bias"),
}
KERAS_NAMES = {"convolution": "conv2d", "normalisation": "batch_normalization", "dense": "dense"}
# What a damaged or hostile file makes h5py raise.
UNREADABLE = (OSError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, UnicodeError, MemoryError)
SIDE = 7


@dataclass(frozen=True)
class Network:
    """What a file of a network holds.

    Attributes:
        said: the network in words.
        convolutions: shape of each kernel in Keras' order (h, w, in, out), and the name it is given here.
        norms: channels of each batch normalisation, and its name.
        dense: outputs of each dense layer, and its name; 0 for the number of classes. The first one reads 7 × 7 maps.
        last: name of the last layer in the file; '' for any.
    """

    said: str
    convolutions: tuple[tuple[tuple[int, int, int, int], str], ...]
    norms: tuple[tuple[int, str], ...]
    dense: tuple[tuple[int, str], ...]
    last: str = ""


def _streams(filters: tuple[int, ...], name: str) -> tuple[tuple[tuple[int, int, int, int], str], ...]:
    return tuple(((5, 5, 1, count), f"{name}.{i}") for i, count in enumerate(filters))


def _mean(said: str, head: str, outputs: int) -> Network:
    streams, norms = _streams((3, 3, 8), "trunk.convs"), tuple((n, f"trunk.norms.{i}") for i, n in enumerate((3, 3, 8)))
    return Network(said, (*streams, ((5, 5, 14, 8), f"{head}.conv")), norms, ((outputs, f"{head}.out"),), head)


NETWORKS = {
    "softnet": Network("SOFTNet", _streams((3, 5, 8), "streams"), (), ((400, "hidden"), (1, "spot"))),
    "spot": _mean("MEAN's spotting network", "spot", 1),
    "recog": _mean("MEAN's recognition network", "recog", 0),
}


def read_keras(path: str | Path, network: str, classes: int = 0) -> dict[str, np.ndarray]:
    """Return the arrays of a published file, float32, by the names of `mer.models.mean_softnet_network`.

    Args:
        path: an HDF5 file of `save_weights`, or of `save`, of whose other contents nothing is looked at.
        network: `softnet`, `spot` or `recog`.
        classes: C of a recognition network.

    Raises:
        ModelError: the file is missing, too large, damaged, holds links or objects, or is not exactly this network.
    """
    path, wanted = Path(path), NETWORKS[network]
    if not path.is_file():
        raise ModelError(path, "weight file not found", "a Keras file of the release", "check the path")
    if (size := path.stat().st_size) > LARGEST:
        raise ModelError(path, f"weight file of {size} bytes", f"at most {LARGEST} bytes for {wanted.said}")
    try:
        with h5py.File(path, "r") as file:
            layers = _layers(path, _weights_of(path, file))
            _require_layers(path, layers, wanted)
            return dict(_arrays(path, layers, wanted, classes))
    except UNREADABLE as error:
        if isinstance(error, OSError) and error.errno:
            found, remedy = why_unreadable(error)
            raise ModelError(path, f"weight file {found}", remedy=remedy) from error
        expected = "HDF5 as Keras' save_weights writes it"
        raise ModelError(path, "weight file cannot be read", expected, "get it again") from error


@dataclass(frozen=True)
class _Layer:
    name: str
    kind: str
    weights: dict[str, h5py.Dataset]


def _weights_of(path: Path, file: h5py.File) -> h5py.Group:
    """Return the group of the layers: the file itself, or `model_weights` of a whole model."""
    if "model_weights" not in file:
        return file
    return _member(path, file, "model_weights", h5py.Group)


def _member(path: Path, group: h5py.Group, name: str, kind: type) -> h5py.Group:
    """Return what lies at `name`, step by step through hard links only."""
    here = group
    for step in name.split("/"):
        link = here.get(step, getlink=True) if isinstance(here, h5py.Group) and step not in ("", ".", "..") else None
        if not isinstance(link, h5py.HardLink):
            found = "missing" if link is None else f"a {type(link).__name__}"
            raise ModelError(path, f"{name} is {found}", "data in the file itself", "get it again")
        here = here[step]
    if not isinstance(here, kind):
        raise ModelError(path, f"{name} is a {type(here).__name__}", f"a {kind.__name__}", "get it again")
    return here


def _names(path: Path, group: h5py.Group, key: str) -> list[str]:
    """Return a list of names from an attribute, without reading more than such a list can be."""
    if key not in group.attrs:
        raise ModelError(path, f"has no {key}", "HDF5 as Keras' save_weights writes it", "get it again")
    told = group.attrs.get_id(key)
    text = h5py.check_string_dtype(told.dtype)
    if len(told.shape) != 1 or told.shape[0] > MOST_NAMES or (told.shape[0] and text is None):
        raise ModelError(path, f"{key} is {told.dtype} {told.shape}", f"at most {MOST_NAMES} names", "get it again")
    if text is not None and text.length is not None and text.length > LONGEST_NAME:
        raise ModelError(path, f"{key} has names of {text.length} bytes", f"at most {LONGEST_NAME}", "get it again")
    values = [value.decode() if isinstance(value, bytes) else str(value) for value in group.attrs[key]]
    if len(set(values)) < len(values):
        raise ModelError(path, f"{key} names a layer or weight twice", "each once", "get it again")
    return values


def _layers(path: Path, group: h5py.Group) -> list[_Layer]:
    """Return the layers that have weights, in the order of the file."""
    named = _names(path, group, "layer_names")
    foreign = sorted(set(group) - set(named) - {"top_level_model_weights"})
    if foreign:
        raise ModelError(path, f"has an extra layer {foreign[0]!r}", "the layers that it lists", "get it again")
    layers = []
    for name in named:
        inside = _member(path, group, name, h5py.Group)
        weights: dict[str, h5py.Dataset] = {}
        for weight in _names(path, inside, "weight_names"):
            weights[weight.rpartition("/")[2].partition(":")[0]] = _member(path, inside, weight, h5py.Dataset)
        if weights:
            layers.append(_Layer(name, _kind(path, name, weights), weights))
    return layers


def _kind(path: Path, name: str, weights: dict[str, h5py.Dataset]) -> str:
    if set(weights) == set(BASES["normalisation"]):
        return "normalisation"
    if set(weights) == set(BASES["dense"]) and weights["kernel"].ndim in (2, 4):
        return "dense" if weights["kernel"].ndim == 2 else "convolution"
    raise ModelError(path, f"layer {name} holds {', '.join(sorted(weights))}", "a layer of SOFTNet or MEAN")


def _require_layers(path: Path, layers: Sequence[_Layer], wanted: Network) -> None:
    """Refuse a file with more or fewer layers of a kind, or in another order than their names count."""
    lengths = {"convolution": wanted.convolutions, "normalisation": wanted.norms, "dense": wanted.dense}
    heads = {layer.name for layer in layers if layer.kind == "dense"}
    if {"spot", "recog"} <= heads:
        raise ModelError(path, "holds both heads", f"{wanted.said} alone", "name the file of the folder spot or recog")
    last = layers[-1].name if layers else "none"
    if wanted.last and last != wanted.last:
        raise ModelError(path, f"ends in layer {last!r}", f"{wanted.last!r}, as {wanted.said} does")
    for kind, expected in lengths.items():
        names = [layer.name for layer in layers if layer.kind == kind]
        if len(names) != len(expected):
            lacks = "lacks" if len(names) < len(expected) else "has too many"
            found = f"{lacks} layers: {len(names)} of kind {kind} ({', '.join(names) or 'none'})"
            raise ModelError(path, found, f"{len(expected)} in {wanted.said}", "name the file of that network")
        _require_order(path, kind, [name for name in names if name != wanted.last])


def _require_order(path: Path, kind: str, names: Sequence[str]) -> None:
    """Refuse layers that have other names than Keras gives, or whose numbers do not count upwards."""
    parts = [re.fullmatch(rf"({KERAS_NAMES[kind]}\w*?)(?:_(\d+))?", name) for name in names]
    stems = {part[1] for part in parts if part}
    numbers = [int(part[2] or 0) for part in parts if part]
    if None in parts or len(stems) > 1 or numbers != sorted(set(numbers)):
        expected = f"{KERAS_NAMES[kind]}, counting upwards"
        raise ModelError(path, f"layers {', '.join(names)}", expected, "their streams cannot be told apart")


def _arrays(path: Path, layers: Sequence[_Layer], wanted: Network, classes: int) -> Iterator[tuple[str, np.ndarray]]:
    of = {kind: [layer for layer in layers if layer.kind == kind] for kind in BASES}
    for layer, (shape, name) in zip(of["convolution"], wanted.convolutions, strict=True):
        kernel = _values(path, layer, "kernel", shape)
        yield f"{name}.weight", np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
        yield f"{name}.bias", _values(path, layer, "bias", shape[-1:])
    for layer, (channels, name) in zip(of["normalisation"], wanted.norms, strict=True):
        renamed = zip(BASES["normalisation"], ("weight", "bias", "running_mean", "running_var"), strict=True)
        for theirs, ours in renamed:
            yield f"{name}.{ours}", _values(path, layer, theirs, (channels,))
        if (layer.weights["moving_variance"][()] < 0).any():
            raise ModelError(path, f"{layer.name}/moving_variance has negative values", "variances", "get it again")
        yield f"{name}.num_batches_tracked", np.zeros((), np.int64)
    maps = wanted.convolutions[-1][0][-1] if wanted.norms else sum(one[0][-1] for one in wanted.convolutions)
    width = SIDE * SIDE * maps
    for number, (layer, (outputs, name)) in enumerate(zip(of["dense"], wanted.dense, strict=True)):
        outputs = outputs or classes
        kernel = _values(path, layer, "kernel", (width, outputs))
        if number == 0:
            kernel = kernel.reshape(SIDE, SIDE, maps, outputs).transpose(2, 0, 1, 3).reshape(width, outputs)
        yield f"{name}.weight", np.ascontiguousarray(kernel.T)
        yield f"{name}.bias", _values(path, layer, "bias", (outputs,))
        width = outputs


def _values(path: Path, layer: _Layer, weight: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return one array after checking, before it is read, that it is numbers of this shape kept in the file."""
    held = layer.weights[weight]
    where = f"{layer.name}/{weight}"
    if held.dtype.kind != "f" or held.dtype.itemsize not in (2, 4, 8):
        raise ModelError(path, f"{where} holds {held.dtype}", "floating-point numbers")
    if held.external or held.is_virtual:
        raise ModelError(path, f"{where} lies in another file", "data in the file itself", "get it again")
    if tuple(held.shape) != tuple(shape):
        raise ModelError(path, f"{where} has shape {tuple(held.shape)}", f"{tuple(shape)}", "name the right file")
    values = np.asarray(held[()], np.float32)
    if not np.isfinite(values).all():
        raise ModelError(path, f"{where} has values that are not finite", "finite numbers", "get it again")
    return values
