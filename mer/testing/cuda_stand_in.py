"""A CUDA device that is not there: tensors that say `cuda`, hold CPU values, and refuse what a CUDA device refuses.

Code for a GPU can so be run, and its values compared, on a machine without one. Within `stand_in()` a tensor moved or
made on `cuda` is a `CardTensor`. It raises where the device would, or would not repeat itself:

- an operation on tensors of both devices, unless the one of the CPU is a single number or an index;
- `.numpy()`, or NumPy's own reading, before `.cpu()`;
- an operator without a CUDA kernel, by the table that torch was built from;
- while deterministic kernels are asked for, an operator that has none (the documentation of
  `torch.use_deterministic_algorithms`, and 3-D maximum pooling, which has one in recent releases only); attention too
  where torch shall only warn, since it then keeps its faster kernels;
- a recurrent layer under autocast, which cuDNN computes in float16 whatever type is asked for.

What it cannot know: memory, streams, speed, and how kernels of CUDA round. Random numbers come from the CPU's
generator, so that values equal those of a run on the CPU. The modes of torch are a thread's own: code in other threads
is not seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any
from unittest.mock import MagicMock, patch

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map_only

from mer.testing.cuda_rules import ASKING, refuse

CARD = torch.device("cuda", 0)

_RECURRENT = frozenset({"gru", "lstm", "rnn_tanh", "rnn_relu", "gru_cell", "lstm_cell"})
_HOST_ONLY = frozenset({"numpy", "__array__", "from_numpy"})


class CardTensor(torch.Tensor):
    """A tensor on the stand-in; `value` is what it holds."""

    value: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, value: torch.Tensor) -> CardTensor:
        """Wrap a tensor of the CPU; the values are shared."""
        made: CardTensor = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            value.size(),
            strides=value.stride(),
            storage_offset=value.storage_offset(),
            dtype=value.dtype,
            layout=value.layout,
            device=value.device,
            requires_grad=False,
        )
        made.value = value
        return made

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return f"CardTensor({self.value!r})"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run an operator on the values, if a CUDA device could."""
        kwargs = dict(kwargs or {})
        flat = tree_flatten((args, kwargs))[0]
        refuse(func, [(isinstance(one, cls), one) for one in flat if isinstance(one, torch.Tensor)])
        if kwargs.get("device") is not None:
            kwargs["device"] = torch.device("cpu")
        LAUNCHES[func.overloadpacket.__name__] += 1
        bare, named = tree_map_only(CardTensor, lambda one: one.value, (args, kwargs))
        values = func(*bare, **named)
        if _CAPTURING:
            _CAPTURING[-1].take(func, bare, named, values)
        made = tree_map_only(torch.Tensor, CardTensor, values)
        return return_and_correct_aliasing(func, args, kwargs, made)


class _Graph:
    """A CUDA graph: its operators run again on the same memory, as one launch."""

    def __init__(self) -> None:
        self._taken: list[tuple[Any, Any, Any, Any]] = []

    def take(self, func: Any, args: Any, kwargs: Any, values: Any) -> None:
        """Keep an operator, the values that it read and those that it wrote."""
        if func.overloadpacket.__name__ in ASKING:
            raise RuntimeError(f"{func} is not permitted while a graph is captured: it waits for the device")
        self._taken.append((func, args, kwargs, values))

    def replay(self) -> None:
        """Run all again."""
        LAUNCHES["replay"] += 1
        for func, args, kwargs, values in self._taken:
            again = tree_flatten(func(*args, **kwargs))[0]
            for one, other in zip(tree_flatten(values)[0], again, strict=True):
                if isinstance(one, torch.Tensor) and one.data_ptr() != other.data_ptr():
                    one.copy_(other)


_CAPTURING: list[_Graph] = []


@contextmanager
def _captured(graph: _Graph) -> Iterator[None]:
    _CAPTURING.append(graph)
    try:
        yield
    finally:
        _CAPTURING.pop()


# How often every operator ran; a replayed graph is one launch.
LAUNCHES: Counter[str] = Counter()


class _Up(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return CardTensor(x.detach().clone())

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor) -> Any:  # type: ignore[override]
        return slope.value if isinstance(slope, CardTensor) else slope


