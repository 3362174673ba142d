"""The promise that a module computes where its inputs are, and in their number format: no constant stays behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.utils._pytree import tree_map_only

from composer.conformance.cases import MethodCase
from composer.conformance.report import Failure
from composer.conformance.sample_inputs import make_inputs
from composer.conformance.symbol_sizes import bindings
from composer.plugin.asking import place_of_fault
from composer.types import Port

__all__ = ["check_device", "check_half_precision"]

ELSEWHERE = torch.device("cuda")
"""Where the module is pretended to be: its tensors have no values, so that no such device is needed."""
APART = ("two different devices", "on the same device", "Expected all tensors to be on", "same device")
"""What torch says where tensors of two devices meet."""
UNLIKE = ("same dtype", "dtype mismatch", "expected scalar type", "should be the same", "same type")
"""What torch says where two number formats meet in an operation that takes one."""
_DEVICES = (
    "on another device it mixes tensors of two devices",
    ": register its constants with `register_buffer`, or make them with `device=` of an input",
)
_FORMATS = (
    "in bfloat16 it mixes number formats",
    ": register its constants with `register_buffer`, or bring them to the `dtype` of an input",
)


def check_device(case: MethodCase) -> str:
    """Run with its weights and inputs on another device. What needs values cannot be tried, and is passed over."""
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        outputs = _run(case, partial(_elsewhere, mode), APART, _DEVICES)
    for name, value in outputs.items():
        _hold_device(name, value, case.signature.outputs[name])
    return ""


def check_half_precision(case: MethodCase) -> str:
    """Run with its weights and inputs in bfloat16, as documents are loaded with `dtype: bfloat16`."""
    outputs = _run(case, _half, UNLIKE, _FORMATS)
    for name, value in outputs.items():
        for tensor in value if isinstance(value, tuple) else (value,):
            if isinstance(tensor, Tensor) and tensor.dtype == torch.float64:
                raise Failure(
                    f"in bfloat16 it gives {name} in float64: give its constants the dtype of an input"
                )
    return ""


def _elsewhere(mode: FakeTensorMode, tensor: Tensor) -> Tensor:
    fake: Tensor = mode.from_tensor(tensor.detach())
    return fake.to(ELSEWHERE)


def _half(tensor: Tensor) -> Tensor:
    return tensor.to(torch.bfloat16) if tensor.is_floating_point() else tensor


@torch.no_grad()
def _run(
    case: MethodCase, change: Callable[[Tensor], Tensor], faults: Sequence[str], told: tuple[str, str]
) -> Mapping[str, object]:
    """The outputs with changed weights and inputs; none where it fails for another reason than these faults."""
    module = case.build.module
    sizes = bindings(case.signature, case.partition, 1)[0]
    inputs = make_inputs(case.signature, case.kinds, sizes, partition=case.partition)
    try:
        with _in_place_of_weights(module, change):
            return case.run(tree_map_only(Tensor, change, inputs), module)
    except Exception as error:  # what the method raises, and what a tensor without values cannot do
        if not any(text in str(error) for text in faults):
            return {}
        where = place_of_fault(error)
        raise Failure(told[0] + (f" at {where}" if where else "") + told[1]) from None


@contextmanager
def _in_place_of_weights(module: nn.Module, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Put something else into the place of every weight, one thing where they are tied, and put all back."""
    held = [
        (table, name, tensor)
        for part in module.modules()
        for table in (part._parameters, part._buffers)
        for name, tensor in table.items()
        if tensor is not None
    ]
    changed = {id(tensor): change(tensor) for _, _, tensor in held}
    try:
        for table, name, tensor in held:
            table[name] = changed[id(tensor)]  # type: ignore[assignment]
        yield
    finally:
        for table, name, tensor in held:
            table[name] = tensor  # type: ignore[assignment]


def _hold_device(name: str, value: object, port: Port) -> None:
    tensors = value if isinstance(value, tuple) else (value,)
    for tensor in tensors:
        if isinstance(tensor, Tensor) and tensor.device.type != ELSEWHERE.type:
            raise Failure(
                f"on another device it gives {name} on the {tensor.device.type}: make {port.type} with `device=` "
                "of an input"
            )
