"""Which MagNet a weight file holds, the network with these weights, and what gain to ask of it.

A file belongs to the variant whose tensors it names; then every tensor must be there with its shape
(specs/aman-magnet-rife.md B.3). Our own files carry, in the metadata of safetensors, the factors that were obtained for
those asked (`mer.pretrain.magnet_score`); published files carry none, and are asked for the factor itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from torch import Tensor

from mer.core.device import require_device
from mer.core.errors import ModelError
from mer.networks.magnet import DESIGNS, MagNet
from mer.networks.magnet_small import SmallMagNet
from mer.weights.read import check, tensors

VARIANTS = ("small", *DESIGNS)
#: A file larger than this holds none of these networks.
LARGEST = 1 << 24
CURVE = "calibration"

_ZP7 = {
    "encoder.conv1_text": "encoder.texture_cba",
    "encoder.resblks_text": "encoder.texture_resblks",
    "encoder.conv1_shape": "encoder.motion_cba",
    "encoder.resblks_shape": "encoder.motion_resblks",
    "manipulator.convblks.0.conv1": "manipulator.g",
    "manipulator.convblks_after.0.conv1": "manipulator.h_conv",
    "manipulator.resblks.0": "manipulator.h_resblk",
}


@dataclass(frozen=True)
class Loaded:
    """A network in evaluation mode, its variant, and its curve (K, 2) of factors asked and obtained, or None."""

    variant: str
    network: MagNet | SmallMagNet
    curve: np.ndarray | None

    def asked(self, factor: float, where: object) -> float:
        """Return the gain to ask for so that `factor` is obtained; factors up to 1 and without a curve are asked as is.

        Raises:
            ModelError: the factor is beyond what the curve covers; `where` names the weights.
        """
        if self.curve is None or factor <= 1:
            return factor
        asked, obtained = self.curve.T
        if factor > obtained[-1]:
            expected = f"at most {obtained[-1]:.3g}, up to which these weights were measured"
            raise ModelError(where, f"factor {factor:g}", expected, "use a smaller factor, or method: lagrangian")
        return float(np.interp(factor, obtained, asked))


def load(path: str | Path, device: str = "cpu") -> Loaded:
    """Return what a weight file holds, on a device.

    Raises:
        ModelError: the file is unreadable, of no known variant, partial, of other shapes or not finite; its curve is
            not one; or the device is not there.
    """
    require_device(device, ModelError)
    held = tensors(path, LARGEST)
    variant = recognise(path, held)
    network = build(variant)
    named = check(path, held, {theirs: shape for theirs, (_, shape) in layout(variant).items()})
    network.load_state_dict({ours: named[theirs] for theirs, (ours, _) in layout(variant).items()})
    network.eval().requires_grad_(False).to(device)
    return Loaded(variant, network, curve(path))


def build(variant: str) -> MagNet | SmallMagNet:
    """Return an untrained network of one of `VARIANTS`."""
    return SmallMagNet() if variant == "small" else MagNet(DESIGNS[variant])


@cache
def layout(variant: str) -> Mapping[str, tuple[str, tuple[int, ...]]]:
    """Return, by the name in the variant's files, the name in our network and the shape of every tensor."""
    held = build(variant).state_dict()
    return {_theirs(variant, name): (name, tuple(value.shape)) for name, value in held.items()}


def _theirs(variant: str, name: str) -> str:
    if variant != "zp7":
        return name
    for ours, theirs in _ZP7.items():
        name = name.replace(f"{ours}.", f"{theirs}.")
    return name.replace("conv1.", "cba_1.").replace("conv2.", "cba_2.").replace(".weight", ".conv2d.weight")


def recognise(path: str | Path, held: Mapping[str, Tensor]) -> str:
    """Return the variant that most of a file's tensors belong to.

    Raises:
        ModelError: not even half of the names are those of one variant.
    """
    shared = {variant: len(set(layout(variant)) & set(held)) for variant in VARIANTS}
    best = max(VARIANTS, key=lambda variant: shared[variant])
    if 2 * shared[best] < len(held):
        expected = f"weights of one of: {', '.join(VARIANTS)}"
        raise ModelError(path, f"is no known MagNet (first tensor {min(held)})", expected, "see docs/weights.md")
    return best


def curve(path: str | Path) -> np.ndarray | None:
    """Return the factors asked and obtained (K, 2) float64 that a file carries, both rising from (1, 1), or None.

    Raises:
        ModelError: it carries something else.
    """
    if Path(path).suffix != ".safetensors":
        return None
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "pt") as box:
            text = (box.metadata() or {}).get(CURVE)
    except (SafetensorError, OSError) as error:
        raise ModelError(path, "weight file cannot be read", "safetensors", "get it again") from error
    if text is None:
        return None
    try:
        rows = np.array(json.loads(text), np.float64)
    except (ValueError, TypeError, RecursionError) as error:
        raise ModelError(path, f"metadata {CURVE!r} is not readable", "rows of two numbers in JSON") from error
    rises = rows.ndim == 2 and rows.shape[1] == 2 and len(rows) > 1 and bool((np.diff(rows, axis=0) > 0).all())
    if not (rises and np.isfinite(rows).all() and (rows[0] == 1).all()):
        raise ModelError(
            path, f"metadata {CURVE!r} is no curve", "rows of factors asked and obtained, rising from 1, 1"
        )
    return rows
