"""A CUDA device for tests on machines that have none.

Tensors on it lie in main memory and are reckoned with by the processor, but they say that they are on `cuda:0`, and
what a GPU refuses is refused: operations on tensors of both devices, and reading one without copying it back. So what
was left on the wrong device is found anywhere. What only a real one shows (kernels, precision, memory, speed) is not.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensor, fake_tensor
from torch.export.passes import move_to_device_pass
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_flatten, tree_map

from composer.execution import captured

__all__ = ["OnDevice", "captures", "launches", "near", "pretended_cuda", "reads"]

DEVICE = torch.device("cuda", 0)
aten = torch.ops.aten
COPIES = {aten._to_copy.default, aten.copy_.default}
INDEXING = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default}
"""A GPU takes indices from the processor, not the other way round."""
READING = {
    *(aten._local_scalar_dense.default, aten.is_nonzero.default, aten.item.default),
    *(aten.nonzero.default, aten.equal.default, aten.unique_consecutive.default),
}
"""A GPU makes its host wait for the numbers, or for how many there are."""
PLAIN_ATTENTION = 0
"""The way of attention that torch is told to take, which is made of other operations."""


reads: list[str] = []
"""What made the host wait for the device so far, by operation."""
launches: list[str] = []
"""What the host launched on the device so far, by operation; what a graph holds is launched once, by its replay."""
MAKING = {
    aten.empty.memory_format,
    aten.empty_strided.default,
    aten.new_empty.default,
    aten.empty_like.default,
}
"""Nothing runs where memory is only taken."""


class _Graphs:
    """Whether what runs now is part of a graph."""

    inside = False


class OnDevice(Tensor):
    """A tensor that says it is on the device."""

    held: Tensor
    """Its values, in main memory."""

    @staticmethod
    def __new__(cls, held: Tensor) -> OnDevice:
        # As the tensor that it stands for: one of inference mode stays one.
        with torch.inference_mode(held.is_inference()):
            made: OnDevice = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
                cls,
                held.shape,
                strides=held.stride(),
                storage_offset=held.storage_offset(),
                dtype=held.dtype,
                device=DEVICE,
            )
        return made

    def __init__(self, held: Tensor) -> None:
        self.held = held

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _run(func, args, kwargs or {})

    def data_ptr(self) -> int:
        return self.held.data_ptr()

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        made: Tensor = OnDevice(self.held.detach().clone())
        memo[id(self)] = nn.Parameter(made, self.requires_grad) if isinstance(self, nn.Parameter) else made
        return memo[id(self)]

    def numpy(self, *, force: bool = False) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    def tolist(self) -> Any:
        _read("tolist")
        return self.held.tolist()

    def __repr__(self) -> str:  # type: ignore[override]
        return f"OnDevice({self.held})"


class _Everywhere(TorchDispatchMode):
    """So that tensors can be made on the device and copied to it."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.FAKE) is not None:
            return func(*args, **(kwargs or {}))  # tensors without data have devices of their own
        return _run(func, args, kwargs or {})


