"""Finding out what a stage gives: its outputs at a few sizes, on tensors without data, show how they depend on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from composer.graph import Range
from composer.types import Dim
from composer_compile.errors import CompileError
from composer_compile.forms import form_from_samples
from composer_compile.specs import TensorSpec
from composer_compile.stages import DecodeStage, Outcome, TensorStage

__all__ = ["probe"]


def probe(
    stage: TensorStage | DecodeStage, inputs: Sequence[TensorSpec], ranges: Mapping[str, Range]
) -> tuple[Outcome, tuple[TensorSpec, ...]]:
    """One outcome (tensors without data), and the outputs with their sizes as forms over the free dimensions.

    Raises:
        CompileError: the stage cannot run without data, or an output's size is no sum over free dimensions.
    """
    # Sizes 2 and 3 rather than 1: a size of one could stand for a dimension that is repeated to fit.
    base = {name: _first_size(found) for name, found in ranges.items()}
    # What takes one size alone is also asked at twice that size: it may work in groups.
    steps = {name: base[name] if found.low == found.high > 1 else 1 for name, found in ranges.items()}
    first = _run(stage, inputs, base)
    bumped = {name: _run(stage, inputs, {**base, name: base[name] + steps[name]}) for name in base}
    other = {name: size + steps[name] for name, size in base.items()}
    check = _run(stage, inputs, other) if base else first
    outputs = []
    for name, tensor in first.tensors.items():
        dims = tuple(
            form_from_samples(
                base, size, {n: found.tensors[name].shape[axis] for n, found in bumped.items()}, steps
            )
            for axis, size in enumerate(tensor.shape)
        )
        _check_form(name, dims, check.tensors[name].shape, other)
        outputs.append(TensorSpec(name, str(tensor.dtype).removeprefix("torch."), dims))
    return first, tuple(outputs)


def _first_size(found: Range) -> int:
    if found.low == found.high:
        return max(found.low, 2)
    return min(max(found.low, 2), found.high - 1)


def _run(stage: TensorStage | DecodeStage, inputs: Sequence[TensorSpec], sizes: Mapping[str, int]) -> Outcome:
    device = next((parameter.device for parameter in stage.parameters()), torch.device("cpu"))
    try:
        with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True):
            return stage.outcome(*(spec.empty(sizes, device) for spec in inputs))
    except CompileError:
        raise
    except Exception as error:  # a module is foreign code, run on tensors without data
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        at = ", ".join(f"{name}={size}" for name, size in sizes.items()) or "its only size"
        nodes = ", ".join(_nodes_in(stage))
        raise CompileError(
            f"a stage ({nodes}) cannot be compiled, because it does not run on tensors without data at {at}: what it "
            f"does depends on their data, or it takes other sizes only ({reason})"
        ) from error


def _nodes_in(stage: TensorStage | DecodeStage) -> Sequence[str]:
    if isinstance(stage, DecodeStage):
        return (stage.node,)
    return (*(step.name for step in stage.program.plan.steps), *stage.starts)


def _check_form(name: str, dims: tuple[Dim, ...], shape: Sequence[int], sizes: Mapping[str, int]) -> None:
    if tuple(dim.at(sizes) for dim in dims) != tuple(shape):
        raise CompileError(
            f"the size of {name} is no sum over the free dimensions, so it has no range: "
            f"give all but one of {', '.join(sizes)} a single size (`--range name=8..8`)"
        )
