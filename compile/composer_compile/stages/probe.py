"""Finding out what a stage gives: its outputs at a few sizes, on tensors without data, show how they depend on them.

What the type of a port says of an output's sizes is held against the samples. Sizes that no type speaks of, such as
those of a decoder's cache, are found from them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from composer.graph import Range
from composer.types import Dim
from composer_compile.errors import CompileError
from composer_compile.stages.modules import Outcome, StageModule, StepModule
from composer_compile.tensors.forms import form_from_quotient, form_from_samples
from composer_compile.tensors.specs import TensorSpec, quotients_in

__all__ = ["probe"]


@dataclass(frozen=True)
class _Samples:
    """The outputs of a stage at several sizes: the first, each free dimension a step larger, and more to check."""

    steps: Mapping[str, int]
    first: tuple[Mapping[str, int], Outcome]
    bumped: Mapping[str, Outcome]
    checks: Sequence[tuple[Mapping[str, int], Outcome]]

    def sizes_of(self, name: str, axis: int) -> list[tuple[Mapping[str, int], int]]:
        """The size of one axis of an output wherever it was looked at."""
        base = self.first[0]
        stepped = [({**base, n: base[n] + self.steps[n]}, outcome) for n, outcome in self.bumped.items()]
        every = (self.first, *stepped, *self.checks)
        return [(sizes, outcome.tensors[name].shape[axis]) for sizes, outcome in every]


def probe(
    stage: StageModule | StepModule,
    inputs: Sequence[TensorSpec],
    ranges: Mapping[str, Range],
    declared: Mapping[str, tuple[Dim, ...]],
) -> tuple[Outcome, tuple[TensorSpec, ...]]:
    """One outcome (tensors without data), and the outputs with their sizes as forms over the free dimensions.

    `declared` holds what port types say of tensors in the stage, by name.

    Raises:
        CompileError: the stage cannot run without data, an output is not of the declared size, or a size that nothing
            declares is not a sum over free dimensions.
    """
    quotients = quotients_in((*(spec.dims for spec in inputs), *declared.values()))
    samples = _samples(stage, inputs, ranges, quotients)
    outputs = []
    for name, tensor in samples.first[1].tensors.items():
        known = declared.get(name, ())
        dims = []
        for axis in range(tensor.dim()):
            form = (
                known[axis]
                if len(known) == tensor.dim() and ranges.keys() >= {*known[axis].symbols}
                else None
            )
            dims.append(_form(samples, name, axis, form, quotients))
        outputs.append(TensorSpec(name, str(tensor.dtype).removeprefix("torch."), tuple(dims)))
    return samples.first[1], tuple(outputs)


def _samples(
    stage: StageModule | StepModule,
    inputs: Sequence[TensorSpec],
    ranges: Mapping[str, Range],
    quotients: Sequence[Dim],
) -> _Samples:
    # Sizes 2 and 3 rather than 1: a size of one could stand for a dimension that is repeated to fit.
    base = {name: _first_size(found) for name, found in ranges.items()}
    # What takes one size alone is also asked at twice that size: it may work in groups.
    steps = {name: base[name] if found.low == found.high > 1 else 1 for name, found in ranges.items()}
    first = _run(stage, inputs, base)
    bumped = {name: _run(stage, inputs, {**base, name: base[name] + steps[name]}) for name in base}
    checks = [(sizes, _run(stage, inputs, sizes)) for sizes in _check_sizes(base, steps, ranges, quotients)]
    return _Samples(steps, (base, first), bumped, checks)


def _check_sizes(
    base: Mapping[str, int],
    steps: Mapping[str, int],
    ranges: Mapping[str, Range],
    quotients: Sequence[Dim],
) -> list[dict[str, int]]:
    """All a step larger; all largest, where a quotient is not what a sum is; and both sides of a quotient's step."""
    if not base:
        return []
    chosen = [
        {name: size + steps[name] for name, size in base.items()},
        {name: max(ranges[name].high, size + steps[name]) for name, size in base.items()},
    ]
    for form in quotients:
        for name in form.symbols:
            if name not in base:
                continue
            sizes = range(base[name], ranges[name].high + 1)
            at: dict[str, int] = {**dict.fromkeys(form.symbols, 1), **base}
            same = bisect_right(sizes, form.at(at), key=lambda size: form.at({**at, name: size}))
            chosen += [{**base, name: size} for size in sizes[max(same - 1, 0) : same + 1]]
    return [sizes for position, sizes in enumerate(chosen) if sizes not in chosen[:position]]


def _form(samples: _Samples, name: str, axis: int, declared: Dim | None, quotients: Sequence[Dim]) -> Dim:
    found = samples.sizes_of(name, axis)
    if declared is not None:
        wrong = next(((sizes, size) for sizes, size in found if declared.at(sizes) != size), None)
        if wrong is None:
            return declared
        raise CompileError(
            f"dimension {axis} of {name} is {wrong[1]} at {_text(wrong[0])}, and its declared size {declared} is "
            f"{declared.at(wrong[0])} there: the signature of its module does not say what the module gives"
        )
    base, outcome = samples.first
    bumped = {n: each.tensors[name].shape[axis] for n, each in samples.bumped.items()}
    forms = [form_from_samples(base, outcome.tensors[name].shape[axis], bumped, samples.steps)]
    forms += [form for each in quotients if (form := form_from_quotient(each, found)) is not None]
    for form in forms:
        if all(form.at(sizes) == size for sizes, size in found):
            return form
    raise CompileError(
        f"the size of {name} is neither a sum over the free dimensions nor a quotient that a signature declares, so "
        f"it has no range: declare it, such as `N // 2 + 1`, or give all but one of {', '.join(base)} a single size "
        "(`--range name=8..8`)"
    )


def _text(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name}={size}" for name, size in sizes.items()) or "its only size"


def _first_size(found: Range) -> int:
    if found.low == found.high:
        return max(found.low, 2)
    return min(max(found.low, 2), found.high - 1)


def _run(stage: StageModule | StepModule, inputs: Sequence[TensorSpec], sizes: Mapping[str, int]) -> Outcome:
    device = next((parameter.device for parameter in stage.parameters()), torch.device("cpu"))
    try:
        with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True):
            return stage.outcome(*(spec.empty(sizes, device) for spec in inputs))
    except CompileError:
        raise
    except Exception as error:  # a module is foreign code, run on tensors without data
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        nodes = ", ".join(_nodes_in(stage))
        raise CompileError(
            f"a stage ({nodes}) cannot be compiled, because it does not run on tensors without data at "
            f"{_text(sizes)}: what it does depends on their data, or it takes other sizes only ({reason})"
        ) from error


def _nodes_in(stage: StageModule | StepModule) -> Sequence[str]:
    if isinstance(stage, StepModule):
        return (stage.node,)
    return (*(step.name for step in stage.program.plan.steps), *stage.starts)
