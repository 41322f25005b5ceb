"""What a CUDA device refuses of an operator, by the tables of torch itself; see `mer.testing.cuda_stand_in`."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

# Operators that torch refuses while deterministic kernels are asked for; `max_pool3d` in releases before it had one.
_NAMES = """
max_pool3d_with_indices_backward avg_pool3d_backward _adaptive_avg_pool2d_backward _adaptive_avg_pool3d_backward
adaptive_max_pool2d_backward fractional_max_pool2d_backward fractional_max_pool3d_backward max_unpool2d max_unpool3d
upsample_linear1d_backward upsample_bilinear2d_backward _upsample_bilinear2d_aa_backward upsample_bicubic2d_backward
_upsample_bicubic2d_aa_backward upsample_trilinear3d_backward reflection_pad1d_backward reflection_pad2d_backward
reflection_pad3d_backward replication_pad1d_backward replication_pad2d_backward replication_pad3d_backward
grid_sampler_2d_backward grid_sampler_3d_backward _ctc_loss_backward _embedding_bag_dense_backward
nll_loss_forward nll_loss2d_forward put histc bincount kthvalue
"""
UNREPEATABLE = frozenset(_NAMES.split())
# Deterministic for integers.
UNREPEATABLE_OF_FLOATS = frozenset({"cumsum", "cumprod", "median", "nanmedian"})
# What torch chooses for tensors of the CPU before it comes here, in place of CUDA's own attention.
_ATTENTION = ("_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_flash_attention_for_cpu_backward")
# What reads or writes across devices, and what takes an index from the CPU.
_ACROSS, _INDEXED = frozenset({"copy", "_to_copy"}), frozenset({"index", "index_put", "_index_put_impl"})
# What waits for the device, and so cannot be part of a graph.
ASKING = frozenset({"_local_scalar_dense", "nonzero", "masked_select", "equal", "unique", "_unique2"})


def refuse(func: Any, given: Sequence[tuple[bool, torch.Tensor]]) -> None:
    """Raise what a CUDA device would, or the reason why it would not repeat itself.

    Args:
        func: an operator (`torch._ops.OpOverload`).
        given: its tensors, and whether each is on the device.
    """
    name = func.overloadpacket.__name__
    base = name.removesuffix("_") if not name.endswith("__") else name
    others = [one for on_card, one in given if not on_card and one.dim()]
    indices = base in _INDEXED and given[0][0] and not any(one.is_floating_point() for one in others)
    if others and base not in _ACROSS and not indices:
        raise RuntimeError(f"{name}: expected all tensors to be on the same device, found cuda:0 and cpu")
    if func.namespace == "aten" and base not in _ATTENTION and not _has_kernel(func):
        raise NotImplementedError(f"could not run {func} with arguments from the 'CUDA' backend")
    mode = torch.get_deterministic_debug_mode()
    floats = any(one.is_floating_point() for _, one in given)
    if mode and (base in UNREPEATABLE or (base in UNREPEATABLE_OF_FLOATS and floats)):
        raise RuntimeError(f"{name} does not have a deterministic implementation on CUDA")
    if mode == 1 and name == _ATTENTION[1]:
        raise RuntimeError("attention keeps kernels that do not repeat themselves where torch shall only warn of them")


@functools.cache
def _kernels() -> dict[str, tuple[str, str]]:
    """Return, by the name of every operator with its overload, its dispatch keys and whom it delegates to."""
    import torchgen

    table = Path(torchgen.__file__).parent / "packaged" / "ATen" / "native" / "native_functions.yaml"
    found: dict[str, tuple[str, str]] = {}
    name, keys, delegate, inside = "", "", "", False
    for line in table.read_text().splitlines():
        if line.startswith("- func:"):
            name, keys, delegate, inside = line[7:].split("(")[0].strip(), "", "", False
        elif line.strip().startswith("structured_delegate:"):
            delegate, inside = line.split(":", 1)[1].strip(), False
        elif line.strip() == "dispatch:":
            inside = True
        elif inside and line.startswith("    ") and ":" in line:
            keys += " " + line.split(":")[0]
        elif line.startswith("  ") and not line.startswith("    "):
            inside = False
        if name:
            found[name] = (keys, delegate)
    return found


@functools.cache
def _has_kernel(func: Any) -> bool:
    base, overload = func._schema.name.removeprefix("aten::"), func._overloadname
    keys, delegate = _kernels().get(base if overload == "default" else f"{base}.{overload}", ("", ""))
    if delegate:
        keys = _kernels()[delegate][0]
    # Without any key an operator is made of others, or torch makes it from its in-place or functional twin.
    return not keys or "CUDA" in keys or "Composite" in keys