class _Down(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        assert isinstance(x, CardTensor)
        return x.value.detach().clone()

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor) -> Any:  # type: ignore[override]
        return CardTensor(slope)


def _innermost(x: Any) -> Any:
    while torch._C._functorch.is_functorch_wrapped_tensor(x):
        x = torch._C._functorch.get_unwrapped(x)
    return x


def _on_card(x: Any) -> bool:
    return isinstance(_innermost(x), CardTensor)


def _is_card(device: Any) -> bool:
    if isinstance(device, int) and not isinstance(device, bool):
        return True
    return device is not None and torch.device(device).type == "cuda"


def _moved(x: torch.Tensor, device: Any) -> torch.Tensor:
    if device is None or _is_card(device) == _on_card(x):
        return x
    if _CAPTURING:
        raise RuntimeError("a tensor cannot cross between host and device while a graph is captured")
    return _Up.apply(x) if _is_card(device) else _Down.apply(x)  # type: ignore[no-untyped-call, no-any-return]


def _to(x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    """Return what `Tensor.to` does, across the border too."""
    if args and isinstance(args[0], torch.Tensor):
        args = (_device_of(args[0]), args[0].dtype, *args[1:])
    copy = kwargs.pop("copy", False)
    kwargs.pop("other", None)
    device, dtype, _, layout = torch._C._nn._parse_to(*args, **kwargs)
    shaped: dict[str, Any] = {} if layout is None else {"memory_format": layout}
    return _moved(torch.Tensor.to(x, dtype or x.dtype, copy=copy, **shaped), device)


def _device_of(x: Any) -> torch.device:
    return CARD if _on_card(x) else torch.Tensor.device.__get__(x)  # type: ignore[attr-defined, no-any-return]


class _Mode(TorchFunctionMode):
    """Let tensors be made on, moved to and asked for the stand-in."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        special = _SPECIAL.get(func)
        if special is not None:
            return special(*args, **kwargs)
        name = getattr(func, "__name__", "")
        if name in _HOST_ONLY and args and _on_card(args[0]):
            raise TypeError("can't convert cuda:0 device type tensor to numpy; use Tensor.cpu() first")
        if name in _RECURRENT and torch.is_autocast_enabled("cpu") and any(map(_on_card, args)):
            raise RuntimeError(f"{name} under autocast is computed in float16 by cuDNN, whatever type is asked for")
        device = kwargs.get("device")
        if device is None:
            return func(*args, **kwargs)
        if _is_card(device):
            given = [one for one in tree_flatten(args)[0] if isinstance(one, torch.Tensor)]
            kwargs["device"], wanted = torch.device("cpu"), kwargs.pop("requires_grad", False)
            made = _moved(func(*args, **kwargs), None if any(map(_on_card, given)) else CARD)
            return made.requires_grad_() if wanted else made
        return _moved(func(*args, **kwargs), device)


def _getter(name: str) -> Any:
    return getattr(torch.Tensor, name).__get__


def _new_tensor(x: torch.Tensor, data: Any, dtype: Any = None, device: Any = None, **more: Any) -> torch.Tensor:
    return _moved(torch.tensor(data, dtype=dtype or x.dtype, **more), device or _device_of(x))


def _backward(x: torch.Tensor, *args: Any, **kwargs: Any) -> None:
    # What a layer's own gradient makes on the card is made within this call.
    names = ("gradient", "retain_graph", "create_graph", "inputs")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    with _Mode():
        torch.autograd.backward(x, given.pop("gradient", None), **given)


_SPECIAL: dict[Any, Callable[..., Any]] = {
    _getter("device"): _device_of,
    _getter("is_cuda"): _on_card,
    _getter("is_cpu"): lambda x: not _on_card(x),
    torch.Tensor.get_device: lambda x: 0 if _on_card(x) else -1,
    torch.Tensor.backward: _backward,
    torch.Tensor.new_tensor: _new_tensor,
    torch.Tensor.tolist: lambda x: _moved(x, "cpu").tolist(),
    torch.Tensor.to: _to,
    torch.Tensor.cpu: lambda x, *rest, **more: _moved(x, "cpu"),
    torch.Tensor.cuda: lambda x, *rest, **more: _moved(x, CARD),
    torch.Tensor.record_stream: lambda x, stream: None,
    torch.Tensor.pin_memory: lambda x, *rest, **more: x,
}


class _Generator(torch.Generator):
    """A generator of the CPU, whatever device it is asked for."""

    def __new__(cls, device: Any = "cpu") -> _Generator:
        return super().__new__(cls, "cpu")  # type: ignore[call-arg]


def _inference_mode(mode: bool = True) -> Any:
    return torch.no_grad() if mode else torch.enable_grad()


class _Autocast(torch.autocast):
    """Autocast of `cuda`, which the stand-in's values see as that of the CPU."""

    def __init__(self, device_type: str, *args: Any, **kwargs: Any) -> None:
        super().__init__("cpu" if device_type == "cuda" else device_type, *args, **kwargs)


def _asked_of_the_driver(cards: int, bf16: bool, name: str, capability: tuple[int, int]) -> dict[str, Any]:
    about = {"total_memory": 2**36, "major": capability[0], "minor": capability[1]}
    return {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "init": lambda: None,
        "device_count": lambda: cards,
        "current_device": lambda: 0,
        "set_device": lambda device: None,
        "get_device_name": lambda device=None: name,
        "get_device_capability": lambda device=None: capability,
        "is_bf16_supported": lambda including_emulation=True: bf16,
        "synchronize": lambda device=None: None,
        "empty_cache": lambda: None,
        "max_memory_allocated": lambda device=None: 0,
        "memory_allocated": lambda device=None: 0,
        "memory_reserved": lambda device=None: 0,
        "reset_peak_memory_stats": lambda device=None: None,
        "mem_get_info": lambda device=None: (2**35, 2**36),
        "get_rng_state": lambda device="cuda": torch.get_rng_state(),
        "set_rng_state": lambda state, device="cuda": torch.set_rng_state(state),
        "manual_seed_all": lambda seed: None,
        "manual_seed": lambda seed: None,
        "CUDAGraph": _Graph,
        "graph": _captured,
        "Stream": lambda *args, **kwargs: MagicMock(),
        "stream": lambda stream: nullcontext(),
        "current_stream": lambda device=None: MagicMock(),
        "Event": lambda *args, **kwargs: MagicMock(),
        "get_device_properties": lambda device=None: MagicMock(**about),
    }


_APPLY = torch.nn.Module._apply


def _applied(network: torch.nn.Module, *args: Any, **kwargs: Any) -> torch.nn.Module:
    """Let parameters that are moved stay the same objects, as they do between real devices."""
    before = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        return _APPLY(network, *args, **kwargs)
    finally:
        torch.__future__.set_swap_module_params_on_conversion(before)


@contextmanager
def stand_in(
    bf16: bool = True, name: str = "a stand-in", capability: tuple[int, int] = (9, 0), cards: int = 1
) -> Iterator[Counter[str]]:
    """Let `cuda` be the stand-in within the block; yields how often each operator ran on it.

    Args:
        bf16: the card multiplies in bf16.
        name: of the card.
        capability: of the card, as CUDA counts it.
        cards: how many there are; all are the same one.
    """
    LAUNCHES.clear()
    with ExitStack() as stack:
        for key, value in _asked_of_the_driver(cards, bf16, name, capability).items():
            stack.enter_context(patch.object(torch.cuda, key, value))
        stack.enter_context(patch.object(torch, "autocast", _Autocast))
        stack.enter_context(patch.object(torch, "Generator", _Generator))
        # Tensors of inference mode cannot be wrapped.
        stack.enter_context(patch.object(torch, "inference_mode", _inference_mode))
        stack.enter_context(patch.object(torch.backends.cudnn, "is_acceptable", lambda tensor: False))
        if hasattr(torch, "accelerator"):  # a build for CUDA would ask the driver what its optimisers run on
            stack.enter_context(patch.object(torch.accelerator, "current_accelerator", lambda *asked, **more: None))
        stack.enter_context(patch.object(torch.nn.Module, "_apply", _applied))
        stack.enter_context(_Mode())
        yield LAUNCHES
