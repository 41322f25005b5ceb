"""Which release of IFNet a weight file holds, and the network with these weights.

A file is recognised by the inputs of its first convolution and by the parts it has (specs/aman-magnet-rife.md C.5).
Then every tensor must be there with its shape: no weight is ever left at its random start. Only the block that training
alone used may be absent, as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from mer.core.device import require_device
from mer.core.errors import ModelError
from mer.networks.ifnet_m import IFNetM
from mer.networks.ifnet_small import IFNetSmall
from mer.networks.ifnet_v36 import IFNetV36
from mer.networks.ifnet_v46 import IFNetV46
from mer.weights.read import check, tensors

VARIANTS = ("small", "v3.6", "paper", "m", "v4.6")
#: Variants that take the time; the others make the middle frame only.
TIMED = {"small", "m", "v4.6"}
TRAINING_ONLY = "block_tea."
FIRST = "block0.conv0.0.0.weight"
#: A file larger than this holds none of these networks.
LARGEST = 1 << 28


def build(variant: str) -> nn.Module:
    """Return an untrained network of one of `VARIANTS`."""
    if variant == "paper":
        return IFNetM(timed=False)
    classes: dict[str, type[nn.Module]] = {"small": IFNetSmall, "v3.6": IFNetV36, "m": IFNetM, "v4.6": IFNetV46}
    return classes[variant]()


def recognise(path: str | Path, held: Mapping[str, Tensor]) -> str:
    """Return the variant that a file's tensors belong to.

    Raises:
        ModelError: they belong to none of `VARIANTS`.
    """
    if "stem.0.weight" in held and FIRST not in held:
        return "small"
    inputs = held[FIRST].shape[1] if FIRST in held and held[FIRST].ndim == 4 else 0
    refined = any(name.startswith("unet.") for name in held)
    if refined and inputs in (6, 7):
        return "m" if inputs == 7 else "paper"
    if inputs == 11 and "block0.conv1.2.weight" in held:
        return "v3.6"
    if inputs == 7 and "block0.convblock.0.beta" in held:
        return "v4.6"
    found = f"a first convolution of {inputs} inputs" if inputs else f"no tensor {FIRST}"
    expected = "weights of RIFE 3.6, RIFE, RIFE_m, RIFE 4.6 or of ifnet_small"
    raise ModelError(path, f"is no known release of IFNet ({found})", expected, "see docs/weights.md")


def load(path: str | Path, device: str = "cpu") -> tuple[str, nn.Module]:
    """Return the variant and the network with the weights of a file, in evaluation mode on a device.

    Raises:
        ModelError: the file is unreadable, of an unknown release, partial, of other shapes, or not finite; or the
            device is not there.
    """
    require_device(device, ModelError)
    held = tensors(path, LARGEST)
    variant = recognise(path, held)
    network = build(variant)
    if not any(name.startswith(TRAINING_ONLY) for name in held) and hasattr(network, "block_tea"):
        del network.block_tea
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    network.load_state_dict(check(path, held, expected))
    return variant, network.eval().requires_grad_(False).to(device)