def _run(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    flat = tree_flatten((args, kwargs))[0]
    ours = [value for value in flat if isinstance(value, OnDevice)]
    others = [value for value in flat if isinstance(value, Tensor) and not isinstance(value, OnDevice)]
    fake = next((value for value in others if isinstance(value, FakeTensor)), None)
    if fake is not None:
        return func(*tree_map(_faking(fake), args), **tree_map(_faking(fake), kwargs))
    if func is aten._has_compatible_shallow_copy_type.default:
        return len(ours) != 1  # a parameter that moves to the device is put there as another one
    _check_devices(func, args, ours, others)
    if func is aten._fused_sdp_choice.default:
        return PLAIN_ATTENTION
    asked = [value for value in flat if isinstance(value, torch.device)]
    if func is aten.copy_.default:
        on_device = isinstance(args[0], OnDevice)
    else:
        on_device = asked[0].type == DEVICE.type if asked else bool(ours)
    if ours and (func in READING or not on_device):
        _read(str(func))
    elif on_device:
        _launched(func, others)
    result = func(*tree_map(near, args), **tree_map(near, kwargs))
    if not on_device:
        return result
    known = {id(tensor.held): tensor for tensor in ours}

    def placed(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        return known[id(value)] if id(value) in known else OnDevice(value)

    return tree_map(placed, result)


def _read(what: str) -> None:
    """A graph cannot hold that the host waits."""
    if _Graphs.inside:
        raise RuntimeError("operation not permitted when stream is capturing")
    reads.append(what)


def _launched(func: Any, others: Sequence[Tensor]) -> None:
    """A graph cannot hold what is copied from the processor, but for numbers that kernels take."""
    copied = func in COPIES or func.overloadpacket is aten.to
    if _Graphs.inside and (others if copied else any(tensor.ndim for tensor in others)):
        raise RuntimeError("operation not permitted when stream is capturing")
    if not (_Graphs.inside or func in MAKING or func.is_view):
        launches.append(str(func))


def _check_devices(func: Any, args: Sequence[Any], ours: Sequence[Tensor], others: Sequence[Tensor]) -> None:
    """A tensor without axes goes anywhere, as on a GPU."""
    if func in COPIES or not ours or not any(tensor.ndim for tensor in others):
        return
    if func in INDEXING and isinstance(args[0], OnDevice):
        return
    raise RuntimeError(
        f"Expected all tensors to be on the same device, but found at least two, {DEVICE} and cpu ({func})"
    )


def _faking(fake: FakeTensor) -> Callable[[Any], Any]:
    def made(value: Any) -> Any:
        if not isinstance(value, OnDevice):
            return value
        with fake.fake_mode:
            return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=DEVICE)

    return made


def near(value: Any) -> Any:
    """The tensor, or device, on the processor that stands behind one of the pretended device."""
    if isinstance(value, OnDevice):
        return value.held
    return torch.device("cpu") if isinstance(value, torch.device) and value.type == DEVICE.type else value


def _export(real: Callable[..., Any]) -> Callable[..., Any]:
    """torch.export on the tensors that stand behind, with the program moved to the device afterwards."""

    def export(module: nn.Module, arguments: Any, **options: Any) -> Any:
        taken: list[tuple[dict[str, Any], str, Any]] = []
        for part in getattr(module, "stage", module).modules():
            for group in (part._parameters, part._buffers):
                for name, tensor in group.items():
                    if isinstance(tensor, OnDevice):
                        taken.append((group, name, tensor))
        try:
            for group, name, tensor in taken:
                is_parameter = isinstance(tensor, nn.Parameter)
                group[name] = nn.Parameter(tensor.held, tensor.requires_grad) if is_parameter else tensor.held
            with _disable_current_modes():
                exported = real(module, tree_map(near, arguments), **options)
        finally:
            for group, name, tensor in taken:
                group[name] = tensor
        if taken:
            exported = move_to_device_pass(exported, str(DEVICE))
            exported.graph_module.recompile()
        return exported

    return export


class _Event:
    """A mark in time; where nothing runs beside the program, the clock's time is the device's."""

    def __init__(self, enable_timing: bool = False) -> None:
        self.at = 0.0

    def record(self) -> None:
        self.at = time.perf_counter()

    def elapsed_time(self, end: _Event) -> float:
        return 1000 * (end.at - self.at)


ANSWERS: dict[str, Any] = {
    "is_available": lambda: True,
    "device_count": lambda: 1,
    "_lazy_init": lambda: None,
    "current_device": lambda: 0,
    "synchronize": lambda device=None: None,
    "get_device_capability": lambda device=None: (9, 0),
    "get_device_properties": lambda device: SimpleNamespace(
        name="pretended", major=9, minor=0, total_memory=1 << 30
    ),
    "reset_peak_memory_stats": lambda device=None: None,
    "max_memory_allocated": lambda device=None: 1,
    "empty_cache": lambda: None,
    "Event": _Event,
    "device": lambda device: contextlib.nullcontext(),
    "is_bf16_supported": lambda including_emulation=True: True,
    "get_rng_state": lambda device="cuda": torch.zeros(1, dtype=torch.uint8),
    "set_rng_state": lambda state, device="cuda": None,
}
"""What torch.cuda says there."""


@contextmanager
def pretended_cuda() -> Iterator[torch.device]:
    """Inside, `cuda` is a device of this machine."""
    lifting = torch._C._only_lift_cpu_tensors()
    with pytest.MonkeyPatch.context() as patch:
        for name, answer in ANSWERS.items():
            patch.setattr(torch.cuda, name, answer)
        patch.setattr(fake_tensor, "init_gpu_context", lambda device: None)
        patch.setattr(torch.__future__, "_overwrite_module_params_on_conversion", True)
        patch.setattr(torch.export, "export", _export(torch.export.export))
        torch._C._ensureCUDADeviceGuardSet()
        torch._C._set_only_lift_cpu_tensors(True)
        try:
            with _Everywhere():
                yield DEVICE
        finally:
            torch._C._set_only_lift_cpu_tensors(lifting)


@contextmanager
def captures() -> Iterator[list[int]]:
    """How often each captured step runs: a graph is its function, and refuses what a graph cannot hold."""
    runs: list[int] = []

    def capture(run: Callable[[], Any], begin: Callable[[], None], device: torch.device) -> Callable[[], Any]:
        begin()
        run()  # warming up: a library may load what it keeps
        begin()
        with _inside_a_graph():
            run()  # what this leaves in the places must not matter
        runs.append(0)
        number = len(runs) - 1

        def replay() -> Any:
            runs[number] += 1
            launches.append("replay")
            with _inside_a_graph():
                return run()

        return replay

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(captured, "capture", capture)
        yield runs


@contextmanager
def _inside_a_graph() -> Iterator[None]:
    _Graphs.inside = True
    try:
        yield
    finally:
        _Graphs.inside = False
