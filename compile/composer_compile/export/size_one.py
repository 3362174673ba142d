"""Whether the graph of a stage, which was traced at sizes of 2 and more, also says what the stage does at 1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

from composer.graph import Range
from composer_compile.errors import SpecialSizeError
from composer_compile.tensors.differences import is_same
from composer_compile.tensors.random_tensors import random_inputs
from composer_compile.tensors.specs import ProgramSpec

__all__ = ["check_at_one"]


def check_at_one(
    exported: ExportedProgram,
    spec: ProgramSpec,
    ranges: Mapping[str, Range],
    sizes: Mapping[str, int],
    weights: Sequence[Tensor],
) -> None:
    """Run graph and stage with each free dimension at 1 that may be, and with all of them, the others at `sizes`.

    So with every quotient that may be 1, at its smallest.

    `weights` are what the graph takes as inputs before those of a request.

    Raises:
        SpecialSizeError: they differ in shape or value, or one of them does not run.
    """
    ends = {name: (found.low, found.high) for name, found in ranges.items()}
    special: list[tuple[str, ...]] = [(name,) for name, (low, high) in ends.items() if low == 1 < high]
    special += [form.symbols for form in spec.from_one(ranges)]
    chosen = [{**sizes, **_lowest(names, ends)} for names in dict.fromkeys(special)]
    if len(chosen) > 1:
        chosen.append({**sizes, **_lowest({name for names in special for name in names}, ends)})
    device = next((parameter.device for parameter in spec.module.parameters()), torch.device("cpu"))
    for each in chosen:
        generator = torch.Generator().manual_seed(0)
        inputs = random_inputs(spec.inputs, each, generator, device)
        try:
            with torch.no_grad():
                expected = spec.module(*inputs)
                found = exported.graph_module(*_arguments(exported, [*weights, *inputs]))
        except Exception as error:  # an operation that takes no size of 1, or no such numbers on this device
            raise SpecialSizeError(
                f"stage {spec.name} cannot be compared at {_text(each)}: {error}"
            ) from error
        if not all(is_same(ours, theirs) for ours, theirs in zip(found, expected, strict=True)):
            raise SpecialSizeError(f"stage {spec.name} gives something else at {_text(each)}")


def _lowest(names: Iterable[str], ends: Mapping[str, tuple[int, int]]) -> dict[str, int]:
    return {name: ends[name][0] for name in names if name in ends}


def _arguments(exported: ExportedProgram, given: Sequence[Tensor]) -> list[Tensor]:
    """What the bare graph takes: the program's own tensors, and what a caller gives."""
    held = {**exported.state_dict, **exported.constants}
    feed = iter(given)
    return [
        next(feed) if each.kind == InputKind.USER_INPUT else held[str(each.target)]
        for each in exported.graph_signature.input_specs
    ]


def _text(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name}={size}" for name, size in sizes.items())
